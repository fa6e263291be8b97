// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over TCP or TLS, received: a listening socket, and a session for each connection (RFC 7011
// section 10.4). A connection whose octets cannot be followed is closed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"
#include "probe/collecting/tls_acceptor.hpp"

namespace probe {

class StreamSource final : public MessageSource {
  public:
    StreamSource(const CollectorOptions& where, LogLine log);
    ~StreamSource() override;
    StreamSource(const StreamSource&) = delete;
    StreamSource& operator=(const StreamSource&) = delete;

    void append_polls(std::vector<pollfd>& polls) const override;
    void take(SessionBook& book, TimeNs now) override;
    void close(SessionBook& book) override;
    [[nodiscard]] std::uint16_t port() const noexcept override { return bound_port(listener_); }

  private:
    struct Connection {
        int fd = -1;
        std::unique_ptr<ReceivedSession> session;
        std::unique_ptr<TlsConnection> tls; ///< nullptr: plain TCP
        std::string over;                   ///< why it is; empty: it goes on
    };
    void accept_all(SessionBook& book);
    [[nodiscard]] std::int64_t receive(Connection& connection);
    void read(Connection& connection, SessionBook& book, TimeNs now);

    LogLine log_;
    std::optional<TlsAcceptor> tls_;
    int listener_;
    std::vector<std::uint8_t> buffer_;
    std::vector<Connection> connections_;
};

} // namespace probe
