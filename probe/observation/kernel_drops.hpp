// SPDX-License-Identifier: BSD-3-Clause
// Packets that the kernel dropped between an interface and a driver that reads it through a socket.
// DPDK 22.11 hides them: net_af_packet reports none, net_af_xdp not those of a full receive ring.
#pragma once

#include <cstdint>
#include <vector>

namespace probe {

/// Descriptors of this process's sockets of one address family (AF_PACKET: only those bound to
/// `if_index`; AF_XDP sockets cannot be asked).
[[nodiscard]] std::vector<int> open_sockets(int family, unsigned if_index);

/// Thread: one at a time (the caller's lock). Holds duplicates of the sockets, so that the counts can
/// still be read when the driver has closed its own.
class KernelDrops {
  public:
    KernelDrops() = default;
    ~KernelDrops();
    KernelDrops(const KernelDrops&) = delete;
    KernelDrops& operator=(const KernelDrops&) = delete;

    void watch(int family, const std::vector<int>& sockets);
    void forget() noexcept;

    /// Dropped since watch().
    [[nodiscard]] std::uint64_t packets() noexcept;

  private:
    int family_ = 0;
    std::vector<int> sockets_;
    std::uint64_t dropped_ = 0;
};

}  // namespace probe
