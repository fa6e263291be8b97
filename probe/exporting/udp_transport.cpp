// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/udp_transport.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace probe {
namespace {

constexpr int kIpv4AndUdpHeaders = 20 + 8;
constexpr int kIpv6AndUdpHeaders = 40 + 8;

/// The smallest payload of a path that obeys RFC 791 (MTU 68); below it EMSGSIZE means something
/// else.
constexpr int kPayloadMin = 68 - kIpv4AndUdpHeaders;
constexpr int kPayloadMax = 65507;

/// Unless the operator says more: collectors that read into a buffer of one Ethernet frame exist
/// (1,550 octets in older pmacct), and a loopback MTU of 65,536 would fill their socket with three
/// datagrams.
constexpr int kEthernetMtu = 1500;

/// A route may have got a larger MTU again; the kernel forgets a learned one after ten minutes.
constexpr TimeNs kLookAgain = 60 * kNsPerSecond;
constexpr TimeNs kOpenAgain = kNsPerSecond;

/// A datagram that meets a closed port is taken too: only several in a row are worth a line.
constexpr std::uint32_t kTakenBeforeGood = 3;

/// Enough for 64 messages of a step; the kernel's default of 208 KiB holds about 90 full datagrams.
constexpr int kSendBufferOctets = 1024 * 1024;

} // namespace

UdpTransport::UdpTransport(const std::string& name, const std::string& host, std::uint16_t port,
                           std::uint32_t payload_max, LogLine log, SocketCalls& calls)
    : calls_(calls),
      log_(name, std::move(log)),
      address_(resolve(host, port, SOCK_DGRAM).front()),
      payload_max_(payload_max) {}

UdpTransport::~UdpTransport() {
    close();
}

bool UdpTransport::step(TimeNs now) noexcept {
    if (closed_) return false;
    if (now < look_again_at_) return fd_ >= 0;
    if (fd_ < 0 && !open()) {
        look_again_at_ = now + kOpenAgain;
        return false;
    }
    octets_max_ = payload_of_route();
    look_again_at_ = now + kLookAgain;
    return true;
}

// connect() sends nothing over UDP; it fails when there is no route yet, and is tried again then.
bool UdpTransport::open() noexcept {
    const int fd = calls_.open(address_.storage.ss_family, SOCK_DGRAM);
    int error = fd < 0 ? fd : 0;
    if (error == 0) {
        error = address_.ipv6()
                    ? calls_.set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
                    : calls_.set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    }
    if (error == 0 && address_.ipv6()) {
        error = calls_.set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    }
    if (error == 0) {
        // A wish: the kernel caps it at net.core.wmem_max.
        static_cast<void>(calls_.set_option(fd, SOL_SOCKET, SO_SNDBUF, kSendBufferOctets));
        error = calls_.connect(fd, address_);
    }
    if (error < 0) {
        log_.failed("cannot reach it", -error, "trying again every second");
        if (fd >= 0) calls_.close(fd);
        return false;
    }
    fd_ = fd;
    ++sessions_;
    log_.works("exporting over UDP");
    return true;
}

std::uint16_t UdpTransport::payload_of_route() noexcept {
    int mtu = 0;
    const int error = address_.ipv6() ? calls_.get_option(fd_, IPPROTO_IPV6, IPV6_MTU, mtu)
                                      : calls_.get_option(fd_, IPPROTO_IP, IP_MTU, mtu);
    const int headers = address_.ipv6() ? kIpv6AndUdpHeaders : kIpv4AndUdpHeaders;
    int payload = error < 0 ? kUdpPayloadUnknownMtu : mtu - headers;
    if (payload_max_ == 0) payload = std::min(payload, kEthernetMtu - headers);
    if (payload_max_ > 0) payload = static_cast<int>(std::min<std::int64_t>(payload, payload_max_));
    return static_cast<std::uint16_t>(std::clamp(payload, kPayloadMin, kPayloadMax));
}

SendVerdict UdpTransport::send(Bytes message, TimeNs now) noexcept {
    if (fd_ < 0) return SendVerdict::session_lost;
    const std::int64_t result = calls_.send(fd_, message);
    if (result >= 0) {
        size_refusals_ = 0;
        if (++taken_since_failure_ == kTakenBeforeGood) log_.works("exporting over UDP again");
        return SendVerdict::sent;
    }
    const int error = static_cast<int>(-result);
    switch (error) {
        case EAGAIN:
        case ENOBUFS:
        case ENOMEM:
        case EINTR:
            log_.count(error);
            return SendVerdict::would_block;
        case EMSGSIZE:
            if (message.size() <= static_cast<std::size_t>(kPayloadMin)) break;
            log_.count(error);
            shrink(message.size());
            look_again_at_ = now + kLookAgain;
            return SendVerdict::too_large;
        default:
            break;
    }
    taken_since_failure_ = 0;
    log_.failed("sending fails", error, "records wait in the queue, trying again");
    return SendVerdict::transient_error;
}

// The error may be about an earlier datagram, and the kernel knows the new MTU now. Only when it
// goes on refusing (a tunnel, a filter) is the size halved until it does not.
void UdpTransport::shrink(std::size_t refused_octets) noexcept {
    octets_max_ = payload_of_route();
    if (++size_refusals_ == 1) return;
    const auto half = static_cast<std::uint16_t>(refused_octets / 2);
    octets_max_ = std::min(octets_max_, std::max<std::uint16_t>(half, kPayloadMin));
}

void UdpTransport::close() noexcept {
    if (fd_ >= 0) calls_.close(fd_);
    fd_ = -1;
    closed_ = true;
}

} // namespace probe
