// SPDX-License-Identifier: BSD-3-Clause
// Every element that can be metered, from packets through worker and exporter to the second
// decoder.
#include "probe/exporting/encoding_plan.hpp"

#include <cstring>
#include <map>
#include <set>

#include "encoder/information_elements.hpp"
#include "encoder/ntp_time.hpp"
#include "probe/exporting/meterable_elements.hpp"
#include "probe/metering/flow_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

constexpr TimeNs kFirst = kStart + 123'456'789;
constexpr TimeNs kSecondPacket = kFirst + 1'500 * kMs;
constexpr TimeNs kAnswer = kFirst + 2'000'001'000;

/// Two packets there and one back, different in everything that can be told.
struct Conversation {
    IpFamily family;
    bool icmp;

    [[nodiscard]] PacketBuilder packet(bool back, bool second) const {
        PacketBuilder builder;
        builder.ethernet().vlan(back ? 0x2065 : 0x6064, 0x88a8).vlan(back ? 0x40c9 : 0xa0c8);
        builder.mpls(back ? 18 : 17, true);
        const auto tos = static_cast<std::uint8_t>(back ? 0x28 : second ? 0x00 : 0xb8);
        const auto hops = static_cast<std::uint8_t>(back ? 50 : second ? 60 : 61);
        if (family == IpFamily::ipv4) {
            builder.ipv4({.source = back ? "198.51.100.2" : "192.0.2.1",
                          .destination = back ? "192.0.2.1" : "198.51.100.2",
                          .traffic_class = tos,
                          .hop_limit = hops,
                          .dont_fragment = !back && !second});
        } else {
            builder.ipv6({.source = back ? "2001:db8::2" : "2001:db8::1",
                          .destination = back ? "2001:db8::1" : "2001:db8::2",
                          .traffic_class = tos,
                          .hop_limit = hops,
                          .flow_label = back     ? 0x54321U
                                        : second ? 0U
                                                 : 0x12345U});
        }
        const std::uint32_t payload = back ? 40 : second ? 300 : 100;
        if (icmp) {
            const std::uint8_t type =
                family == IpFamily::ipv4 ? (back ? 0 : 8) : (back ? 129 : 128);
            const std::uint8_t code = back ? 2 : second ? 9 : 1;
            return family == IpFamily::ipv4 ? builder.icmp(type, code).payload(payload)
                                            : builder.icmpv6(type, code).payload(payload);
        }
        return (back ? builder.tcp(443, 40'000, 0x12)
                     : builder.tcp(40'000, 443, second ? 0x18 : 0x02))
            .payload(payload);
    }

    [[nodiscard]] std::uint64_t ip_octets(bool back, bool second) const {
        const std::uint64_t header = family == IpFamily::ipv4 ? 20 : 40;
        return header + 20 + (back ? 40 : second ? 300 : 100);
    }
    [[nodiscard]] std::uint64_t frame_octets(bool back, bool second) const {
        return packet(back, second).build().size();
    }

    void play(MeterBench& bench) const {
        bench.packet(kFirst, packet(false, false), 3);
        bench.packet(kSecondPacket, packet(false, true), 3);
        bench.packet(kAnswer, packet(true, false), 4);
        bench.flush();
    }
};

/// The NTP form of RFC 7011 sections 6.1.9 and 6.1.10, back to nanoseconds.
TimeNs instant(std::uint64_t ntp) {
    return ntp_to_ns(ntp);
}

/// What element `id` must say of a conversation, forward or back. Times are given in the element's
/// own form where that is exact.
std::uint64_t expected(std::uint16_t id, const Conversation& c, bool back) {
    const bool v4 = c.family == IpFamily::ipv4;
    const TimeNs start = back ? kAnswer : kFirst;
    const TimeNs end = kAnswer;
    const std::uint64_t octets =
        back ? c.ip_octets(true, false) : c.ip_octets(false, false) + c.ip_octets(false, true);
    const std::uint64_t packets = back ? 1 : 2;
    const std::uint64_t tos = back ? 0x28 : 0xb8;
    const std::uint64_t icmp = (v4 ? (back ? 0 : 8) : (back ? 129 : 128)) << 8 | (back ? 2 : 1);
    switch (id) {
        case 1:
        case 85:
            return octets;
        case 2:
        case 86:
            return packets;
        case 4:
            return 6;
        case 5:
            return tos;
        case 6:
            return back ? 0x12 : 0x1a;
        case 7:
            return 40'000;
        case 11:
            return 443;
        case 10:
            return back ? 4 : 3;
        case 25:
            return back ? c.ip_octets(true, false) : c.ip_octets(false, false);
        case 26:
            return back ? c.ip_octets(true, false) : c.ip_octets(false, true);
        case 31:
            return back ? 0x54321 : 0x12345;
        case 32:
        case 139:
            return icmp;
        case 34:
            return 1;
        case 52:
            return back ? 50 : 60;
        case 53:
            return back ? 50 : 61;
        case 56:
            return 0x020000000001;
        case 80:
            return 0x020000000002;
        case 58:
        case 243:
            return back ? 0x065 : 0x064;
        case 60:
            return v4 ? 4 : 6;
        case 61:
            return 1;
        case 70:
            return (back ? 18U : 17U) << 4 | 1;
        case 136:
            return 4;
        case 149:
            return 7;
        case 150:
            return start / kNsPerSecond;
        case 151:
            return end / kNsPerSecond;
        case 152:
            return start / kNsPerMs;
        case 153:
            return end / kNsPerMs;
        case 161:
            return (end - start) / kNsPerMs;
        case 162:
            return (end - start) / kNsPerUs;
        case 176:
        case 178:
            return icmp >> 8;
        case 177:
        case 179:
            return icmp & 0xff;
        case 192:
            return back ? 50 : 61;
        case 195:
            return tos >> 2;
        case 196:
            return tos >> 5;
        case 197:
            return v4 && !back ? 0x40 : 0;
        case 206:
            return 0;
        case 210:
            return 0;
        case 239:
            return 1;
        case 244:
            return back ? 1 : 3;
        case 245:
            return back ? 0x0c9 : 0x0c8;
        case 246:
            return back ? 2 : 5;
        case 256:
            return 0x8847;
        case 352:
            return back ? c.frame_octets(true, false)
                        : c.frame_octets(false, false) + c.frame_octets(false, true);
        default:
            FAIL("no expectation of element " << id);
    }
    return 0;
}

std::string addresses(IpFamily family) {
    return family == IpFamily::ipv4 ? "sourceIPv4Address, destinationIPv4Address"
                                    : "sourceIPv6Address, destinationIPv6Address";
}

BenchOptions options(SipKey hash_key = {1, 2}) {
    BenchOptions made;
    made.hash_key = hash_key;
    made.context.interfaces = {{3, 1}, {4, 0}};
    return made;
}

strict::Record only_record(const std::string& keys, const std::string& values,
                           const Conversation& conversation) {
    MeterBench bench(
        "templates:\n  - name: t\n    keys: [" + keys + "]\n    values: [" + values + "]\n",
        options());
    conversation.play(bench);
    auto records = bench.records();
    bench.check();
    REQUIRE(!records.empty());
    return records[0].record;
}

std::string name_in_yaml(const MeterableEntry& entry) {
    const std::string name(ipfix::find_element(0, entry.id)->name);
    return entry.source == ValueSource::padding ? "\"" + name + "[3]\"" : name;
}

bool is_icmp(std::uint16_t id) {
    return id == 32 || id == 139 || (id >= 176 && id <= 179);
}
bool has(const MeterableEntry& entry, IpFamily family) {
    return entry.family == ElementFamily::both ||
           (entry.family == ElementFamily::ipv4) == (family == IpFamily::ipv4);
}

constexpr std::uint16_t kFlowId = 148;

void check_value(const strict::Record& record, const MeterableEntry& entry,
                 const Conversation& conversation, bool back) {
    const std::uint64_t got = record.number(back ? strict::kReverse : 0, entry.id);
    const TimeNs start = back ? kAnswer : kFirst;
    switch (entry.id) {
        case 154:
            CHECK(instant(got) / kNsPerUs == start / kNsPerUs);
            break;
        case 155:
            CHECK(instant(got) / kNsPerUs == kAnswer / kNsPerUs);
            break;
        case 156:
            CHECK(instant(got) == start);
            break;
        case 157:
            CHECK(instant(got) == kAnswer);
            break;
        case kFlowId:
            CHECK(got != 0);
            break;
        default:
            CHECK(got == expected(entry.id, conversation, back));
    }
    if (entry.id == 154 || entry.id == 155) {
        CHECK((got & ipfix::kNtpMicrosecondsIgnored) == 0);
    }
}

} // namespace

TEST_CASE("every element that can be a value says what the packets had", "[exporting][encoding]") {
    for (const MeterableEntry& entry : meterable_entries()) {
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            if (!entry.value || !has(entry, family) || entry.source == ValueSource::packet_list ||
                entry.source == ValueSource::application) { // application_export_test.cpp has those
                continue;
            }
            const std::string name = name_in_yaml(entry);
            INFO(name << (family == IpFamily::ipv4 ? ", IPv4" : ", IPv6"));
            const Conversation conversation{family, is_icmp(entry.id)};
            // a biflow, so that the answer is in the reverse direction
            const strict::Record record =
                only_record(addresses(family), name + ", reversePacketDeltaCount", conversation);
            check_value(record, entry, conversation, false);
            CHECK(record.reverse(2) == 1);
        }
    }
}

TEST_CASE("every element that can be reversed says what the answer had", "[exporting][encoding]") {
    for (const MeterableEntry& entry : meterable_entries()) {
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            if (!entry.reverse || !has(entry, family)) {
                continue;
            }
            const std::string name = ipfix::reverse_name(*ipfix::find_element(0, entry.id));
            INFO(name << (family == IpFamily::ipv4 ? ", IPv4" : ", IPv6"));
            const Conversation conversation{family, is_icmp(entry.id)};
            check_value(only_record(addresses(family), name, conversation), entry, conversation,
                        true);
        }
    }
}

TEST_CASE("every element that can be a key splits and names flows", "[exporting][encoding]") {
    for (const MeterableEntry& entry : meterable_entries()) {
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            if (!entry.key || !has(entry, family)) {
                continue;
            }
            const std::string name(ipfix::find_element(0, entry.id)->name);
            INFO(name << (family == IpFamily::ipv4 ? ", IPv4" : ", IPv6"));
            const Conversation conversation{family, is_icmp(entry.id)};
            const bool is_address = entry.source == ValueSource::source_address ||
                                    entry.source == ValueSource::destination_address;
            const strict::Record record =
                only_record(is_address ? addresses(family) : addresses(family) + ", " + name,
                            "packetDeltaCount", conversation);
            switch (entry.id) {
                case 8:
                    CHECK(record.address(8) == "192.0.2.1");
                    break;
                case 12:
                    CHECK(record.address(12) == "198.51.100.2");
                    break;
                case 27:
                    CHECK(record.address(27) == "2001:db8::1");
                    break;
                case 28:
                    CHECK(record.address(28) == "2001:db8::2");
                    break;
                default:
                    CHECK(record.number(entry.id) == expected(entry.id, conversation, false));
            }
            const bool differs_in_second_packet =
                entry.id == 5 || entry.id == 31 || entry.id == 32 || entry.id == 139;
            CHECK(record.number(2) == (differs_in_second_packet ? 1 : 2));
        }
    }
}

TEST_CASE("a biflow names its source also where the canonical key has it second",
          "[exporting][encoding]") {
    for (const bool from_the_larger : {false, true}) {
        MeterBench bench(R"(templates:
  - name: t
    keys: [sourceMacAddress, destinationMacAddress, sourceIPv4Address, destinationIPv4Address,
        sourceTransportPort,
           destinationTransportPort, ingressInterface, dot1qCustomerVlanId, ethernetType]
    values: [reversePacketDeltaCount, isMulticast]
)");
        const auto source = from_the_larger ? "203.0.113.9" : "10.0.0.1";
        const auto destination = from_the_larger ? "10.0.0.1" : "203.0.113.9";
        bench.packet(kStart, PacketBuilder()
                                 .ethernet()
                                 .ipv4({.source = source, .destination = destination})
                                 .udp(9, 8));
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 1);
        CHECK(records[0].record.address(8) == source);
        CHECK(records[0].record.address(12) == destination);
        CHECK(records[0].record.number(7) == 9);
        CHECK(records[0].record.number(11) == 8);
        CHECK(records[0].record.number(56) == 0x020000000001);
        CHECK(records[0].record.number(80) == 0x020000000002);
        CHECK(records[0].record.number(256) == 0x0800);
    }
}

TEST_CASE("isMulticast has scope and T flag of IPv6 and one bit for IPv4",
          "[exporting][encoding]") {
    struct Case {
        const char* destination;
        std::uint64_t value;
    };
    const Case cases[] = {
        {"223.255.255.255", 0}, {"224.0.0.1", 0x01},    {"239.255.255.250", 0x01},
        {"240.0.0.1", 0},       {"255.255.255.255", 0}, {"2001:db8::1", 0},
        {"fe80::1", 0},         {"ff02::fb", 0x20},     {"ff05::2", 0x50},
        {"ff1e::4321", 0xe8},   {"ff3e:30::1", 0xe8},
    };
    for (const Case& c : cases) {
        INFO(c.destination);
        const bool v6 = std::string(c.destination).find(':') != std::string::npos;
        for (const bool biflow : {false, true}) {
            MeterBench bench("templates:\n  - name: t\n    keys: [" +
                             addresses(v6 ? IpFamily::ipv6 : IpFamily::ipv4) +
                             "]\n    values: [isMulticast" +
                             (biflow ? ", reversePacketDeltaCount" : "") + "]\n");
            PacketBuilder builder = PacketBuilder().ethernet();
            if (v6) {
                builder.ipv6({.source = "fe80::99", .destination = c.destination});
            } else {
                builder.ipv4({.source = "240.0.0.99", .destination = c.destination});
            }
            bench.packet(kStart, builder.udp(1, 2));
            bench.flush();
            const auto records = bench.records();
            REQUIRE(records.size() == 1);
            CHECK(records[0].record.number(206) == c.value);
        }
    }
}

TEST_CASE("flowId is the same in every run and another one for every flow",
          "[exporting][encoding]") {
    std::vector<std::uint64_t> runs[2];
    for (int run = 0; run < 2; ++run) {
        MeterBench bench(
            "templates:\n  - name: t\n    keys: [sourceIPv4Address, sourceTransportPort]\n    "
            "values: [flowId]\n",
            options(SipKey::random()));
        for (std::uint16_t port = 1; port <= 50; ++port) {
            bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(port, 1));
        }
        bench.flush();
        for (const SeenRecord& seen : bench.records()) {
            runs[run].push_back(seen.record.number(kFlowId));
        }
    }
    CHECK(runs[0].size() == 50);
    CHECK(runs[0] == runs[1]);
    CHECK(std::set<std::uint64_t>(runs[0].begin(), runs[0].end()).size() == 50);
}

TEST_CASE("flowDirection is that of the observation point, ingress where it is unknown",
          "[exporting][encoding]") {
    for (const auto& [interface, direction] :
         std::map<std::uint32_t, std::uint64_t>{{3, 1}, {4, 0}, {99, 0}}) {
        MeterBench bench(
            "templates:\n  - name: t\n    keys: [sourceIPv4Address]\n    values: [flowDirection]\n",
            options());
        bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(1, 1), interface);
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 1);
        CHECK(records[0].record.number(61) == direction);
    }
}

TEST_CASE("times past 2036, 2038 and 2106 are those of their era",
          "[exporting][encoding][rfc7011-6.1.7]") {
    constexpr std::uint64_t kUnixInNtp = 2'208'988'800;
    // 2036-02-07T06:28:16 begins an NTP era, 2038-01-19T03:14:08 is 2^31, 2106-02-07T06:28:16 2^32.
    for (const std::uint64_t border : {2'085'978'496ULL, 2'147'483'648ULL, 4'294'967'296ULL}) {
        for (const std::uint64_t seconds : {border - 1, border, border + 100'000'000}) {
            MeterBench bench(
                "templates:\n  - name: t\n    keys: [sourceIPv4Address]\n"
                "    values: [flowStartSeconds, flowEndMilliseconds, flowStartMicroseconds,\n"
                "             flowEndNanoseconds, flowDurationMilliseconds]\n");
            const TimeNs start = seconds * kSecond;
            bench.packet(start, PacketBuilder().ethernet().ipv4().udp(1, 2));
            bench.packet(start + 1500 * kMs, PacketBuilder().ethernet().ipv4().udp(1, 2));
            bench.flush();
            const auto records = bench.records();
            REQUIRE(records.size() == 1);
            const strict::Record& record = records[0].record;
            CHECK(record.number(150) == seconds % (1ULL << 32));
            CHECK(record.number(153) == seconds * 1000 + 1500);
            CHECK(record.number(154) >> 32 == (seconds + kUnixInNtp) % (1ULL << 32));
            CHECK(record.number(157) >> 31 == ((seconds + 1 + kUnixInNtp) % (1ULL << 32)) * 2 + 1);
            CHECK(record.number(161) == 1500);
        }
    }
}

TEST_CASE("lists of the first packets are the packets", "[exporting][encoding][lists][rfc6313]") {
    const bool many = GENERATE(false, true);
    MeterBench bench(
        "templates:\n  - name: t\n    keys: [sourceIPv4Address, destinationIPv4Address]\n"
        "    values: [packetDeltaCount, reversePacketDeltaCount, \"basicList(ipTotalLength)\",\n"
        "             \"basicList(tcpControlBits)\", \"basicList(biflowDirection)\",\n"
        "             \"basicList(observationTimeMilliseconds)\"]\n");
    const std::uint32_t packets = many ? 40 : 5;
    std::array<std::vector<std::uint64_t>, 4> expected;
    for (std::uint32_t n = 0; n < packets; ++n) {
        const bool back = n % 3 == 1;
        const std::uint16_t bits = n == 0 ? kSyn : n == 1 ? kSyn | kAck : kAck;
        const TimeNs at = kStart + n * 7 * kMs;
        bench.packet(at, PacketBuilder()
                             .ethernet()
                             .ipv4({.source = back ? "10.0.0.2" : "10.0.0.1",
                                    .destination = back ? "10.0.0.1" : "10.0.0.2"})
                             .tcp(back ? 80 : 4000, back ? 4000 : 80, bits)
                             .payload(10 * n));
        if (n < PacketListBlock::kPacketsMax) {
            expected[0].push_back(40 + 10 * n);
            expected[1].push_back(bits);
            expected[2].push_back(back ? 2 : 1);
            expected[3].push_back(at / kMs);
        }
    }
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.number(2) + records[0].record.reverse(2) == packets);
    strict::Decoder decoder;
    constexpr std::array<std::uint16_t, 4> kElements = {224, 6, 239, 323};
    for (std::size_t i = 0; i < kElements.size(); ++i) {
        const strict::List list = decoder.list(291, records[0].record.octets(0, 291, i));
        CHECK(list.semantic == 4);
        CHECK(list.element.id == kElements[i]);
        CHECK(list.numbers() == expected[i]);
    }
    CHECK(decoder.complaint().empty());
}

TEST_CASE("each record has the first packets of its own time", "[exporting][encoding][lists]") {
    MeterBench bench(
        "templates:\n  - name: t\n    keys: [sourceIPv4Address]\n"
        "    values: [packetDeltaCount, \"basicList(ipTotalLength)\"]\n");
    for (std::uint32_t n = 0; n < 100; ++n) {
        bench.packet(kStart + n * kSecond,
                     PacketBuilder().ethernet().ipv4({.source = "10.0.0.1"}).udp(1, 2).payload(n));
    }
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2); // cut at the active timeout
    strict::Decoder decoder;
    std::uint64_t before = 0;
    for (const SeenRecord& seen : records) {
        const auto lengths = decoder.list(291, seen.record.octets(0, 291)).numbers();
        REQUIRE(lengths.size() == 16);
        for (std::size_t i = 0; i < lengths.size(); ++i)
            CHECK(lengths[i] == 28 + before + i);
        before += seen.record.number(2);
    }
    CHECK(before == 100);
}

TEST_CASE("an MPLS label of variable length is three octets or none", "[exporting][encoding]") {
    MeterBench bench(
        "templates:\n  - name: t\n    keys: [sourceIPv4Address]\n    values: "
        "[mplsTopLabelStackSection, "
        "packetDeltaCount]\n");
    bench.packet(
        kStart,
        PacketBuilder().ethernet().mpls(0xabcde, true).ipv4({.source = "10.0.0.1"}).udp(1, 1));
    bench.packet(kStart, PacketBuilder().ethernet().ipv4({.source = "10.0.0.2"}).udp(1, 1));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2);
    CHECK(records[0].record.octets(0, 70) == std::vector<std::uint8_t>{0xab, 0xcd, 0xe1});
    CHECK(records[1].record.octets(0, 70).empty());
    CHECK(records[1].record.number(2) == 1);
}

TEST_CASE("a direction without packets has the flow's start as its times",
          "[exporting][encoding]") {
    MeterBench bench(
        "templates:\n  - name: t\n    keys: [sourceIPv4Address, destinationIPv4Address]\n    "
        "values: "
        "[reverseFlowStartMilliseconds, reverseFlowEndMilliseconds, "
        "reverseFlowDurationMilliseconds, "
        "reversePacketDeltaCount]\n");
    bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(1, 1));
    bench.packet(kStart + kSecond, PacketBuilder().ethernet().ipv4().udp(1, 1));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.reverse(152) == kStart / kMs);
    CHECK(records[0].record.reverse(153) == kStart / kMs);
    CHECK(records[0].record.reverse(161) == 0);
    CHECK(records[0].record.reverse(2) == 0);
}

TEST_CASE("microseconds come back whole whether a reader rounds or cuts", "[exporting][encoding]") {
    MeterBench bench(
        "templates:\n  - name: t\n    keys: [sourceIPv4Address, sourceTransportPort]\n"
        "    values: [flowStartMicroseconds, flowEndMicroseconds]\n");
    constexpr std::uint16_t kFlows = 1000;
    const auto time_of = [](std::uint64_t flow) { return kStart + flow * 997 * kNsPerUs; };
    for (std::uint16_t n = 0; n < kFlows; ++n) {
        bench.queue(time_of(n), PacketBuilder().ethernet().ipv4().udp(n, 1));
    }
    bench.burst();
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == kFlows);
    for (const SeenRecord& seen : records) {
        const TimeNs us = time_of(seen.record.number(7)) / kNsPerUs;
        REQUIRE(ntp_to_ns(seen.record.number(154)) / kNsPerUs == us);
        REQUIRE((ntp_to_ns(seen.record.number(155)) + 500) / kNsPerUs == us);
    }
}

TEST_CASE("records refer to their common properties, and are whole where nobody can tell them",
          "[exporting][rfc5473]") {
    const RecordBinding binding(ipfix::parse_template_descriptions(R"(templates:
  - name: common
    keys: [sourceIPv4Address, protocolIdentifier, destinationIPv4Address]
    values: [packetDeltaCount, flowEndReason]
    common: [flowEndReason, protocolIdentifier]
)",
                                                                   "t.yaml"),
                                {});
    REQUIRE(binding.templates().size() == 2);
    const auto names_of = [](const ipfix::TemplateRecord& record) {
        std::vector<std::string> names;
        for (const ipfix::FieldSpecifier& field : record.fields())
            names.push_back(field.name());
        return names;
    };
    CHECK(names_of(binding.templates()[0]) ==
          std::vector<std::string>{"sourceIPv4Address", "commonPropertiesId",
                                   "destinationIPv4Address", "packetDeltaCount"});
    CHECK(binding.templates()[0].fields()[1].key); // the protocol is one
    CHECK(names_of(binding.templates()[1]) ==
          std::vector<std::string>{"sourceIPv4Address", "protocolIdentifier",
                                   "destinationIPv4Address", "packetDeltaCount", "flowEndReason"});
    REQUIRE(binding.common_properties() != nullptr);
    REQUIRE(binding.common_properties()->templates().size() == 1);
    CHECK(names_of(binding.common_properties()->templates()[0]) ==
          std::vector<std::string>{"commonPropertiesId", "protocolIdentifier", "flowEndReason"});

    FlowRecord<Ipv4Key> record{};
    record.key.protocol = 6;
    record.end_reason = 3;
    record.packets = {7, 0};
    std::vector<std::uint8_t> bytes(binding.metering_plan().lane(IpFamily::ipv4).layout().stride);
    std::vector<std::uint8_t> out(binding.record_octets_max());
    const auto encode = [&](WholeRecords whole) {
        std::memcpy(bytes.data(), &record, sizeof record);
        RecordNames names;
        return binding.encode(IpFamily::ipv4, 0, bytes.data(), names, whole, out.data());
    };
    EncodedRecord encoded = encode(WholeRecords::no);
    CHECK(encoded.form == EncodedForm::listed);
    CHECK(encoded.octets.size() == 4 + 2 + 4 + 8);
    CHECK(encoded.octets[5] == 1);
    record.key.protocol = 17;
    CHECK(encode(WholeRecords::no).octets[5] == 2);
    record.key.protocol = 6;
    CHECK(encode(WholeRecords::no).octets[5] == 1);
    const Bytes told = binding.common_properties()->record(1).octets;
    CHECK(std::vector<std::uint8_t>(told.begin(), told.end()) ==
          std::vector<std::uint8_t>{0, 2, 17, 3});
    encoded = encode(WholeRecords::yes);
    CHECK(encoded.form == EncodedForm::whole);
    CHECK(encoded.template_index == 1);
    CHECK(encoded.octets[4] == 6);
    CHECK(binding.common_properties()->count() == 2);
}

TEST_CASE("over a reload common properties keep their ids, and no template takes those of theirs",
          "[exporting][rfc5473]") {
    const auto written = [](const std::string& name, const std::string& common, const char* id) {
        return ipfix::parse_template_descriptions(
            "templates:\n  - name: " + name + "\n    id: " + id +
                "\n    keys: [sourceIPv4Address, protocolIdentifier]\n"
                "    values: [packetDeltaCount, flowEndReason]\n    common: [" +
                common + "]\n",
            "t.yaml");
    };
    const auto list_of = [](const TemplateList* before, RecordBinding& binding) {
        const TemplateList::Templates templates = {binding.templates(),
                                                   binding.common_properties()->templates()};
        return before == nullptr ? TemplateList(templates) : TemplateList(*before, templates);
    };
    RecordBinding first(written("t", "protocolIdentifier", "300"), {});
    const TemplateList told = list_of(nullptr, first);
    CommonProperties& common = *first.common_properties();
    const std::uint16_t first_id = common.templates()[0].id();
    const std::vector<std::uint8_t> tcp = {6};
    const std::uint16_t set = common.id_of(0, tcp);

    BindingContext reload;
    reload.known = &told;
    reload.common = first.common_properties();
    // another template, which asks for the id that the first one's properties have
    RecordBinding second(written("u", "flowEndReason", std::to_string(first_id).c_str()), reload);
    const TemplateList both = list_of(&told, second);
    REQUIRE(common.templates().size() == 2);
    CHECK(second.templates()[0].id() != first_id);
    CHECK(common.templates()[1].id() != first_id);

    reload.known = &both;
    RecordBinding third(written("t", "protocolIdentifier", "300"), reload);
    CHECK(third.templates()[0].id() == 300);
    CHECK(common.templates().size() == 2); // the first one's are known
    CHECK(common.id_of(0, tcp) == set);

    // one that is refused leaves nothing behind
    const RecordBinding fourth(written("v", "protocolIdentifier, flowEndReason", "400"), reload);
    REQUIRE(common.templates().size() == 3);
    common.forget_templates(2);
    const RecordBinding fifth(written("v", "protocolIdentifier, flowEndReason", "400"), reload);
    CHECK(common.templates().size() == 3);
    CHECK(common.id_of(0, tcp) == set);
}

TEST_CASE("when no id is left records go out whole, and are counted", "[exporting][rfc5473]") {
    const RecordBinding binding(ipfix::parse_template_descriptions(R"(templates:
  - name: common
    keys: [sourceIPv4Address]
    values: [packetDeltaCount]
    common: [sourceIPv4Address]
)",
                                                                   "t.yaml"),
                                {});
    FlowRecord<Ipv4Key> record{};
    std::vector<std::uint8_t> bytes(binding.metering_plan().lane(IpFamily::ipv4).layout().stride);
    std::vector<std::uint8_t> out(binding.record_octets_max());
    std::size_t whole = 0;
    for (std::uint32_t n = 0; n < 5000; ++n) {
        std::memcpy(&record.key.source, &n, sizeof n);
        std::memcpy(bytes.data(), &record, sizeof record);
        RecordNames names;
        const EncodedRecord encoded =
            binding.encode(IpFamily::ipv4, 0, bytes.data(), names, WholeRecords::no, out.data());
        whole += encoded.form == EncodedForm::whole ? 1 : 0;
        CHECK(encoded.template_index == (encoded.form == EncodedForm::whole ? 1U : 0U));
    }
    CHECK(binding.common_properties()->count() == 4096);
    CHECK(whole == 5000 - 4096);
}
