// SPDX-License-Identifier: BSD-3-Clause
// The metering side of the ledger, one per worker:
//
//   received = metered + ignored[class] + dropped[reason]            packets and frame octets
//   metered  = packets in records made + packets in live flows       packets and IP octets
//   records made = records handed over + records lost in hand-over
//
// Threads: written by the worker that owns it, read by anyone (Counter).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "probe/metering/flow_end_reason.hpp"
#include "probe/packet/counter.hpp"
#include "probe/packet/parse_verdict.hpp"

namespace probe {

/// What becomes of an IP packet after the parser.
enum class MeterVerdict : std::uint8_t {
    metered,
    ignored_by_filter,   ///< the operator's filter (--filter) does not take the packet
    ignored_not_sampled, ///< sampling left the packet out, before it was parsed
    ignored_no_template, ///< no template's filter and family fit the packet
    dropped_table_full, ///< a new flow, flows_max reached, and when_full is refuse (or no candidate
                        ///< could go)
    dropped_index_full, ///< a new flow, but the index found no place for its key within its bound
    count_
};

inline constexpr std::size_t kMeterVerdicts = static_cast<std::size_t>(MeterVerdict::count_);

inline constexpr std::array<std::string_view, kMeterVerdicts> kMeterVerdictNames = {
    "metered",
    "ignored_by_filter",
    "ignored_not_sampled",
    "ignored_no_template",
    "dropped_table_full",
    "dropped_index_full"};

struct PacketTally {
    Counter packets;
    Counter octets; ///< frame octets
    void add(std::uint64_t packet_count, std::uint64_t frame_octets) noexcept {
        packets.add(packet_count);
        octets.add(frame_octets);
    }
};

struct MeteredTally {
    Counter records;
    Counter packets;
    Counter octets; ///< IP octets
    void add(std::uint64_t packet_count, std::uint64_t ip_octets) noexcept {
        records.add(1);
        packets.add(packet_count);
        octets.add(ip_octets);
    }
};

/// Layer 7. In flows: taken = with_result + without_result + results_refused + inspecting.
enum class ApplicationCount : std::uint8_t {
    flows_taken,             ///< under inspection, once or still
    flows_with_result,       ///< something that a template lists was read
    flows_without_result,    ///< nothing was
    results_refused,         ///< something was, and there was no room to keep it
    flows_inspecting,        ///< under inspection now: a level, not a sum
    flows_refused,           ///< not taken: as many as can be were under inspection
    interim_results_refused, ///< no room to keep what a record made during inspection should tell
    octets_inspected,
    hellos_refused,   ///< came in segments, and all buffers to put them together were in use
    texts_emptied,    ///< not well-formed UTF-8 (RFC 7011 section 6.1.6)
    texts_cut,        ///< longer than the field is kept
    texts_no_room,    ///< more than is kept of a flow
    labelled_by_host, ///< of flows no longer under inspection: how their label was found
    labelled_by_parser,
    labelled_by_pattern,
    labelled_by_port, ///< for want of anything better
    not_labelled,
    patterns_not_asked, ///< payloads: this machine cannot match patterns
    patterns_failed,    ///< payloads: a defect, never expected
    count_
};

inline constexpr std::size_t kApplicationCounts =
    static_cast<std::size_t>(ApplicationCount::count_);

inline constexpr std::array<std::string_view, kApplicationCounts> kApplicationCountNames = {
    "flows_taken",
    "flows_with_result",
    "flows_without_result",
    "results_refused",
    "flows_inspecting",
    "flows_refused",
    "interim_results_refused",
    "octets_inspected",
    "hellos_refused",
    "texts_emptied",
    "texts_cut",
    "texts_no_room",
    "labelled_by_host",
    "labelled_by_parser",
    "labelled_by_pattern",
    "labelled_by_port",
    "not_labelled",
    "patterns_not_asked",
    "patterns_failed"};

struct ApplicationTally {
    std::array<Counter, kApplicationCounts> counts;

    [[nodiscard]] Counter& of(ApplicationCount what) noexcept {
        return counts[static_cast<std::size_t>(what)];
    }
};

struct MeteringLedger {
    PacketTally received;
    PacketTally metered;
    Counter metered_ip_octets;
    std::array<PacketTally, kParseVerdicts> parse; ///< [metered] stays unused: the meter decides
    std::array<PacketTally, kMeterVerdicts> meter; ///< [metered] stays unused: see `metered`
    std::array<MeteredTally, kFlowEndReasons> records_made;
    MeteredTally
        records_lost_queue_full; ///< part of records_made that the exporter was too slow to take
    Counter flows_made;
    std::array<Counter, 2> flows_live; ///< by IpFamily; a level, not a sum
    // Of an attack on the index, or of bad luck: see flow_table.hpp.
    std::array<Counter, 2> flows_left_out; ///< by IpFamily; live flows that rte_hash keeps, a level
    Counter left_out_lookups;              ///< packets for whose sake rte_hash was asked
    // Said of metered packets, for whoever wonders about ports that are 0:
    Counter later_fragments;
    Counter transport_cut;
    Counter extension_chain_cut;
    ApplicationTally application;
    // For the reliability records of RFC 7011 sections 4.2 and 4.3; 0: never.
    Counter first_refused_ns; ///< packet time of the first packet that should have been metered
    Counter last_refused_ns;
    Counter first_record_lost_ns; ///< the worker's time of the first of records_lost_queue_full
    Counter last_record_lost_ns;

    void note_refused(std::uint64_t time_ns) noexcept {
        note(first_refused_ns, last_refused_ns, time_ns);
    }
    void note_record_lost(std::uint64_t time_ns) noexcept {
        note(first_record_lost_ns, last_record_lost_ns, time_ns);
    }

  private:
    static void note(Counter& first, Counter& last, std::uint64_t time_ns) noexcept {
        if (first.get() == 0) {
            first.set(time_ns);
        }
        last.set(time_ns);
    }
};

/// Whether these packets should have been metered and were not: broken IP, no room, no template.
/// The others were none of IP's, or the operator's filter or sampling did not want them.
[[nodiscard]] constexpr bool is_refusal(ParseVerdict verdict) noexcept {
    return kParseVerdictNames[static_cast<std::size_t>(verdict)].starts_with("dropped_");
}
[[nodiscard]] constexpr bool is_refusal(MeterVerdict verdict) noexcept {
    return verdict != MeterVerdict::metered && verdict != MeterVerdict::ignored_by_filter &&
           verdict != MeterVerdict::ignored_not_sampled;
}

} // namespace probe
