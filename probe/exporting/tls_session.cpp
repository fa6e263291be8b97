// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace probe {
namespace {

constexpr std::time_t kExpiryWarning = std::time_t{30} * 24 * 3600;

[[noreturn]] void refuse(const std::string& what) {
    throw std::runtime_error(what);
}

const TlsOptions& complete(const TlsOptions& options) {
    const auto required = [](const std::string& value, const char* key) {
        if (!value.empty()) return;
        refuse(
            std::string("TLS needs a certificate on both sides; write {url: \"tls://HOST\", tls: "
                        "{ca: FILE, certificate: FILE, key: FILE}} (") +
            key + " is missing)");
    };
    required(options.ca, "ca");
    required(options.certificate, "certificate");
    required(options.key, "key");
    return options;
}

int clamp_to_int(std::size_t octets) noexcept {
    return static_cast<int>(std::min<std::size_t>(octets, INT_MAX));
}

} // namespace

TlsSession::TlsSession(TlsCarrier carrier, std::string collector, const std::string& host,
                       const TlsOptions& options, LogLine log, SocketCalls& below)
    : carrier_(carrier),
      collector_(std::move(collector)),
      log_(std::move(log)),
      below_(below),
      method_(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "parshall's socket")),
      context_(make_tls_context(
          carrier == TlsCarrier::stream ? TLS_client_method() : DTLS_client_method(), carrier,
          complete(options), {.own = "probe", .peer = "collector"})) {
    if (!method_) {
        refuse("OpenSSL cannot be set up: " + tls_reason());
    }
    BIO_meth_set_write(method_.get(), bio_write);
    BIO_meth_set_read(method_.get(), bio_read);
    BIO_meth_set_ctrl(method_.get(), bio_control);
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context_.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // tickets are only looked at: they are the first sign of a collector that goes on
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context_.get(), new_ticket);
    check_expiry(options);
    expect_peer_name(context_.get(), options.name.empty() ? host : options.name,
                     "tls: {name: ...}");
}

void TlsSession::check_expiry(const TlsOptions& options) const {
    const ASN1_TIME* expiry = X509_get0_notAfter(SSL_CTX_get0_certificate(context_.get()));
    std::time_t soon = std::time(nullptr) + kExpiryWarning;
    if (X509_cmp_current_time(expiry) < 0) {
        refuse("the certificate '" + options.certificate + "' has expired; put a new one there");
    }
    if (X509_cmp_time(expiry, &soon) < 0 && log_) {
        log_("warning: the certificate '" + options.certificate + "' expires within 30 days");
    }
}

int TlsSession::start(int fd) noexcept {
    session_.reset(SSL_new(context_.get()));
    BIO* bio = BIO_new(method_.get());
    if (!session_ || bio == nullptr) {
        session_.reset();
        BIO_free(bio);
        return -ENOMEM;
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(session_.get(), bio, bio); // takes it
    SSL_set_app_data(session_.get(), this);
    SSL_set_connect_state(session_.get());
    if (char* host = X509_VERIFY_PARAM_get0_host(SSL_get0_param(session_.get()), 0)) {
        // SSL_set_tlsext_host_name is a macro with a cast of its own
        SSL_ctrl(session_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host);
    }
    fd_ = fd;
    bio_error_ = 0;
    established_ = ticket_ = false;
    return 0;
}

void TlsSession::end() noexcept {
    if (established_) {
        ERR_clear_error();
        static_cast<void>(SSL_shutdown(session_.get())); // nobody waits for theirs
    }
    session_.reset();
    established_ = false;
    fd_ = -1;
}

bool TlsSession::version_1_3() const noexcept {
    return session_ && SSL_version(session_.get()) == TLS1_3_VERSION;
}

int TlsSession::handshake() noexcept {
    ERR_clear_error();
    const int done = SSL_do_handshake(session_.get());
    if (done != 1) return static_cast<int>(error_of(done));
    established_ = true;
    try {
        say(std::string(SSL_get_version(session_.get())) + ", the collector is who it should be");
    } catch (...) { // without memory for a line there is no line
    }
    return 0;
}

/// -errno for a call that gave `result`.
std::int64_t TlsSession::error_of(int result) noexcept {
    switch (SSL_get_error(session_.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN: // close_notify
            established_ = false;
            return -ECONNRESET;
        case SSL_ERROR_SYSCALL:
            return bio_error_ != 0 ? -bio_error_ : -ECONNRESET;
        default:
            established_ = false;
            say_refusal();
            return -EPROTO;
    }
}

std::int64_t TlsSession::write(Bytes octets) noexcept {
    if (!session_ || octets.empty()) return session_ ? 0 : -ENOTCONN;
    ERR_clear_error();
    const int sent = SSL_write(session_.get(), octets.data(), clamp_to_int(octets.size()));
    return sent > 0 ? sent : error_of(sent);
}

std::int64_t TlsSession::read(std::span<std::uint8_t> into) noexcept {
    if (!session_) return -ENOTCONN;
    ERR_clear_error();
    const int received = SSL_read(session_.get(), into.data(), clamp_to_int(into.size()));
    if (received > 0) return received;
    return SSL_get_error(session_.get(), received) == SSL_ERROR_ZERO_RETURN ? 0
                                                                            : error_of(received);
}

std::size_t TlsSession::plaintext_octets(std::size_t datagram_octets) noexcept {
    // SSL_set_mtu is a macro with a cast of its own
    if (!session_ || SSL_ctrl(session_.get(), SSL_CTRL_SET_MTU, static_cast<long>(datagram_octets),
                              nullptr) == 0) {
        return 0;
    }
    return DTLS_get_data_mtu(session_.get());
}

int TlsSession::bio_write(BIO* bio, const char* octets, int count) noexcept {
    auto& self = *static_cast<TlsSession*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::int64_t sent =
        self.below_.send(self.fd_, {reinterpret_cast<const std::uint8_t*>(octets),
                                    static_cast<std::size_t>(std::max(count, 0))});
    if (sent >= 0) return static_cast<int>(sent);
    self.bio_error_ = static_cast<int>(-sent);
    if (sent == -EAGAIN || sent == -EINTR || sent == -ENOBUFS || sent == -ENOMEM) {
        BIO_set_retry_write(bio);
    }
    return -1;
}

int TlsSession::bio_read(BIO* bio, char* into, int count) noexcept {
    auto& self = *static_cast<TlsSession*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::int64_t received = self.below_.receive(
        self.fd_,
        {reinterpret_cast<std::uint8_t*>(into), static_cast<std::size_t>(std::max(count, 0))});
    if (received > 0) return static_cast<int>(received);
    // an empty datagram is nothing; the end of a stream is its end
    const bool nothing = received == 0 && self.carrier_ == TlsCarrier::datagrams;
    self.bio_error_ = received == 0 ? ECONNRESET : static_cast<int>(-received);
    if (nothing || received == -EAGAIN || received == -EINTR) BIO_set_retry_read(bio);
    return received == 0 && !nothing ? 0 : -1;
}

/// For datagrams OpenSSL asks for more: it gets 0, since the MTU is set from above and time is
/// measured by its own clock.
long TlsSession::bio_control(BIO* /*bio*/, int command, long /*number*/,
                             void* /*pointer*/) noexcept {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int TlsSession::new_ticket(SSL* session, SSL_SESSION* /*ticket*/) noexcept {
    static_cast<TlsSession*>(SSL_get_app_data(session))->ticket_ = true;
    return 0; // not kept
}

void TlsSession::say_refusal() noexcept {
    try {
        const long verdict = SSL_get_verify_result(session_.get());
        const char* protocol = carrier_ == TlsCarrier::stream ? "TLS" : "DTLS";
        say(verdict != X509_V_OK ? std::string("its certificate is refused: ") +
                                       X509_verify_cert_error_string(verdict)
                                 : protocol + (" fails: " + tls_reason()));
    } catch (...) { // without memory for a line there is no line: the counter has it
    }
}

/// A line whenever it differs from the one before.
void TlsSession::say(const std::string& line) noexcept {
    if (line == said_ || !log_) return;
    try {
        said_ = line;
        log_("collector " + collector_ + ": " + line);
    } catch (...) { // as above
    }
}

} // namespace probe
