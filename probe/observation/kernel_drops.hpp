// SPDX-License-Identifier: BSD-3-Clause
// Packets that the kernel dropped between an interface and a driver that reads it through a socket.
// DPDK 22.11 hides them: net_af_packet and net_tap report none, net_af_xdp not those of a full
// ring.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace probe {

/// Descriptors of this process's sockets of one address family (AF_PACKET: only those bound to
/// `if_index`; AF_XDP sockets cannot be asked).
[[nodiscard]] std::vector<int> open_sockets(int family, unsigned if_index);

/// Thread: one at a time (the caller's lock). Holds duplicates of the sockets, so that the counts
/// can still be read when the driver has closed its own.
class KernelDrops {
  public:
    KernelDrops() = default;
    ~KernelDrops();
    KernelDrops(const KernelDrops&) = delete;
    KernelDrops& operator=(const KernelDrops&) = delete;

    void watch(int family, const std::vector<int>& sockets);
    /// What the kernel could not give to a tap: its interface's tx_dropped.
    void watch_tap(unsigned if_index);
    void forget() noexcept;

    /// Dropped since watch() (watch_tap: since the interface was made).
    [[nodiscard]] std::uint64_t packets() noexcept;

  private:
    int family_ = 0;
    std::string tap_counter_; ///< path of the counter's file
    std::vector<int> sockets_;
    std::uint64_t dropped_ = 0;
};

} // namespace probe
