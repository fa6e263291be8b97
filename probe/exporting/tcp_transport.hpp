// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over TCP (RFC 7011 section 10.4): whole messages, one after the other, on one connection at
// a time.
//
// Between two attempts to connect passes a delay that doubles, a minute at least by default (RFC
// 7011 section 10.4.4): a connection that lasted longer is opened again at once. Losing it is
// noticed by a failing write, by the collector's end of stream (a collector never sends, so that is
// its farewell), and for a peer that vanished within the peer timeout by TCP_USER_TIMEOUT and
// keepalive. A connection that lasted less than the longest delay does not shorten the next one: a
// collector that accepts and hangs up is still away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "probe/exporting/reconnect_delay.hpp"
#include "probe/exporting/socket_calls.hpp"
#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

class TcpTransport final : public Transport {
  public:
    /// Resolves the name (may block); throws std::runtime_error with the remedy.
    TcpTransport(const std::string& name, const std::string& host, std::uint16_t port,
                 const ConnectionTimes& times, LogLine log,
                 std::shared_ptr<SocketCalls> calls = SocketCalls::system());
    ~TcpTransport() override;
    TcpTransport(const TcpTransport&) = delete;
    TcpTransport& operator=(const TcpTransport&) = delete;

    [[nodiscard]] bool step(TimeNs now) noexcept override;
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override;
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return sessions_; }
    [[nodiscard]] std::uint64_t unacknowledged_octets() const noexcept override;
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override;
    [[nodiscard]] bool reliable() const noexcept override { return true; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    void close() noexcept override;

  private:
    enum class State : std::uint8_t { waiting, connecting, connected, closed };

    void start_connecting(TimeNs now) noexcept;
    void look_at_connecting(TimeNs now) noexcept;
    void look_at_connection(TimeNs now) noexcept;
    void now_connected(TimeNs now) noexcept;
    void attempt_failed(int error, TimeNs now) noexcept;
    void connection_broke(const char* what, int error, TimeNs now) noexcept;
    void close_socket() noexcept;

    const std::shared_ptr<SocketCalls> calls_;
    TransportLog log_;
    const std::vector<SocketAddress> addresses_;
    ReconnectDelay delay_;
    const TimeNs peer_timeout_;
    std::size_t address_ = 0; ///< which of addresses_ is tried next
    State state_ = State::waiting;
    int fd_ = -1;
    TimeNs due_at_ = 0; ///< waiting: next attempt; connecting: deadline
    TimeNs attempted_at_ = 0;
    TimeNs connected_at_ = 0;
    TimeNs look_at_ = 0;      ///< when to look for the collector's farewell
    std::size_t written_ = 0; ///< of the message at hand
    std::uint64_t sessions_ = 0;
    std::uint64_t unacknowledged_at_break_ = 0;
};

} // namespace probe
