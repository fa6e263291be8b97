// SPDX-License-Identifier: BSD-3-Clause
// The collector's side of TLS 1.2 and 1.3 and of DTLS 1.2 (RFC 7011 section 11): our certificate is
// shown, and an exporter without one that our authority signed is refused.
//
// Made at start (errors: std::runtime_error with the remedy); calls do not block.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/socket_calls.hpp"
#include "probe/exporting/tls_context.hpp"

namespace probe {

/// One connection under TLS, over a socket that does not block and that it does not own.
class TlsConnection {
  public:
    explicit TlsConnection(SSL* session) noexcept : session_(session) {}
    /// Under DTLS: answers go to `peer` by `fd`; what comes is given to take().
    TlsConnection(SSL* session, int fd, const SocketAddress& peer);
    TlsConnection(const TlsConnection&) = delete;
    TlsConnection& operator=(const TlsConnection&) = delete;

    /// DTLS: a datagram came; read() until it says -EAGAIN.
    void take(std::span<const std::uint8_t> datagram);
    /// DTLS: sends again what was not answered in time.
    void keep_time() noexcept;

    /// Goes on with the handshake, or reads. Above 0: octets; 0: closed in order; -EAGAIN: later;
    /// another -errno: why() says more.
    [[nodiscard]] std::int64_t read(std::span<std::uint8_t> into);
    /// Why the last read() failed, in words.
    [[nodiscard]] const std::string& why() const noexcept { return why_; }
    /// Once after the handshake: "TLSv1.3, the exporter is CN = probe"; empty before and after.
    [[nodiscard]] std::string take_news();

  private:
    struct Free {
        void operator()(SSL* session) const noexcept { SSL_free(session); }
    };
    [[nodiscard]] std::int64_t error_of(int result);
    static int send_datagram(BIO* bio, const char* octets, int count) noexcept;

    int fd_ = -1; ///< DTLS
    SocketAddress peer_{};
    BIO* incoming_ = nullptr; ///< of session_
    std::unique_ptr<SSL, Free> session_;
    bool established_ = false;
    std::string news_;
    std::string why_;
};

class TlsAcceptor {
  public:
    TlsAcceptor(TlsCarrier carrier, const TlsOptions& options);
    /// For a connection that was accepted.
    [[nodiscard]] std::unique_ptr<TlsConnection> accept(int fd);
    /// For an exporter whose first datagram came.
    [[nodiscard]] std::unique_ptr<TlsConnection> accept(int fd, const SocketAddress& peer);

  private:
    TlsContext context_;
};

} // namespace probe
