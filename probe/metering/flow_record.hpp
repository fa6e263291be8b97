// SPDX-License-Identifier: BSD-3-Clause
// A Flow Record while it is being metered: a fixed base, and behind it the blocks that the
// templates ask for.
//
// The base of an IPv4 flow is one cache line, which is all that an ordinary packet touches. Blocks
// lie at offsets the RecordLayout gives; a block nobody exports is not there. Direction 0 is the
// one of the biflow's source (RFC 5103), 1 the reverse. Times are nanoseconds since the epoch;
// counts are deltas since the last record.
//
// Threads: the owner worker reads and writes everything. Housekeeping reads first_ns, last_ns and
// state, nothing else, and only through the published_* functions; all of it is a hint that the
// owner checks again, so relaxed order is enough. A copy of the record travels to the exporter
// through the RecordQueue.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "probe/metering/flow_end_reason.hpp"
#include "probe/metering/flow_key.hpp"

namespace probe {

inline constexpr std::size_t kDirections = 2;

/// Bits of FlowRecord::state.
struct FlowState {
    static constexpr std::uint8_t kLive = 1 << 0;
    static constexpr std::uint8_t kFinForward = 1 << 1; ///< a FIN came from the biflow's source
    static constexpr std::uint8_t kFinReverse = 1 << 2;
    static constexpr std::uint8_t kEnded = 1 << 3; ///< FIN both ways or RST: lingers for tcp_end
};

/// Bits of FlowRecord::order.
struct FlowOrder {
    static constexpr std::uint8_t kSourceIsSecond =
        1 << 0; ///< the biflow's source is the key's destination
    static constexpr std::uint8_t kInitiatorKnown =
        1 << 1; ///< biflowDirection is initiator, not arbitrary
};

/// How far layer 7 is with a flow; what its ApplicationBlock means.
enum class ApplicationStage : std::uint8_t {
    fresh,      ///< no payload yet, or the template does not ask
    inspecting, ///< `handle` is the number of its ApplicationFlow
    settled,    ///< `handle` is its result's, kNoResult without one
};

/// A record with so many packets of a direction is cut, like at the active timeout.
inline constexpr std::uint32_t kRecordPacketsMax = UINT32_MAX;

/// No packet since the last record of this flow.
inline constexpr TimeNs kNoPacketYet = UINT64_MAX;

template <class Key>
struct alignas(8) FlowRecord {
    Key key;
    TimeNs
        first_ns;   // worker: rw, housekeeping: ro. Earliest packet of this record, or kNoPacketYet
    TimeNs last_ns; // worker: rw, housekeeping: ro. Latest packet of the flow
    std::array<std::uint64_t, kDirections> octets;
    std::array<std::uint32_t, kDirections> packets; ///< at most kRecordPacketsMax
    std::array<std::uint16_t, kDirections> tcp_control_bits;
    std::uint8_t state; // worker: rw, housekeeping: ro. Bits of FlowState
    std::uint8_t order;
    std::uint8_t end_reason; ///< set in the exporter's copy
    ApplicationStage application;
};

static_assert(sizeof(FlowRecord<Ipv4Key>) == 64, "an IPv4 flow's hot part is one cache line");
static_assert(sizeof(FlowRecord<Ipv6Key>) == 88);

/// What the first packet of a direction looked like.
struct FirstPacketBlock {
    std::uint32_t ingress_interface;
    std::uint32_t flow_label;
    std::uint16_t outer_vlan_tci;
    std::uint16_t inner_vlan_tci;
    std::uint16_t ether_type;
    std::uint16_t icmp_type_code;
    std::uint8_t traffic_class;
    std::uint8_t hop_limit;
    std::uint8_t fragment_flags;
    std::uint8_t vlan_tags;
    std::uint32_t reserved;
};
static_assert(sizeof(FirstPacketBlock) == 24);

/// Link-layer fields of the first packet of a direction.
struct LinkBlock {
    MacAddress source_mac;
    MacAddress destination_mac;
    std::array<std::uint8_t, 3>
        mpls_top_label; ///< label, traffic class, bottom-of-stack bit, as on the wire
    std::uint8_t has_mpls;
};
static_assert(sizeof(LinkBlock) == 16);

/// Smallest and largest values seen in a direction; reset with the delta counters.
struct RangeBlock {
    std::uint32_t ip_octets_min;
    std::uint32_t ip_octets_max;
    std::uint8_t hop_limit_min;
    std::uint8_t hop_limit_max;
    std::uint16_t reserved[3];
};
static_assert(sizeof(RangeBlock) == 16);

/// Frame octets of a direction (layer2OctetDeltaCount).
struct FrameOctetsBlock {
    std::uint64_t frame_octets;
};

/// What earlier records of this flow already counted, for the total counters.
struct TotalsBlock {
    std::uint64_t octets_before;
    std::uint64_t packets_before;
};

/// Layer 7 (ApplicationMeter). In the exporter's copy always a ResultHandle that was lent to it, or
/// kNoResult.
struct ApplicationBlock {
    std::uint32_t handle;
    std::uint32_t
        inspected; ///< 1: payload was looked at, so that a result without a label has none
};
static_assert(sizeof(ApplicationBlock) == 8);

/// Times of one direction alone (RFC 5103: reverseFlowStart..., reverseFlowEnd...).
struct DirectionTimesBlock {
    TimeNs first_ns;
    TimeNs last_ns;
};

/// The first packets of a record, in the order in which they were metered, of both directions.
struct PacketListBlock {
    static constexpr std::size_t kPacketsMax = 16;
    static constexpr std::uint16_t kReverseBit = 1 << 15; ///< above the 12 TCP control bits
    struct Packet {
        TimeNs time_ns;
        std::uint32_t ip_octets;
        std::uint16_t tcp_control_bits; ///< and kReverseBit: it went towards the biflow's source
        std::uint16_t reserved;
    };
    std::uint64_t count; ///< of `packets`
    std::array<Packet, kPacketsMax> packets;
};
static_assert(sizeof(PacketListBlock) == 264);

// --- what housekeeping may read ---
// std::atomic_ref needs an lvalue of non-const type in C++20, so the cast away of const stays in
// these three.

template <class Record>
[[nodiscard]] TimeNs published_first(const Record& record) noexcept {
    return std::atomic_ref<TimeNs>(const_cast<TimeNs&>(record.first_ns))
        .load(std::memory_order_relaxed); // a hint: the owner looks again
}
template <class Record>
[[nodiscard]] TimeNs published_last(const Record& record) noexcept {
    return std::atomic_ref<TimeNs>(const_cast<TimeNs&>(record.last_ns))
        .load(std::memory_order_relaxed); // a hint: the owner looks again
}
template <class Record>
[[nodiscard]] std::uint8_t published_state(const Record& record) noexcept {
    return std::atomic_ref<std::uint8_t>(const_cast<std::uint8_t&>(record.state))
        .load(std::memory_order_relaxed); // a hint: the owner looks again
}

/// The owner's store to a published field: relaxed, since every reader treats it as a hint.
template <class T>
void publish(T& field, T value) noexcept {
    std::atomic_ref<T>(field).store(value, std::memory_order_relaxed);
}

} // namespace probe
