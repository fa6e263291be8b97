// SPDX-License-Identifier: BSD-3-Clause
// A DPDK port whose packets come from memory: prepared frames, handed over by rte_eth_rx_burst.
//
// The distribution has no header to write an ethdev driver with, so the port is a net_null device
// whose receive function is exchanged (rte_eth_fp_ops) once it is started. Like a NIC's driver it
// takes mbufs from a pool, reads a descriptor for each packet and writes the mbuf's fields; nothing
// is copied, the mbuf's buffer address points at the frame. Its cost is measured alone (rung
// "source").
//
// Two ways to play: as fast as the worker asks, or paced: then another thread lets packets arrive,
// and what does not fit the ring of `ring_packets` is missed and counted, as a NIC does.
//
// Thread: receive() belongs to one worker, arrive() to one other thread; everything else when both
// stand still.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/traffic.hpp"

struct rte_mbuf;
struct rte_mempool;

namespace bench {

class MemoryPort {
  public:
    /// `device`: a net_null device that the EAL was given. Throws std::runtime_error.
    explicit MemoryPort(const std::string& device, std::uint32_t mbufs = 8'191);
    ~MemoryPort();
    MemoryPort(const MemoryPort&) = delete;
    MemoryPort& operator=(const MemoryPort&) = delete;

    /// From now on the packets are those of `traffic`, over and over. A share of `new_share` of
    /// them is replaced by first packets of flows never seen before: the source writes their
    /// address and port into a frame at the time of the burst.
    void play(const Traffic& traffic, double new_share = 0) noexcept;

    /// From now on packets arrive by arrive() alone (true) or whenever they are asked for (false).
    void pace(bool paced, std::uint32_t ring_packets = 2'048) noexcept;

    /// The other thread: `count` packets arrive. Returns how many of them found the ring full.
    [[nodiscard]] std::uint32_t arrive(std::uint32_t count) noexcept;

    [[nodiscard]] std::uint16_t number() const noexcept { return port_; }
    /// Packets that could not be handed over for want of an mbuf; the harness must never see one.
    [[nodiscard]] std::uint64_t without_mbuf() const noexcept { return queue_.without_mbuf; }
    /// First packets of new flows handed over.
    [[nodiscard]] std::uint64_t new_flows() const noexcept { return queue_.new_number; }

  private:
    static constexpr std::size_t kNewFrames =
        1'024; // rewritten in turn: stay in the cache, as DMA does
    static constexpr std::size_t kNewFrameOctets = 128;

    struct alignas(64) Queue {
        rte_mempool* pool = nullptr;
        const FrameDescriptor* frames = nullptr;
        const std::uint8_t* octets = nullptr;
        std::size_t count = 0;
        std::size_t next = 0;
        std::uint64_t new_threshold = 0; ///< of 2^32
        std::uint64_t new_number = 0;
        std::uint64_t random = 0;
        std::uint64_t without_mbuf = 0;
        std::uint16_t port = 0;
        bool paced = false;
        std::uint8_t* new_frames = nullptr;
        alignas(64) std::atomic<std::uint64_t> taken{0};   // worker: rw, arrive(): ro
        alignas(64) std::atomic<std::uint64_t> arrived{0}; // arrive(): rw, worker: ro
        std::uint64_t ring_packets = 0;
    };

    template <bool kWithNewFlows>
    static std::uint16_t receive(void* queue, rte_mbuf** mbufs, std::uint16_t wanted) noexcept;
    static std::uint16_t arrived_packets(Queue& queue, std::uint16_t wanted) noexcept;

    std::uint16_t port_ = 0;
    Queue queue_;
    alignas(64) std::array<std::uint8_t, kNewFrames * kNewFrameOctets> new_frames_{};
};

} // namespace bench
