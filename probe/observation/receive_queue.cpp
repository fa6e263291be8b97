// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/receive_queue.hpp"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <span>

namespace probe {

// Debian's DPDK for arm64 goes by the longest line of any such CPU, 128 octets.
static_assert(RTE_CACHE_LINE_SIZE % kCacheLineBytes == 0);

namespace {

constexpr std::uint32_t kVlanTagOctets = 4;

/// Octets of the first segment, all that is looked at of a packet. Our ports are set up so that a
/// frame fits one mbuf; several come only from devices that coalesce (LRO of a vhost peer, say).
PacketView view_of(const rte_mbuf& mbuf, TimeNs now, std::uint32_t ingress_interface) noexcept {
    // Only a stripped tag is missing in the octets; RX_VLAN alone says that there is one.
    const bool stripped = (mbuf.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
    return PacketView{
        .octets = rte_pktmbuf_mtod(&mbuf, const std::uint8_t*),
        .captured_octets = mbuf.data_len,
        .frame_octets = mbuf.pkt_len + (stripped ? kVlanTagOctets : 0),
        .time_ns = now,
        .stripped_vlan_tci = stripped ? mbuf.vlan_tci : std::uint16_t{0},
        .vlan_stripped = stripped,
        .link = LinkType::ethernet,
        .ingress_interface = ingress_interface,
    };
}

} // namespace

std::uint32_t ReceiveQueue::poll(PacketBatch& batch, TimeNs now) noexcept {
    release();
    held_ =
        rte_eth_rx_burst(port_, queue_, mbufs_.data(), static_cast<std::uint16_t>(kBurstPackets));
    batch.size = held_;
    if (held_ == 0) {
        add(empty_polls_, 1);
        return 0;
    }
    const std::span<rte_mbuf* const> received(mbufs_.data(), held_);
    // The first ones; who parses them sends for the others on its way.
    for (const rte_mbuf* mbuf : received.first(std::min<std::size_t>(held_, kPrefetchAhead))) {
        rte_prefetch0(rte_pktmbuf_mtod(mbuf, const void*));
    }
    std::uint64_t octets = 0;
    std::uint64_t cut = 0;
    for (std::uint32_t i = 0; i < held_; ++i) {
        // built in its place: a copy would read the view before its stores have left the store
        // buffer
        batch.packets[i] = view_of(*received[i], now, ingress_interface_);
        octets += batch.packets[i].frame_octets;
        cut += received[i]->nb_segs > 1 ? 1U : 0U;
    }
    add(packets_, held_);
    add(octets_, octets);
    add(bursts_, 1);
    if (cut != 0) {
        add(cut_packets_, cut);
    }
    return held_;
}

void ReceiveQueue::release() noexcept {
    if (held_ != 0) {
        rte_pktmbuf_free_bulk(mbufs_.data(), held_);
        held_ = 0;
    }
}

ReceiveTally ReceiveQueue::tally() const noexcept {
    return ReceiveTally{
        .packets = packets_.load(std::memory_order_relaxed),
        .octets = octets_.load(std::memory_order_relaxed),
        .bursts = bursts_.load(std::memory_order_relaxed),
        .empty_polls = empty_polls_.load(std::memory_order_relaxed),
        .cut_packets = cut_packets_.load(std::memory_order_relaxed),
    };
}

} // namespace probe
