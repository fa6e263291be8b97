// SPDX-License-Identifier: BSD-3-Clause
// DNS over UDP and TCP (RFC 1035), mDNS (RFC 6762), LLMNR (RFC 4795), which share its messages, and
// NetBIOS name service (RFC 1002 section 4.2), which shares their shape.
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

/// Sets `protocol` to dns, mdns, llmnr or netbios unless it answers not_mine. Of a direction only
/// the first message counts; a response to another question than the flow's is passed over.
[[nodiscard]] Parsed parse_dns(const Payload& payload, ApplicationProtocol& protocol,
                               ApplicationFields& fields) noexcept;

} // namespace probe
