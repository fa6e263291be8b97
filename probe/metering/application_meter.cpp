// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/application_meter.hpp"

#include <algorithm>
#include <cassert>

#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

using Count = ApplicationCount;

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
      tally_(ledger.application),
      inspector_(options.inspector),
      flows_max_(options.flows_max),
      flows_(options.flows_max),
      results_(options.result_octets, options.records_max) {}

void ApplicationMeter::take(ApplicationStage& stage, ApplicationBlock& block,
                            const PacketView& packet, const PacketHeaders& headers,
                            std::size_t direction) noexcept {
    const Bytes payload = transport_payload(packet, headers);
    if (payload.empty() || (stage == ApplicationStage::fresh && !begin(stage, block))) {
        return;
    }
    const bool tcp = headers.protocol == kProtocolTcp;
    const std::uint8_t* const transport = packet.octets + headers.transport_offset;
    assert(waiting_count_ < waiting_.size());
    waiting_[waiting_count_++] = {
        &stage,
        &block,
        {.payload = payload,
         .tcp_sequence = tcp ? load_be32(transport + kTcpSequenceOffset) : 0,
         .source_port = headers.source_port,
         .destination_port = headers.destination_port,
         .protocol = headers.protocol,
         .direction = static_cast<std::uint8_t>(direction)}};
}

bool ApplicationMeter::begin(ApplicationStage& stage, ApplicationBlock& block) noexcept {
    ApplicationFlow* const flow = flows_.take();
    if (flow == nullptr) {
        stage = ApplicationStage::settled;
        block.handle = kNoResult;
        tally_.of(Count::flows_refused).add(1);
        return false;
    }
    stage = ApplicationStage::inspecting;
    block.handle = flows_.index_of(flow);
    tally_.of(Count::flows_taken).add(1);
    tell_inspecting();
    return true;
}

void ApplicationMeter::inspect() noexcept {
    std::uint64_t octets = 0;
    for (std::uint32_t i = 0; i < waiting_count_; ++i) {
        const Waiting& one = waiting_[i];
        if (*one.stage != ApplicationStage::inspecting) {
            continue; // an earlier packet of the burst was the last one needed
        }
        octets += one.packet.payload.size();
        if (inspector_.inspect(flows_.at(one.block->handle), one.packet) == InspectVerdict::done) {
            settle(*one.stage, *one.block);
        }
    }
    if (waiting_count_ != 0) {
        tally_.of(Count::octets_inspected).add(octets);
        tally_.of(Count::hellos_refused).set(inspector_.buffers_refused());
        waiting_count_ = 0;
    }
}

Bytes ApplicationMeter::pack(const ApplicationFlow& flow) noexcept {
    return {scratch_.data(), pack_fields(flow.fields, wanted_, scratch_)};
}

void ApplicationMeter::count_texts(const ApplicationFields& fields) noexcept {
    tally_.of(Count::texts_emptied).add(fields.tally().emptied);
    tally_.of(Count::texts_cut).add(fields.tally().cut);
    tally_.of(Count::texts_no_room).add(fields.tally().no_room);
}

void ApplicationMeter::tell_inspecting() noexcept {
    tally_.of(Count::flows_inspecting).set(flows_max_ - flows_.available());
}

/// From under inspection to a result.
void ApplicationMeter::settle(ApplicationStage& stage, ApplicationBlock& block) noexcept {
    ApplicationFlow& flow = flows_.at(block.handle);
    const Bytes result = pack(flow);
    count_texts(flow.fields);
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
        inspector_.finish(flows_.at(block.handle));
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
    const Bytes so_far = pack(flows_.at(block.handle));
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
    return sizeof(ApplicationMeter) + options.flows_max * (sizeof(ApplicationFlow) + 4) +
           std::size_t{options.inspector.reassembly_buffers} * (sizeof(ReassemblyBuffer) + 4) +
           ApplicationResults::memory_octets(options.result_octets, options.records_max);
}

} // namespace probe
