// SPDX-License-Identifier: BSD-3-Clause
// TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446) and DTLS (RFC 6347, 9147): what is in clear of the
// handshake, and the JA3 and JA4 fingerprints of the client.
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"
#include "probe/application/parser_tools.hpp"

namespace probe {

/// JA4's first letter.
enum class HelloTransport : char { tcp = 't', quic = 'q', dtls = 'd' };

/// What of a ClientHello is for others than the fields; a view into the hello.
struct ClientHello {
    Bytes server_name;
    Bytes quic_transport_parameters; ///< RFC 9000 section 18
    bool whole = false;              ///< nothing was cut, every length was true
};

/// The body of a ClientHello (RFC 8446 section 4.1.2), behind its handshake header, which says
/// whether it is whole. Sets all TLS
/// fields but the server name. Fingerprints only of whole hellos with at most 256 ciphers, and 256
/// extensions, of which the tools' text must hold the list.
[[nodiscard]] ClientHello parse_client_hello(Bytes body, bool body_whole, HelloTransport transport,
                                             ParserTools& tools,
                                             ApplicationFields& fields) noexcept;

/// A TCP direction from its first record on.
[[nodiscard]] Parsed parse_tls(const Payload& payload, ParserTools& tools,
                               ApplicationFields& fields) noexcept;
/// One datagram; hellos in one fragment only.
[[nodiscard]] Parsed parse_dtls(const Payload& payload, ParserTools& tools,
                                ApplicationFields& fields) noexcept;

} // namespace probe
