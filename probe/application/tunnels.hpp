// SPDX-License-Identifier: BSD-3-Clause
// Encrypted tunnels, by the handshake they begin with: WireGuard (wireguard.com/protocol), OpenVPN
// (openvpn.net, "OpenVPN network protocol"), IKE (RFC 2408, RFC 7296).
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

[[nodiscard]] Parsed parse_wireguard(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_openvpn(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_ike(const Payload& payload, ApplicationFields& fields) noexcept;

} // namespace probe
