// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/application_meter.hpp"

#include <algorithm>
#include <cassert>
#include <span>
#include <string_view>

#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

using Count = ApplicationCount;
using Field = ApplicationField;

/// A flow is given up after this many times the packets that are looked at of a direction, if one
/// side says too little.
constexpr unsigned kPatience = 4;

/// Packets are sent for so far ahead: a processor has room for some dozens of lines on their way.
constexpr std::uint32_t kFlowsAhead = 4;

/// By direction: the octets, then their entropy.
constexpr std::array kHeadFields = {Field::payload_head, Field::payload_head_reverse,
                                    Field::payload_entropy, Field::payload_entropy_reverse};

/// What labels and parsers themselves ask for, beside what templates list: who a flow is with, and
/// where a parser left off.
constexpr std::array kAskedFor = {
    Field::tls_server_name, Field::quic_server_name, Field::http_host, Field::dns_name,
    Field::dns_id,          Field::http_method,      Field::ftp_user};

FieldMask kept_fields(const ApplicationMeterOptions& options) noexcept {
    FieldMask kept = options.wanted;
    for (const Field field : kAskedFor) {
        kept.add(field);
    }
    return kept;
}

bool is_any_of(const FieldMask& mask, std::span<const Field> fields) noexcept {
    return std::any_of(fields.begin(), fields.end(), [&](Field field) { return mask.has(field); });
}

bool is_any_but_heads(const FieldMask& mask) noexcept {
    for (std::size_t i = 0; i < kApplicationFields; ++i) {
        const auto field = static_cast<Field>(i);
        const bool head =
            std::find(kHeadFields.begin(), kHeadFields.end(), field) != kHeadFields.end();
        if (mask.has(field) && !head) {
            return true;
        }
    }
    return false;
}

/// Whom a flow is with: what is there of these, the first in this order.
struct FlowNames {
    std::string_view server_name;
    std::string_view dns_name;
};

FlowNames names_of(const ApplicationFields& fields) noexcept {
    constexpr std::array kServerNames = {Field::tls_server_name, Field::quic_server_name,
                                         Field::http_host};
    FlowNames names;
    std::size_t best = kServerNames.size();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ApplicationFields::Value value = fields.at(i);
        if (value.field == Field::dns_name) {
            names.dns_name = value.text;
        }
        for (std::size_t order = 0; order < best; ++order) {
            if (value.field == kServerNames[order] && !value.text.empty()) {
                best = order;
                names.server_name = value.text;
            }
        }
    }
    return names;
}

// RFC 9293 section 3.1, RFC 768.
constexpr std::uint32_t kTcpSequenceOffset = 4;
constexpr std::uint32_t kTcpDataOffset = 12;
constexpr std::uint32_t kTcpHeaderOctetsMin = 20;
constexpr std::uint32_t kUdpHeaderOctets = 8;

std::uint32_t load_be32(const std::uint8_t* at) noexcept {
    return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
           at[3];
}

} // namespace

Bytes transport_payload(const PacketView& packet, const PacketHeaders& headers) noexcept {
    if (headers.transport_offset == 0 || headers.transport_cut) {
        return {};
    }
    const std::uint8_t* const header = packet.octets + headers.transport_offset;
    const std::uint32_t end =
        std::min(packet.captured_octets, std::uint32_t{headers.network_offset} + headers.ip_octets);
    std::uint32_t begin = headers.transport_offset;
    if (headers.protocol == kProtocolTcp) {
        if (end < begin + kTcpHeaderOctetsMin) {
            return {};
        }
        const std::uint32_t octets = (header[kTcpDataOffset] >> 4) * 4U;
        begin += std::max(octets, kTcpHeaderOctetsMin);
    } else if (headers.protocol == kProtocolUdp) {
        begin += kUdpHeaderOctets;
    } else {
        return {};
    }
    return begin < end ? Bytes{packet.octets + begin, end - begin} : Bytes{};
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): a burst's arrays
ApplicationMeter::ApplicationMeter(const ApplicationMeterOptions& options, MeteringLedger& ledger)
    : wanted_(options.wanted),
      kept_(kept_fields(options)),
      wants_parsers_(options.rules != nullptr || is_any_but_heads(options.wanted)),
      wants_heads_(is_any_of(options.wanted, kHeadFields)),
      head_octets_(std::min(options.head_octets, kPayloadHeadMax)),
      packets_max_(static_cast<std::uint16_t>(
          std::min<unsigned>(kPatience * options.inspector.payload_packets_max, UINT16_MAX))),
      tally_(ledger.application),
      inspector_(options.inspector),
      rules_(options.rules),
      flows_max_(options.flows_max),
      flows_(options.flows_max),
      heads_(wants_heads_ ? std::make_unique_for_overwrite<PayloadHeads[]>(options.flows_max)
                          : nullptr),
      results_(options.result_octets, options.records_max) {
    if (rules_ != nullptr) {
        classifier_.emplace(rules_);
    }
}

void ApplicationMeter::take(ApplicationStage& stage, ApplicationBlock& block,
                            const FlowPacket& one) noexcept {
    const PacketHeaders& headers = one.headers;
    const Bytes payload = transport_payload(one.packet, headers);
    if (payload.empty()) {
        return;
    }
    const bool tcp = headers.protocol == kProtocolTcp;
    const std::uint8_t* const transport = one.packet.octets + headers.transport_offset;
    assert(waiting_count_ < waiting_.size());
    waiting_[waiting_count_] = {
        &stage,
        &block,
        {.payload = payload,
         .tcp_sequence = tcp ? load_be32(transport + kTcpSequenceOffset) : 0,
         .source_port = headers.source_port,
         .destination_port = headers.destination_port,
         .protocol = headers.protocol,
         .direction = static_cast<std::uint8_t>(one.direction)},
        PatternsAsked::none,
        ApplicationProtocol::unknown};
    if (stage == ApplicationStage::inspecting ||
        begin(stage, block, waiting_[waiting_count_].packet, !tcp || one.syn_seen)) {
        ++waiting_count_;
    }
}

bool ApplicationMeter::begin(ApplicationStage& stage, ApplicationBlock& block,
                             const ApplicationPacket& packet, bool from_start) noexcept {
    InspectedFlow* const flow = flows_.take();
    if (flow == nullptr) {
        stage = ApplicationStage::settled;
        block = {kNoResult, 0};
        tally_.of(Count::flows_refused).add(1);
        return false;
    }
    const bool forth = packet.direction == 0;
    flow->names.fields.keep_only(&kept_);
    if (wants_heads_) {
        for (PayloadHead& head : heads_of(*flow)) {
            head.clear();
        }
    }
    flow->source_port = forth ? packet.source_port : packet.destination_port;
    flow->destination_port = forth ? packet.destination_port : packet.source_port;
    flow->protocol = packet.protocol;
    flow->from_start = from_start;
    stage = ApplicationStage::inspecting;
    block = {flows_.index_of(flow), 1};
    tally_.of(Count::flows_taken).add(1);
    tell_inspecting();
    return true;
}

/// The lines of flow and payload that every packet asks for.
void ApplicationMeter::send_for(const Waiting& waiting) const noexcept {
    const auto* const flow =
        reinterpret_cast<const std::uint8_t*>(&flows_.at(waiting.block->handle));
    const std::uint8_t* const payload = waiting.packet.payload.data();
    constexpr std::size_t kFlowLines = 3;
    constexpr std::size_t kPayloadLines = 2;
    for (std::size_t line = 0; line < kFlowLines; ++line) {
        __builtin_prefetch(flow + line * kCacheLineBytes);
    }
    for (std::size_t line = 0; line < kPayloadLines; ++line) {
        __builtin_prefetch(payload + line * kCacheLineBytes);
    }
}

/// What one packet says, but for patterns.
void ApplicationMeter::read(InspectedFlow& flow, const ApplicationPacket& packet) noexcept {
    flow.packets = static_cast<std::uint16_t>(flow.packets + (flow.packets < UINT16_MAX ? 1 : 0));
    if (wants_heads_) {
        PayloadHead& head = heads_of(flow)[packet.direction];
        if (packet.protocol == kProtocolTcp) {
            head.add_segment(packet.payload, packet.tcp_sequence, head_octets_);
        } else {
            head.add_datagram(packet.payload, head_octets_);
        }
    }
    if (wants_parsers_) {
        static_cast<void>(inspector_.inspect(flow.names, packet));
    }
}

PatternsAsked ApplicationMeter::patterns_asked(const InspectedFlow& flow,
                                               bool parser_done) const noexcept {
    return classifier_ && flow.label.done == 0
               ? rules_->asked(flow.protocol, flow.names.protocol, parser_done)
               : PatternsAsked::none;
}

/// The burst's payloads against the rules' patterns, all together.
void ApplicationMeter::classify() noexcept {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < waiting_count_; ++i) {
        const ApplicationPacket& packet = waiting_[i].packet;
        InspectedFlow& flow = flows_.at(waiting_[i].block->handle);
        if (flow.label.done == 0 && waiting_[i].asked != PatternsAsked::none) {
            requests_[count++] = {.payload = packet.payload,
                                  .state = &flow.label,
                                  .protocol = packet.protocol,
                                  .direction = packet.direction,
                                  .source_port = packet.source_port,
                                  .destination_port = packet.destination_port,
                                  .parsed = waiting_[i].parsed,
                                  .asked = waiting_[i].asked};
        }
    }
    classifier_->classify_burst({requests_.data(), count});
}

void ApplicationMeter::inspect() noexcept {
    if (waiting_count_ == 0) {
        return;
    }
    std::uint64_t octets = 0;
    for (std::uint32_t i = 0; i < std::min(waiting_count_, kFlowsAhead); ++i) {
        send_for(waiting_[i]);
    }
    for (std::uint32_t i = 0; i < waiting_count_; ++i) {
        if (i + kFlowsAhead < waiting_count_) {
            send_for(waiting_[i + kFlowsAhead]);
        }
        Waiting& one = waiting_[i];
        octets += one.packet.payload.size();
        InspectedFlow& flow = flows_.at(one.block->handle);
        const bool parser_was_done = flow.names.done; // its last message is shown to patterns too
        read(flow, one.packet);
        one.asked = patterns_asked(flow, parser_was_done);
        one.parsed = flow.names.protocol;
    }
    if (classifier_) {
        classify();
    }
    for (std::uint32_t i = 0; i < waiting_count_; ++i) {
        const Waiting& one = waiting_[i];
        // An earlier packet of the burst may have been the last one needed.
        if (*one.stage == ApplicationStage::inspecting &&
            is_complete(flows_.at(one.block->handle))) {
            settle(*one.stage, *one.block);
        }
    }
    waiting_count_ = 0;
    tally_.of(Count::octets_inspected).add(octets);
    tell_tallies();
}

bool ApplicationMeter::is_complete(const InspectedFlow& flow) const noexcept {
    if (flow.packets >= packets_max_) {
        return true;
    }
    const bool heads = !wants_heads_ || (heads_of(flow)[0].octets().size() >= head_octets_ &&
                                         heads_of(flow)[1].octets().size() >= head_octets_);
    return heads && (!wants_parsers_ || flow.names.done) &&
           patterns_asked(flow, flow.names.done) == PatternsAsked::none;
}

ApplicationLabel ApplicationMeter::label_of(const InspectedFlow& flow) const noexcept {
    if (rules_ == nullptr) {
        return {};
    }
    const auto [server_name, dns_name] = names_of(flow.names.fields);
    return rules_->resolve({.state = &flow.label,
                            .parsed = flow.names.protocol,
                            .server_name = server_name,
                            .dns_name = dns_name,
                            .protocol = flow.protocol,
                            .source_port = flow.source_port,
                            .destination_port = flow.destination_port,
                            .from_start = flow.from_start});
}

Bytes ApplicationMeter::pack(const InspectedFlow& flow, const ApplicationLabel& label) noexcept {
    FieldPacker packer(scratch_);
    packer.add(flow.names.fields, wanted_);
    if (label.source != LabelSource::none) {
        packer.add_label(label.id);
    }
    for (std::size_t d = 0; d < kDirections && wants_heads_; ++d) {
        const PayloadHead& head = heads_of(flow)[d];
        if (head.octets().empty()) {
            continue;
        }
        if (wanted_.has(kHeadFields[d])) {
            packer.add_octets(kHeadFields[d], head.octets());
        }
        if (wanted_.has(kHeadFields[d + 2])) {
            packer.add_number(kHeadFields[d + 2], head.entropy());
        }
    }
    return packer.octets();
}

void ApplicationMeter::count_flow(const InspectedFlow& flow,
                                  const ApplicationLabel& label) noexcept {
    const FieldTally& texts = flow.names.fields.tally();
    tally_.of(Count::texts_emptied).add(texts.emptied);
    tally_.of(Count::texts_cut).add(texts.cut);
    tally_.of(Count::texts_no_room).add(texts.no_room);
    if (rules_ == nullptr) {
        return;
    }
    switch (label.source) {
        case LabelSource::host:
            tally_.of(Count::labelled_by_host).add(1);
            break;
        case LabelSource::parser:
            tally_.of(Count::labelled_by_parser).add(1);
            break;
        case LabelSource::pattern:
            tally_.of(Count::labelled_by_pattern).add(1);
            break;
        case LabelSource::port:
            tally_.of(Count::labelled_by_port).add(1);
            break;
        case LabelSource::ip_protocol: // TCP and UDP alone are inspected
        case LabelSource::none:
            tally_.of(Count::not_labelled).add(1);
            break;
    }
}

/// What changed since it was told last: the worker's other meters, before a reload and beside it,
/// tell the same counters.
void ApplicationMeter::tell(ApplicationCount what, std::uint64_t now,
                            std::uint64_t& told) noexcept {
    tally_.of(what).add(now - told);
    told = now;
}

void ApplicationMeter::tell_inspecting() noexcept {
    tell(Count::flows_inspecting, flows_max_ - flows_.available(), told_.inspecting);
}

void ApplicationMeter::tell_tallies() noexcept {
    tell(Count::hellos_refused, inspector_.buffers_refused(), told_.hellos_refused);
    if (classifier_) {
        const ClassifyTally& tally = classifier_->tally();
        tell(Count::patterns_not_asked, tally.without_support, told_.patterns_not_asked);
        tell(Count::patterns_failed, tally.scan_failed, told_.patterns_failed);
    }
}

/// From under inspection to a result.
void ApplicationMeter::settle(ApplicationStage& stage, ApplicationBlock& block) noexcept {
    InspectedFlow& flow = flows_.at(block.handle);
    inspector_.finish(flow.names);
    const ApplicationLabel label = label_of(flow);
    const Bytes result = pack(flow, label);
    count_flow(flow, label);
    flows_.give_back(&flow);
    stage = ApplicationStage::settled;
    block.handle = result.empty() ? kNoResult : results_.store(result);
    tally_
        .of(result.empty()              ? Count::flows_without_result
            : block.handle == kNoResult ? Count::results_refused
                                        : Count::flows_with_result)
        .add(1);
    tell_inspecting();
}

void ApplicationMeter::finish(ApplicationStage& stage, ApplicationBlock& block) noexcept {
    if (stage == ApplicationStage::inspecting) {
        settle(stage, block);
    }
}

ResultHandle ApplicationMeter::lend_result(ApplicationStage stage,
                                           const ApplicationBlock& block) noexcept {
    if (stage == ApplicationStage::settled) {
        if (block.handle != kNoResult) {
            results_.lend(block.handle);
        }
        return block.handle;
    }
    if (stage == ApplicationStage::fresh) {
        return kNoResult;
    }
    const InspectedFlow& flow = flows_.at(block.handle);
    const Bytes so_far = pack(flow, label_of(flow));
    const ResultHandle result = so_far.empty() ? kNoResult : results_.store(so_far);
    if (result != kNoResult) {
        results_.lend(result);
        results_.drop(result); // the record's alone
    } else if (!so_far.empty()) {
        tally_.of(Count::interim_results_refused).add(1);
    }
    return result;
}

void ApplicationMeter::forget(ApplicationStage& stage, ApplicationBlock& block) noexcept {
    finish(stage, block);
    if (stage == ApplicationStage::settled && block.handle != kNoResult) {
        results_.drop(block.handle);
    }
    stage = ApplicationStage::fresh;
}

std::size_t ApplicationMeter::memory_octets(const ApplicationMeterOptions& options) noexcept {
    return sizeof(ApplicationMeter) +
           options.flows_max *
               (sizeof(InspectedFlow) + sizeof(std::uint32_t) +
                (is_any_of(options.wanted, kHeadFields) ? sizeof(PayloadHeads) : 0)) +
           std::size_t{options.inspector.reassembly_buffers} *
               (sizeof(ReassemblyBuffer) + sizeof(std::uint32_t)) +
           ApplicationResults::memory_octets(options.result_octets, options.records_max);
}

} // namespace probe
