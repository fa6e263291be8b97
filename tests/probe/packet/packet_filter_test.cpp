// SPDX-License-Identifier: BSD-3-Clause
#include "probe/packet/packet_filter.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/packet_builder.hpp"

namespace probe::test {
namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpv6 = 58;

bool matches(const PacketFilter& filter, const PacketBuilder& packet) {
    const std::vector<std::uint8_t> octets = packet.build();
    return filter.matches(octets, static_cast<std::uint32_t>(octets.size()));
}

std::string refusal(std::string_view expression) {
    try {
        const PacketFilter filter(expression);
    } catch (const FilterError& error) {
        return error.what();
    }
    return "accepted";
}

TEST_CASE("an empty filter matches everything", "[packet][filter]") {
    for (const char* text : {"", "  \n"}) {
        const PacketFilter filter(text);
        CHECK(filter.depends_only_on_family_and_protocol());
        CHECK(filter.matches_family_protocol(IpFamily::ipv6, 200));
        CHECK(matches(filter, PacketBuilder().ipv4().udp(1, 2)));
        CHECK(filter.matches({}, 0));
    }
}

TEST_CASE("filters of family and protocol become a table", "[packet][filter]") {
    struct Row {
        const char* text;
        bool tcp4, udp4, icmp4, tcp6, udp6, icmp6;
    };
    const Row rows[] = {
        {"ip", true, true, true, false, false, false},
        {"ip6", false, false, false, true, true, true},
        {"tcp", true, false, false, true, false, false},
        {"tcp or udp", true, true, false, true, true, false},
        {"ip and not icmp", true, true, false, false, false, false},
        {"icmp6", false, false, false, false, false, true},
        {"ip6 and not icmp6", false, false, false, true, true, false},
        {"not (icmp or icmp6)", true, true, false, true, true, false},
        {"ip proto 17 or ip6 proto 6", false, true, false, true, false, false},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const PacketFilter filter(row.text);
        REQUIRE(filter.depends_only_on_family_and_protocol());
        CHECK(filter.matches_family_protocol(IpFamily::ipv4, kTcp) == row.tcp4);
        CHECK(filter.matches_family_protocol(IpFamily::ipv4, kUdp) == row.udp4);
        CHECK(filter.matches_family_protocol(IpFamily::ipv4, kIcmp) == row.icmp4);
        CHECK(filter.matches_family_protocol(IpFamily::ipv6, kTcp) == row.tcp6);
        CHECK(filter.matches_family_protocol(IpFamily::ipv6, kUdp) == row.udp6);
        CHECK(filter.matches_family_protocol(IpFamily::ipv6, kIcmpv6) == row.icmp6);
    }
}

TEST_CASE("the table and the program agree on plain packets", "[packet][filter]") {
    for (const char* text : {"ip", "tcp", "not icmp6", "ip and not icmp", "ip6 proto 17", "sctp"}) {
        INFO(text);
        const PacketFilter filter(text);
        REQUIRE(filter.depends_only_on_family_and_protocol());
        for (unsigned protocol = 0; protocol < 256; ++protocol) {
            const auto number = static_cast<std::uint8_t>(protocol);
            const bool fragment_header = protocol == 44; // then the program looks further in IPv6
            INFO(protocol);
            CHECK(filter.matches_family_protocol(IpFamily::ipv4, number) ==
                  matches(filter, PacketBuilder().ipv4().protocol(number).payload(40, 0)));
            CHECK((fragment_header ||
                   filter.matches_family_protocol(IpFamily::ipv6, number) ==
                       matches(filter, PacketBuilder().ipv6().protocol(number).payload(40, 0))));
        }
    }
}

TEST_CASE("filters that ask for more are run on the packet", "[packet][filter]") {
    const PacketFilter ports("udp port 53");
    CHECK_FALSE(ports.depends_only_on_family_and_protocol());
    CHECK(matches(ports, PacketBuilder().ipv4().udp(1000, 53)));
    CHECK(matches(ports, PacketBuilder().ipv6().udp(53, 1000)));
    CHECK_FALSE(matches(ports, PacketBuilder().ipv4().udp(1000, 54)));
    CHECK_FALSE(matches(ports, PacketBuilder().ipv4().tcp(1000, 53)));

    const PacketFilter net("src net 192.0.2.0/24");
    CHECK(matches(net, PacketBuilder().ipv4({.source = "192.0.2.77"}).udp(1, 2)));
    CHECK_FALSE(matches(net, PacketBuilder().ipv4({.source = "192.0.3.77"}).udp(1, 2)));

    // Bits beside the version nibble, IPv4's octet 6, and extension headers are not the protocol.
    for (const char* text :
         {"ip[0] & 0xf != 5", "ip[6] & 0x20 != 0", "ip6 proto 44", "len > 100"}) {
        INFO(text);
        CHECK_FALSE(PacketFilter(text).depends_only_on_family_and_protocol());
    }
}

TEST_CASE("length in a filter is the IP length, however little was captured", "[packet][filter]") {
    const PacketFilter filter("greater 1000");
    const std::vector<std::uint8_t> octets = PacketBuilder().ipv4().udp(1, 2).build();
    CHECK(filter.matches(octets, 1400));
    CHECK_FALSE(filter.matches(octets, 999));
}

TEST_CASE("a cut packet does not match what cannot be seen", "[packet][filter]") {
    const PacketFilter filter("udp port 53");
    const std::vector<std::uint8_t> octets = PacketBuilder().ipv4().udp(1000, 53).build();
    for (std::size_t size = 0; size < 24; ++size) {
        const ExactFrame frame(Bytes(octets).first(size));
        const PacketView view = frame.view(LinkType::raw_ip, 28);
        CHECK_FALSE(filter.matches({view.octets, view.captured_octets}, 28));
    }
}

TEST_CASE("a moved filter still filters", "[packet][filter]") {
    PacketFilter first("udp port 53");
    const PacketFilter second(std::move(first));
    CHECK(matches(second, PacketBuilder().ipv4().udp(1000, 53)));
}

TEST_CASE("what is below IP is refused at load", "[packet][filter]") {
    CHECK(refusal("vlan 10 and tcp") ==
          "the filter 'vlan 10 and tcp' asks for 'vlan', but a template's filter sees only the IP "
          "packet; use primitives of IP and above, such as 'ip6 and tcp port 443'");
    for (const char* text : {"ether host 02:00:00:00:00:01", "ether[0] = 1", "mpls", "pppoes",
                             "arp", "ip or rarp", "llc", "inbound"}) {
        INFO(text);
        CHECK(refusal(text).find("sees only the IP packet") != std::string::npos);
    }
}

TEST_CASE("a wrong filter is refused with libpcap's reason", "[packet][filter]") {
    CHECK(refusal("tcp and and") ==
          "the filter 'tcp and and' is not valid pcap-filter text: can't parse filter expression: "
          "syntax error");
    CHECK(refusal("tcp and udp").find("rejects all packets") != std::string::npos);
    CHECK(refusal("ip6 protochain 6").find("loops") != std::string::npos);
    CHECK(refusal(std::string_view("tcp\0", 4)).find("NUL") != std::string::npos);
    CHECK(refusal(std::string(5000, '(')) == "the filter has 5000 octets; the most is 4096");
    CHECK(refusal(std::string(4000, '(')).find("is not valid") != std::string::npos);
    CHECK(refusal("ip") == "accepted");
}

} // namespace
} // namespace probe::test
