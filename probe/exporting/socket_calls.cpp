// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/socket_calls.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
