// SPDX-License-Identifier: BSD-3-Clause
// Where a collector's messages come from: a listening socket of one transport. The collector waits
// for all of a source's file descriptors at once, then lets it take what is there; a source never
// blocks. Errors at start: std::runtime_error with the remedy.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "probe/collecting/received_session.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/socket_calls.hpp"

namespace probe {

/// Who makes sessions, and is told when one is over.
class SessionBook {
  public:
    virtual ~SessionBook() = default;
    [[nodiscard]] virtual std::unique_ptr<ReceivedSession> begin(const std::string& name,
                                                                 ipfix::SessionKind kind) = 0;
    virtual void end(ReceivedSession& session, const std::string& why) = 0;
    /// True when enough has come: a source stops in the middle of its work.
    [[nodiscard]] virtual bool enough() const noexcept = 0;
};

class MessageSource {
  public:
    virtual ~MessageSource() = default;
    virtual void append_polls(std::vector<pollfd>& polls) const = 0;
    virtual void take(SessionBook& book, TimeNs now) = 0;
    /// Listens no longer, then ends all its sessions: who connects again at once does not come to a
    /// collector that is about to leave.
    virtual void close(SessionBook& book) = 0;
    /// The port that it listens on, which the system chose when 0 was asked for.
    [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
};

/// By the URL's scheme (udp, dtls, tcp, tls, sctp), on the URL's address.
[[nodiscard]] std::unique_ptr<MessageSource> open_message_source(const CollectorOptions& where,
                                                                 const LogLine& log);

/// Throws std::runtime_error: what cannot be listened on, why, and what helps. `error`: as errno.
[[noreturn]] void refuse_to_listen(const CollectorOptions& where, int error);
/// The URL's host and port as an address of this machine. Throws std::runtime_error.
[[nodiscard]] SocketAddress local_address(const CollectorOptions& where, int type);
/// A bound socket that does not block; `protocol` 0: the type's own. Throws std::runtime_error.
[[nodiscard]] int open_bound_socket(const CollectorOptions& where, int type, int protocol = 0);
[[nodiscard]] std::uint16_t bound_port(int fd);
/// "192.0.2.7:4739", "[2001:db8::7]:4739"; IPv4 in IPv6 as IPv4.
[[nodiscard]] std::string address_text(const SocketAddress& address);

} // namespace probe
