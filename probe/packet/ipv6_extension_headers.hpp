// SPDX-License-Identifier: BSD-3-Clause
// The chain between an IPv6 header and the upper layer (internal to the parser).
#pragma once

#include <array>
#include <cstdint>

#include "probe/packet/packet_cursor.hpp"
#include "probe/packet/packet_headers.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace detail {

/// IANA "IPv6 Extension Header Types" that tell their length (ESP does not, so it ends the chain).
constexpr std::array<bool, 256> extension_header_table() noexcept {
    std::array<bool, 256> table{};
    for (const std::uint8_t protocol :
         {kProtocolHopByHop, kProtocolRouting, kProtocolFragment, kProtocolAuthentication,
          kProtocolDestinationOptions, kProtocolMobility, kProtocolHip, kProtocolShim6}) {
        table[protocol] = true;
    }
    return table;
}

inline constexpr std::array<bool, 256> kExtensionHeaderTable = extension_header_table();

} // namespace detail

[[nodiscard]] inline bool is_extension_header(std::uint8_t protocol) noexcept {
    return detail::kExtensionHeaderTable[protocol];
}

/// RFC 2675 section 2: with a payload length of 0, a hop-by-hop option may give the real one, which
/// then goes into headers.ip_octets. The cursor stands behind the IPv6 header and does not move.
/// False: it announces more than `wire_octets`, what the wire carried behind the IPv6 header. (A
/// lie in the 16-bit length costs at most 64 KiB and is metered; this one could claim 4 GiB a
/// packet.)
[[nodiscard]] bool take_jumbo_payload(PacketCursor cursor, std::uint32_t wire_octets,
                                      PacketHeaders& headers) noexcept;

/// Walks the chain that starts with headers.protocol, which becomes the upper-layer protocol; notes
/// fragmentation. True: the cursor stands at the upper layer, whose header should be there. False:
/// a later fragment, or a chain that is cut or too long (extension_chain_cut).
[[nodiscard]] bool skip_extension_headers(PacketCursor& cursor, PacketHeaders& headers) noexcept;

} // namespace probe
