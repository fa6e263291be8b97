// SPDX-License-Identifier: BSD-3-Clause
// QUIC versions 1 and 2 and the last drafts: the ClientHello in the client's Initial packets
// (RFC 9000, 9001, 9369), also when its CRYPTO frames come in any order, over several datagrams.
#pragma once

#include <array>
#include <cstdint>

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"
#include "probe/application/parser_tools.hpp"
#include "probe/application/quic_initial.hpp"
#include "probe/application/reassembly.hpp"

namespace probe {

/// What a flow must remember between datagrams. The keys stay those of the first Destination
/// Connection ID, also when the client moves to the one the server chose (RFC 9001 section 5.2).
struct QuicFlow {
    std::uint32_t version = 0; ///< 0: no client Initial was opened yet
    std::uint8_t client_direction = 0;
    std::uint8_t connection_id_octets = 0;
    std::array<std::uint8_t, kConnectionIdOctetsMax> connection_id;
};

/// One datagram. `buffer` is claimed when the hello is in more than one CRYPTO frame.
[[nodiscard]] Parsed parse_quic(const Payload& payload, QuicFlow& flow, ReassemblyClaim& buffer,
                                ParserTools& tools, ApplicationFields& fields) noexcept;

} // namespace probe
