// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/metering_plan.hpp"

#include "probe/packet/packet_parser.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packet_builder.hpp"

using namespace probe;
using namespace probe::test;

namespace {

KeyParts addresses() {
    return KeyParts().add(KeyPart::source_address).add(KeyPart::destination_address);
}

TemplateRequest request(const std::string& filter, KeyParts keys = addresses()) {
    TemplateRequest made;
    made.name = "t";
    made.filter = filter;
    made.keys = keys;
    return made;
}

std::uint8_t chosen(const MeteringPlan& plan, const PacketBuilder& builder) {
    const auto frame = builder.build();
    PacketView view{};
    view.octets = frame.data();
    view.captured_octets = view.frame_octets = static_cast<std::uint32_t>(frame.size());
    PacketHeaders headers{};
    REQUIRE(parse_packet(view, headers) == ParseVerdict::metered);
    return plan.lane(headers.family).select(view, headers);
}

} // namespace

TEST_CASE("the first template whose filter fits takes the packet", "[metering][plan]") {
    const MeteringPlan plan(
        {request("icmp or icmp6"), request("udp port 53"), request("udp"), request("ip")});
    const auto ipv4 = PacketBuilder().ethernet().ipv4();
    CHECK(chosen(plan, PacketBuilder(ipv4).icmp(8, 0)) == 0);
    CHECK(chosen(plan, PacketBuilder(ipv4).udp(1000, 53)) == 1);
    CHECK(chosen(plan, PacketBuilder(ipv4).udp(1000, 54)) == 2);
    CHECK(chosen(plan, PacketBuilder(ipv4).tcp(1000, 53)) == 3);
    const auto ipv6 = PacketBuilder().ethernet().ipv6();
    CHECK(chosen(plan, PacketBuilder(ipv6).icmpv6(128, 0)) == 0);
    CHECK(chosen(plan, PacketBuilder(ipv6).udp(53, 1000)) == 1);
    CHECK(chosen(plan, PacketBuilder(ipv6).udp(54, 1000)) == 2);
    CHECK(chosen(plan, PacketBuilder(ipv6).tcp(1, 2)) == LanePlan::kNoTemplate);
}

TEST_CASE("filters see the IP packet behind whatever framing", "[metering][plan]") {
    const MeteringPlan plan({request("udp port 53")});
    CHECK(chosen(plan, PacketBuilder().ethernet().vlan(5).vlan(6).ipv4().udp(1, 53)) == 0);
    CHECK(chosen(plan, PacketBuilder().ethernet().mpls(1, true).ipv4().udp(1, 54)) ==
          LanePlan::kNoTemplate);
}

TEST_CASE("a template of one family takes no place in the other", "[metering][plan]") {
    TemplateRequest v6 = request("");
    v6.for_ipv4 = false;
    v6.needs.totals[1] = true;
    TemplateRequest v4 = request("");
    v4.for_ipv6 = false;
    const MeteringPlan plan({v6, v4});
    CHECK(plan.lane(IpFamily::ipv4).templates().size() == 1);
    CHECK(plan.lane(IpFamily::ipv4).templates()[0].request == 1);
    CHECK(plan.lane(IpFamily::ipv4).layout().totals[1] == 0);
    CHECK(plan.lane(IpFamily::ipv6).templates()[0].request == 0);
    CHECK(plan.lane(IpFamily::ipv6).layout().totals[1] != 0);

    const MeteringPlan only_v4({v4});
    CHECK_FALSE(only_v4.lane(IpFamily::ipv6).used());
}

TEST_CASE("one wide template makes its family's keys wide", "[metering][plan]") {
    const MeteringPlan narrow({request("")});
    CHECK(narrow.lane(IpFamily::ipv4).key_octets() == 16);
    CHECK(narrow.lane(IpFamily::ipv6).key_octets() == 40);
    const MeteringPlan wide({request("tcp"), request("", addresses().add(KeyPart::ether_type))});
    CHECK(wide.lane(IpFamily::ipv4).wide());
    CHECK(wide.lane(IpFamily::ipv4).key_octets() == 40);
    CHECK(wide.lane(IpFamily::ipv6).key_octets() == 64);
}

TEST_CASE("TCP ends flows only where the key is one connection", "[metering][plan]") {
    KeyParts five =
        addresses().add(KeyPart::protocol).add(KeyPart::source_port).add(KeyPart::destination_port);
    CHECK(MeteringPlan({request("", five)}).lane(IpFamily::ipv4).templates()[0].tcp_end);
    CHECK_FALSE(
        MeteringPlan({request("", addresses())}).lane(IpFamily::ipv4).templates()[0].tcp_end);
}

TEST_CASE("sixteen templates fit a family and seventeen do not", "[metering][plan]") {
    const MeteringPlan plan(std::vector<TemplateRequest>(16, request("tcp")));
    CHECK(plan.lane(IpFamily::ipv4).templates().size() == 16);
    CHECK_THROWS_WITH(
        MeteringPlan(std::vector<TemplateRequest>(17, request("tcp"))),
        "at most 16 templates can share an address family; name fewer template files");
}

TEST_CASE("a biflow's key has both ends or neither", "[metering][plan]") {
    struct Case {
        KeyParts keys;
        const char* message;
    };
    const std::string tail =
        " among its keys, or neither; add the other one or leave out the reverse elements";
    const Case cases[] = {
        {KeyParts().add(KeyPart::source_address), "address"},
        {addresses().add(KeyPart::destination_port), "port"},
        {addresses().add(KeyPart::source_mac), "MAC address"},
    };
    for (const Case& c : cases) {
        TemplateRequest biflow = request("", c.keys);
        CHECK_NOTHROW(MeteringPlan({biflow}));
        biflow.biflow = true;
        CHECK_THROWS_WITH(MeteringPlan({biflow}),
                          "template t: a biflow needs the source and the destination " +
                              std::string(c.message) + tail);
    }
    TemplateRequest protocol_only = request("", KeyParts().add(KeyPart::protocol));
    protocol_only.biflow = true;
    CHECK_NOTHROW(MeteringPlan({protocol_only}));
}
