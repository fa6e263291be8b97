// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/message_source.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "probe/collecting/datagram_source.hpp"
#include "probe/collecting/kernel_sctp_source.hpp"
#include "probe/collecting/sctp_source.hpp"
#include "probe/collecting/stream_source.hpp"
#include "probe/exporting/kernel_sctp.hpp"

namespace probe {

namespace {

[[noreturn]] void refuse(const CollectorOptions& where, const std::string& why) {
    throw std::runtime_error(fmt::format("cannot listen on {}: {}", where.url, why));
}

std::string remedy(int error) {
    const std::string why = std::strerror(error);
    if (error == EADDRINUSE) return why + "; end the program that has this port, or name another";
    if (error == EADDRNOTAVAIL) {
        return why + "; name an address of this machine, or 0.0.0.0 or [::] for all of them";
    }
    return error == EACCES ? why + "; take a port from 1024 on" : why;
}

} // namespace

void refuse_to_listen(const CollectorOptions& where, int error) {
    refuse(where, remedy(error));
}

SocketAddress local_address(const CollectorOptions& where, int type) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = type;
    hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
    addrinfo* found = nullptr;
    const int error =
        ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
    if (error != 0) {
        refuse(where, std::string(::gai_strerror(error)) +
                          "; name an address of this machine, or 0.0.0.0 or [::] for all of them");
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    SocketAddress address;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    address.length = found->ai_addrlen;
    return address;
}

int open_bound_socket(const CollectorOptions& where, int type, int protocol) {
    const SocketAddress address = local_address(where, type);
    const int fd =
        ::socket(address.storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) refuse_to_listen(where, errno);
    const int on = 1;
    const int off = 0;
    static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
                                   type == SOCK_STREAM ? sizeof on : 0)); // TIME-WAIT
    if (address.ipv6()) {                                                 // [::] takes IPv4 as well
        static_cast<void>(::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
    }
    const void* octets = &address.storage;
    if (::bind(fd, static_cast<const sockaddr*>(octets), address.length) != 0) {
        const int why = errno;
        ::close(fd);
        refuse_to_listen(where, why);
    }
    return fd;
}

std::uint16_t bound_port(int fd) {
    SocketAddress address;
    address.length = sizeof address.storage;
    void* octets = &address.storage;
    if (::getsockname(fd, static_cast<sockaddr*>(octets), &address.length) != 0) return 0;
    const void* storage = &address.storage;
    return ntohs(address.ipv6() ? static_cast<const sockaddr_in6*>(storage)->sin6_port
                                : static_cast<const sockaddr_in*>(storage)->sin_port);
}

std::string address_text(const SocketAddress& address) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    const void* octets = &address.storage;
    if (::getnameinfo(static_cast<const sockaddr*>(octets), address.length, host.data(),
                      host.size(), port.data(), port.size(),
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return "an unknown address";
    }
    constexpr std::string_view kMapped = "::ffff:";
    std::string_view name(host.data());
    if (name.starts_with(kMapped) && name.find('.') != std::string_view::npos) {
        name.remove_prefix(kMapped.size());
    }
    const bool ipv6 = name.find(':') != std::string_view::npos;
    return fmt::format("{}{}{}:{}", ipv6 ? "[" : "", name, ipv6 ? "]" : "", port.data());
}

std::unique_ptr<MessageSource> open_message_source(const CollectorOptions& where,
                                                   const LogLine& log) {
    switch (where.transport) {
        case TransportKind::udp:
        case TransportKind::dtls:
            return std::make_unique<DatagramSource>(where, log);
        case TransportKind::tcp:
        case TransportKind::tls:
            return std::make_unique<StreamSource>(where, log);
        case TransportKind::sctp:
            if (where.sctp.encapsulation == 0 && KernelSctp::available()) {
                return std::make_unique<KernelSctpSource>(where);
            }
            return std::make_unique<SctpSource>(where);
        default:
            throw std::invalid_argument(
                fmt::format("'{}': records are collected from udp://, tcp://, sctp://, tls:// or "
                            "dtls://ADDRESS:PORT; "
                            "files are read by `parshall show FILE`",
                            where.url));
    }
}

} // namespace probe
