// SPDX-License-Identifier: BSD-3-Clause
// What an operator says about exporting. Filled by config/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class TransportKind : std::uint8_t { udp, tcp, tls, file, json, table };

/// Both sides of a TLS session have certificates (RFC 7011 section 11.3). PEM files.
struct TlsOptions {
    std::string ca;          ///< who signs collectors
    std::string certificate; ///< ours, then those that signed it
    std::string key;         ///< ours; readable by its owner alone
    std::string name;        ///< what the collector's certificate says; empty: the URL's host
};

/// One collector, from a URL: udp://192.0.2.7:4739, tcp://[2001:db8::7], tls://collector.example,
/// file:///var/lib/x.ipfix,
/// json:- or json:path, table:-
struct CollectorOptions {
    std::string url; ///< as the operator wrote it; names the collector in every message
    TransportKind transport = TransportKind::udp;
    std::string host;          ///< udp, tcp, tls: name or address
    std::uint16_t port = 4739; ///< RFC 7011 section 10.1; 4740 with TLS
    TlsOptions tls;
    std::string path; ///< file, json, table: "-" is standard output
};

struct ExportOptions {
    std::vector<CollectorOptions> collectors;
    TimeNs template_refresh = 60 * kNsPerSecond;    ///< UDP, RFC 7011 section 8.4
    std::uint32_t template_refresh_messages = 4096; ///< UDP; 0: by time only
    /// Between two cycles of options records (RFC 7011 section 4); kNever (off): at the
    /// beginning and end of a session only.
    TimeNs options_interval = 60 * kNsPerSecond;
    std::optional<bool> options_records;           ///< not said: for `run`, and not for `read`
    TimeNs message_delay = 500 * kNsPerMs;         ///< a message leaves after this even if not full
    std::uint32_t queue_octets = 16 * 1024 * 1024; ///< whole messages a collector may be behind
    TimeNs reconnect_min =
        kNsPerSecond; ///< TCP: first wait after a lost session, doubled each time
    TimeNs reconnect_max =
        60 * kNsPerSecond; ///< RFC 7011 section 10.4.4: not more than once a minute
    /// UDP: `read` keeps to what collectors with small socket buffers take, since a capture waits.
    std::size_t udp_octets_per_ms_max = SIZE_MAX;
    std::uint32_t udp_payload = 0;      ///< 0: from the route's MTU, 512 octets where it is unknown
    TimeNs shutdown = 4 * kNsPerSecond; ///< how long the last messages may take at exit
};

} // namespace probe
