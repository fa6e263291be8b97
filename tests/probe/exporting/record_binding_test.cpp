// SPDX-License-Identifier: BSD-3-Clause
// What the templates may ask for: which are refused, in which words and with which place.
#include "probe/exporting/record_binding.hpp"

#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "encoder/config_error.hpp"
#include "encoder/information_elements.hpp"
#include "encoder/message_builder.hpp"
#include "encoder/template_description.hpp"
#include "probe/exporting/meterable_elements.hpp"
#include "probe/metering/flow_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/strict_decoder.hpp"

using namespace probe;

namespace {

constexpr const char* kAddresses = "sourceIPv4Address, destinationIPv4Address";

/// Keys stand in line 3 from column 12, values in line 4 from column 14.
std::string yaml(const std::string& keys, const std::string& values, const std::string& more = "") {
    return "templates:\n  - name: t\n    keys: [" + keys + "]\n    values: [" + values + "]\n" +
           more;
}

std::string refusal(const std::string& text) {
    try {
        const RecordBinding binding(ipfix::parse_template_descriptions(text, "t.yaml"), {});
    } catch (const ipfix::ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

} // namespace

TEST_CASE("a template that cannot be metered is refused with place and remedy",
          "[exporting][binding]") {
    struct Case {
        std::string keys;
        std::string values;
        std::string message;
    };
    const std::string a = kAddresses;
    const Case cases[] = {
        {a, "packetDeltaCount", "accepted"},
        {a, "packetDeltaCount, bgpSourceAsNumber",
         "t.yaml:4:32: bgpSourceAsNumber is a known element, but a packet probe cannot meter it; "
         "`parshall elements` "
         "lists those that can be metered"},
        {"sourceIPv4Address, packetDeltaCount", "octetDeltaCount",
         "t.yaml:3:31: packetDeltaCount cannot be a key; move it to values"},
        {a, "packetDeltaCount, sourceTransportPort",
         "t.yaml:4:32: sourceTransportPort can only be a key: as a value it would be another one "
         "for each packet; move "
         "it to keys or leave it out"},
        {a, "reverseFlowDirection",
         "t.yaml:4:14: reverseFlowDirection cannot be metered in reverse; leave it out"},
        {"sourceIPv4Address, destinationIPv6Address", "packetDeltaCount",
         "t.yaml:3:31: sourceIPv4Address is of IPv4 and destinationIPv6Address of IPv6, so no "
         "packet has both; make two "
         "templates of it"},
        {a, "flowLabelIPv6",
         "t.yaml:4:14: destinationIPv4Address is of IPv4 and flowLabelIPv6 of IPv6, so no packet "
         "has both; make two "
         "templates of it"},
        {a, "\"octetDeltaCount[2]\", \"packetDeltaCount[1]\"", "accepted"},
        {a, "\"octetTotalCount[4]\", \"tcpControlBits[1]\"", "accepted"},
        {"\"ingressInterface[1]\"", "\"octetDeltaCount[3]\"", "accepted"},
        {"\"sourceTransportPort[1]\"", "packetDeltaCount",
         "t.yaml:3:12: sourceTransportPort is not kept in 1 octets; write it without a length "
         "(numbers can be shortened, but for ports, ICMP types as keys and flowId)"},
        {a, "\"flowId[4]\"",
         "t.yaml:4:14: flowId is not kept in 4 octets; write it without a length (numbers can be "
         "shortened, but for ports, ICMP types as keys and flowId)"},
        {a, "\"mplsTopLabelStackSection[2]\"",
         "t.yaml:4:14: mplsTopLabelStackSection has 3 octets: write mplsTopLabelStackSection[3], "
         "or no length for a "
         "variable one"},
        {a, "paddingOctets",
         "t.yaml:4:14: paddingOctets needs a length of 1 to 255, as in paddingOctets[2]"},
        {"sourceIPv4Address", "reversePacketDeltaCount",
         "t.yaml:2:11: template t: a biflow needs the source and the destination address among its "
         "keys, or neither; "
         "add the other one or leave out the reverse elements"},
        {a + ", sourceTransportPort", "reversePacketDeltaCount",
         "t.yaml:2:11: template t: a biflow needs the source and the destination port among its "
         "keys, or neither; add "
         "the other one or leave out the reverse elements"},
        {a + ", icmpTypeCodeIPv4", "reversePacketDeltaCount",
         "t.yaml:2:11: template t: the ICMP type and code cannot be a biflow's key, since a "
         "request and its reply "
         "differ in it; make it a value or leave out the reverse elements"},
        {a + ", icmpTypeCodeIPv4", "packetDeltaCount", "accepted"},
        {a + ", sourceTransportPort, icmpTypeCodeIPv4", "packetDeltaCount",
         "t.yaml:3:76: sourceTransportPort and the ICMP type and code cannot be keys of one "
         "template, since no packet "
         "has both; make two templates of it, with the filters \"icmp\" or \"icmp6\" and \"not "
         "icmp\" or \"not "
         "icmp6\""},
        {"sourceIPv4Address", "isMulticast",
         "t.yaml:4:14: isMulticast needs the destination address among the keys"},
    };
    for (const Case& c : cases) {
        INFO(c.keys << " | " << c.values);
        CHECK(refusal(yaml(c.keys, c.values)) == c.message);
    }
}

TEST_CASE("a duration that its field cannot hold is refused", "[exporting][binding]") {
    const auto bind = [](TimeNs active) {
        const RecordBinding binding(
            ipfix::parse_template_descriptions(
                "templates:\n  - name: t\n    keys: [protocolIdentifier]\n"
                "    values: [flowDurationMicroseconds]\n",
                "t.yaml"),
            {.domain_id = 1, .interfaces = {}, .sampling_interval = 1, .active_timeout = active});
    };
    CHECK_NOTHROW(bind(4294 * kNsPerSecond));
    CHECK_THROWS_WITH(bind(4295 * kNsPerSecond), Catch::Contains("hold 71 minutes"));
}

TEST_CASE("no field is too short for any value it can get", "[exporting][binding][rfc7011-6.2]") {
    // Octets of what each kind of step reads or makes.
    const auto octets_of = [](EncodingStepKind kind) -> unsigned {
        switch (kind) {
            case EncodingStepKind::number16:
            case EncodingStepKind::vlan_id:
                return 2;
            case EncodingStepKind::number32:
            case EncodingStepKind::seconds:     // modulo 2^32, RFC 7011 section 6.1.7
            case EncodingStepKind::duration_ms: // 49 days; an active timeout has at most 7
            case EncodingStepKind::duration_us: // 71 minutes, see below
            case EncodingStepKind::flow_direction:
                return kind == EncodingStepKind::flow_direction ? 1 : 4;
            case EncodingStepKind::number64:
            case EncodingStepKind::total:
            case EncodingStepKind::total32:
            case EncodingStepKind::milliseconds:
            case EncodingStepKind::microseconds:
            case EncodingStepKind::nanoseconds:
            case EncodingStepKind::flow_id:
                return 8;
            default:
                return 1;
        }
    };
    for (const MeterableEntry& entry : meterable_entries()) {
        if (!entry.value || entry.source == ValueSource::padding ||
            entry.source == ValueSource::packet_list || entry.source == ValueSource::application) {
            continue;
        }
        const ipfix::InformationElement& element = *ipfix::find_element(0, entry.id);
        const IpFamily family =
            entry.family == ElementFamily::ipv6 ? IpFamily::ipv6 : IpFamily::ipv4;
        INFO(element.name);
        const RecordBinding binding(ipfix::parse_template_descriptions(
                                        std::string("templates:\n  - name: t\n    keys: [") +
                                            (family == IpFamily::ipv4 ? "destinationIPv4Address"
                                                                      : "destinationIPv6Address") +
                                            "]\n    values: [" + std::string(element.name) + "]\n",
                                        "t.yaml"),
                                    {});
        const EncodingPlan& plan = binding.encoding_plan(family, 0);
        const EncodingStep& step = plan.steps().back();
        CHECK(step.width >= octets_of(step.kind));
    }
}

namespace {

/// A record of the IPv4 lane with these counts, forward and reverse.
std::vector<std::uint8_t> record_with(const std::array<std::uint64_t, 2>& octets,
                                      const std::array<std::uint32_t, 2>& packets,
                                      std::size_t record_octets) {
    FlowRecord<Ipv4Key> record{};
    record.octets = octets;
    record.packets = packets;
    std::vector<std::uint8_t> bytes(record_octets);
    std::memcpy(bytes.data(), &record, sizeof record);
    return bytes;
}

/// Reads one data record back by the template it names.
strict::Record read_back(const RecordBinding& binding, const EncodedRecord& encoded) {
    ipfix::MessageBuilder builder(1, 65'535);
    for (const ipfix::TemplateRecord& one : binding.templates())
        REQUIRE(builder.append_template(one) == ipfix::AppendVerdict::appended);
    REQUIRE(builder.append_data(binding.templates()[encoded.template_index], encoded.octets) ==
            ipfix::AppendVerdict::appended);
    strict::Decoder decoder;
    decoder.message(builder.finish(1'795'309'323, 0));
    INFO(decoder.complaint());
    REQUIRE(decoder.violations().empty());
    REQUIRE(decoder.records().size() == 1);
    return decoder.records().front();
}

} // namespace

TEST_CASE("a number that does not fit goes out in the wider template, and none is cut",
          "[exporting][binding][rfc7011-6.2]") {
    std::mt19937_64 random(6'2);
    for (unsigned width = 1; width <= 8; ++width) {
        const std::string n = std::to_string(width);
        const RecordBinding binding(
            ipfix::parse_template_descriptions(
                yaml(kAddresses, "\"octetDeltaCount[" + n + "]\", \"packetDeltaCount[" + n +
                                     "]\", \"reverseOctetDeltaCount[" + n +
                                     "]\", \"reversePacketDeltaCount[" + n + "]\""),
                "t.yaml"),
            {});
        const std::size_t record_octets =
            binding.metering_plan().lane(IpFamily::ipv4).layout().stride;
        CHECK(binding.templates().size() == (width == 8 ? 1U : 2U));
        std::vector<std::uint8_t> out(binding.record_octets_max());
        // a length on the wire of 1 to 8 octets, and just about where it becomes longer
        const auto value = [&]() -> std::uint64_t {
            const unsigned octets = 1 + random() % 8;
            const std::uint64_t limit = octets == 8 ? 0 : std::uint64_t{1} << (8 * octets);
            return random() % 2 == 0 ? limit + random() % 3 - 1 : random() % (limit - 1);
        };
        const auto fits = [&](std::uint64_t number) {
            return width == 8 || number >> (8 * width) == 0;
        };
        for (int turn = 0; turn < 500; ++turn) {
            const std::array<std::uint64_t, 2> octets = {value(), value()};
            const std::array<std::uint32_t, 2> packets = {static_cast<std::uint32_t>(value()),
                                                          static_cast<std::uint32_t>(value())};
            RecordNames names;
            const auto bytes = record_with(octets, packets, record_octets);
            const EncodedRecord encoded = binding.encode(IpFamily::ipv4, 0, bytes.data(), names,
                                                         WholeRecords::no, out.data());
            const bool all_fit =
                fits(octets[0]) && fits(octets[1]) && fits(packets[0]) && fits(packets[1]);
            CHECK((encoded.form == EncodedForm::listed) == all_fit);
            const strict::Record read = read_back(binding, encoded);
            CHECK(read.number(ipfix::ie::octetDeltaCount) == octets[0]);
            CHECK(read.reverse(ipfix::ie::octetDeltaCount) == octets[1]);
            CHECK(read.number(ipfix::ie::packetDeltaCount) == packets[0]);
            CHECK(read.reverse(ipfix::ie::packetDeltaCount) == packets[1]);
        }
    }
}

TEST_CASE("a wider companion is there only where a number may need it", "[exporting][binding]") {
    const auto templates = [](const std::string& values) {
        const RecordBinding binding(
            ipfix::parse_template_descriptions(yaml(kAddresses, values), "t.yaml"), {});
        CHECK(binding.listed_templates() == 1);
        return binding.templates().size();
    };
    CHECK(templates("packetDeltaCount, octetDeltaCount, flowEndReason") == 1);
    CHECK(templates("\"packetDeltaCount[4]\"") == 1); // the meter counts no further
    CHECK(templates("\"observationDomainId[1]\"") == 1);
    CHECK(templates("\"packetDeltaCount[3]\"") == 2);
    CHECK(templates("\"maximumIpTotalLength[2]\"") == 2); // a jumbogram's
}

TEST_CASE("a filter that does not compile is refused where it stands", "[exporting][binding]") {
    const std::string message =
        refusal(yaml(kAddresses, "packetDeltaCount", "    filter: \"ip and and\"\n"));
    CHECK_THAT(message, Catch::StartsWith("t.yaml:5:13: "));
    CHECK_THAT(message, Catch::Contains("ip and and"));
}

TEST_CASE("seventeen templates of one family are too many", "[exporting][binding]") {
    const auto many = [](int count) {
        std::string text = "templates:\n";
        for (int n = 0; n < count; ++n) {
            text += "  - name: t" + std::to_string(n) +
                    "\n    keys: [sourceIPv4Address]\n    values: [packetDeltaCount]\n";
        }
        return text;
    };
    CHECK(refusal(many(16)) == "accepted");
    CHECK(refusal(many(17)) ==
          "t.yaml:50:11: at most 16 templates can share an address family; name fewer template "
          "files");
}

TEST_CASE("template ids are those of the file, or the lowest free ones", "[exporting][binding]") {
    const RecordBinding binding(
        ipfix::parse_template_descriptions(
            "templates:\n"
            "  - {name: a, keys: [sourceIPv4Address], values: [packetDeltaCount]}\n"
            "  - {name: b, id: 256, keys: [sourceIPv4Address], values: [packetDeltaCount]}\n"
            "  - {name: c, keys: [sourceIPv6Address], values: [packetDeltaCount]}\n",
            "t.yaml"),
        {});
    REQUIRE(binding.templates().size() == 3);
    CHECK(binding.templates()[0].id() == 257);
    CHECK(binding.templates()[1].id() == 256);
    CHECK(binding.templates()[2].id() == 258);
    CHECK(binding.template_index(IpFamily::ipv4, 1) == 1);
    CHECK(binding.template_index(IpFamily::ipv6, 0) == 2);
    CHECK(binding.metering_plan().lane(IpFamily::ipv6).templates().size() == 1);
    CHECK(binding.record_octets_max() == 24);
}

TEST_CASE("what nobody exports is not in the record", "[exporting][binding]") {
    const auto layout = [](const char* values) {
        const RecordBinding binding(
            ipfix::parse_template_descriptions(yaml(kAddresses, values), "t.yaml"), {});
        return binding.metering_plan().lane(IpFamily::ipv4).layout();
    };
    CHECK(layout("packetDeltaCount, flowStartMilliseconds, flowEndReason, tcpControlBits")
              .record_octets == 64);
    CHECK(layout("reversePacketDeltaCount, reverseTcpControlBits").record_octets == 64);
    CHECK(layout("minimumTTL").record_octets == 80);
    CHECK(layout("minimumTTL, maximumIpTotalLength").record_octets == 80);
    CHECK(layout("ipTTL").record_octets == 88);
    CHECK(layout("reverseIpTTL").first_packet[0] == 0);
    CHECK(layout("reverseFlowStartSeconds").reverse_times != 0);
    CHECK(layout("flowStartSeconds").reverse_times == 0);
}
