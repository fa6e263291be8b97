// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/flow_table_printer.hpp"

#include <algorithm>
#include <string_view>

#include "probe/exporting/table_cells.hpp"

namespace probe {
namespace {

constexpr unsigned kNarrowest = 80;
constexpr std::size_t kIpv4EndpointWidth = 21; // 255.255.255.255:65535
constexpr std::size_t kIpv6EndpointWidth = 45; // eight groups of four, a dot and a port
constexpr std::size_t kClockWidth = 8;
constexpr std::size_t kFractionWidth = 4;
constexpr std::size_t kSecondsWidth = 7;
constexpr std::size_t kProtocolWidth = 5;
constexpr std::size_t kCountWidth = 5;
constexpr std::size_t kFlagsWidth = 8;
constexpr std::size_t kEndWidth = 6;
constexpr std::uint64_t kTcp = 6;

} // namespace

FlowTablePrinter::FlowTablePrinter(const TemplateView& templates, unsigned columns)
    : reader_(templates), columns_(columns) {
    choose_columns(columns);
}

void FlowTablePrinter::change(const TemplateView& templates) {
    reader_ = FlowSummaryReader(templates);
    const auto before = widths_;
    widths_ = {};
    choose_columns(columns_);
    heading_due_ = heading_due_ || widths_ != before;
}

void FlowTablePrinter::choose_columns(unsigned columns) {
    // One more: the first column has no space before it.
    std::size_t left = 1 + (columns == 0 ? 1000 : std::max(columns, kNarrowest));
    const auto show = [&](Column column, std::size_t wanted, bool fillable) {
        if (!fillable || left < wanted + 1) return;
        widths_[static_cast<std::size_t>(column)] = wanted;
        left -= wanted + 1;
    };
    const auto can = [&](FlowRole role) { return reader_.can(role); };
    // These fit 80 columns exactly: the endpoints are two of IPv4 side by side or one of IPv6.
    const std::size_t endpoint = reader_.has_ipv6() ? kIpv6EndpointWidth / 2 : kIpv4EndpointWidth;
    show(Column::source, endpoint, can(FlowRole::source));
    show(Column::destination, endpoint, can(FlowRole::destination));
    show(Column::start, kClockWidth, can(FlowRole::start));
    show(Column::seconds, kSecondsWidth,
         can(FlowRole::duration) || (can(FlowRole::start) && can(FlowRole::end)));
    show(Column::protocol, kProtocolWidth, can(FlowRole::protocol));
    show(Column::packets, kCountWidth, can(FlowRole::packets));
    show(Column::octets, kCountWidth, can(FlowRole::octets));
    // More room, the most wanted first.
    if (left >= 2 * (kCountWidth + 1)) {
        show(Column::reverse_packets, kCountWidth, can(FlowRole::reverse_packets));
        show(Column::reverse_octets, kCountWidth, can(FlowRole::reverse_octets));
    }
    show(Column::flags, kFlagsWidth, can(FlowRole::flags) || can(FlowRole::icmp));
    show(Column::end_reason, kEndWidth, can(FlowRole::end_reason));
    milliseconds_ = width(Column::start) > 0 && left >= kFractionWidth;
    if (milliseconds_) {
        widths_[static_cast<std::size_t>(Column::start)] += kFractionWidth;
        left -= kFractionWidth;
    }
    widen_endpoints(left);
    const bool named = can(FlowRole::application) || can(FlowRole::name);
    widths_[static_cast<std::size_t>(Column::name)] = named ? 1 : 0; // and as wide as it needs
}

void FlowTablePrinter::widen_endpoints(std::size_t left) {
    if (!reader_.has_ipv6()) return;
    std::size_t share = left / 2;
    for (const Column column : {Column::source, Column::destination}) {
        std::size_t& wide = widths_[static_cast<std::size_t>(column)];
        if (wide > 0) wide += std::min(share, kIpv6EndpointWidth - wide);
        share = left - share;
    }
}

void FlowTablePrinter::append_record(std::string& out, std::size_t template_index,
                                     Bytes data_record) {
    if (heading_due_) append_heading(out);
    heading_due_ = false;
    const FlowSummary flow = reader_.read(template_index, data_record);
    if (flow.has(FlowRole::start)) earliest_ = std::min(earliest_, flow.of(FlowRole::start));
    if (flow.has(FlowRole::end)) latest_ = std::max(latest_, flow.of(FlowRole::end));

    Cells cells;
    for (std::size_t at = 0; at < kColumns; ++at) {
        if (widths_[at] > 0) cells[at] = cell(static_cast<Column>(at), flow);
    }
    std::string& source = cells[static_cast<std::size_t>(Column::source)];
    std::string& destination = cells[static_cast<std::size_t>(Column::destination)];
    if (source.size() > width(Column::source) || destination.size() > width(Column::destination)) {
        append_line(out, cells, Column::start, Column::source);
        for (std::size_t at = 0; at <= static_cast<std::size_t>(Column::source); ++at) {
            cells[at].clear();
        }
        source.swap(destination); // it may take the room of both
    }
    append_line(out, cells, Column::start, Column::name);
}

void FlowTablePrinter::append_heading(std::string& out) const {
    const bool each_way = width(Column::reverse_packets) + width(Column::reverse_octets) > 0;
    const Cells names = {"START",
                         "SECONDS",
                         "PROTO",
                         "SOURCE",
                         "DESTINATION",
                         each_way ? "PKTS>" : "PKTS",
                         each_way ? "OCTS>" : "OCTS",
                         "<PKTS",
                         "<OCTS",
                         "FLAGS",
                         "END",
                         "NAME"};
    append_line(out, names, Column::start, Column::name);
}

// A cell that is too long pushes those behind it only until an empty or narrow cell makes up for
// it.
void FlowTablePrinter::append_line(std::string& out, const Cells& cells, Column first,
                                   Column last) const {
    const std::size_t line_start = out.size();
    std::size_t place = 0;
    for (auto at = static_cast<std::size_t>(first); at <= static_cast<std::size_t>(last); ++at) {
        const std::size_t wide = widths_[at];
        if (wide == 0) continue;
        const auto column = static_cast<Column>(at);
        const bool right = column == Column::seconds ||
                           (column >= Column::packets && column <= Column::reverse_octets);
        const std::size_t padding = right && cells[at].size() < wide ? wide - cells[at].size() : 0;
        if (!cells[at].empty()) {
            const std::size_t from = line_start + place + padding;
            if (out.size() < from)
                out.append(from - out.size(), ' ');
            else if (out.size() > line_start)
                out += ' ';
            out += cells[at];
        }
        place += wide + 1;
    }
    out += '\n';
}

std::string FlowTablePrinter::counter(const FlowSummary& flow, FlowRole role,
                                      FlowRole added) const {
    std::string text;
    if (flow.has(role) || flow.has(added)) append_count(text, flow.of(role) + flow.of(added));
    return text;
}

std::string FlowTablePrinter::cell(Column column, const FlowSummary& flow) const {
    const auto added = [&](Column own, FlowRole reverse) {
        return width(own) > 0 ? FlowRole::none : reverse;
    };
    const auto endpoint = [&](Bytes address, FlowRole port) {
        std::string text;
        append_endpoint(text, address, flow.has(port), static_cast<std::uint16_t>(flow.of(port)));
        return text;
    };
    std::string text;
    switch (column) {
        case Column::start:
            if (flow.has(FlowRole::start)) {
                append_clock(text, flow.of(FlowRole::start), milliseconds_);
            }
            break;
        case Column::seconds:
            if (flow.has(FlowRole::duration)) {
                append_duration(text, flow.of(FlowRole::duration));
            } else if (flow.has(FlowRole::start) && flow.has(FlowRole::end)) {
                const TimeNs start = flow.of(FlowRole::start);
                append_duration(text, std::max(flow.of(FlowRole::end), start) - start);
            }
            break;
        case Column::protocol:
            if (flow.has(FlowRole::protocol)) {
                append_protocol(text, static_cast<std::uint8_t>(flow.of(FlowRole::protocol)));
            }
            break;
        case Column::source:
            return endpoint(flow.source, FlowRole::source_port);
        case Column::destination:
            return endpoint(flow.destination, FlowRole::destination_port);
        case Column::packets:
            return counter(flow, FlowRole::packets,
                           added(Column::reverse_packets, FlowRole::reverse_packets));
        case Column::octets:
            return counter(flow, FlowRole::octets,
                           added(Column::reverse_octets, FlowRole::reverse_octets));
        case Column::reverse_packets:
            return counter(flow, FlowRole::reverse_packets, FlowRole::none);
        case Column::reverse_octets:
            return counter(flow, FlowRole::reverse_octets, FlowRole::none);
        case Column::flags:
            return flags_or_icmp(flow);
        case Column::end_reason:
            if (flow.has(FlowRole::end_reason)) {
                append_end_reason(text, static_cast<std::uint8_t>(flow.of(FlowRole::end_reason)));
            }
            break;
        case Column::name:
            append_words(text, flow.application);
            append_words(text, flow.name);
            break;
        case Column::count_:
            break;
    }
    return text;
}

std::string FlowTablePrinter::flags_or_icmp(const FlowSummary& flow) {
    std::string text;
    if (flow.has(FlowRole::icmp)) {
        const std::uint64_t type_and_code = flow.of(FlowRole::icmp);
        text = std::to_string(type_and_code >> 8U) + '/' + std::to_string(type_and_code & 0xFFU);
    } else if (flow.has(FlowRole::flags) &&
               (!flow.has(FlowRole::protocol) || flow.of(FlowRole::protocol) == kTcp)) {
        append_tcp_flags(text, static_cast<std::uint16_t>(flow.of(FlowRole::flags)));
    }
    return text;
}

void FlowTablePrinter::append_totals(std::string& out, const RecordTally& tally) const {
    out += std::to_string(tally.records);
    out += tally.records == 1 ? " flow record, " : " flow records, ";
    out += std::to_string(tally.packets) + " packets, " + std::to_string(tally.octets) + " octets";
    if (earliest_ <= latest_) {
        out += ", ";
        append_date(out, earliest_);
        out += " to ";
        append_date(out, latest_);
        out += " UTC";
    }
    out += '\n';
}

} // namespace probe
