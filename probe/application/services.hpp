// SPDX-License-Identifier: BSD-3-Clause
// What keeps networks running, a datagram each: NTP (RFC 5905), SNMP (RFC 3416, 3412), DHCP
// (RFC 2131, 2132), RADIUS (RFC 2865), syslog (RFC 5424, 3164).
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

/// By port 123 only: 48 octets of numbers have no mark of their own.
[[nodiscard]] Parsed parse_ntp(const Payload& payload, ApplicationFields& fields) noexcept;
/// The community is a password and stays where it is.
[[nodiscard]] Parsed parse_snmp(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_dhcp(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_radius(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_syslog(const Payload& payload, ApplicationFields& fields) noexcept;

} // namespace probe
