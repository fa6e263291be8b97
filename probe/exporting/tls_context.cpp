// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/tls_context.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace probe {
namespace {

[[noreturn]] void refuse(const std::string& what) {
    throw std::runtime_error(what);
}

bool is_address(const std::string& host) {
    std::array<std::uint8_t, 16> address{};
    return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

void check_key_mode(const std::string& key) {
    struct stat status {};
    if (::stat(key.c_str(), &status) != 0) {
        refuse("the key '" + key + "' cannot be read: " + std::strerror(errno));
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        refuse("the key '" + key + "' is open to others; run: chmod 600 " + key);
    }
}

void load_credentials(SSL_CTX* context, const TlsOptions& options, TlsRoles roles) {
    ERR_clear_error();
    if (SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) {
        refuse("the certificate authority '" + options.ca + "' cannot be used (" + tls_reason() +
               "); name a PEM file with the " + roles.peer + "'s authority");
    }
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1) {
        refuse("the certificate '" + options.certificate + "' cannot be used (" + tls_reason() +
               "); name a PEM file with this " + roles.own +
               "'s certificate, then those that signed it");
    }
    check_key_mode(options.key);
    if (SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        refuse("the key '" + options.key + "' is not that of '" + options.certificate + "' (" +
               tls_reason() + "); name the PEM file made with it");
    }
}

} // namespace

TlsContext make_tls_context(const SSL_METHOD* method, TlsCarrier carrier, const TlsOptions& options,
                            TlsRoles roles) {
    TlsContext context(SSL_CTX_new(method));
    if (!context) refuse("OpenSSL cannot be set up: " + tls_reason());
    SSL_CTX_set_min_proto_version(context.get(),
                                  carrier == TlsCarrier::stream ? TLS1_2_VERSION : DTLS1_2_VERSION);
    // the second flag is for servers, and ignored by clients, where it goes without saying
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    load_credentials(context.get(), options, roles);
    return context;
}

void expect_peer_name(SSL_CTX* context, const std::string& name, const char* remedy) {
    X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = is_address(name)
                        ? X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str())
                        : X509_VERIFY_PARAM_set1_host(expected, name.c_str(), name.size());
    if (set != 1) {
        refuse("'" + name + "' is no name that a certificate can have; write " + remedy);
    }
}

std::string tls_reason() {
    const char* text = ERR_reason_error_string(ERR_peek_error());
    return text != nullptr ? text : "no reason given";
}

} // namespace probe
