// SPDX-License-Identifier: BSD-3-Clause
// The ledger of the whole program at one instant, and the proof that it closes.
//
//   received     = metered + ignored[class] + dropped[reason]           packets, frame octets
//   metered      = in records made + in live flows                      packets, IP octets
//   records made = taken by the exporter + lost on the way + waiting
//   flows taken under inspection = with result + without + refused + inspecting        (layer 7)
//   offered      = sent + queued + spooled + lost[reason], for every collector, in records, packets
//                  and IP octets; + recovered on the left: what an earlier process had spooled
//   Within a group, a collector's are = ... + handed over, and those of all = the group's + handed
//   over.
//
// Plain values. Exact when the roles stand still (at exit, in tests); while they run, each counter
// is exact but they are not of one instant, so proof() is for the former.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/session_ledger.hpp"
#include "probe/metering/flow_lane.hpp"
#include "probe/metering/metering_ledger.hpp"

namespace probe {

struct PacketSum {
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
    friend bool operator==(const PacketSum&, const PacketSum&) = default;
};

/// What a port counted itself: offered = received + missed + errors + no_buffer.
struct PortSum {
    std::string name;
    std::string driver;
    std::uint64_t received = 0; ///< taken from its queues by the workers
    std::uint64_t missed = 0;
    std::uint64_t errors = 0;
    std::uint64_t no_buffer = 0;
    std::string gap; ///< loss this driver does not count; empty: none known
};

struct SinkSum {
    std::string name;
    SessionLedger ledger;
    std::vector<SinkSum> members; ///< of a group: its collectors; the ledger is their sum
    /// Records encoded before a reload added this collector, or after one took it away.
    RecordTally absent{};

    [[nodiscard]] static SinkSum of(const RecordSink& sink);
};

struct RoleSum {
    std::string name;      ///< "worker 0", "housekeeping", "exporter"
    double busy_share = 0; ///< of the time since start that was not waiting for work
};

struct LedgerSnapshot {
    PacketSum received;
    PacketSum metered;
    std::uint64_t metered_ip_octets = 0;
    std::array<PacketSum, kParseVerdicts> parse{};
    std::array<PacketSum, kMeterVerdicts> meter{};
    std::array<RecordTally, kFlowEndReasons> records_made{};
    RecordTally records_lost_queue_full;
    LiveTotals live;
    std::uint64_t flows_made = 0;
    std::uint64_t later_fragments = 0;
    std::uint64_t transport_cut = 0;
    std::uint64_t extension_chain_cut = 0;
    std::array<std::uint64_t, kApplicationCounts> application{};
    std::uint64_t texts_cut_for_record = 0;   ///< by the exporter: the others had filled the record
    std::uint64_t flows_left_out = 0;         ///< live flows that found their index bucket full
    std::uint64_t left_out_lookups = 0;       ///< packets that asked for such flows
    std::uint64_t wide_records = 0;           ///< had a number that its listed field cannot hold
    std::uint64_t records_without_common = 0; ///< the table of common properties was full
    RecordTally encoded;
    std::vector<SinkSum> sinks;
    std::vector<PortSum> ports;
    std::vector<RoleSum> roles;
    bool settled = false; ///< the roles stand still, so the sums are of one instant

    /// Adds a worker's counters; `its_live` from Worker::live_totals, or its flows alone while it
    /// runs.
    void add(const MeteringLedger& ledger, const LiveTotals& its_live);

    [[nodiscard]] std::uint64_t of(ApplicationCount what) const {
        return application[static_cast<std::size_t>(what)];
    }
    [[nodiscard]] RecordTally records_made_total() const;

    /// Sentences that say which sum does not close; empty: all do. `records_waiting`: in the record
    /// queues.
    [[nodiscard]] std::vector<std::string> proof(std::uint64_t records_waiting = 0) const;

    /// For people: a table of everything that is not zero.
    [[nodiscard]] std::string to_text() const;
    /// For programs: one JSON object, all counters, also those that are zero.
    [[nodiscard]] std::string to_json() const;
};

} // namespace probe
