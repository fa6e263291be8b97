// SPDX-License-Identifier: BSD-3-Clause
// One connected socket to a collector that takes whole datagrams, and how large one may be.
//
// The kernel never fragments: DF is set (over IPv6, the don't-fragment option), datagrams fit the
// route's MTU less the headers, and after EMSGSIZE they are smaller. Where the MTU is not known a
// packet has 512 octets (RFC 7011 section 10.3.3).
//
// Thread: its transport's. Errors: the constructor throws std::runtime_error with the remedy;
// results below 0 are -errno.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "probe/exporting/socket_calls.hpp"

namespace probe {

/// RFC 7011 section 10.3.3: a packet, headers included, where the path's MTU is unknown.
inline constexpr int kPacketUnknownMtu = 512;

class DatagramSocket {
  public:
    enum class Carrier : std::uint8_t { udp, ip }; ///< ip: SCTP's packets, by a raw socket

    /// `payload_max` octets a datagram at most, 0: one Ethernet frame; never more than the route
    /// allows. Resolves the name (may block).
    DatagramSocket(Carrier carrier, const std::string& host, std::uint16_t port,
                   std::uint32_t payload_max, std::shared_ptr<SocketCalls> calls);
    ~DatagramSocket();
    DatagramSocket(const DatagramSocket&) = delete;
    DatagramSocket& operator=(const DatagramSocket&) = delete;

    /// Sends nothing; fails when there is no route yet.
    [[nodiscard]] int open() noexcept;
    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int descriptor() const noexcept { return fd_; }
    [[nodiscard]] bool ipv6() const noexcept { return address_.ipv6(); }
    [[nodiscard]] SocketCalls& calls() noexcept { return *calls_; }

    [[nodiscard]] std::int64_t send(Bytes datagram) noexcept;
    /// One to kDatagramsPerCall, in one system call; returns how many were taken, in order.
    [[nodiscard]] std::int64_t send_several(std::span<const Bytes> datagrams) noexcept;
    [[nodiscard]] std::int64_t receive(std::span<std::uint8_t> into) noexcept;

    /// What a datagram may hold, as of the latest look at the route.
    [[nodiscard]] std::uint16_t payload_octets() const noexcept { return payload_octets_; }
    void look_at_route() noexcept {
        payload_octets_ = payload_of_route();
        segments_ = true;
    }
    /// After EMSGSIZE for a datagram of `refused_octets`. False: it could not be smaller, and the
    /// error means something else.
    [[nodiscard]] bool shrink(std::size_t refused_octets) noexcept;
    /// A datagram that went by the descriptor was taken.
    void taken() noexcept { size_refusals_ = 0; }

  private:
    [[nodiscard]] std::uint16_t payload_of_route() noexcept;

    const Carrier carrier_;
    const std::shared_ptr<SocketCalls> calls_;
    const SocketAddress address_;
    const std::uint32_t payload_max_;
    int fd_ = -1;
    std::uint16_t payload_octets_;
    bool segments_ = true; ///< the kernel may cut datagrams, as far as is known of this route
    std::uint32_t size_refusals_ = 0; ///< EMSGSIZE since a datagram was taken
};

} // namespace probe
