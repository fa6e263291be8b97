// SPDX-License-Identifier: BSD-3-Clause
#include "tests/probe/application/capture_flows.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <tuple>

#include "probe/observation/capture_file.hpp"
#include "probe/packet/packet_parser.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe::test {

namespace {

std::string address(const std::uint8_t* octets, IpFamily family) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return inet_ntop(family == IpFamily::ipv4 ? AF_INET : AF_INET6, octets, text.data(),
                     text.size());
}

struct Segment {
    std::string source, destination;
    ApplicationPacket packet;
    bool begins = false; ///< SYN without ACK
};

/// False for what has no payload to look at.
bool read_segment(const PacketView& view, Segment& segment) {
    PacketHeaders headers{};
    if (parse_packet(view, headers) != ParseVerdict::metered || headers.transport_offset == 0 ||
        headers.is_fragment || headers.transport_cut) {
        return false;
    }
    const std::uint8_t* network = view.octets + headers.network_offset;
    const bool v4 = headers.family == IpFamily::ipv4;
    segment.source = address(network + (v4 ? 12 : 8), headers.family);
    segment.destination = address(network + (v4 ? 16 : 24), headers.family);
    const std::size_t end =
        std::min<std::size_t>(view.captured_octets, headers.network_offset + headers.ip_octets);
    const std::uint8_t* transport = view.octets + headers.transport_offset;
    const bool tcp = headers.protocol == kProtocolTcp;
    const std::size_t least = tcp ? 20 : 8;
    if ((!tcp && headers.protocol != kProtocolUdp) || headers.transport_offset + least > end) {
        return false;
    }
    const std::size_t header_octets = tcp ? std::size_t{transport[12]} / 16 * 4 : 8;
    const std::size_t at = std::min(end, headers.transport_offset + header_octets);
    segment.packet.payload = Bytes(view.octets + at, end - at);
    segment.packet.source_port = headers.source_port;
    segment.packet.destination_port = headers.destination_port;
    segment.packet.protocol = headers.protocol;
    segment.begins = tcp && (headers.tcp_control_bits & 0x12) == 0x02;
    segment.packet.tcp_sequence = 0;
    for (std::size_t i = 4; tcp && i < 8; ++i) {
        segment.packet.tcp_sequence = segment.packet.tcp_sequence << 8 | transport[i];
    }
    return true;
}

} // namespace

ApplicationLabel label_of(const InspectedFlow& flow, const ApplicationRules& rules) {
    using F = ApplicationField;
    const ApplicationFields& fields = flow.found->fields;
    LabelEvidence evidence;
    evidence.state = &flow.state;
    evidence.parsed = flow.found->protocol;
    for (const F field : {F::http_host, F::quic_server_name, F::tls_server_name}) {
        if (fields.has(field)) {
            evidence.server_name = fields.text(field);
        }
    }
    evidence.dns_name = fields.text(F::dns_name);
    evidence.protocol = flow.protocol;
    evidence.source_port = flow.source_port;
    evidence.destination_port = flow.destination_port;
    evidence.from_start = flow.from_start;
    return rules.resolve(evidence);
}

std::vector<InspectedFlow> inspect_capture(const std::string& path, ApplicationInspector& inspector,
                                           ApplicationClassifier* classifier) {
    using End = std::tuple<std::string, std::uint16_t>;
    std::map<std::tuple<std::uint8_t, End, End>, std::size_t> known;
    std::vector<InspectedFlow> flows;
    CaptureFile file(path);
    PacketBatch batch;
    while (file.poll(batch, UINT64_MAX) > 0) {
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            Segment segment;
            if (!read_segment(batch.packets[i], segment)) {
                continue;
            }
            ApplicationPacket& packet = segment.packet;
            const End source{segment.source, packet.source_port};
            const End destination{segment.destination, packet.destination_port};
            const auto key = std::make_tuple(packet.protocol, std::min(source, destination),
                                             std::max(source, destination));
            const auto at = known.find(key);
            const auto has_payload = [](const InspectedFlow& flow) {
                return flow.found->directions[0].packets + flow.found->directions[1].packets > 0;
            };
            if (at == known.end() || (segment.begins && has_payload(flows[at->second]))) {
                known[key] = flows.size();
                flows.push_back({segment.source,
                                 segment.destination,
                                 packet.source_port,
                                 packet.destination_port,
                                 packet.protocol,
                                 std::make_unique<ApplicationFlow>(),
                                 segment.begins,
                                 {}});
                flows.back().found->clear();
            }
            InspectedFlow& flow = flows[known[key]];
            packet.direction = End{flow.source, flow.source_port} == source ? 0 : 1;
            const bool was_done = flow.found->done;
            static_cast<void>(inspector.inspect(*flow.found, packet));
            const PatternsAsked asked =
                classifier == nullptr
                    ? PatternsAsked::none
                    : classifier->rules()->asked(packet.protocol, flow.found->protocol, was_done);
            if (asked != PatternsAsked::none) {
                ClassifyRequest request{packet.payload,       &flow.state,
                                        packet.protocol,      packet.direction,
                                        packet.source_port,   packet.destination_port,
                                        flow.found->protocol, asked};
                classifier->classify_burst({&request, 1});
            }
        }
        file.release();
    }
    for (InspectedFlow& flow : flows) {
        inspector.finish(*flow.found);
    }
    return flows;
}

std::string shared_captures() {
    const char* named = std::getenv("PARSHALL_SHARED_CAPTURES");
    const std::filesystem::path folder =
        named != nullptr
            ? std::filesystem::path(named)
            : std::filesystem::path(PARSHALL_SOURCE_ROOT) / ".." / "shared" / "captures";
    return std::filesystem::exists(folder / "INDEX.csv") ? folder.string() : std::string();
}

} // namespace probe::test
