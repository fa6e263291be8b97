// SPDX-License-Identifier: BSD-3-Clause
#include "bench/worker_path.hpp"

#include <algorithm>
#include <cstring>

#include "bench/measure.hpp"

namespace bench {

using probe::IpFamily;
using probe::kNsPerSecond;
using probe::TimeNs;

namespace {

constexpr TimeNs kTrafficBegins = 1'800'000'000 * kNsPerSecond;

/// The sweep is stepped once in so many bursts, so that reading the clock around it costs nothing.
constexpr std::uint64_t kBurstsPerSweepStep = 64;

probe::MeteringOptions metering_options(const PathOptions& options) {
    probe::MeteringOptions metering;
    metering.flows_max = options.flows_max;
    metering.ipv6_share = options.ipv6_share;
    metering.timeouts = options.timeouts;
    metering.sweep = options.sweep;
    metering.when_full = options.when_full;
    metering.record_queue = options.record_queue;
    return metering;
}

} // namespace

WorkerPath::WorkerPath(const probe::RecordBinding& binding, const PathOptions& options,
                       probe::PacketSource& source)
    : binding_(binding),
      metering_(metering_options(options)),
      worker_(binding.metering_plan(), metering_,
              {.name = options.name,
               .flows_max = options.flows_max,
               .socket = -1,
               .hash_key = {3, 4},
               .filter = nullptr,
               .rules = binding.rules()},
              {&source}),
      roles_{&worker_},
      housekeeping_(roles_, metering_.sweep),
      now_(kTrafficBegins),
      ns_per_packet_(options.ns_per_packet) {}

std::uint32_t WorkerPath::step() noexcept {
    checksum_ += thread_clock_.now() & 1; // the live loop's clock read; traffic time is ours
    const std::uint32_t packets = worker_.step(now_);
    now_ += packets * ns_per_packet_;
    return packets;
}

void WorkerPath::sweep() noexcept {
    const TimeNs began = work_ns();
    housekeeping_.step(now_);
    sweep_ns_ += static_cast<double>(work_ns() - began);
}

void WorkerPath::fill(std::uint64_t packets, TimeNs span) {
    const TimeNs began = now_;
    std::uint64_t seen = 0;
    while (seen < packets) {
        now_ = began + static_cast<TimeNs>(static_cast<double>(span) * static_cast<double>(seen) /
                                           static_cast<double>(packets));
        seen += worker_.step(now_);
        discard_records();
    }
    now_ = began + span;
}

std::uint64_t WorkerPath::run_account(std::uint64_t bursts) noexcept {
    std::uint64_t packets = 0;
    for (std::uint64_t b = 0; b < bursts; ++b) {
        packets += step();
        if (b % kBurstsPerSweepStep == 0) {
            discard_records();
        }
    }
    return packets;
}

std::uint64_t WorkerPath::run_expiry(std::uint64_t bursts) noexcept {
    std::uint64_t packets = 0;
    for (std::uint64_t b = 0; b < bursts; ++b) {
        packets += step();
        if (b % kBurstsPerSweepStep == 0) {
            sweep();
        }
        discard_records();
    }
    return packets;
}

std::uint64_t WorkerPath::run_worker_and_sweep(std::uint64_t bursts) noexcept {
    std::uint64_t packets = 0;
    for (std::uint64_t b = 0; b < bursts; ++b) {
        packets += step();
    }
    sweep();
    return packets;
}

std::uint64_t WorkerPath::run_export(std::uint64_t bursts, probe::Exporter& exporter) noexcept {
    std::uint64_t packets = 0;
    for (std::uint64_t b = 0; b < bursts; ++b) {
        packets += step();
        if (b % kBurstsPerSweepStep == 0) {
            sweep();
        }
        exporter.step(thread_clock_.now());
    }
    return packets;
}

std::uint64_t WorkerPath::run_paced(const std::atomic<bool>& stop,
                                    probe::Exporter& exporter) noexcept {
    std::uint64_t packets = 0;
    std::uint64_t turns = 0;
    while (!stop.load(std::memory_order_relaxed)) { // a flag alone: nothing else is shared by it
        packets += step();
        if (++turns % kBurstsPerSweepStep == 0) {
            sweep();
        }
        exporter.step(thread_clock_.now());
    }
    return packets;
}

std::unique_ptr<probe::Exporter> WorkerPath::make_exporter(
    std::vector<std::unique_ptr<probe::RecordSink>> sinks) {
    return std::make_unique<probe::Exporter>(binding_, roles_, std::move(sinks));
}

Loss WorkerPath::loss() const noexcept {
    const probe::MeteringLedger& ledger = worker_.ledger();
    return {.packets = ledger.received.packets.get() - ledger.metered.packets.get(),
            .records = ledger.records_lost_queue_full.records.get()};
}

std::uint64_t WorkerPath::records() const noexcept {
    std::uint64_t records = 0;
    for (const probe::MeteredTally& tally : worker_.ledger().records_made) {
        records += tally.records.get();
    }
    return records;
}

std::uint64_t WorkerPath::discard_records() noexcept {
    std::uint64_t records = 0;
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        if (probe::FlowLane* lane = worker_.lane(family); lane != nullptr) {
            probe::SpscQueue& queue = lane->records();
            while (const std::uint8_t* record = queue.front()) {
                checksum_ += record[0];
                give_result_back(record, family);
                queue.pop();
                ++records;
            }
        }
    }
    return records;
}

/// As an exporter does: a record's names are the worker's again.
void WorkerPath::give_result_back(const std::uint8_t* record, IpFamily family) noexcept {
    const std::size_t offset = binding_.application_offset(family);
    if (worker_.application() == nullptr || offset == 0) {
        return;
    }
    probe::ApplicationBlock block{};
    std::memcpy(&block, record + offset, sizeof block);
    if (block.handle != probe::kNoResult) {
        worker_.application()->results().give_back(block.handle);
    }
}

} // namespace bench
