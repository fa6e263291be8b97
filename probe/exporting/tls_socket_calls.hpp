// SPDX-License-Identifier: BSD-3-Clause
// TLS 1.2 and 1.3 (RFC 7011 section 11.1) between a TCP transport and its socket: to the transport
// a handshake is part of connecting, and what it sends and receives is plaintext.
//
// Both sides show certificates. The collector's must be signed by the configured authority and be
// made out for its name or address (section 11.3, RFC 6125): without that the handshake fails and
// nothing was exported. Our key's file must be its owner's alone.
//
// A collector that does not like our certificate says so late in TLS 1.3: after its own side of the
// handshake, when we may have sent. Until it has shown that it goes on (a session ticket), or has
// said nothing for ten looks of the transport (a second), everything sent counts as
// unacknowledged, so that it is lost by name when the refusal comes.
//
// Thread: made at start (errors: std::runtime_error with the remedy), then the exporter's lcore.
// Handshakes allocate and compute, a millisecond or two; sending does not allocate.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/socket_calls.hpp"

namespace probe {

class TlsSocketCalls final : public SocketCalls {
  public:
    /// `collector` names it in log lines; `host` is what its certificate must be made out for,
    /// unless options.name says another name.
    TlsSocketCalls(std::string collector, const std::string& host, const TlsOptions& options,
                   LogLine log, SocketCalls& below = SocketCalls::system());
    ~TlsSocketCalls() override;
    TlsSocketCalls(const TlsSocketCalls&) = delete;
    TlsSocketCalls& operator=(const TlsSocketCalls&) = delete;

    int open(int family, int type) noexcept override;
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
    struct FreeContext {
        void operator()(SSL_CTX* context) const noexcept;
    };
    struct FreeSession {
        void operator()(SSL* session) const noexcept;
    };
    struct FreeMethod {
        void operator()(BIO_METHOD* method) const noexcept;
    };

    void load_credentials(const TlsOptions& options);
    void expect_name(const std::string& name);
    [[nodiscard]] bool start_session(int fd) noexcept;
    [[nodiscard]] std::int64_t error_of(int result) noexcept;
    [[nodiscard]] bool confirmed() const noexcept;
    void say(const std::string& line) noexcept;
    void say_refusal() noexcept;

    static int bio_write(BIO* bio, const char* octets, int count) noexcept;
    static int bio_read(BIO* bio, char* into, int count) noexcept;
    static long bio_control(BIO* bio, int command, long number, void* pointer) noexcept;
    static int ticket_came(SSL* session, SSL_SESSION* ticket) noexcept;

    std::string collector_;
    LogLine log_;
    SocketCalls& below_;
    std::unique_ptr<BIO_METHOD, FreeMethod> method_;
    std::unique_ptr<SSL_CTX, FreeContext> context_;

    // of the connection at hand
    std::unique_ptr<SSL, FreeSession> session_;
    int fd_ = -1;
    int connect_error_ = 0; ///< errno: why there is no session
    int bio_error_ = 0;     ///< errno of the socket's last refusal
    std::uint64_t written_ = 0;
    unsigned looks_ = 0; ///< of receive() that found nothing
    bool ticket_ = false;
    std::string said_;
};

} // namespace probe
