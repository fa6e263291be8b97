// SPDX-License-Identifier: BSD-3-Clause
// What an operator says about exporting. Filled by config/.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probe/metering/metering_options.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// What messages look like. NetFlow goes over UDP alone.
enum class ExportFormat : std::uint8_t { ipfix, netflow9, netflow5 };

enum class TransportKind : std::uint8_t { udp, dtls, tcp, tls, sctp, file, json, table };

/// Whether it leads to a collector on the network (and not to a file or terminal).
[[nodiscard]] constexpr bool to_network(TransportKind kind) noexcept {
    return kind <= TransportKind::sctp;
}
[[nodiscard]] constexpr bool has_certificates(TransportKind kind) noexcept {
    return kind == TransportKind::tls || kind == TransportKind::dtls;
}

/// Both sides of a TLS or DTLS session have certificates (RFC 7011 section 11.3). PEM files.
struct TlsOptions {
    std::string ca;              ///< who signs collectors
    std::string certificate;     ///< ours, then those that signed it
    std::string key;             ///< ours; readable by its owner alone
    std::string name;            ///< what the collector's certificate says; empty: the URL's host
    TimeNs rehandshake = kNever; ///< DTLS: a session is replaced by a new one after this

    friend bool operator==(const TlsOptions&, const TlsOptions&) = default;
};

/// How a session's packets leave this machine.
struct SocketOptions {
    std::string source; ///< one of our addresses; empty: as the route says
    std::string device; ///< interface or VRF that it leaves by, whatever the route says
    std::optional<std::uint8_t> dscp;      ///< 0 to 63 (RFC 2474); not said: 0
    std::optional<std::uint8_t> hop_limit; ///< 1 to 255, IPv4's TTL; not said: the system's

    friend bool operator==(const SocketOptions&, const SocketOptions&) = default;
};

/// Which of an SCTP association's streams a message takes.
enum class SctpStreamUse : std::uint8_t {
    one,          ///< stream 0, all of them
    per_template, ///< a stream for each template and its data (RFC 6526)
};

/// What only SCTP has.
struct SctpOptions {
    /// The peer's UDP port for SCTP in UDP (RFC 6951, 9899 is registered); 0: on IP itself.
    std::uint16_t encapsulation = 0;
    /// A message without templates that is not acknowledged after this is given up and counted
    /// (RFC 3758); kNever: never.
    TimeNs lifetime = kNever;
    SctpStreamUse streams = SctpStreamUse::one;

    friend bool operator==(const SctpOptions&, const SctpOptions&) = default;
};

/// Of a collector that is a file, or files that follow one another.
struct FileOptions {
    TimeNs rotate_every = 0;         ///< a new file at multiples of this in UTC; 0: never
    std::uint64_t rotate_octets = 0; ///< no file larger than this; 0: any size
    std::uint32_t keep = 0;          ///< complete files that stay; 0: all
    bool checksum = false;           ///< messageMD5Checksum in every message
    bool time_window = false;        ///< each file's earliest and latest time at its end

    friend bool operator==(const FileOptions&, const FileOptions&) = default;
};

/// Where records wait on disk while a collector is away.
struct SpoolOptions {
    std::string directory;                             ///< empty: no spool
    std::uint64_t octets_max = std::uint64_t{1} << 30; ///< of all its files

    friend bool operator==(const SpoolOptions&, const SpoolOptions&) = default;
};

inline constexpr std::size_t kNoGroup = SIZE_MAX;

/// One collector, from a URL: udp://192.0.2.7:4739, tcp://[2001:db8::7], tls://collector.example,
/// dtls://, sctp://, netflow9://, netflow5://, file:///var/lib/x.ipfix, json:- or json:path,
/// table:-
struct CollectorOptions {
    std::string url; ///< as the operator wrote it; names the collector in every message
    TransportKind transport = TransportKind::udp;
    std::string host;          ///< of a collector on the network: name or address
    std::uint16_t port = 4739; ///< RFC 7011 section 10.1; 4740 with TLS and DTLS
    TlsOptions tls = {};
    SocketOptions socket = {};
    SctpOptions sctp = {};
    std::string path; ///< file, json, table: "-" is standard output
    FileOptions file{};
    ExportFormat format = ExportFormat::ipfix;
    std::uint64_t records_per_second = 0; ///< 0: no limit
    std::uint64_t bits_per_second = 0;    ///< of messages, without the headers below them; 0: none
    SpoolOptions spool;
    std::size_t group = kNoGroup; ///< its place in ExportOptions::groups

    friend bool operator==(const CollectorOptions&, const CollectorOptions&) = default;
};

/// How the collectors of a group share the records that it gets.
enum class Distribution : std::uint8_t {
    round_robin, ///< in turn, a message's worth each
    flow_hash,   ///< all records of a flow to the same one
    failover,    ///< all to the first of the list that is there
};
inline constexpr std::array<std::string_view, 3> kDistributionNames = {"round_robin", "flow_hash",
                                                                       "failover"};

/// Collectors that are one receiver: each record goes to one of them. What is in no group gets a
/// copy of every record, and so does each group.
struct CollectorGroupOptions {
    Distribution distribute = Distribution::round_robin;
    TimeNs failover_after = 10 * kNsPerSecond; ///< away for so long: its queue goes to another

    friend bool operator==(const CollectorGroupOptions&, const CollectorGroupOptions&) = default;
};

struct ExportOptions {
    std::vector<CollectorOptions> collectors;
    std::vector<CollectorGroupOptions> groups;
    TimeNs template_refresh = 60 * kNsPerSecond;    ///< UDP, RFC 7011 section 8.4
    std::uint32_t template_refresh_messages = 4096; ///< UDP; 0: by time only
    std::uint32_t template_copies =
        2;                         ///< UDP: before a session's first data (RFC 7011 section 8.4)
    std::uint16_t set_padding = 1; ///< Sets end at a multiple of this: 1, 2, 4 or 8 octets
    /// Between two cycles of options records (RFC 7011 section 4); kNever (off): at the
    /// beginning and end of a session only.
    TimeNs options_interval = 60 * kNsPerSecond;
    std::optional<bool> options_records;           ///< not said: for `run`, and not for `read`
    TimeNs message_delay = 500 * kNsPerMs;         ///< a message leaves after this even if not full
    std::uint32_t queue_octets = 16 * 1024 * 1024; ///< whole messages a collector may be behind
    /// Their memory is touched at start, so that it is there when a collector is away; `read` lives
    /// too shortly for that.
    bool queues_touched = true;
    /// All but UDP: least time between two attempts to connect, doubled after each that fails or
    /// does not last. RFC 7011 section 10.4.4: by default not more often than once a minute.
    TimeNs reconnect_min = 60 * kNsPerSecond;
    TimeNs reconnect_max = 60 * kNsPerSecond;
    /// All but UDP: a collector that does not answer for this long is away.
    TimeNs peer_timeout = 15 * kNsPerSecond;
    TimeNs retry = kNsPerSecond; ///< UDP, files: after an error the same is tried again this later
    /// UDP: `read` keeps to what collectors with small socket buffers take, since a capture waits.
    std::size_t udp_octets_per_ms_max = SIZE_MAX;
    std::uint32_t udp_payload = 0;      ///< 0: from the route's MTU, 512 octets where it is unknown
    TimeNs shutdown = 4 * kNsPerSecond; ///< how long the last messages may take at exit
    /// The collectors of one group, or (kNoGroup) those of none, in their order.
    [[nodiscard]] std::vector<CollectorOptions> of_group(std::size_t group) const {
        std::vector<CollectorOptions> members;
        std::copy_if(collectors.begin(), collectors.end(), std::back_inserter(members),
                     [group](const CollectorOptions& one) { return one.group == group; });
        return members;
    }

    friend bool operator==(const ExportOptions&, const ExportOptions&) = default;
};

} // namespace probe
