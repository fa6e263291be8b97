// SPDX-License-Identifier: BSD-3-Clause
#include "bench/memory_port.hpp"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <stdexcept>

namespace bench {
namespace {

[[noreturn]] void fail(const char* what, int error) {
    throw std::runtime_error(std::string("the memory port: ") + what + ": " + rte_strerror(error));
}

} // namespace

MemoryPort::MemoryPort(const std::string& device, std::uint32_t mbufs) {
    if (rte_eth_dev_get_port_by_name(device.c_str(), &port_) != 0) {
        throw std::runtime_error("no device " + device + "; give the EAL --vdev=" + device);
    }
    queue_.pool = rte_pktmbuf_pool_create("memory_port", mbufs, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                          SOCKET_ID_ANY);
    if (queue_.pool == nullptr) {
        fail("no memory for its mbufs", rte_errno);
    }
    const rte_eth_conf configuration{};
    int result = rte_eth_dev_configure(port_, 1, 1, &configuration);
    if (result == 0) {
        result = rte_eth_rx_queue_setup(port_, 0, 512, 0, nullptr, queue_.pool);
    }
    if (result == 0) {
        result = rte_eth_tx_queue_setup(port_, 0, 512, 0, nullptr);
    }
    if (result == 0) {
        result = rte_eth_dev_start(port_);
    }
    if (result != 0) {
        fail("cannot be started", -result);
    }
    queue_.port = port_;
    queue_.new_frames = new_frames_.data();
}

MemoryPort::~MemoryPort() {
    (void)rte_eth_dev_stop(port_); // which also takes our receive function out
    (void)rte_eth_dev_close(port_);
    rte_mempool_free(queue_.pool);
}

void MemoryPort::play(const Traffic& traffic, double new_share) noexcept {
    queue_.frames = traffic.frames().data();
    queue_.octets = traffic.octets();
    queue_.count = traffic.frames().size();
    queue_.next = 0;
    queue_.new_threshold = static_cast<std::uint64_t>(new_share * 0x1p32);
    queue_.random = traffic.options().seed;
    for (std::size_t i = 0; i < kNewFrames; ++i) {
        const bool ipv6 = traffic.options().family == TrafficFamily::ipv6 ||
                          (traffic.options().family == TrafficFamily::mixed && i % 2 == 1);
        Traffic::write_plain_frame(new_frames_.data() + i * kNewFrameOctets, i, ipv6,
                                   ipv6 ? Traffic::kPlainFrameOctets : 64);
    }
    rte_eth_fp_ops[port_].rx_pkt_burst =
        queue_.new_threshold != 0 ? &MemoryPort::receive<true> : &MemoryPort::receive<false>;
    static void* queues[1];
    queues[0] = &queue_;
    rte_eth_fp_ops[port_].rxq.data = queues;
}

void MemoryPort::pace(bool paced, std::uint32_t ring_packets) noexcept {
    queue_.paced = paced;
    queue_.ring_packets = ring_packets;
    queue_.taken.store(0, std::memory_order_relaxed);
    queue_.arrived.store(0, std::memory_order_relaxed);
}

std::uint32_t MemoryPort::arrive(std::uint32_t count) noexcept {
    const std::uint64_t arrived = queue_.arrived.load(std::memory_order_relaxed); // ours alone
    // pairs with the store of arrived_packets: only descriptors that the worker gave back are used
    const std::uint64_t taken = queue_.taken.load(std::memory_order_acquire);
    const auto room = static_cast<std::uint32_t>(queue_.ring_packets - (arrived - taken));
    const std::uint32_t fit = std::min(count, room);
    queue_.arrived.store(arrived + fit, std::memory_order_release);
    return count - fit;
}

std::uint16_t MemoryPort::arrived_packets(Queue& queue, std::uint16_t wanted) noexcept {
    const std::uint64_t taken = queue.taken.load(std::memory_order_relaxed); // ours alone
    const std::uint64_t waiting = queue.arrived.load(std::memory_order_acquire) - taken;
    const auto count = static_cast<std::uint16_t>(std::min<std::uint64_t>(wanted, waiting));
    queue.taken.store(taken + count, std::memory_order_release);
    return count;
}

template <bool kWithNewFlows>
std::uint16_t MemoryPort::receive(void* argument, rte_mbuf** mbufs, std::uint16_t wanted) noexcept {
    Queue& queue = *static_cast<Queue*>(argument);
    if (queue.paced) {
        wanted = arrived_packets(queue, wanted);
        if (wanted == 0) {
            return 0;
        }
    }
    if (rte_mempool_get_bulk(queue.pool, reinterpret_cast<void**>(mbufs), wanted) != 0) {
        queue.without_mbuf += wanted;
        return 0;
    }
    std::size_t next = queue.next;
    for (std::uint16_t i = 0; i < wanted; ++i) {
        const FrameDescriptor descriptor = queue.frames[next];
        const std::uint8_t* frame = queue.octets + std::size_t{descriptor.line} * 64;
        std::uint16_t octets = descriptor.octets;
        next = next + 1 == queue.count ? 0 : next + 1;
        if constexpr (kWithNewFlows) {
            queue.random = mix64(queue.random);
            if ((queue.random & 0xffffffff) < queue.new_threshold) {
                std::uint8_t* fresh =
                    queue.new_frames + (queue.new_number % kNewFrames) * kNewFrameOctets;
                const bool ipv6 = fresh[12] == 0x86;
                Traffic::write_new_flow(fresh, queue.new_number++, ipv6);
                frame = fresh;
                octets = ipv6 ? Traffic::kPlainFrameOctets - 4 : 60;
            }
        }
        rte_mbuf& mbuf = *mbufs[i];
        mbuf.buf_addr = const_cast<std::uint8_t*>(frame);
        mbuf.data_off = 0;
        mbuf.refcnt = 1;
        mbuf.nb_segs = 1;
        mbuf.port = queue.port;
        mbuf.ol_flags = 0;
        mbuf.packet_type = 0;
        mbuf.pkt_len = octets;
        mbuf.data_len = octets;
        mbuf.vlan_tci = 0;
    }
    queue.next = next;
    return wanted;
}

} // namespace bench
