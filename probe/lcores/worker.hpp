// SPDX-License-Identifier: BSD-3-Clause
// The worker: packets from its queues through parse, key, hash, look-up and accounting into its
// flow tables.
//
// A step object: step(now) takes one burst from each source, then looks at what the sweep found. It
// never blocks, allocates or reads a clock. One thread calls it; it is the only writer of its
// lanes' tables and of its ledger.
//
// A reload that changes what is metered brings new lanes, made beforehand: the next burst is
// metered into them, and the flows of those before leave with flowEndReason 4, a few a step, so
// that no packet waits for them. Both sets of lanes have record queues of their own.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probe/metering/flow_lane.hpp"
#include "probe/metering/metering_ledger.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/metering/metering_plan.hpp"
#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

struct WorkerOptions {
    std::string name;            ///< unique in the process
    std::uint64_t flows_max = 0; ///< this worker's share
    std::uint32_t workers = 1;   ///< that share what layer 7 may take
    int socket = -1;
    SipKey hash_key;
    const PacketFilter* filter = nullptr;
    std::shared_ptr<const ApplicationRules> rules = nullptr; ///< for labels; nullptr: none
    StartDpdk start_dpdk = {}; ///< offline: when rte_hash needs it; empty: it runs
};

/// What a worker has for one metering plan: its tables and queues.
struct FlowLanes {
    std::unique_ptr<ApplicationMeter> application;  ///< nullptr: no template asks for layer 7
    std::array<std::unique_ptr<FlowLane>, 2> lanes; ///< by IpFamily; nullptr: no template wants it
};

class Worker {
  public:
    /// `plan` and the sources must outlive the worker. Throws std::runtime_error when memory is
    /// short.
    Worker(const MeteringPlan& plan, const MeteringOptions& metering, const WorkerOptions& options,
           std::vector<PacketSource*> sources);

    /// One burst of each source, and some of the sweep's findings. Returns how many packets came.
    std::uint32_t step(TimeNs now) noexcept;

    // --- a reload ---

    /// Any thread: lanes for another plan, which must outlive them. `name`: unique in the process.
    /// Throws std::runtime_error when memory is short.
    [[nodiscard]] std::unique_ptr<FlowLanes> make_lanes(
        const MeteringPlan& plan, const MeteringOptions& metering,
        std::shared_ptr<const ApplicationRules> rules, const std::string& name);

    /// From the next burst on packets are metered into `next`. Those before must have left and been
    /// taken.
    void exchange(std::unique_ptr<FlowLanes> next) noexcept;

    /// Flows of lanes that were exchanged are still to leave.
    [[nodiscard]] bool leaving() const noexcept { return leaving_; }
    /// Any thread: how many lanes have left, with every record in their queues.
    [[nodiscard]] std::uint64_t left() const noexcept {
        return left_.load(std::memory_order_acquire); // L2, pairs with L1
    }
    /// Whoever saw them leave, and has emptied their queues.
    [[nodiscard]] std::unique_ptr<FlowLanes> take_left() noexcept { return std::move(gone_); }

    /// Ends flows with flowEndReason 4 as far as the record queues have room; true when no flow is
    /// left. For after the last packet.
    [[nodiscard]] bool flush() noexcept;

    /// From the next burst on these timeouts hold.
    void set_timeouts(const TimeoutOptions& timeouts) noexcept;

    [[nodiscard]] const MeteringLedger& ledger() const noexcept { return ledger_; }

    /// nullptr when no template wants the family.
    [[nodiscard]] FlowLane* lane(IpFamily family) const noexcept {
        return present_->lanes[static_cast<std::size_t>(family)].get();
    }

    /// nullptr when no template asks for layer 7.
    [[nodiscard]] ApplicationMeter* application() const noexcept {
        return present_->application.get();
    }
    [[nodiscard]] FlowLanes* lanes() const noexcept { return present_.get(); }

    /// For tests and the ledger's proof; owner only, or when the worker stands still.
    [[nodiscard]] LiveTotals live_totals() const noexcept;
    [[nodiscard]] bool selfcheck() const noexcept;

  private:
    void let_leave(bool busy) noexcept;
    void sample() noexcept;
    void meter(const PacketBatch& batch) noexcept;
    void parse(const PacketBatch& batch) noexcept;
    [[nodiscard]] bool parse_uncommon(const PacketView& packet, PacketHeaders& headers) noexcept;

    MeteringLedger ledger_; // worker: rw, everyone else: ro
    std::vector<PacketSource*> sources_;
    WorkerOptions options_;
    std::unique_ptr<FlowLanes> present_;
    std::unique_ptr<FlowLanes> gone_; ///< worker: rw until they have left, then whoever takes them
    bool leaving_ = false;
    std::atomic<std::uint64_t> left_{0};   // worker: w, exporter, signal thread: r
    std::optional<PacketSampler> sampler_; ///< nothing: every packet is metered

    // the burst in hand
    PacketBatch batch_;
    std::array<PacketHeaders, kBurstPackets> headers_;
    std::array<std::array<std::uint8_t, kBurstPackets>, 2> positions_;
    std::array<std::uint32_t, 2> lane_packets_{};
};

/// How `flows_max` is shared by the lanes of one worker: all of it where only one family is
/// metered.
[[nodiscard]] std::array<std::uint64_t, 2> lane_shares(const MeteringPlan& plan,
                                                       const MeteringOptions& metering,
                                                       std::uint64_t flows_max) noexcept;

/// One of `workers` workers' part of layer 7.
[[nodiscard]] ApplicationMeterOptions application_share(const MeteringPlan& plan,
                                                        const MeteringOptions& metering,
                                                        std::uint32_t workers) noexcept;

/// MB of DPDK memory that the flow indexes of `workers` workers need, with some to spare for the
/// EAL itself.
[[nodiscard]] std::uint32_t flow_index_memory_mb(const MeteringPlan& plan,
                                                 const MeteringOptions& metering,
                                                 std::uint32_t workers);

} // namespace probe
