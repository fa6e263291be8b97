// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/udp_transport.hpp"

#include <cerrno>
#include <utility>

namespace probe {
namespace {

/// A route may have got a larger MTU again; the kernel forgets a learned one after ten minutes.
constexpr TimeNs kLookAgain = 60 * kNsPerSecond;
constexpr TimeNs kOpenAgain = kNsPerSecond;

/// A datagram that meets a closed port is taken too: only several in a row are worth a line.
constexpr std::uint32_t kTakenBeforeGood = 3;

} // namespace

UdpTransport::UdpTransport(const std::string& name, const std::string& host, std::uint16_t port,
                           std::uint32_t payload_max, LogLine log,
                           std::shared_ptr<SocketCalls> calls)
    : log_(name, std::move(log)),
      socket_(DatagramSocket::Carrier::udp, host, port, payload_max, std::move(calls)) {}

bool UdpTransport::step(TimeNs now) noexcept {
    if (closed_) return false;
    if (now < look_again_at_) return socket_.is_open();
    if (socket_.is_open()) {
        socket_.look_at_route();
    } else if (const int error = socket_.open(); error < 0) {
        log_.failed("cannot reach it", -error, "trying again every second");
        look_again_at_ = now + kOpenAgain;
        return false;
    } else {
        ++sessions_;
        log_.works("exporting over UDP");
    }
    look_again_at_ = now + kLookAgain;
    return true;
}

SendVerdict UdpTransport::send(Bytes message, TimeNs now) noexcept {
    if (!socket_.is_open()) return SendVerdict::session_lost;
    const std::int64_t result = socket_.send(message);
    if (result < 0) return refused(static_cast<int>(-result), message.size(), now);
    taken(1);
    return SendVerdict::sent;
}

SeveralSent UdpTransport::send_several(std::span<const Bytes> messages, TimeNs now) noexcept {
    if (!socket_.is_open()) return {0, SendVerdict::session_lost};
    const std::int64_t result = socket_.send_several(messages);
    if (result < 0) return {0, refused(static_cast<int>(-result), messages.front().size(), now)};
    const auto count = static_cast<std::size_t>(result);
    taken(count);
    // The kernel does not say why it stopped; offered again, the next message gets the reason.
    return {count, count == messages.size() ? SendVerdict::sent : SendVerdict::would_block};
}

void UdpTransport::taken(std::size_t datagrams) noexcept {
    for (std::size_t i = 0; i < datagrams && taken_since_failure_ < kTakenBeforeGood; ++i) {
        if (++taken_since_failure_ == kTakenBeforeGood) log_.works("exporting over UDP again");
    }
}

SendVerdict UdpTransport::refused(int error, std::size_t octets, TimeNs now) noexcept {
    switch (error) {
        case EAGAIN:
        case ENOBUFS:
        case ENOMEM:
        case EINTR:
            log_.count(error);
            return SendVerdict::would_block;
        case EMSGSIZE:
            if (!socket_.shrink(octets)) break;
            log_.count(error);
            look_again_at_ = now + kLookAgain;
            return SendVerdict::too_large;
        default:
            break;
    }
    taken_since_failure_ = 0;
    log_.failed("sending fails", error, "records wait in the queue, trying again");
    return SendVerdict::transient_error;
}

void UdpTransport::close() noexcept {
    socket_.close();
    closed_ = true;
}

} // namespace probe
