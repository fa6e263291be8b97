// SPDX-License-Identifier: BSD-3-Clause
// Protocols of commands and replies, a line each: SMTP (RFC 5321), FTP (RFC 959), IMAP (RFC 9051),
// POP3 (RFC 1939). Names, never passwords.
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

/// With `protocol` unknown, recognises one and sets it; otherwise reads on as that protocol.
/// not_mine also when TLS takes over (STARTTLS), which the caller may then look for.
[[nodiscard]] Parsed parse_mail(const Payload& payload, ApplicationProtocol& protocol,
                                ApplicationFields& fields) noexcept;

} // namespace probe
