// SPDX-License-Identifier: BSD-3-Clause
// Calls and conferences: RTP and RTCP (RFC 3550), STUN (RFC 8489, and RFC 3489 before it).
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

/// What makes RTP known: a second packet of one source that follows the first.
struct RtpFlow {
    std::uint32_t source = 0;
    std::uint16_t next_sequence = 0;
    std::uint8_t direction = 0;
    bool seen = false;
};

/// not_mine for a direction's first packet too: `flow` remembers it, the second decides.
[[nodiscard]] Parsed parse_rtp(const Payload& payload, RtpFlow& flow,
                               ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_rtcp(const Payload& payload) noexcept;
[[nodiscard]] Parsed parse_stun(const Payload& payload, ApplicationFields& fields) noexcept;

} // namespace probe
