// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/datagram_socket.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace probe {
namespace {

constexpr int kIpv4Header = 20;
constexpr int kIpv6Header = 40;
constexpr int kUdpHeader = 8;

/// The smallest payload of a path that obeys RFC 791 (MTU 68); below it EMSGSIZE means something
/// else.
constexpr int kPayloadMin = 68 - kIpv4Header - kUdpHeader;
constexpr int kPayloadMax = 65507;

/// Unless the operator says more: collectors that read into a buffer of one Ethernet frame exist
/// (1,550 octets in older pmacct), and a loopback MTU of 65,536 would fill their socket with three
/// datagrams.
constexpr int kEthernetMtu = 1500;

/// Enough for 64 messages of a step; the kernel's default of 208 KiB holds about 90 full datagrams.
constexpr int kSendBufferOctets = 1024 * 1024;

} // namespace

DatagramSocket::DatagramSocket(Carrier carrier, const std::string& host, std::uint16_t port,
                               std::uint32_t payload_max, std::shared_ptr<SocketCalls> calls)
    : carrier_(carrier),
      calls_(std::move(calls)),
      address_(resolve(host, carrier == Carrier::udp ? port : std::uint16_t{0}, calls_->family())
                   .front()),
      payload_max_(payload_max),
      payload_octets_(static_cast<std::uint16_t>(
          kPacketUnknownMtu - (address_.ipv6() ? kIpv6Header : kIpv4Header) - kUdpHeader)) {}

DatagramSocket::~DatagramSocket() {
    close();
}

int DatagramSocket::open() noexcept {
    const bool raw = carrier_ == Carrier::ip;
    const int fd = calls_->open(address_.storage.ss_family, raw ? SOCK_RAW : SOCK_DGRAM,
                                raw ? IPPROTO_SCTP : 0);
    int error = fd < 0 ? fd : 0;
    if (error == 0) {
        error = ipv6() ? calls_->set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
                       : calls_->set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    }
    if (error == 0 && ipv6()) error = calls_->set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    if (error == 0) {
        // Without it the kernel says "sent" of what its own queue had no room for. (What ICMP says
        // is queued too, which nobody reads: the error alone is told by the next call.)
        error = ipv6() ? calls_->set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
                       : calls_->set_option(fd, IPPROTO_IP, IP_RECVERR, 1);
    }
    if (error == 0) {
        // A wish: the kernel caps it at net.core.wmem_max.
        static_cast<void>(calls_->set_option(fd, SOL_SOCKET, SO_SNDBUF, kSendBufferOctets));
        error = calls_->connect(fd, address_);
    }
    if (error < 0) {
        if (fd >= 0) calls_->close(fd);
        return error;
    }
    fd_ = fd;
    size_refusals_ = 0;
    look_at_route();
    return 0;
}

void DatagramSocket::close() noexcept {
    if (fd_ >= 0) calls_->close(fd_);
    fd_ = -1;
}

std::int64_t DatagramSocket::send(Bytes datagram) noexcept {
    const std::int64_t result = calls_->send(fd_, datagram);
    if (result >= 0) taken();
    return result;
}

// Segmentation is refused where the kernel has none (ENOPROTOOPT, or EINVAL for the ancillary
// data), the interface makes no checksums (EIO), or a segment is larger than the MTU (EINVAL in
// older kernels). Then the datagrams go one by one, in one call still. So they do where a queue was
// full: one that cuts what it takes (a shaper) may have room for a part, and says "sent" of it all.
std::int64_t DatagramSocket::send_several(std::span<const Bytes> datagrams) noexcept {
    std::int64_t result = calls_->send_several(fd_, datagrams, segments_);
    if (segments_ && (result == -EINVAL || result == -EIO || result == -ENOPROTOOPT)) {
        segments_ = false;
        result = calls_->send_several(fd_, datagrams, false);
    }
    if (result == -ENOBUFS) segments_ = false;
    if (result > 0) taken();
    return result;
}

std::int64_t DatagramSocket::receive(std::span<std::uint8_t> into) noexcept {
    return calls_->receive(fd_, into);
}

std::uint16_t DatagramSocket::payload_of_route() noexcept {
    int mtu = 0;
    const int error = ipv6() ? calls_->get_option(fd_, IPPROTO_IPV6, IPV6_MTU, mtu)
                             : calls_->get_option(fd_, IPPROTO_IP, IP_MTU, mtu);
    if (error < 0) mtu = kPacketUnknownMtu;
    const int headers =
        (ipv6() ? kIpv6Header : kIpv4Header) + (carrier_ == Carrier::udp ? kUdpHeader : 0);
    if (payload_max_ == 0) mtu = std::min(mtu, kEthernetMtu);
    int payload = mtu - headers;
    if (payload_max_ > 0) payload = static_cast<int>(std::min<std::int64_t>(payload, payload_max_));
    return static_cast<std::uint16_t>(std::clamp(payload, kPayloadMin, kPayloadMax));
}

// The error may be about an earlier datagram, and the kernel knows the new MTU now. Only when it
// goes on refusing (a tunnel, a filter) is the size halved until it does not.
bool DatagramSocket::shrink(std::size_t refused_octets) noexcept {
    if (refused_octets <= static_cast<std::size_t>(kPayloadMin)) return false;
    look_at_route();
    if (++size_refusals_ == 1) return true;
    const auto half = static_cast<std::uint16_t>(refused_octets / 2);
    payload_octets_ = std::min(payload_octets_, std::max<std::uint16_t>(half, kPayloadMin));
    return true;
}

} // namespace probe
