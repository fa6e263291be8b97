// SPDX-License-Identifier: BSD-3-Clause
// The kernel's socket interface as the transports need it, so that a test can answer in its place.
// Every call is non-blocking; a negative result is -errno.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// One resolved address of a collector.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    [[nodiscard]] bool ipv6() const noexcept { return storage.ss_family == AF_INET6; }
};

/// How many datagrams send_several() takes at once.
inline constexpr std::size_t kDatagramsPerCall = 32;

class SocketCalls {
  public:
    virtual ~SocketCalls() = default;

    /// As socket(2): SOCK_DGRAM or SOCK_STREAM with protocol 0, or SCTP's. The file descriptor is
    /// close-on-exec.
    virtual int open(int family, int type, int protocol) noexcept;
    virtual int connect(int fd, const SocketAddress& address) noexcept;
    /// 1: writable or in error, so that a started connect() has its result in SO_ERROR; 0: not yet.
    virtual int writable(int fd) noexcept;
    virtual std::int64_t send(int fd, Bytes octets) noexcept;
    /// One to kDatagramsPerCall datagrams of a connected socket in one system call; returns how
    /// many the kernel took. `segments`: datagrams of one size go as one whole that the kernel cuts
    /// (UDP_SEGMENT, udp(7)); where that cannot be, the error is the kernel's.
    virtual std::int64_t send_several(int fd, std::span<const Bytes> datagrams,
                                      bool segments) noexcept;
    virtual std::int64_t receive(int fd, std::span<std::uint8_t> into) noexcept;
    virtual int set_option(int fd, int level, int option, int value) noexcept;
    virtual int get_option(int fd, int level, int option, int& value) noexcept;
    /// Octets given to the kernel and not acknowledged by the peer's (SIOCOUTQ).
    virtual int unacknowledged(int fd, int& octets) noexcept;
    virtual void close(int fd) noexcept;

    /// Of the sockets that can be opened: AF_INET, AF_INET6, or AF_UNSPEC for both.
    [[nodiscard]] virtual int family() const noexcept { return AF_UNSPEC; }

    [[nodiscard]] static std::shared_ptr<SocketCalls> system();
};

/// All addresses of a name in a family (AF_UNSPEC: in both), in getaddrinfo's order. Blocks: at
/// start only. Throws std::runtime_error with the remedy.
[[nodiscard]] std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port,
                                                 int family);

} // namespace probe
