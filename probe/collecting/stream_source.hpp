// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over TCP or TLS, received: a session for each connection (RFC 7011 section 10.4). A
// connection whose octets cannot be followed is closed.
#pragma once

#include <memory>
#include <optional>

#include "probe/collecting/accepting_source.hpp"
#include "probe/collecting/tls_acceptor.hpp"

namespace probe {

class StreamSource final : public AcceptingSource {
  public:
    StreamSource(const CollectorOptions& where, LogLine log);

  private:
    class Stream;
    [[nodiscard]] std::unique_ptr<Connection> accepted(int fd, const SocketAddress& from,
                                                       SessionBook& book) override;

    LogLine log_;
    std::optional<TlsAcceptor> tls_;
};

} // namespace probe
