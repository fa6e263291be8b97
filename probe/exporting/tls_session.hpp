// SPDX-License-Identifier: BSD-3-Clause
// One side of TLS (1.2 and 1.3, over a stream) or DTLS (1.2, over datagrams) as RFC 7011 section 11
// has it, above a socket of SocketCalls: certificates on both sides, and one session after the
// other with them.
//
// The collector's certificate must be signed by the configured authority and be made out for its
// name or address (section 11.3, RFC 6125): without that the handshake fails and nothing was
// exported. Our key's file must be its owner's alone.
//
// Thread: made at start (errors: std::runtime_error with the remedy), then the exporter's lcore.
// Handshakes allocate and compute, a millisecond or two; writing does not allocate. Results below 0
// are -errno; what OpenSSL itself does not like is -EPROTO, and said.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/socket_calls.hpp"
#include "probe/exporting/tls_context.hpp"

namespace probe {

class TlsSession {
  public:
    /// `collector` names it in log lines; `host` is what its certificate must be made out for,
    /// unless options.name says another name. `below` must outlive the object.
    TlsSession(TlsCarrier carrier, std::string collector, const std::string& host,
               const TlsOptions& options, LogLine log, SocketCalls& below);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    /// A new session on a connected socket; nothing is sent yet.
    [[nodiscard]] int start(int fd) noexcept;
    /// Says farewell (close_notify) where there is someone to say it to, waits for nothing.
    void end() noexcept;

    [[nodiscard]] bool started() const noexcept { return session_ != nullptr; }
    /// The collector is who it should be, and knows us.
    [[nodiscard]] bool established() const noexcept { return established_; }
    /// The collector went on after it saw our certificate (TLS 1.3 tells no other way).
    [[nodiscard]] bool ticket_came() const noexcept { return ticket_; }
    [[nodiscard]] bool version_1_3() const noexcept;

    /// 0: established; -EAGAIN: call again. Datagrams that got lost are sent again by a clock of
    /// OpenSSL's own: after 1 s, then twice as long each time.
    [[nodiscard]] int handshake() noexcept;
    [[nodiscard]] std::int64_t write(Bytes octets) noexcept;
    /// 0: the collector's farewell.
    [[nodiscard]] std::int64_t read(std::span<std::uint8_t> into) noexcept;

    /// Datagrams: what one may hold from now on, and how much of that is ours (0: cannot be).
    [[nodiscard]] std::size_t plaintext_octets(std::size_t datagram_octets) noexcept;

  private:
    struct FreeSession {
        void operator()(SSL* session) const noexcept { SSL_free(session); }
    };
    struct FreeMethod {
        void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
    };

    void check_expiry(const TlsOptions& options) const;
    [[nodiscard]] std::int64_t error_of(int result) noexcept;
    void say(const std::string& line) noexcept;
    void say_refusal() noexcept;

    static int bio_write(BIO* bio, const char* octets, int count) noexcept;
    static int bio_read(BIO* bio, char* into, int count) noexcept;
    static long bio_control(BIO* bio, int command, long number, void* pointer) noexcept;
    static int new_ticket(SSL* session, SSL_SESSION* ticket) noexcept;

    const TlsCarrier carrier_;
    const std::string collector_;
    const LogLine log_;
    SocketCalls& below_;
    std::unique_ptr<BIO_METHOD, FreeMethod> method_;
    TlsContext context_;
    std::string said_;

    // of the session at hand
    std::unique_ptr<SSL, FreeSession> session_;
    int fd_ = -1;
    int bio_error_ = 0; ///< errno of the socket's last refusal
    bool established_ = false;
    bool ticket_ = false;
};

} // namespace probe
