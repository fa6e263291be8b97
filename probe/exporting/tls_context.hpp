// SPDX-License-Identifier: BSD-3-Clause
// What both sides of TLS and DTLS begin with (RFC 7011 section 11): our certificate, its key, and
// the authority that must have signed the peer's, since a peer without a certificate is refused on
// either side.
//
// Made at start; errors are std::runtime_error with the remedy.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "probe/exporting/export_options.hpp"

namespace probe {

enum class TlsCarrier : std::uint8_t {
    stream,    ///< TLS 1.2 and 1.3
    datagrams, ///< DTLS 1.2
};

struct FreeTlsContext {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTlsContext>;

/// For the remedies: whose certificate is ours, and whose we will see.
struct TlsRoles {
    const char* own;
    const char* peer;
};

/// `method`: OpenSSL's, of our side of that carrier. The key's file must be its owner's alone.
[[nodiscard]] TlsContext make_tls_context(const SSL_METHOD* method, TlsCarrier carrier,
                                          const TlsOptions& options, TlsRoles roles);

/// The peer's certificate must be made out for this name or address (RFC 7011 section 11.3), which
/// `remedy` says how to write. Sessions of the context that begin from now on.
void expect_peer_name(SSL_CTX* context, const std::string& name, const char* remedy);

/// OpenSSL's reason for the oldest error in its queue.
[[nodiscard]] std::string tls_reason();

} // namespace probe
