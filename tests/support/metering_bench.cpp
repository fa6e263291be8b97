// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/metering_bench.hpp"

#include <algorithm>
#include <atomic>

#include "encoder/template_description.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eal_fixture.hpp"

namespace probe::test {

const char* const kBiflow4 = R"(templates:
  - name: biflow4
    keys: [sourceIPv4Address, destinationIPv4Address, protocolIdentifier, sourceTransportPort,
           destinationTransportPort]
    values: [flowStartNanoseconds, flowEndNanoseconds, packetDeltaCount, octetDeltaCount,
             reversePacketDeltaCount, reverseOctetDeltaCount, packetTotalCount, octetTotalCount,
             reversePacketTotalCount, reverseFlowStartNanoseconds, reverseFlowEndNanoseconds,
             tcpControlBits, reverseTcpControlBits, biflowDirection, flowEndReason]
)";
const char* const kUniflow4 = R"(templates:
  - name: uniflow4
    keys: [sourceIPv4Address, destinationIPv4Address, protocolIdentifier, sourceTransportPort,
           destinationTransportPort]
    values: [flowStartNanoseconds, flowEndNanoseconds, packetDeltaCount, octetDeltaCount,
             packetTotalCount, octetTotalCount, tcpControlBits, flowEndReason]
)";
const char* const kBiflow6 = R"(templates:
  - name: biflow6
    keys: [sourceIPv6Address, destinationIPv6Address, protocolIdentifier, sourceTransportPort,
           destinationTransportPort]
    values: [flowStartNanoseconds, flowEndNanoseconds, packetDeltaCount, octetDeltaCount,
             reversePacketDeltaCount, reverseOctetDeltaCount, biflowDirection, flowEndReason]
)";

std::uint32_t ScriptedSource::poll(PacketBatch& batch, TimeNs now) noexcept {
    batch.size = 0;
    while (batch.size < kBurstPackets && !waiting_.empty() && waiting_.front().deliver_at <= now) {
        in_hand_.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
        const ScriptedPacket& packet = in_hand_.back();
        const auto octets = static_cast<std::uint32_t>(packet.frame.size());
        batch.packets[batch.size++] = {.octets = packet.frame.data(),
                                       .captured_octets = octets,
                                       .frame_octets = octets,
                                       .time_ns = packet.time_ns,
                                       .stripped_vlan_tci = 0,
                                       .vlan_stripped = false,
                                       .link = packet.link,
                                       .ingress_interface = packet.interface};
        polled_.push_back(packet.tag);
    }
    return batch.size;
}

CapturingSink::CapturingSink(std::span<const ipfix::TemplateRecord> templates, std::uint32_t domain)
    : templates_(templates), builder_(domain, 65535) {}

void CapturingSink::append(const DataRecord& data_record, TimeNs now) noexcept {
    const std::size_t template_index = data_record.template_index;
    ledger_.offered.add(data_record.weight);
    ledger_.sent.add(data_record.weight);
    builder_.reset();
    for (; announced_ < templates_.size(); ++announced_) {
        (void)builder_.append_template(templates_[announced_]);
    }
    (void)builder_.append_data(templates_[template_index].id(), data_record.octets);
    const auto export_time = static_cast<std::uint32_t>((now + kNsPerSecond - 1) / kNsPerSecond);
    (void)decoder_.message(builder_.finish(export_time, sequence_++));
    for (strict::Record& record : decoder_.take_records()) {
        seen_.push_back({std::move(record), template_index, data_record.weight, now});
    }
}

std::vector<SeenRecord> CapturingSink::take() {
    return std::exchange(seen_, {});
}

std::vector<std::unique_ptr<RecordSink>> MeterBench::sinks(CapturingSink*& sink,
                                                           const RecordBinding& binding,
                                                           const BenchOptions& options) {
    auto made = std::make_unique<CapturingSink>(binding.templates(), options.context.domain_id);
    sink = made.get();
    std::vector<std::unique_ptr<RecordSink>> list;
    list.push_back(std::move(made));
    return list;
}

MeterBench::MeterBench(std::string_view templates, BenchOptions options)
    : binding((start_eal(), ipfix::parse_template_descriptions(templates, "bench.yaml")),
              options.context),
      worker(binding.metering_plan(), options.metering,
             {.name = unique_name(),
              .flows_max = options.flows_max,
              .socket = -1,
              .hash_key = options.hash_key,
              .filter = options.filter,
              .rules = options.context.rules},
             {&source}),
      exporter(binding, {&worker}, sinks(sink_, binding, options)) {}

void MeterBench::packet(TimeNs time, const PacketBuilder& frame, std::uint32_t interface) {
    queue(time, frame, interface);
    burst();
}

void MeterBench::queue(TimeNs time, const PacketBuilder& frame, std::uint32_t interface) {
    source.push({.frame = frame.build(), .time_ns = time, .deliver_at = 0, .interface = interface});
    now_ = std::max(now_, time);
}

void MeterBench::burst() {
    while (worker.step(now_) != 0) {
    }
}

void MeterBench::sweep(TimeNs now) {
    now_ = std::max(now_, now);
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        if (FlowLane* lane = worker.lane(family); lane != nullptr) {
            std::size_t at = 0;
            do {
                at = lane->sweep(at, lane->slots_used(), now);
                while (lane->expire(now, 1024) != 0) {
                    drain();
                }
                drain();
            } while (at < lane->slots_used());
        }
    }
}

void MeterBench::flush() {
    while (!worker.flush()) {
        drain();
    }
    while (exporter.step(now_) != 0) {
    }
}

std::vector<SeenRecord> MeterBench::records() {
    while (exporter.step(now_) != 0) {
    }
    CHECK(sink_->complaint() == "");
    return sink_->take();
}

LedgerSnapshot MeterBench::ledger() const {
    LedgerSnapshot snapshot;
    snapshot.add(worker.ledger(), worker.live_totals());
    exporter.add_to(snapshot);
    snapshot.settled = true;
    return snapshot;
}

std::uint64_t MeterBench::waiting() const {
    std::uint64_t records = 0;
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        if (FlowLane* lane = worker.lane(family); lane != nullptr) {
            records += lane->records().size();
        }
    }
    return records;
}

void MeterBench::check() const {
    for (const std::string& wrong : ledger().proof(waiting())) {
        FAIL_CHECK(wrong);
    }
    CHECK(worker.selfcheck());
}

std::string unique_name() {
    static std::atomic<unsigned> number{0};
    return "t" + std::to_string(number.fetch_add(1, std::memory_order_relaxed)); // a name, no order
}

TimeNs ntp_to_ns(std::uint64_t ntp) {
    constexpr std::uint64_t kUnix = 2'208'988'800;
    return ((ntp >> 32) - kUnix) * kNsPerSecond + (((ntp & 0xffffffff) * kNsPerSecond) >> 32);
}

} // namespace probe::test
