// SPDX-License-Identifier: BSD-3-Clause
// NetFlow v9 and v5 from data records of IPFIX, read by a decoder of this test's own, written from
// RFC 3954 and Cisco's tables of version 5.
#include "probe/exporting/netflow_messages.hpp"

#include <map>
#include <string_view>

#include "encoder/ntp_time.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using ipfix::AppendVerdict;
using probe::ExportFormat;
using probe::kNsPerSecond;

namespace {

constexpr std::uint32_t kExportS = 1'795'309'323;
constexpr std::uint64_t kExportMs = std::uint64_t{kExportS} * 1000;
constexpr std::uint64_t kDayMs = 86'400'000;

ipfix::TemplateRecord make_template(std::uint16_t id,
                                    std::initializer_list<std::string_view> names) {
    std::vector<ipfix::FieldSpecifier> fields;
    for (const std::string_view name : names) {
        const auto found = ipfix::find_directed_element(name);
        REQUIRE(found.element != nullptr);
        fields.push_back(
            {found.element, ipfix::default_length(found.element->type), found.reverse});
    }
    return {id, "t" + std::to_string(id), std::move(fields)};
}

const std::vector<ipfix::TemplateRecord>& biflow_templates() {
    static const std::vector<ipfix::TemplateRecord> kTemplates = {
        make_template(300, {"sourceIPv4Address", "destinationIPv4Address", "protocolIdentifier",
                            "sourceTransportPort", "destinationTransportPort",
                            "flowStartMilliseconds", "flowEndMilliseconds", "packetDeltaCount",
                            "octetDeltaCount", "reversePacketDeltaCount", "reverseOctetDeltaCount",
                            "tcpControlBits", "reverseTcpControlBits", "ipClassOfService",
                            "ingressInterface", "flowEndReason"}),
        make_template(301,
                      {"sourceIPv6Address", "destinationIPv6Address", "protocolIdentifier",
                       "sourceTransportPort", "destinationTransportPort", "flowStartMilliseconds",
                       "flowEndMilliseconds", "packetDeltaCount", "octetDeltaCount"}),
    };
    return kTemplates;
}

struct Biflow {
    std::uint64_t start_ms = kExportMs - 5000;
    std::uint64_t end_ms = kExportMs - 1000;
    std::uint64_t packets = 10;
    std::uint64_t octets = 1000;
    std::uint64_t reverse_packets = 20;
    std::uint64_t reverse_octets = 30'000;
    std::uint32_t interface = 3;
};

class RecordWriter {
  public:
    RecordWriter& put(std::uint64_t value, std::size_t octets) {
        out_.resize(out_.size() + octets);
        ipfix::store_be(out_.data() + out_.size() - octets, value, octets);
        return *this;
    }
    Octets octets() const { return out_; }

  private:
    Octets out_;
};

Octets encode(const Biflow& flow) {
    return RecordWriter()
        .put(0x0a000001, 4)
        .put(0x0a000002, 4)
        .put(6, 1)
        .put(40'000, 2)
        .put(443, 2)
        .put(flow.start_ms, 8)
        .put(flow.end_ms, 8)
        .put(flow.packets, 8)
        .put(flow.octets, 8)
        .put(flow.reverse_packets, 8)
        .put(flow.reverse_octets, 8)
        .put(0x1b, 2)
        .put(0x12, 2)
        .put(0x20, 1)
        .put(flow.interface, 4)
        .put(3, 1)
        .octets();
}

Octets ipv6_flow() {
    return RecordWriter()
        .put(0, 8)
        .put(1, 8)
        .put(0, 8)
        .put(2, 8)
        .put(17, 1)
        .put(53, 2)
        .put(54, 2)
        .put(kExportMs - 10, 8)
        .put(kExportMs - 5, 8)
        .put(1, 8)
        .put(100, 8)
        .octets();
}

std::uint64_t number(const Octets& octets, std::size_t at, std::size_t length) {
    REQUIRE(at + length <= octets.size());
    return ipfix::load_be(octets.data() + at, length);
}

/// Field Type -> value, times as Unix ms.
using Flow = std::map<unsigned, std::uint64_t>;

struct Netflow9 {
    std::uint64_t uptime = 0, unix_s = 0, sequence = 0, source = 0, count = 0;
    std::map<unsigned, std::vector<std::pair<unsigned, unsigned>>> templates, options;
    std::vector<Flow> flows;
    std::vector<Octets> options_records;

    /// REQUIREs everything that RFC 3954 asks for.
    void read(const Octets& packet) {
        flows.clear();
        REQUIRE(number(packet, 0, 2) == 9);
        count = number(packet, 2, 2);
        uptime = number(packet, 4, 4);
        unix_s = number(packet, 8, 4);
        sequence = number(packet, 12, 4);
        source = number(packet, 16, 4);
        std::size_t records = 0;
        for (std::size_t at = 20; at < packet.size();) {
            const auto set = static_cast<unsigned>(number(packet, at, 2));
            const std::size_t length = number(packet, at + 2, 2);
            REQUIRE(length % 4 == 0);
            REQUIRE(length > 4);
            REQUIRE(at + length <= packet.size());
            const Octets body(packet.begin() + static_cast<std::ptrdiff_t>(at + 4),
                              packet.begin() + static_cast<std::ptrdiff_t>(at + length));
            records += set == 0   ? read_templates(body)
                       : set == 1 ? read_options_template(body)
                                  : read_data(set, body);
            at += length;
        }
        CHECK(records == count);
    }

  private:
    std::size_t read_templates(const Octets& body) {
        std::size_t records = 0;
        std::size_t at = 0;
        for (; body.size() - at >= 4; ++records) {
            const auto id = static_cast<unsigned>(number(body, at, 2));
            const std::size_t fields = number(body, at + 2, 2);
            at += 4;
            templates[id].clear();
            for (std::size_t i = 0; i < fields; ++i, at += 4) {
                templates[id].emplace_back(number(body, at, 2), number(body, at + 2, 2));
            }
        }
        CHECK(at == body.size());
        return records;
    }
    std::size_t read_options_template(const Octets& body) {
        const auto id = static_cast<unsigned>(number(body, 0, 2));
        const std::size_t fields = (number(body, 2, 2) + number(body, 4, 2)) / 4;
        options[id].clear();
        for (std::size_t i = 0; i < fields; ++i) {
            options[id].emplace_back(number(body, 6 + 4 * i, 2), number(body, 8 + 4 * i, 2));
        }
        CHECK(body.size() - (6 + 4 * fields) < 4);
        return 1;
    }
    std::size_t read_data(unsigned set, const Octets& body) {
        const bool is_options = options.count(set) > 0;
        REQUIRE((is_options || templates.count(set) > 0));
        std::size_t length = 0;
        for (const auto& [type, octets] : is_options ? options[set] : templates[set]) {
            length += octets;
        }
        std::size_t records = 0;
        std::size_t at = 0;
        for (; body.size() - at >= length; ++records) {
            Flow flow;
            for (const auto& [type, octets] : is_options ? options[set] : templates[set]) {
                flow[type] =
                    octets > 8 ? number(body, at + octets - 8, 8) : number(body, at, octets);
                if (type == 21 || type == 22) flow[type] += unix_s * 1000 - uptime;
                at += octets;
            }
            if (!is_options) flows.push_back(flow);
        }
        for (std::size_t i = at; i < body.size(); ++i) {
            CHECK(body[i] == 0);
        }
        CHECK(body.size() - at < 4);
        return records;
    }
};

struct Netflow5 {
    std::uint64_t sequence = 0;
    std::vector<Flow> flows;

    void read(const Octets& packet) {
        flows.clear();
        REQUIRE(number(packet, 0, 2) == 5);
        const std::size_t count = number(packet, 2, 2);
        REQUIRE(count <= 30);
        REQUIRE(packet.size() == 24 + 48 * count);
        const std::uint64_t boot = number(packet, 8, 4) * 1000 - number(packet, 4, 4);
        CHECK(number(packet, 12, 4) == 0);
        sequence = number(packet, 16, 4);
        for (std::size_t at = 24; at < packet.size(); at += 48) {
            Flow flow;
            flow[8] = number(packet, at, 4);
            flow[12] = number(packet, at + 4, 4);
            flow[10] = number(packet, at + 12, 2);
            flow[14] = number(packet, at + 14, 2);
            flow[2] = number(packet, at + 16, 4);
            flow[1] = number(packet, at + 20, 4);
            flow[22] = boot + number(packet, at + 24, 4);
            flow[21] = boot + number(packet, at + 28, 4);
            flow[7] = number(packet, at + 32, 2);
            flow[11] = number(packet, at + 34, 2);
            flow[6] = number(packet, at + 37, 1);
            flow[4] = number(packet, at + 38, 1);
            flow[5] = number(packet, at + 39, 1);
            flows.push_back(flow);
        }
    }
};

struct Packets {
    explicit Packets(ExportFormat format,
                     const std::vector<ipfix::TemplateRecord>& templates = biflow_templates())
        : messages(probe::make_netflow_messages(format, kDomain, templates)) {
        messages->begin(1472, kExportS);
    }
    Octets finish(std::uint32_t sequence = 0) {
        const probe::Bytes octets = messages->finish(sequence);
        return {octets.begin(), octets.end()};
    }
    std::unique_ptr<probe::NetflowMessages> messages;
};

} // namespace

TEST_CASE("a biflow becomes a v9 record for each direction", "[netflow]") {
    Packets packets(ExportFormat::netflow9);
    for (const auto& record : biflow_templates()) {
        REQUIRE(packets.messages->append_template(record) == AppendVerdict::appended);
    }
    REQUIRE(packets.messages->append_data(300, encode({})) == AppendVerdict::appended);
    REQUIRE(packets.messages->append_data(301, ipv6_flow()) == AppendVerdict::appended);
    CHECK(packets.messages->sequence_step() == 1);
    Netflow9 packet;
    packet.read(packets.finish(77));
    CHECK(packet.sequence == 77);
    CHECK(packet.source == kDomain);
    CHECK(packet.unix_s == kExportS);
    CHECK(packet.count == 2 + 2 + 3); // templates, the options template and its record, flows
    REQUIRE(packet.flows.size() == 3);
    const Flow& there = packet.flows[0];
    const Flow& back = packet.flows[1];
    CHECK(there == Flow{{8, 0x0a000001},
                        {12, 0x0a000002},
                        {4, 6},
                        {7, 40'000},
                        {11, 443},
                        {22, kExportMs - 5000},
                        {21, kExportMs - 1000},
                        {2, 10},
                        {1, 1000},
                        {6, 0x1b},
                        {5, 0x20},
                        {10, 3},
                        {136, 3}});
    CHECK(back == Flow{{8, 0x0a000002},
                       {12, 0x0a000001},
                       {4, 6},
                       {7, 443},
                       {11, 40'000},
                       {22, kExportMs - 5000},
                       {21, kExportMs - 1000},
                       {2, 20},
                       {1, 30'000},
                       {6, 0x12},
                       {5, 0},
                       {10, 3},
                       {136, 3}});
    CHECK(packet.flows[2].at(28) == 2);
    REQUIRE(packet.options.size() == 1);
    CHECK(packet.options.begin()->second ==
          std::vector<std::pair<unsigned, unsigned>>{{1, 4}, {34, 4}, {35, 1}});
}

TEST_CASE("a direction without packets has no record", "[netflow]") {
    Packets packets(ExportFormat::netflow5);
    REQUIRE(packets.messages->append_data(300, encode({.reverse_packets = 0})) ==
            AppendVerdict::appended);
    REQUIRE(packets.messages->append_data(300, encode({.packets = 0})) == AppendVerdict::appended);
    CHECK(packets.messages->sequence_step() == 2);
    Netflow5 packet;
    packet.read(packets.finish(5));
    CHECK(packet.sequence == 5);
    REQUIRE(packet.flows.size() == 2);
    CHECK(packet.flows[0] == Flow{{8, 0x0a000001},
                                  {12, 0x0a000002},
                                  {10, 3},
                                  {14, 0},
                                  {2, 10},
                                  {1, 1000},
                                  {22, kExportMs - 5000},
                                  {21, kExportMs - 1000},
                                  {7, 40'000},
                                  {11, 443},
                                  {6, 0x1b},
                                  {4, 6},
                                  {5, 0x20}});
    CHECK(packet.flows[1].at(8) == 0x0a000002);
    CHECK(packet.flows[1].at(1) == 30'000);
}

TEST_CASE("v5 tells of a counter beyond 32 bits in several records with the right sum",
          "[netflow]") {
    const std::uint64_t octets = GENERATE(0xffffffffULL, 0x100000000ULL, 0x1fffffffeULL,
                                          0x1ffffffffULL, 12'345'678'901ULL, 64'424'509'440ULL);
    Packets packets(ExportFormat::netflow5);
    REQUIRE(packets.messages->append_data(
                300, encode({.packets = 10'000'019, .octets = octets, .reverse_packets = 0})) ==
            AppendVerdict::appended);
    Netflow5 packet;
    packet.read(packets.finish());
    CHECK(packet.flows.size() >= octets / 0xffffffffULL);
    CHECK(packet.flows.size() <= octets / 0xffffffffULL + 2);
    std::uint64_t sum = 0;
    std::uint64_t sum_packets = 0;
    for (const Flow& flow : packet.flows) {
        sum += flow.at(1);
        sum_packets += flow.at(2);
        CHECK(flow.at(22) == kExportMs - 5000);
    }
    CHECK(sum == octets);
    CHECK(sum_packets == 10'000'019);
}

TEST_CASE("v5 has at most 30 records, and says when one does not fit", "[netflow]") {
    Packets packets(ExportFormat::netflow5);
    for (int i = 0; i < 15; ++i) {
        REQUIRE(packets.messages->append_data(300, encode({})) == AppendVerdict::appended);
    }
    CHECK(packets.messages->append_data(300, encode({})) == AppendVerdict::message_full);
    CHECK(packets.messages->sequence_step() == 30);
    packets.messages->begin(512, kExportS);
    for (int i = 0; i < 5; ++i) {
        REQUIRE(packets.messages->append_data(300, encode({})) == AppendVerdict::appended);
    }
    CHECK(packets.messages->append_data(300, encode({})) == AppendVerdict::message_full);
    packets.messages->begin(1472, kExportS);
    CHECK(packets.messages->append_data(300, encode({.octets = UINT64_MAX})) ==
          AppendVerdict::record_too_large);
    CHECK(packets.messages->empty());
}

TEST_CASE("v5 carries IPv4 templates, v9 all", "[netflow]") {
    Packets v5(ExportFormat::netflow5);
    CHECK(v5.messages->carries(biflow_templates()[0]));
    CHECK_FALSE(v5.messages->carries(biflow_templates()[1]));
    CHECK_FALSE(v5.messages->has_templates());
    Packets v9(ExportFormat::netflow9);
    CHECK(v9.messages->carries(biflow_templates()[1]));
    CHECK(probe::make_netflow_messages(ExportFormat::ipfix, 1, biflow_templates()) == nullptr);
}

TEST_CASE("an interface that 16 bits cannot say is 0, which is none", "[netflow]") {
    Packets packets(ExportFormat::netflow5);
    REQUIRE(packets.messages->append_data(300, encode({.interface = 65'536})) ==
            AppendVerdict::appended);
    Netflow5 packet;
    packet.read(packets.finish());
    CHECK(packet.flows[0].at(10) == 0);
}

TEST_CASE("flows of any age have their times", "[netflow]") {
    const auto format = GENERATE(ExportFormat::netflow9, ExportFormat::netflow5);
    const std::uint64_t age_ms =
        GENERATE(std::uint64_t{0}, 2 * kDayMs, 49 * kDayMs, 60 * kDayMs, 5000 * kDayMs);
    Packets packets(format);
    for (const auto& record : biflow_templates()) {
        static_cast<void>(packets.messages->append_template(record));
    }
    const Biflow flow{.start_ms = kExportMs - age_ms - 7 * kDayMs, .end_ms = kExportMs - age_ms};
    REQUIRE(packets.messages->append_data(300, encode(flow)) == AppendVerdict::appended);
    const Octets octets = packets.finish();
    Netflow9 v9;
    Netflow5 v5;
    if (format == ExportFormat::netflow9) {
        v9.read(octets);
    } else {
        v5.read(octets);
    }
    const Flow& read = format == ExportFormat::netflow9 ? v9.flows.at(0) : v5.flows.at(0);
    CHECK(read.at(22) == flow.start_ms);
    CHECK(read.at(21) == flow.end_ms);
    // Start <= end <= the message's own time.
    CHECK(flow.end_ms <= number(octets, 8, 4) * 1000);
    CHECK(number(octets, 8, 4) <= kExportS);
}

TEST_CASE("sysUpTime goes on from message to message", "[netflow]") {
    Packets packets(ExportFormat::netflow5);
    std::uint64_t uptime_before = 0;
    for (std::uint32_t s = 0; s < 100; s += 10) {
        packets.messages->begin(1472, kExportS + s);
        const std::uint64_t end = kExportMs + s * 1000;
        REQUIRE(packets.messages->append_data(
                    300, encode({.start_ms = end - 1800 * 1000, .end_ms = end})) ==
                AppendVerdict::appended);
        const Octets octets = packets.finish();
        const std::uint64_t uptime = number(octets, 4, 4);
        if (s > 0) CHECK(uptime == uptime_before + 10'000);
        uptime_before = uptime;
    }
}

TEST_CASE("flows that no one sysUpTime fits go into two messages", "[netflow]") {
    Packets packets(ExportFormat::netflow9);
    for (const auto& record : biflow_templates()) {
        static_cast<void>(packets.messages->append_template(record));
    }
    REQUIRE(packets.messages->append_data(300, encode({})) == AppendVerdict::appended);
    const Biflow old{.start_ms = kExportMs - 100 * kDayMs, .end_ms = kExportMs - 100 * kDayMs};
    CHECK(packets.messages->append_data(300, encode(old)) == AppendVerdict::message_full);
    packets.messages->begin(1472, kExportS);
    CHECK(packets.messages->append_data(300, encode(old)) == AppendVerdict::appended);
}

TEST_CASE("flows far in the future, and of more days than sysUpTime has, are told all the same",
          "[netflow]") {
    const auto format = GENERATE(ExportFormat::netflow9, ExportFormat::netflow5);
    Packets packets(format);
    static_cast<void>(packets.finish()); // templates alone come before, and put the start near now
    const auto send = [&](const Biflow& flow) {
        packets.messages->begin(1472, kExportS);
        for (const auto& record : biflow_templates()) {
            static_cast<void>(packets.messages->append_template(record));
        }
        REQUIRE(packets.messages->append_data(300, encode(flow)) == AppendVerdict::appended);
        const Octets octets = packets.finish();
        Netflow9 v9;
        Netflow5 v5;
        if (format == ExportFormat::netflow9) {
            v9.read(octets);
        } else {
            v5.read(octets);
        }
        return format == ExportFormat::netflow9 ? v9.flows.at(0) : v5.flows.at(0);
    };
    const Biflow future{.start_ms = kExportMs + 60 * kDayMs, .end_ms = kExportMs + 61 * kDayMs};
    Flow read = send(future);
    CHECK(read.at(22) == future.start_ms);
    CHECK(read.at(21) == future.end_ms);
    const Biflow present{.start_ms = kExportMs - 1000, .end_ms = kExportMs};
    read = send(present);
    CHECK(read.at(22) == present.start_ms);
    CHECK(read.at(21) == present.end_ms);
    const Biflow longer{.start_ms = kExportMs - 100 * kDayMs, .end_ms = kExportMs};
    read = send(longer);
    CHECK(read.at(22) > longer.start_ms); // as early as 32 bits of milliseconds say
    CHECK(read.at(22) < longer.end_ms - 49 * kDayMs);
    CHECK(read.at(21) == longer.end_ms);
    packets.messages->begin(1472, kExportS); // without flows
    const Octets empty = packets.finish();
    CHECK(number(empty, 8, 4) == kExportS);
    CHECK(number(empty, 4, 4) < 50 * kDayMs);
}

TEST_CASE("times in any unit become milliseconds", "[netflow]") {
    const auto unit = GENERATE(0, 1, 2, 3);
    const std::array<std::vector<ipfix::TemplateRecord>, 4> templates = {{
        {make_template(
            400, {"sourceIPv4Address", "destinationIPv4Address", "protocolIdentifier",
                  "flowStartSeconds", "flowEndSeconds", "packetDeltaCount", "octetDeltaCount"})},
        {make_template(400, {"sourceIPv4Address", "destinationIPv4Address", "protocolIdentifier",
                             "flowStartMilliseconds", "flowEndMilliseconds", "packetDeltaCount",
                             "octetDeltaCount"})},
        {make_template(400, {"sourceIPv4Address", "destinationIPv4Address", "protocolIdentifier",
                             "flowStartMicroseconds", "flowEndMicroseconds", "packetDeltaCount",
                             "octetDeltaCount"})},
        {make_template(400, {"sourceIPv4Address", "destinationIPv4Address", "protocolIdentifier",
                             "flowStartNanoseconds", "flowEndNanoseconds", "packetDeltaCount",
                             "octetDeltaCount"})},
    }};
    const std::uint64_t start = unit == 0 ? kExportMs - 3000 : kExportMs - 2345;
    const auto written = [&](std::uint64_t ms) {
        switch (unit) {
            case 0:
                return ms / 1000;
            case 1:
                return ms;
            case 2:
                return ipfix::ntp_from_unix_us(ms * 1000);
            default:
                return ipfix::ntp_from_unix_ns(ms * 1'000'000);
        }
    };
    const std::size_t octets = unit == 0 ? 4 : 8;
    Packets packets(ExportFormat::netflow5, templates[static_cast<std::size_t>(unit)]);
    const Octets record = RecordWriter()
                              .put(1, 4)
                              .put(2, 4)
                              .put(17, 1)
                              .put(written(start), octets)
                              .put(written(kExportMs), octets)
                              .put(1, 8)
                              .put(60, 8)
                              .octets();
    REQUIRE(packets.messages->append_data(400, record) == AppendVerdict::appended);
    Netflow5 packet;
    packet.read(packets.finish());
    CHECK(packet.flows[0].at(22) == start);
    CHECK(packet.flows[0].at(21) == kExportMs);
}

TEST_CASE("what a format cannot carry is refused with the remedy", "[netflow]") {
    const auto refused = [](ExportFormat format, std::vector<ipfix::TemplateRecord> templates) {
        try {
            static_cast<void>(probe::make_netflow_messages(format, 1, templates));
        } catch (const std::invalid_argument& why) {
            return std::string(why.what());
        }
        return std::string("taken");
    };
    CHECK(refused(ExportFormat::netflow5, {biflow_templates()[1]}) ==
          "none of the templates is for IPv4, and NetFlow v5 carries nothing else; send NetFlow v9 "
          "(netflow9://) or IPFIX (udp://)");
    CHECK(
        refused(
            ExportFormat::netflow5,
            {make_template(256, {"sourceIPv4Address", "destinationIPv4Address",
                                 "protocolIdentifier", "packetDeltaCount", "octetDeltaCount"})}) ==
        "template 't256' has no flowStartMilliseconds, which every NetFlow v5 record has; add it, "
        "or send NetFlow v9 (netflow9://) or IPFIX (udp://)");
    CHECK(
        refused(
            ExportFormat::netflow9,
            {make_template(256, {"sourceIPv4Address", "destinationIPv4Address",
                                 "protocolIdentifier", "packetDeltaCount", "interfaceName"})}) ==
        "template 't256': interfaceName has no fixed length, which NetFlow v9 cannot carry; leave "
        "it out, send IPFIX (udp://), or take the shipped templates (-t uniflow)");
}
