// SPDX-License-Identifier: BSD-3-Clause
// The update rule: what one packet does to a flow record. Pure: no table, no clock, no queue.
//
// A record is begun for a new flow, gets packets added, and has its deltas restarted when a record
// of it was made and the flow goes on (active timeout). Blocks that the layout does not have are
// skipped; the tests on the layout are the same for every packet of a run, so they predict.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "probe/metering/flow_record.hpp"
#include "probe/metering/metering_plan.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

/// TCP control bits (RFC 9293 section 3.1).
struct TcpBits {
    static constexpr std::uint16_t kFin = 0x01;
    static constexpr std::uint16_t kSyn = 0x02;
    static constexpr std::uint16_t kRst = 0x04;
    static constexpr std::uint16_t kAck = 0x10;
    static constexpr std::uint16_t kTurns = kFin | kSyn | kRst; ///< begin or end a connection
};

template <class Block, class Record>
[[nodiscard]] Block& block_at(Record& record, std::uint16_t offset) noexcept {
    return *reinterpret_cast<Block*>(reinterpret_cast<std::uint8_t*>(&record) + offset);
}

namespace accounting_detail {

inline void note_first_packet(FirstPacketBlock& block, const PacketView& packet,
                              const PacketHeaders& headers) noexcept {
    block = {.ingress_interface = packet.ingress_interface,
             .flow_label = headers.flow_label,
             .outer_vlan_tci = headers.outer_vlan_tci,
             .inner_vlan_tci = headers.inner_vlan_tci,
             .ether_type = headers.ether_type,
             .icmp_type_code = headers.icmp_type_code,
             .traffic_class = headers.traffic_class,
             .hop_limit = headers.hop_limit,
             .fragment_flags = headers.fragment_flags,
             .vlan_tags = headers.vlan_tags,
             .reserved = 0};
}

inline void note_link(LinkBlock& block, const PacketView& packet,
                      const PacketHeaders& headers) noexcept {
    read_macs(packet, block.source_mac, block.destination_mac);
    block.has_mpls = headers.mpls_offset != 0 ? 1 : 0;
    if (block.has_mpls != 0) {
        std::memcpy(block.mpls_top_label.data(), packet.octets + headers.mpls_offset, 3);
    } else {
        block.mpls_top_label.fill(0);
    }
}

inline void list_packet(PacketListBlock& list, const PacketView& packet,
                        const PacketHeaders& headers, std::size_t direction) noexcept {
    if (list.count == PacketListBlock::kPacketsMax) {
        return;
    }
    const auto reverse = direction == 1 ? PacketListBlock::kReverseBit : std::uint16_t{0};
    list.packets[list.count++] = {
        .time_ns = packet.time_ns,
        .ip_octets = headers.ip_octets,
        .tcp_control_bits = static_cast<std::uint16_t>(headers.tcp_control_bits | reverse),
        .reserved = 0};
}

inline void widen(RangeBlock& range, const PacketHeaders& headers, bool first) noexcept {
    if (first) {
        range.ip_octets_min = range.ip_octets_max = headers.ip_octets;
        range.hop_limit_min = range.hop_limit_max = headers.hop_limit;
        return;
    }
    range.ip_octets_min = std::min(range.ip_octets_min, headers.ip_octets);
    range.ip_octets_max = std::max(range.ip_octets_max, headers.ip_octets);
    range.hop_limit_min = std::min(range.hop_limit_min, headers.hop_limit);
    range.hop_limit_max = std::max(range.hop_limit_max, headers.hop_limit);
}

} // namespace accounting_detail

/// RFC 5103 section 5: the sender of the first packet initiated the flow, unless that packet
/// answers a SYN; where a TCP flow is first seen in mid-stream nobody knows, and the direction is
/// arbitrary.
[[nodiscard]] inline std::uint8_t initial_order(const PacketHeaders& headers,
                                                bool key_reversed) noexcept {
    const bool tcp = headers.protocol == kProtocolTcp;
    const bool syn = tcp && (headers.tcp_control_bits & TcpBits::kSyn) != 0;
    const bool answer = syn && (headers.tcp_control_bits & TcpBits::kAck) != 0;
    std::uint8_t order = 0;
    if (key_reversed != answer) {
        order |= FlowOrder::kSourceIsSecond;
    }
    if (!tcp || syn) {
        order |= FlowOrder::kInitiatorKnown;
    }
    return order;
}

/// Clears what is counted since the last record; the flow's identity, order and TCP state stay.
template <class Record>
void restart_deltas(Record& record, const RecordLayout& layout) noexcept {
    for (std::size_t d = 0; d < kDirections; ++d) {
        if (layout.totals[d] != 0) {
            auto& totals = block_at<TotalsBlock>(record, layout.totals[d]);
            totals.octets_before += record.octets[d];
            totals.packets_before += record.packets[d];
        }
        if (layout.frame_octets[d] != 0) {
            block_at<FrameOctetsBlock>(record, layout.frame_octets[d]).frame_octets = 0;
        }
    }
    if (layout.reverse_times != 0) {
        block_at<DirectionTimesBlock>(record, layout.reverse_times) = {kNoPacketYet, 0};
    }
    if (layout.packet_list != 0) {
        block_at<PacketListBlock>(record, layout.packet_list).count = 0;
    }
    record.octets = {};
    record.packets = {};
    record.tcp_control_bits = {};
    publish(record.first_ns, kNoPacketYet);
}

/// A new flow in this record, without packets yet. `biflow`: whether the template counts both
/// directions.
template <class Key>
void begin_flow(FlowRecord<Key>& record, const RecordLayout& layout, const Key& key,
                const PacketHeaders& headers, bool key_reversed, bool biflow) noexcept {
    std::memset(reinterpret_cast<std::uint8_t*>(&record) + sizeof(FlowRecord<Key>), 0,
                layout.record_octets - sizeof(FlowRecord<Key>));
    record.key = key;
    record.octets = {};
    record.packets = {};
    record.tcp_control_bits = {};
    record.order = biflow ? initial_order(headers, key_reversed) : FlowOrder::kInitiatorKnown;
    record.end_reason = 0;
    record.application = ApplicationStage::fresh;
    if (layout.reverse_times != 0) {
        block_at<DirectionTimesBlock>(record, layout.reverse_times) = {kNoPacketYet, 0};
    }
    publish(record.first_ns, kNoPacketYet);
    publish(record.last_ns, TimeNs{0});
    publish(record.state, FlowState::kLive);
}

/// 0: from the biflow's source; 1: towards it. Always 0 in a uniflow.
template <class Record>
[[nodiscard]] std::size_t packet_direction(const Record& record, bool key_reversed,
                                           bool biflow) noexcept {
    const bool source_is_second = (record.order & FlowOrder::kSourceIsSecond) != 0;
    return biflow && key_reversed != source_is_second ? 1 : 0;
}

/// FIN both ways (in a uniflow: FIN) or RST end the flow; a SYN of a new connection on the same
/// ports revives it.
template <class Record>
void follow_tcp(Record& record, std::uint16_t control_bits, std::size_t direction,
                bool biflow) noexcept {
    if ((control_bits & TcpBits::kTurns) == 0) {
        return;
    }
    std::uint8_t state = record.state;
    if ((control_bits & TcpBits::kSyn) != 0 && (control_bits & TcpBits::kAck) == 0) {
        state = FlowState::kLive;
    }
    if ((control_bits & TcpBits::kFin) != 0) {
        state |= direction == 0 ? FlowState::kFinForward : FlowState::kFinReverse;
    }
    constexpr std::uint8_t kBoth = FlowState::kFinForward | FlowState::kFinReverse;
    const bool finished = biflow ? (state & kBoth) == kBoth : (state & kBoth) != 0;
    if (finished || (control_bits & TcpBits::kRst) != 0) {
        state |= FlowState::kEnded;
    }
    publish(record.state, state);
}

/// A packet's time, in whatever order packets come.
template <class Record>
void widen_times(Record& record, TimeNs time) noexcept {
    if (time < record.first_ns) {
        if (record.first_ns == kNoPacketYet) {
            // a late packet opens this record: its end must not be that of the record before
            publish(record.last_ns, time);
        }
        publish(record.first_ns, time);
    }
    if (time > record.last_ns) {
        publish(record.last_ns, time);
    }
}

template <class Key>
[[gnu::noinline]] void note_first(FlowRecord<Key>& record, const RecordLayout& layout,
                                  const PacketView& packet, const PacketHeaders& headers,
                                  std::size_t direction) noexcept {
    if (layout.first_packet[direction] != 0) {
        accounting_detail::note_first_packet(
            block_at<FirstPacketBlock>(record, layout.first_packet[direction]), packet, headers);
    }
    if (layout.link[direction] != 0) {
        accounting_detail::note_link(block_at<LinkBlock>(record, layout.link[direction]), packet,
                                     headers);
    }
}

/// Everything but the packet's time.
template <class Key>
[[gnu::always_inline]] inline void count_packet(FlowRecord<Key>& record, const RecordLayout& layout,
                                                const PacketView& packet,
                                                const PacketHeaders& headers,
                                                std::size_t direction) noexcept {
    const bool first = record.packets[direction] == 0;
    record.octets[direction] += headers.ip_octets;
    ++record.packets[direction];
    record.tcp_control_bits[direction] =
        static_cast<std::uint16_t>(record.tcp_control_bits[direction] | headers.tcp_control_bits);
    if (layout.every_packet[direction]) {
        if (layout.frame_octets[direction] != 0) {
            block_at<FrameOctetsBlock>(record, layout.frame_octets[direction]).frame_octets +=
                packet.frame_octets;
        }
        if (layout.range[direction] != 0) {
            accounting_detail::widen(block_at<RangeBlock>(record, layout.range[direction]), headers,
                                     first);
        }
        if (layout.packet_list != 0) {
            accounting_detail::list_packet(block_at<PacketListBlock>(record, layout.packet_list),
                                           packet, headers, direction);
        }
        if (direction == 1 && layout.reverse_times != 0) {
            auto& times = block_at<DirectionTimesBlock>(record, layout.reverse_times);
            times.first_ns = std::min(times.first_ns, packet.time_ns);
            times.last_ns = std::max(times.last_ns, packet.time_ns);
        }
    }
    if (first) [[unlikely]] {
        note_first(record, layout, packet, headers, direction);
    }
}

template <class Key>
void add_packet(FlowRecord<Key>& record, const RecordLayout& layout, const PacketView& packet,
                const PacketHeaders& headers, std::size_t direction) noexcept {
    widen_times(record, packet.time_ns);
    count_packet(record, layout, packet, headers, direction);
}

} // namespace probe
