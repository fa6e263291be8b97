// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/dtls_transport.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace probe {
namespace {

/// OpenSSL takes no less for a datagram; a path that takes less cannot carry a handshake.
constexpr std::size_t kDatagramMin = 256;

/// One system call in this time, not one a step, while the collector answers or is only listened
/// to.
constexpr TimeNs kHandshakeLook = 5 * kNsPerMs;
constexpr TimeNs kSessionLook = 100 * kNsPerMs;
constexpr TimeNs kRouteLook = 60 * kNsPerSecond;

/// What a collector sends back is read and forgotten, this much a look.
constexpr std::size_t kForgetOctets = 4096;

} // namespace

DtlsTransport::DtlsTransport(const CollectorOptions& collector, std::uint32_t payload_max,
                             const ConnectionTimes& times, LogLine log,
                             std::shared_ptr<SocketCalls> calls)
    : log_(collector.url, log),
      socket_(DatagramSocket::Carrier::udp, collector.host, collector.port, payload_max,
              std::move(calls)),
      session_(TlsCarrier::datagrams, collector.url, collector.host, collector.tls, std::move(log),
               socket_.calls()),
      delay_(times.delay),
      peer_timeout_(times.peer_timeout),
      rehandshake_(collector.tls.rehandshake),
      octets_max_(socket_.payload_octets()) {}

DtlsTransport::~DtlsTransport() {
    close();
}

bool DtlsTransport::step(TimeNs now) noexcept {
    if (state_ == State::waiting && now >= due_at_) start_handshake(now);
    if (state_ == State::handshaking && now >= look_at_) go_on_with_handshake(now);
    if (state_ == State::established && now >= look_at_) look_at_session(now);
    return state_ == State::established;
}

void DtlsTransport::start_handshake(TimeNs now) noexcept {
    attempted_at_ = now;
    int error = socket_.open();
    if (error == 0) error = session_.start(socket_.descriptor());
    if (error < 0) return attempt_failed(-error, now);
    fit_messages_to_route();
    state_ = State::handshaking;
    due_at_ = now + peer_timeout_;
    look_at_ = now;
}

void DtlsTransport::go_on_with_handshake(TimeNs now) noexcept {
    look_at_ = now + kHandshakeLook;
    const int error = -session_.handshake();
    if (error == EMSGSIZE) { // the kernel has learned the path's MTU; the flight goes again
        log_.count(error);
        socket_.look_at_route();
        fit_messages_to_route();
    } else if (error != 0 && error != EAGAIN) {
        return attempt_failed(error, now);
    }
    if (error != 0) {
        if (now >= due_at_) attempt_failed(ETIMEDOUT, now);
        return;
    }
    state_ = State::established;
    established_at_ = now;
    look_at_ = now + kSessionLook;
    look_at_route_ = now + kRouteLook;
    fit_messages_to_route();
    ++sessions_;
    log_.works("exporting over DTLS");
}

void DtlsTransport::look_at_session(TimeNs now) noexcept {
    look_at_ = now + kSessionLook;
    if (now - established_at_ >= rehandshake_) {
        end_session();
        due_at_ = now;
        return;
    }
    if (now >= look_at_route_) {
        look_at_route_ = now + kRouteLook;
        socket_.look_at_route();
        fit_messages_to_route();
    }
    std::array<std::uint8_t, kForgetOctets> forgotten{};
    const std::int64_t received = session_.read(forgotten);
    if (received == 0) return session_over("the collector ended the session", ECONNRESET, now);
    if (received == -ECONNREFUSED || received == -ECONNRESET || received == -EPROTO) {
        session_over("session lost", static_cast<int>(-received), now);
    }
}

/// A message is what a datagram takes less the record's header, nonce and tag.
void DtlsTransport::fit_messages_to_route() noexcept {
    const std::size_t plaintext =
        session_.plaintext_octets(std::max<std::size_t>(socket_.payload_octets(), kDatagramMin));
    if (plaintext > 0) octets_max_ = static_cast<std::uint16_t>(plaintext);
}

SendVerdict DtlsTransport::send(Bytes message, TimeNs now) noexcept {
    if (state_ != State::established) return SendVerdict::session_lost;
    const std::int64_t result = session_.write(message);
    if (result >= 0) {
        socket_.taken();
        return SendVerdict::sent;
    }
    const int error = static_cast<int>(-result);
    switch (error) {
        case EAGAIN:
            log_.count(error);
            return SendVerdict::would_block;
        case EMSGSIZE: {
            if (!socket_.shrink(message.size())) break;
            log_.count(error);
            fit_messages_to_route();
            return octets_max_ < message.size() ? SendVerdict::too_large
                                                : SendVerdict::transient_error;
        }
        case ECONNREFUSED: // the port is closed: whoever opens it again does not know this session
        case ECONNRESET:
        case EPROTO:
            session_over("session lost", error, now);
            return SendVerdict::session_lost;
        default:
            break;
    }
    log_.failed("sending fails", error, "records wait in the queue, trying again");
    return SendVerdict::transient_error;
}

void DtlsTransport::attempt_failed(int error, TimeNs now) noexcept {
    end_session();
    due_at_ = std::max(now, attempted_at_ + delay_.next());
    log_.failed("cannot connect", error, "trying again");
}

void DtlsTransport::session_over(const char* what, int error, TimeNs now) noexcept {
    end_session();
    if (now >= established_at_ + delay_.longest()) delay_.reset();
    due_at_ = std::max(now, attempted_at_ + delay_.next());
    log_.failed(what, error, "a new handshake follows");
}

void DtlsTransport::end_session() noexcept {
    session_.end();
    socket_.close();
    state_ = State::waiting;
}

void DtlsTransport::close() noexcept {
    end_session();
    state_ = State::closed;
}

} // namespace probe
