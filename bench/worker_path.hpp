// SPDX-License-Identifier: BSD-3-Clause
// The program's own worker, housekeeping and exporter objects around one source, stepped as
// `parshall run` steps them, but with the traffic's own time: every packet is `ns_per_packet` after
// the one before it. So a second of traffic is a fixed number of packets, and the flows that end in
// it do not depend on how fast this machine is. The loops still read the clock once a step, as the
// live loop does.
//
// Thread: one, but for housekeeping(), which a test of the sweep may step from a second thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/traffic.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/lcores/clock.hpp"
#include "probe/lcores/exporter.hpp"
#include "probe/lcores/housekeeping.hpp"
#include "probe/lcores/worker.hpp"

namespace bench {

struct PathOptions {
    std::string name = "path"; ///< unique in the process
    std::uint64_t flows_max = 1'000'000;
    double ipv6_share = 0.5; ///< of flows_max
    probe::TimeoutOptions timeouts{};
    probe::TimeNs sweep = probe::kNsPerSecond;
    probe::WhenFull when_full = probe::WhenFull::evict;
    std::uint32_t record_queue = 65'536;
    probe::TimeNs ns_per_packet = 100; ///< 10 Mpps
};

/// What must be 0 in every row, or is said.
struct Loss {
    std::uint64_t packets = 0; ///< not metered: no template, table full, index full, not parsed
    std::uint64_t records = 0; ///< the queue to the exporter was full
};

class WorkerPath {
  public:
    WorkerPath(const probe::RecordBinding& binding, const PathOptions& options,
               probe::PacketSource& source);

    /// Meters at least `packets` packets, their times spread evenly over `span` of traffic time; so
    /// the active timeouts of the flows that begin in it do not fall together. Nothing is swept
    /// meanwhile.
    void fill(std::uint64_t packets, probe::TimeNs span);

    /// Worker::step alone.
    std::uint64_t run_account(std::uint64_t bursts) noexcept;
    /// + the sweep and what it finds: flows ended, records handed over and thrown away.
    std::uint64_t run_expiry(std::uint64_t bursts) noexcept;
    /// As run_expiry, but the records stay in the queue for the caller.
    std::uint64_t run_worker_and_sweep(std::uint64_t bursts) noexcept;
    /// + records encoded and offered to the exporter's sinks.
    std::uint64_t run_export(std::uint64_t bursts, probe::Exporter& exporter) noexcept;
    /// As run_export, for a paced source: until `stop` says so. Empty polls wait for nothing.
    std::uint64_t run_paced(const std::atomic<bool>& stop, probe::Exporter& exporter) noexcept;

    /// An exporter that takes this path's records. One at a time may be used.
    [[nodiscard]] std::unique_ptr<probe::Exporter> make_exporter(
        std::vector<std::unique_ptr<probe::RecordSink>> sinks);

    [[nodiscard]] probe::Worker& worker() noexcept { return worker_; }
    [[nodiscard]] probe::Housekeeping& housekeeping() noexcept { return housekeeping_; }
    [[nodiscard]] probe::TimeNs now() const noexcept { return now_; }
    /// Wall time that run_expiry and run_export spent in Housekeeping::step so far.
    [[nodiscard]] double sweep_ns() const noexcept { return sweep_ns_; }
    /// The worker's flow tables pass their own check of every invariant.
    [[nodiscard]] bool worker_stands() const noexcept { return worker_.selfcheck(); }
    [[nodiscard]] Loss loss() const noexcept;
    /// Records made so far.
    [[nodiscard]] std::uint64_t records() const noexcept;
    /// Throws every waiting record away.
    std::uint64_t discard_records() noexcept;
    [[nodiscard]] std::uint64_t checksum() const noexcept { return checksum_; }

  private:
    void give_result_back(const std::uint8_t* record, probe::IpFamily family) noexcept;
    std::uint32_t step() noexcept;
    void sweep() noexcept;

    const probe::RecordBinding& binding_;
    probe::MeteringOptions metering_;
    probe::Worker worker_;
    std::vector<probe::Worker*> roles_;
    probe::Housekeeping housekeeping_;
    probe::ProbeClock clock_;
    probe::ThreadClock thread_clock_{clock_};
    probe::TimeNs now_;
    probe::TimeNs ns_per_packet_;
    double sweep_ns_ = 0;
    std::uint64_t checksum_ = 0;
};

} // namespace bench
