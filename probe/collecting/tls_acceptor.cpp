// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/tls_acceptor.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <stdexcept>

namespace probe {

namespace {

constexpr long kLinkMtu = 1280; // of handshakes only: any path takes it (RFC 8200)

const TlsOptions& complete(const TlsOptions& options) {
    if (options.ca.empty() || options.certificate.empty() || options.key.empty()) {
        throw std::invalid_argument(
            "TLS needs a certificate on both sides: say --ca FILE --certificate FILE --key FILE");
    }
    return options;
}

std::string subject_of(const SSL* session) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(session), &X509_free);
    const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), &BIO_free);
    if (!certificate || !text) {
        return "without a certificate";
    }
    X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_ONELINE);
    const char* octets = nullptr;
    const long length = BIO_get_mem_data(text.get(), &octets);
    return {octets, static_cast<std::size_t>(length)};
}

} // namespace

TlsAcceptor::TlsAcceptor(TlsCarrier carrier, const TlsOptions& options)
    : context_(make_tls_context(
          carrier == TlsCarrier::stream ? TLS_server_method() : DTLS_server_method(), carrier,
          complete(options), {.own = "collector", .peer = "exporter"})) {
    if (!options.name.empty()) {
        expect_peer_name(context_.get(), options.name, "--exporter NAME");
    }
}

std::unique_ptr<TlsConnection> TlsAcceptor::accept(int fd) {
    SSL* session = SSL_new(context_.get());
    if (session == nullptr || SSL_set_fd(session, fd) != 1) {
        SSL_free(session);
        throw std::runtime_error("no memory for a TLS session");
    }
    SSL_set_accept_state(session);
    return std::make_unique<TlsConnection>(session);
}

std::unique_ptr<TlsConnection> TlsAcceptor::accept(int fd, const SocketAddress& peer) {
    SSL* session = SSL_new(context_.get());
    if (session == nullptr) {
        throw std::runtime_error("no memory for a DTLS session");
    }
    SSL_set_accept_state(session);
    return std::make_unique<TlsConnection>(session, fd, peer);
}

namespace {

long flush_only(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

} // namespace

TlsConnection::TlsConnection(SSL* session, int fd, const SocketAddress& peer)
    : fd_(fd), peer_(peer), incoming_(BIO_new(BIO_s_mem())), session_(session) {
    static BIO_METHOD* const method = [] { // once, for the whole program
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
        BIO_meth_set_write(made, send_datagram);
        BIO_meth_set_ctrl(made, flush_only);
        return made;
    }();
    BIO* outgoing = BIO_new(method);
    if (incoming_ == nullptr || outgoing == nullptr) {
        BIO_free(incoming_);
        BIO_free(outgoing);
        throw std::runtime_error("no memory for a DTLS session");
    }
    BIO_set_mem_eof_return(incoming_, -1); // empty means later, not the end
    BIO_set_data(outgoing, this);
    BIO_set_init(outgoing, 1);
    SSL_set_bio(session, incoming_, outgoing); // takes them
    SSL_set_options(session, SSL_OP_NO_QUERY_MTU);
    DTLS_set_link_mtu(session, kLinkMtu);
}

int TlsConnection::send_datagram(BIO* bio, const char* octets, int count) noexcept {
    const auto& self = *static_cast<TlsConnection*>(BIO_get_data(bio));
    const void* to = &self.peer_.storage;
    // what does not leave is lost like any datagram, and sent again
    static_cast<void>(::sendto(self.fd_, octets, static_cast<std::size_t>(count), MSG_DONTWAIT,
                               static_cast<const sockaddr*>(to), self.peer_.length));
    return count;
}

void TlsConnection::take(std::span<const std::uint8_t> datagram) {
    static_cast<void>(BIO_reset(incoming_)); // a datagram's rest is no part of the next
    static_cast<void>(BIO_write(incoming_, datagram.data(), static_cast<int>(datagram.size())));
}

void TlsConnection::keep_time() noexcept {
    if (!established_) {
        ERR_clear_error();
        static_cast<void>(DTLSv1_handle_timeout(session_.get()));
    }
}

std::int64_t TlsConnection::read(std::span<std::uint8_t> into) {
    ERR_clear_error();
    if (!established_) {
        const int done = SSL_do_handshake(session_.get());
        if (done != 1) {
            return error_of(done);
        }
        established_ = true;
        news_ = std::string(SSL_get_version(session_.get())) + ", the exporter is " +
                subject_of(session_.get());
    }
    const int octets = SSL_read(session_.get(), into.data(),
                                static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX)));
    return octets > 0 ? octets : error_of(octets);
}

std::int64_t TlsConnection::error_of(int result) {
    const int system = errno;
    switch (SSL_get_error(session_.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN:
            return 0;
        case SSL_ERROR_SYSCALL:
            why_ = std::string(established_ ? "lost: " : "gone during the handshake: ") +
                   (result == 0 || system == 0 ? "closed" : std::strerror(system));
            return -EPROTO;
        default:
            break;
    }
    const long verdict = SSL_get_verify_result(session_.get());
    const std::string said = tls_reason();
    if (verdict != X509_V_OK) {
        why_ = std::string("handshake refused: the exporter's certificate: ") +
               X509_verify_cert_error_string(verdict);
    } else if (said.find("alert") != std::string::npos) {
        why_ =
            "handshake refused by the exporter: " + said + " (it does not trust our certificate)";
    } else if (said == "unexpected eof while reading") {
        why_ = established_ ? "lost: closed without a farewell" : "gone during the handshake";
    } else if (said == "wrong version number" || said == "http request") {
        why_ = "handshake refused: what comes is not TLS; does the exporter say tls:// or dtls://?";
    } else {
        why_ = "handshake refused: " + said;
    }
    return -EPROTO;
}

std::string TlsConnection::take_news() {
    std::string news;
    news.swap(news_);
    return news;
}

} // namespace probe
