// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over DTLS 1.2 (RFC 7011 sections 10.3 and 11): as over UDP, one datagram a message and none
// larger than the path takes, less what DTLS adds; nothing before the handshake has shown who the
// collector is.
//
// DTLS says nothing when a peer is gone. A session is over, and a new handshake due, when the
// collector says so (close_notify or an alert), when its port is closed (ICMP), and after
// `rehandshake` where that is set: the one way to find a collector that was restarted behind a
// filter. (The heartbeat of RFC 6520 that RFC 7011 names is in no OpenSSL since 3.0.) Attempts keep
// to the schedule of TCP's connections.
//
// Thread: the exporter's lcore, see TlsSession.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "probe/exporting/datagram_socket.hpp"
#include "probe/exporting/reconnect_delay.hpp"
#include "probe/exporting/tls_session.hpp"
#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

class DtlsTransport final : public Transport {
  public:
    /// `payload_max` as UdpTransport's, of the datagram. Throws std::runtime_error with the remedy.
    DtlsTransport(const CollectorOptions& collector, std::uint32_t payload_max,
                  const ConnectionTimes& times, LogLine log,
                  std::shared_ptr<SocketCalls> calls = SocketCalls::system());
    ~DtlsTransport() override;
    DtlsTransport(const DtlsTransport&) = delete;
    DtlsTransport& operator=(const DtlsTransport&) = delete;

    [[nodiscard]] bool step(TimeNs now) noexcept override;
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override;
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return sessions_; }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override { return octets_max_; }
    [[nodiscard]] bool reliable() const noexcept override { return false; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    void close() noexcept override;

  private:
    enum class State : std::uint8_t { waiting, handshaking, established, closed };

    void start_handshake(TimeNs now) noexcept;
    void go_on_with_handshake(TimeNs now) noexcept;
    void look_at_session(TimeNs now) noexcept;
    void fit_messages_to_route() noexcept;
    void attempt_failed(int error, TimeNs now) noexcept;
    void session_over(const char* what, int error, TimeNs now) noexcept;
    void end_session() noexcept;

    TransportLog log_;
    DatagramSocket socket_;
    TlsSession session_;
    ReconnectDelay delay_;
    const TimeNs peer_timeout_;
    const TimeNs rehandshake_;
    State state_ = State::waiting;
    TimeNs due_at_ = 0; ///< waiting: the next attempt; handshaking: its deadline
    TimeNs attempted_at_ = 0;
    TimeNs established_at_ = 0;
    TimeNs look_at_ = 0;       ///< for an answer, an alert, a farewell
    TimeNs look_at_route_ = 0; ///< for its MTU
    std::uint64_t sessions_ = 0;
    std::uint16_t octets_max_;
};

} // namespace probe
