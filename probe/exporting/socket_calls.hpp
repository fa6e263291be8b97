// SPDX-License-Identifier: BSD-3-Clause
// The kernel's socket interface as the transports need it, so that a test can answer in its place.
// Every call is non-blocking; a negative result is -errno.
#pragma once

#include <sys/socket.h>

#include <cstdint>
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

class SocketCalls {
  public:
    virtual ~SocketCalls() = default;

    /// `type` is SOCK_DGRAM or SOCK_STREAM. The file descriptor is close-on-exec.
    virtual int open(int family, int type) noexcept;
    virtual int connect(int fd, const SocketAddress& address) noexcept;
    /// 1: writable or in error, so that a started connect() has its result in SO_ERROR; 0: not yet.
    virtual int writable(int fd) noexcept;
    virtual std::int64_t send(int fd, Bytes octets) noexcept;
    virtual std::int64_t receive(int fd, std::span<std::uint8_t> into) noexcept;
    virtual int set_option(int fd, int level, int option, int value) noexcept;
    virtual int get_option(int fd, int level, int option, int& value) noexcept;
    /// Octets given to the kernel and not acknowledged by the peer's (SIOCOUTQ).
    virtual int unacknowledged(int fd, int& octets) noexcept;
    virtual void close(int fd) noexcept;

    [[nodiscard]] static SocketCalls& system() noexcept;
};

/// All addresses of a name, in getaddrinfo's order. Blocks: at start only. Throws
/// std::runtime_error with the remedy.
[[nodiscard]] std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port,
                                                 int type);

} // namespace probe
