// SPDX-License-Identifier: BSD-3-Clause
// What an operator says about metering. Filled by config/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "probe/application/application_options.hpp"
#include "probe/metering/packet_sampler.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class WhenFull : std::uint8_t {
    evict,  ///< the least recently seen of a few candidates leaves with flowEndReason 5
    refuse, ///< the new flow's packets are dropped and counted
};

inline constexpr TimeNs kNever = UINT64_MAX;

struct TimeoutOptions {
    TimeNs idle = 15 * kNsPerSecond;
    TimeNs active = 60 * kNsPerSecond;
    TimeNs tcp_end =
        2 * kNsPerSecond; ///< linger after FIN both ways or RST; kNever: TCP end is not detected
};

/// Layer 7. Sums of all workers; matters only when a template lists an application element.
struct InspectionOptions {
    std::uint32_t flows_max = 16'384;               ///< under inspection at once
    std::uint64_t result_octets = 64 * 1024 * 1024; ///< for what was read, in chunks of 128 octets
    std::uint32_t hellos = 1'024;                   ///< being put together from segments at once
    std::uint16_t payload_packets = 16;             ///< looked at, of each direction
    std::uint32_t payload_octets = 16'384;          ///< looked at, of each direction
    /// What payload, reversePayload and their entropies are of: the first octets of each direction.
    std::uint16_t head_octets = 64;
    /// Send payload over transports that do not protect it (RFC 7011 section 11).
    bool allow_cleartext_payload = false;

    friend bool operator==(const InspectionOptions&, const InspectionOptions&) = default;
};

struct MeteringOptions {
    std::uint64_t flows_max = 1'048'576; ///< live flows of all workers and both families together
    double ipv6_share =
        0.25; ///< the part of flows_max that IPv6 tables get, when both families are metered
    TimeoutOptions timeouts;
    TimeNs sweep = kNsPerSecond; ///< every table is looked through once in this time
    WhenFull when_full = WhenFull::evict;
    std::vector<std::string>
        template_files; ///< in order; the first template that fits a packet takes it
    InspectionOptions application;
    ApplicationOptions labels;
    SamplingOptions sampling;
    std::uint32_t record_queue = 65'536; ///< records a worker may be ahead of the exporter
};

} // namespace probe
