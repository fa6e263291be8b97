// SPDX-License-Identifier: BSD-3-Clause
// The live job: ports to workers to exporter, each role in a loop on the lcore the plan gives it,
// until a signal.
//
// Life: constructor (main thread, everything allocated, ports configured) - run() (blocks until the
// end) - destructor. Signals are taken by a thread of its own (SignalThread), so that no lcore is
// ever interrupted:
//   SIGTERM, SIGINT  stop receiving, flush every flow (flowEndReason 4), send, return within
//   `shutdown` and a second;
//                    a second one ends the process at once
//   SIGUSR1          prints the statistics and repeats the templates
//   SIGHUP           reads the configuration anew (LiveChange); reception never waits for it
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/lcores/clock.hpp"
#include "probe/lcores/exporter.hpp"
#include "probe/lcores/housekeeping.hpp"
#include "probe/lcores/lcore_plan.hpp"
#include "probe/lcores/metering_report.hpp"
#include "probe/lcores/table_placement.hpp"
#include "probe/lcores/worker.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/observation/observation_point.hpp"
#include "probe/telemetry/ledger_snapshot.hpp"

namespace probe {

struct LiveJobOptions {
    MeteringOptions metering;
    TimeNs shutdown = 4 * kNsPerSecond; ///< how long the last records may take to leave
    const PacketFilter* filter = nullptr;
    OptionsRecords* options_records = nullptr; ///< what the sinks send; told of the workers here
    LogLine log;
    /// Called once for every port when it has started, on the main thread, before the lcores run.
    std::function<void(const ObservationPoint&)> started;
    /// Called once, on the main thread, when every port has started and every other lcore runs:
    /// from here on no packet is missed for not being ready.
    std::function<void()> metering_began;
};

/// What a reload changes while packets are metered, checked and opened beforehand.
struct LiveChange {
    TimeoutOptions timeouts;
    TimeNs sweep = kNsPerSecond;
    SinkChange sinks;
    /// What is metered; without a binding it stays. `meter.lanes` is for LiveJob to fill.
    BindingChange meter;
    MeteringOptions metering; ///< of new lanes

  private:
    friend class LiveJob;
    std::vector<std::unique_ptr<FlowLanes>> lanes_; ///< by worker, each of which takes its own
    std::vector<FlowLane*> tables_;                 ///< of the lanes, for housekeeping
};

class LiveJob {
  public:
    /// Needs an initialised EAL; `points` are configured and not started. `binding` must be there
    /// until free_left() says so. Throws std::runtime_error.
    LiveJob(LiveJobOptions options, const RecordBinding& binding, const LcorePlan& plan,
            std::vector<std::unique_ptr<ObservationPoint>> points,
            std::vector<std::unique_ptr<RecordSink>> sinks);
    ~LiveJob();
    LiveJob(const LiveJob&) = delete;
    LiveJob& operator=(const LiveJob&) = delete;

    /// On which NUMA nodes the flow tables are.
    [[nodiscard]] const TablePlacement& placement() const noexcept { return placement_; }

    /// Starts the ports, runs the roles, returns when everything was flushed and sent, or the
    /// deadline passed.
    void run();

    /// Any thread: ends run() in good order. Idempotent.
    void stop() noexcept { stopping_.store(true, std::memory_order_release); } // S1, pairs with S2

    /// Any thread but an lcore, while run() runs: counters as they are now. Waits up to a second
    /// for the exporter to copy its own; packet reception is not involved.
    [[nodiscard]] LedgerSnapshot snapshot();

    /// Any thread but an lcore, while run() runs: every worker takes the timeouts and new lanes
    /// before its next burst, the exporter the collectors and templates between two records. Waits
    /// up to a second for the exporter; throws std::runtime_error with nothing changed when it does
    /// not answer, or when there is no memory for new lanes beside the present ones.
    void apply(LiveChange change);

    /// The same thread: lanes that an apply() took away are still there.
    [[nodiscard]] bool draining() const noexcept { return leaving_ != nullptr; }
    /// The same thread: frees them once every flow and record of theirs has left; true when it did.
    /// What they were made of (BindingChange) may go then, but for its list of templates.
    bool free_left();

    /// After run(): the settled ledger.
    [[nodiscard]] LedgerSnapshot final_ledger();

    /// Templates go out again at the next message of every session that may repeat them.
    void repeat_templates() noexcept { repeat_templates_.store(true, std::memory_order_release); }

  private:
    struct WorkerState;
    struct LcoreState;

    void lcore_loop(LcoreState& lcore) noexcept;
    [[nodiscard]] bool work(LcoreState& lcore, TimeNs now) noexcept;
    [[nodiscard]] bool worker_step(WorkerState& worker, TimeNs now) noexcept;
    [[nodiscard]] bool exporter_step(TimeNs now) noexcept;
    void housekeeping_step(TimeNs now) noexcept;
    [[nodiscard]] bool workers_done() const noexcept;
    void answer_snapshot() noexcept;
    void make_lanes(LiveChange& change);
    void take_change(TimeNs now) noexcept;
    void retire_when_left(bool all_left) noexcept;
    void add_ports(LedgerSnapshot& snapshot) const;
    void add_roles(LedgerSnapshot& snapshot) const;

    LiveJobOptions options_;
    std::vector<std::unique_ptr<ObservationPoint>> points_;
    TablePlacement placement_;
    std::vector<std::unique_ptr<WorkerState>> workers_;
    std::vector<std::unique_ptr<LcoreState>> lcores_;
    std::unique_ptr<Housekeeping> housekeeping_;
    std::unique_ptr<WorkersReport> report_;
    std::unique_ptr<Exporter> exporter_;
    ProbeClock clock_;

    std::atomic<bool> stopping_{false};         // anyone: w, lcores: r
    std::atomic<bool> finished_{false};         // exporter: w, lcores: r
    std::atomic<bool> repeat_templates_{false}; // signal thread: w, exporter: rw
    /// The timeouts that hold. signal thread: w, workers and housekeeping: r. Every set there was
    /// stays where it is, so no reader is ever late.
    std::atomic<const LiveChange*> wanted_{nullptr};
    /// The latest change with lanes. signal thread: w, workers and housekeeping: r, which take what
    /// is theirs out of it. There is no next one before free_left().
    std::atomic<LiveChange*> wanted_lanes_{nullptr};
    std::vector<std::unique_ptr<LiveChange>> changes_; // signal thread's own
    LiveChange* leaving_ = nullptr;                    // signal thread's own
    std::uint64_t lanes_made_ = 0;                     // signal thread's own: changes with lanes
    std::atomic<std::uint64_t> drained_{0};         // exporter: w, signal thread: r. Such changes
    std::atomic<const LiveChange*> swept_{nullptr}; // housekeeping: w, signal thread: r
    // the hand-over to the exporter's lcore: left by apply()
    std::mutex change_mutex_;
    std::condition_variable change_taken_;
    std::atomic<bool> change_wanted_{false};
    LiveChange* change_ = nullptr; // guarded by change_mutex_
    // housekeeping's own
    const LiveChange* swept_with_ = nullptr;
    // exporter's own
    std::uint64_t lanes_taken_ = 0; ///< changes with lanes
    bool closing_ = false;
    TimeNs deadline_ = kNever;
    // housekeeping's own
    TimeNs clock_followed_at_ = 0;
    bool clock_warned_ = false;

    // the snapshot's hand-over: asked for by snapshot(), filled by the exporter's lcore
    std::mutex snapshot_mutex_;
    std::condition_variable snapshot_taken_;
    std::atomic<bool> snapshot_wanted_{false};
    LedgerSnapshot snapshot_;
};

} // namespace probe
