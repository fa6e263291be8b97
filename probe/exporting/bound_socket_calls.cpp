// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/bound_socket_calls.hpp"

#include <netinet/in.h>

#include <cerrno>
#include <utility>

namespace probe {
namespace {

constexpr unsigned kDscpShift = 2; // RFC 2474: above the two bits of ECN

} // namespace

BoundSocketCalls::BoundSocketCalls(SocketOptions options) : options_(std::move(options)) {
    if (!options_.source.empty()) source_ = resolve(options_.source, 0, AF_UNSPEC).front();
}

int BoundSocketCalls::open(int family, int type, int protocol) noexcept {
    const int fd = SocketCalls::open(family, type, protocol);
    if (fd < 0) return fd;
    const int error = apply(fd, family);
    if (error >= 0) return fd;
    close(fd);
    return error;
}

int BoundSocketCalls::apply(int fd, int family) noexcept {
    const bool ipv6 = family == AF_INET6;
    int error = 0;
    if (!options_.device.empty()) {
        const std::string& name = options_.device;
        error = ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(),
                             static_cast<socklen_t>(name.size()));
        if (error < 0) return -errno;
    }
    if (options_.dscp) {
        const int traffic_class = static_cast<int>(unsigned{*options_.dscp} << kDscpShift);
        error = ipv6 ? set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, traffic_class)
                     : set_option(fd, IPPROTO_IP, IP_TOS, traffic_class);
        if (error < 0) return error;
    }
    if (options_.hop_limit) {
        error = ipv6 ? set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, *options_.hop_limit)
                     : set_option(fd, IPPROTO_IP, IP_TTL, *options_.hop_limit);
        if (error < 0) return error;
    }
    if (source_.length == 0) return 0;
    const void* octets = &source_.storage;
    return ::bind(fd, static_cast<const sockaddr*>(octets), source_.length) < 0 ? -errno : 0;
}

} // namespace probe
