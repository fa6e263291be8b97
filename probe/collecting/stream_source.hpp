// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over TCP, received: a listening socket, and a session for each connection (RFC 7011 section
// 10.4). A connection whose octets cannot be followed is closed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"

namespace probe {

class StreamSource final : public MessageSource {
  public:
    explicit StreamSource(const CollectorOptions& where);
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
        std::string over; ///< why it is; empty: it goes on
    };
    void accept_all(SessionBook& book);
    void read(Connection& connection, SessionBook& book, TimeNs now);

    int listener_;
    std::vector<std::uint8_t> buffer_;
    std::vector<Connection> connections_;
};

} // namespace probe
