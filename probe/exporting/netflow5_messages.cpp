// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/netflow5_messages.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace probe {
namespace {

namespace ie = ipfix::ie;

constexpr std::uint64_t kCountMax = UINT32_MAX;
constexpr std::uint64_t kInterfaceMax = UINT16_MAX;

bool is_ipv6(const ipfix::TemplateRecord& record) noexcept {
    return std::any_of(record.fields().begin(), record.fields().end(),
                       [](const ipfix::FieldSpecifier& field) {
                           return field.element->type == ipfix::AbstractDataType::ipv6Address ||
                                  field.element->id == ie::icmpTypeCodeIPv6;
                       });
}

void require(const ipfix::TemplateRecord& record, bool has, const char* what) {
    if (has) return;
    throw std::invalid_argument("template '" + record.name() + "' has no " + what +
                                ", which every NetFlow v5 record has; add it, or send NetFlow v9 "
                                "(netflow9://) or IPFIX (udp://)");
}

std::uint16_t interface_of(std::uint64_t index) noexcept {
    return index > kInterfaceMax ? 0 : static_cast<std::uint16_t>(index);
}

/// Part `i` of `pieces` equal parts, the rest in the last one.
std::uint32_t part(std::uint64_t sum, std::uint64_t pieces, std::uint64_t i) noexcept {
    const std::uint64_t each = sum / pieces;
    return static_cast<std::uint32_t>(i + 1 < pieces ? each : sum - each * i);
}

} // namespace

Netflow5Messages::Netflow5Messages(std::uint32_t domain_id, const TemplateView& templates)
    : message_(static_cast<std::uint16_t>(domain_id)) {
    for (std::size_t i = 0; i < templates.all().size(); ++i) {
        if (templates.present_data(i)) add(templates.all()[i]);
    }
    if (translated_.empty()) {
        throw std::invalid_argument(
            "none of the templates is for IPv4, and NetFlow v5 carries nothing else; send NetFlow "
            "v9 (netflow9://) or IPFIX (udp://)");
    }
}

void Netflow5Messages::add(const ipfix::TemplateRecord& record) {
    if (!is_ipv6(record)) translated_.add(translate(record));
}

Netflow5Messages::Translated Netflow5Messages::translate(const ipfix::TemplateRecord& record) {
    for (const ipfix::FieldSpecifier& field : record.fields()) {
        if (field.length == ipfix::kVariableLength) {
            throw std::invalid_argument("template '" + record.name() + "': " + field.name() +
                                        " has no fixed length, and NetFlow v5 cannot be made of "
                                        "such records; leave it out, or send IPFIX (udp://)");
        }
    }
    Translated how{record.id(), NetflowFields(record), {}};
    require(record, how.fields.has(ie::packetDeltaCount), "packetDeltaCount");
    require(record, how.fields.has(ie::octetDeltaCount), "octetDeltaCount");
    require(record, how.fields.start().has_value(), "flowStartMilliseconds");
    require(record, how.fields.end().has_value(), "flowEndMilliseconds");
    for (std::size_t d = 0; d < how.fields.directions(); ++d) {
        const auto find = [&](std::uint16_t element) { return how.fields.find(element, d); };
        how.sources[d] = {
            .source = find(ie::sourceIPv4Address),
            .destination = find(ie::destinationIPv4Address),
            .source_port = find(ie::sourceTransportPort),
            .destination_port = find(ie::destinationTransportPort),
            .icmp = find(ie::icmpTypeCodeIPv4),
            .icmp_type = find(ie::icmpTypeIPv4),
            .icmp_code = find(ie::icmpCodeIPv4),
            .input = find(ie::ingressInterface),
            .output = find(ie::egressInterface),
            .packets = find(ie::packetDeltaCount),
            .octets = find(ie::octetDeltaCount),
            .tcp_flags = find(ie::tcpControlBits),
            .protocol = find(ie::protocolIdentifier),
            .type_of_service = find(ie::ipClassOfService),
        };
    }
    return how;
}

bool Netflow5Messages::carries(const ipfix::TemplateRecord& record) const noexcept {
    return translated_.has(record.id());
}

void Netflow5Messages::begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept {
    message_.reset(octets_max);
    uptime_.begin_message(export_time_s);
}

ipfix::AppendVerdict Netflow5Messages::append_template(const ipfix::TemplateRecord&) noexcept {
    return ipfix::AppendVerdict::appended;
}

Netflow5Messages::Counts Netflow5Messages::counts(const Translated& how, std::size_t direction,
                                                  const std::uint8_t* record) noexcept {
    Counts counts;
    if (direction >= how.fields.directions() || !how.fields.has_packets(direction, record)) {
        return counts;
    }
    counts.packets = how.sources[direction].packets.load(record);
    counts.octets = how.sources[direction].octets.load(record);
    const std::uint64_t most = std::max(counts.packets, counts.octets);
    counts.pieces = most == 0 ? 1 : (most - 1) / kCountMax + 1;
    // The last piece has the rest of the division besides.
    while (most / counts.pieces + most % counts.pieces > kCountMax) {
        ++counts.pieces;
    }
    return counts;
}

ipfix::AppendVerdict Netflow5Messages::append_data(std::uint16_t template_id,
                                                   Bytes record) noexcept {
    const Translated* how = translated_.find(template_id);
    if (how == nullptr) return ipfix::AppendVerdict::record_too_large;
    const std::uint8_t* octets = record.data();
    const std::array<Counts, 2> both = {counts(*how, 0, octets), counts(*how, 1, octets)};
    const std::uint64_t pieces = both[0].pieces + both[1].pieces;
    if (pieces > message_.records_max()) return ipfix::AppendVerdict::record_too_large;
    if (pieces > message_.room()) return ipfix::AppendVerdict::message_full;
    const std::uint64_t first = how->fields.start()->load_ms(octets);
    const std::uint64_t last = std::max(first, how->fields.end()->load_ms(octets));
    if (!uptime_.take(first, last)) return ipfix::AppendVerdict::message_full;
    ipfix::Netflow5Record flow;
    flow.first_ms = uptime_.uptime(first);
    flow.last_ms = uptime_.uptime(last);
    for (std::size_t direction = 0; direction < both.size(); ++direction) {
        append_pieces(how->sources[direction], octets, both[direction], flow);
    }
    return ipfix::AppendVerdict::appended;
}

void Netflow5Messages::append_pieces(const Sources& from, const std::uint8_t* record,
                                     const Counts& counts, ipfix::Netflow5Record flow) noexcept {
    const auto load16 = [record](const NetflowField& field) {
        return static_cast<std::uint16_t>(field.load(record));
    };
    const auto load8 = [record](const NetflowField& field) {
        return static_cast<std::uint8_t>(field.load(record));
    };
    flow.source_address = static_cast<std::uint32_t>(from.source.load(record));
    flow.destination_address = static_cast<std::uint32_t>(from.destination.load(record));
    flow.source_port = load16(from.source_port);
    flow.destination_port = load16(from.destination_port);
    if (from.icmp.octets > 0) {
        flow.destination_port = load16(from.icmp);
    } else if (from.icmp_type.octets > 0) {
        flow.destination_port =
            static_cast<std::uint16_t>(load8(from.icmp_type) << 8U | load8(from.icmp_code));
    }
    flow.input_interface = interface_of(from.input.load(record));
    flow.output_interface = interface_of(from.output.load(record));
    flow.tcp_flags = load8(from.tcp_flags);
    flow.protocol = load8(from.protocol);
    flow.type_of_service = load8(from.type_of_service);
    for (std::uint64_t i = 0; i < counts.pieces; ++i) {
        flow.packets = part(counts.packets, counts.pieces, i);
        flow.octets = part(counts.octets, counts.pieces, i);
        message_.append(flow);
    }
}

Bytes Netflow5Messages::finish(std::uint32_t sequence_number) noexcept {
    const NetflowUptime::Header header = uptime_.header();
    return message_.finish(header.uptime_ms, header.unix_s, sequence_number);
}

} // namespace probe
