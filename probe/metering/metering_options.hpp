// SPDX-License-Identifier: BSD-3-Clause
// What an operator says about metering. Filled by config/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

struct MeteringOptions {
    std::uint64_t flows_max = 1'048'576; ///< live flows of all workers and both families together
    double ipv6_share =
        0.25; ///< the part of flows_max that IPv6 tables get, when both families are metered
    TimeoutOptions timeouts;
    TimeNs sweep = kNsPerSecond; ///< every table is looked through once in this time
    WhenFull when_full = WhenFull::evict;
    std::vector<std::string>
        template_files; ///< in order; the first template that fits a packet takes it
    std::uint32_t record_queue = 65'536; ///< records a worker may be ahead of the exporter
};

} // namespace probe
