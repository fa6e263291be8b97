// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/socket_calls.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

namespace probe {
namespace {

int or_errno(int result) noexcept {
    return result < 0 ? -errno : result;
}

/// More than this is no UDP datagram, cut into segments or not.
constexpr std::size_t kSegmentedOctetsMax = 65'000;

/// How many of the first datagrams can go as segments of one: all of one size, the last at most so.
std::size_t segments_of(std::span<const Bytes> datagrams) noexcept {
    const std::size_t size = datagrams.front().size();
    std::size_t octets = size;
    std::size_t count = 1;
    while (count < datagrams.size() && datagrams[count - 1].size() == size &&
           datagrams[count].size() <= size) {
        octets += datagrams[count].size();
        if (octets > kSegmentedOctetsMax) break;
        ++count;
    }
    return count;
}

/// The ancillary data that says how large a segment is.
struct SegmentSize {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> octets;

    void say(msghdr& header, std::size_t size) noexcept {
        const auto segment = static_cast<std::uint16_t>(size);
        header.msg_control = octets.data();
        header.msg_controllen = octets.size();
        cmsghdr* const control = CMSG_FIRSTHDR(&header);
        control->cmsg_level = IPPROTO_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof segment);
        std::memcpy(CMSG_DATA(control), &segment, sizeof segment);
    }
};

} // namespace

int SocketCalls::open(int family, int type, int protocol) noexcept {
    return or_errno(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

int SocketCalls::connect(int fd, const SocketAddress& address) noexcept {
    // The one pointer type of the sockets interface, whatever the family.
    const void* octets = &address.storage;
    return or_errno(::connect(fd, static_cast<const sockaddr*>(octets), address.length));
}

int SocketCalls::writable(int fd) noexcept {
    pollfd poller{fd, POLLOUT, 0};
    return or_errno(::poll(&poller, 1, 0));
}

std::int64_t SocketCalls::send(int fd, Bytes octets) noexcept {
    const ssize_t sent = ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

std::int64_t SocketCalls::send_several(int fd, std::span<const Bytes> datagrams,
                                       bool segments) noexcept {
    assert(!datagrams.empty() && datagrams.size() <= kDatagramsPerCall);
    std::array<iovec, kDatagramsPerCall> parts{};
    std::array<mmsghdr, kDatagramsPerCall> headers{};
    std::array<SegmentSize, kDatagramsPerCall> sizes{};
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
        // The kernel only reads; iovec is for both ways.
        parts[i] = {const_cast<std::uint8_t*>(datagrams[i].data()), datagrams[i].size()};
    }
    unsigned used = 0;
    for (std::size_t first = 0; first < datagrams.size(); ++used) {
        const std::size_t count = segments ? segments_of(datagrams.subspan(first)) : 1;
        msghdr& header = headers[used].msg_hdr;
        header = {};
        header.msg_iov = &parts[first];
        header.msg_iovlen = count;
        if (count > 1) sizes[used].say(header, datagrams[first].size());
        first += count;
    }
    const int taken = ::sendmmsg(fd, headers.data(), used, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0) return -errno;
    std::int64_t datagrams_taken = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(taken); ++i) {
        datagrams_taken += static_cast<std::int64_t>(headers[i].msg_hdr.msg_iovlen);
    }
    return datagrams_taken;
}

std::int64_t SocketCalls::receive(int fd, std::span<std::uint8_t> into) noexcept {
    const ssize_t received = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    return received < 0 ? -errno : received;
}

int SocketCalls::set_option(int fd, int level, int option, int value) noexcept {
    return or_errno(::setsockopt(fd, level, option, &value, sizeof value));
}

int SocketCalls::get_option(int fd, int level, int option, int& value) noexcept {
    socklen_t length = sizeof value;
    return or_errno(::getsockopt(fd, level, option, &value, &length));
}

int SocketCalls::unacknowledged(int fd, int& octets) noexcept {
    return or_errno(::ioctl(fd, SIOCOUTQ, &octets));
}

void SocketCalls::close(int fd) noexcept {
    ::close(fd);
}

std::shared_ptr<SocketCalls> SocketCalls::system() {
    return std::make_shared<SocketCalls>();
}

std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port, int family) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_DGRAM; // each address once; it is the same for all types
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) {
        const std::string why = error == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(error);
        throw std::runtime_error("collector '" + host + "' has no address (" + why +
                                 "): check the name or write its IP address");
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::vector<SocketAddress> addresses;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        if (at->ai_addrlen > sizeof(sockaddr_storage)) continue;
        SocketAddress& address = addresses.emplace_back();
        std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
        address.length = at->ai_addrlen;
    }
    return addresses;
}

} // namespace probe
