// SPDX-License-Identifier: BSD-3-Clause
// Where records go, as written after -o or in `collectors:`.
#pragma once

#include <string>

#include "probe/exporting/export_options.hpp"

namespace probe {

/// udp://HOST[:PORT], likewise tcp://, sctp://, tls:// and dtls:// (IPv6 in brackets; port 4739
/// unless said, with TLS and DTLS 4740: RFC 7011 section 10.1), netflow9://HOST[:PORT] and
/// netflow5://HOST[:PORT] (over UDP, port 2055 unless said), file:///PATH, json:PATH or json:-,
/// table:PATH or table:-. Short forms for the command line: "table", "json" (standard output), "-"
/// (json on standard output), and paths ending in .ipfix, .ipfix.gz, .json or .jsonl. Throws
/// std::invalid_argument: one sentence that shows a right form.
[[nodiscard]] CollectorOptions parse_collector_url(const std::string& written);

} // namespace probe
