// SPDX-License-Identifier: BSD-3-Clause
// The names and the validity in an X.509 certificate (RFC 5280 section 4.1), from its first octets.
#pragma once

#include "probe/application/application_fields.hpp"

namespace probe {

/// Walks `certificate` (DER, possibly cut) until behind the subject; the fields met on the way are
/// set. False when it ended, or was no certificate, before that.
bool parse_certificate(Bytes certificate, ApplicationFields& fields) noexcept;

} // namespace probe
