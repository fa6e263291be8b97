// SPDX-License-Identifier: BSD-3-Clause
// SSH (RFC 4253): the identification strings and HASSH, the fingerprint of what a side offers
// (github.com/salesforce/hassh).
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"
#include "probe/application/parser_tools.hpp"

namespace probe {

[[nodiscard]] Parsed parse_ssh(const Payload& payload, ParserTools& tools,
                               ApplicationFields& fields) noexcept;

} // namespace probe
