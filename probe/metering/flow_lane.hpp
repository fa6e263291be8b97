// SPDX-License-Identifier: BSD-3-Clause
// One address family's way through a worker: keys, hashes, look-up, accounting, and the end of
// flows.
//
// A worker has a lane for IPv4 and one for IPv6; both are the same template code over another key
// layout, and a burst passes the stages together: select templates and make keys, hash, look up,
// prefetch, account. Records that are made go to records(), a queue to the exporter.
//
// Threads: everything belongs to the worker, but sweep() and slots_used(), which housekeeping
// calls, and the consumer's side of records(), which is the exporter's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "probe/metering/application_meter.hpp"
#include "probe/metering/flow_end_reason.hpp"
#include "probe/metering/flow_index.hpp"
#include "probe/metering/metering_ledger.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/metering/metering_plan.hpp"
#include "probe/metering/siphash.hpp"
#include "probe/metering/spsc_queue.hpp"

namespace probe {

/// The packets of a burst that belong to one lane: positions in the batch, and their parsed headers
/// there.
struct LaneBurst {
    const PacketBatch& batch;
    std::span<const PacketHeaders> headers;  ///< by position in the batch
    std::span<const std::uint8_t> positions; ///< at most kBurstPackets
};

struct LaneOptions {
    std::string name; ///< unique in the process
    std::size_t flows_max = 0;
    int socket = -1; ///< NUMA node of the port, -1: any
    SipKey hash_key;
    TimeoutOptions timeouts;
    WhenFull when_full = WhenFull::evict;
    std::size_t record_queue = 65'536;
    StartDpdk start_dpdk = {};               ///< offline: when rte_hash needs it; empty: it runs
    const PacketFilter* filter = nullptr;    ///< nullptr: meter everything
    ApplicationMeter* application = nullptr; ///< the worker's; nullptr: no flow is inspected
};

/// Packets and IP octets in flows that have not been reported yet.
struct LiveTotals {
    std::uint64_t flows = 0;
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
};

class FlowLane {
  public:
    virtual ~FlowLane() = default;

    // --- the worker ---

    /// Meters a burst; every packet gets exactly one MeterVerdict in the ledger.
    virtual void meter(const LaneBurst& burst) noexcept = 0;

    /// Looks again at up to `budget` slots that the sweep found, and ends or cuts those flows whose
    /// time has come at `now`. Stops early when the record queue is full: these flows wait for the
    /// next sweep, nothing is lost. Returns how many slots it looked at.
    virtual std::uint32_t expire(TimeNs now, std::uint32_t budget) noexcept = 0;

    /// Looks at up to `budget` slots and ends their flows with flowEndReason 4, as far as the
    /// record queue has room. True when none is left.
    [[nodiscard]] virtual bool flush(std::uint32_t budget) noexcept = 0;

    /// From now on these timeouts hold, for the flows that are there as well.
    virtual void set_timeouts(const TimeoutOptions& timeouts) noexcept = 0;

    [[nodiscard]] virtual LiveTotals live_totals() const noexcept = 0;
    [[nodiscard]] virtual bool selfcheck() const noexcept = 0;

    // --- housekeeping ---

    /// Looks at the published fields of slots [from, to) and tells the owner those that look
    /// expired at `now`. Returns where it stopped: `to`, or earlier when the owner has not kept up.
    [[nodiscard]] virtual std::size_t sweep(std::size_t from, std::size_t to,
                                            TimeNs now) noexcept = 0;
    [[nodiscard]] virtual std::size_t slots_used() const noexcept = 0;
    /// The next pass reads every record, also those that cannot be due by what was read of them
    /// last.
    virtual void look_at_everything() noexcept = 0;
    /// What sweep() looks for. Where the owner has other timeouts yet, it decides.
    virtual void set_sweep_timeouts(const TimeoutOptions& timeouts) noexcept = 0;

    // --- the exporter ---

    /// Finished records: copies of FlowRecord with its blocks (RecordLayout), end_reason set.
    [[nodiscard]] virtual SpscQueue& records() noexcept = 0;
};

/// A lane for `plan`, which must have templates and outlive it. Throws std::runtime_error when
/// memory is short.
[[nodiscard]] std::unique_ptr<FlowLane> make_flow_lane(IpFamily family, const LanePlan& plan,
                                                       const LaneOptions& options,
                                                       MeteringLedger& ledger);

/// Octets of table, records and queues for `flows_max` flows of this lane.
[[nodiscard]] std::size_t lane_memory_octets(const LanePlan& plan, std::size_t flows_max,
                                             std::size_t record_queue) noexcept;

} // namespace probe
