// SPDX-License-Identifier: BSD-3-Clause
// One receive queue of a port as a packet source: where rte_mbuf ends and PacketView begins.
//
// Thread: poll() and release() belong to one worker; tally() may be read by any thread at any time
// (each counter is exact, the four are not of one instant). Lifetime: ends before its
// ObservationPoint.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "probe/packet/packet_batch.hpp"

struct rte_mbuf;

namespace probe {

struct ReceiveTally {
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;      ///< frame octets, without FCS, with tags the device took off
    std::uint64_t bursts = 0;      ///< polls that returned packets
    std::uint64_t empty_polls = 0; ///< polls that did not; their share tells how busy the worker is
    std::uint64_t cut_packets = 0; ///< came in several segments; only the first is looked at
};

class ReceiveQueue final : public PacketSource {
  public:
    ReceiveQueue(std::uint16_t port, std::uint16_t queue, std::uint32_t ingress_interface) noexcept
        : port_(port), queue_(queue), ingress_interface_(ingress_interface) {}
    ~ReceiveQueue() override { release(); }
    ReceiveQueue(const ReceiveQueue&) = delete;
    ReceiveQueue& operator=(const ReceiveQueue&) = delete;

    /// One rte_eth_rx_burst of up to kBurstPackets; every packet gets `now` as its time. A batch
    /// that was not released is released first.
    [[nodiscard]] std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept override;

    /// Frees the mbufs of the last poll in one bulk.
    void release() noexcept override;

    [[nodiscard]] ReceiveTally tally() const noexcept;
    [[nodiscard]] std::uint16_t queue() const noexcept { return queue_; }

  private:
    // Single writer (the worker): load + store without a read-modify-write. Relaxed: each counter
    // stands alone and orders nothing.
    static void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    std::uint16_t port_;
    std::uint16_t queue_;
    std::uint32_t ingress_interface_;
    std::uint16_t held_ = 0; ///< mbufs of the last poll, not yet released
    std::array<rte_mbuf*, kBurstPackets> mbufs_{};

    alignas(kCacheLineBytes) std::atomic<std::uint64_t> packets_{0}; // worker: rw, others: ro
    std::atomic<std::uint64_t> octets_{0};
    std::atomic<std::uint64_t> bursts_{0};
    std::atomic<std::uint64_t> empty_polls_{0};
    std::atomic<std::uint64_t> cut_packets_{0};
};

} // namespace probe
