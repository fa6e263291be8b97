// SPDX-License-Identifier: BSD-3-Clause
// TLS (RFC 7011 section 11.1) between a TCP transport and its socket: to the transport a handshake
// is part of connecting, and what it sends and receives is plaintext.
//
// A collector that does not like our certificate says so late in TLS 1.3: after its own side of the
// handshake, when we may have sent. Until it has shown that it goes on (a session ticket), or has
// said nothing for ten looks of the transport (a second), everything sent counts as
// unacknowledged, so that it is lost by name when the refusal comes.
//
// Thread and errors: as TlsSession's.
#pragma once

#include <memory>
#include <string>

#include "probe/exporting/socket_calls.hpp"
#include "probe/exporting/tls_session.hpp"

namespace probe {

class TlsSocketCalls final : public SocketCalls {
  public:
    TlsSocketCalls(std::string collector, const std::string& host, const TlsOptions& options,
                   LogLine log, std::shared_ptr<SocketCalls> below = SocketCalls::system());

    int open(int family, int type, int protocol) noexcept override;
    [[nodiscard]] int family() const noexcept override { return below_->family(); }
    int connect(int fd, const SocketAddress& address) noexcept override;
    /// Goes on with the handshake; 1 when it is over, well or not (SO_ERROR: EPROTO).
    int writable(int fd) noexcept override;
    std::int64_t send(int fd, Bytes octets) noexcept override;
    std::int64_t receive(int fd, std::span<std::uint8_t> into) noexcept override;
    int set_option(int fd, int level, int option, int value) noexcept override;
    int get_option(int fd, int level, int option, int& value) noexcept override;
    /// Of ciphertext: some per cent more than of plaintext.
    int unacknowledged(int fd, int& octets) noexcept override;
    void close(int fd) noexcept override;

  private:
    [[nodiscard]] bool confirmed() const noexcept;

    const std::shared_ptr<SocketCalls> below_;
    TlsSession session_;

    // of the connection at hand
    int connect_error_ = 0; ///< errno: why there is no session
    std::uint64_t written_ = 0;
    unsigned looks_ = 0; ///< of receive() that found nothing
};

} // namespace probe
