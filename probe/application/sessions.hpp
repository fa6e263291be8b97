// SPDX-License-Identifier: BSD-3-Clause
// Binary protocols whose first message names who talks: MQTT (OASIS MQTT 3.1.1, 5.0), SMB
// ([MS-CIFS], [MS-SMB2]), RDP ([MS-RDPBCGR]), BitTorrent (BEP 3, BEP 5).
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

[[nodiscard]] Parsed parse_mqtt(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_smb(const Payload& payload, ApplicationFields& fields) noexcept;
[[nodiscard]] Parsed parse_rdp(const Payload& payload, ApplicationFields& fields) noexcept;
/// The peers' handshake over TCP, the distributed hash table over UDP.
[[nodiscard]] Parsed parse_bittorrent(const Payload& payload, ApplicationFields& fields) noexcept;

} // namespace probe
