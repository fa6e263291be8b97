// SPDX-License-Identifier: BSD-3-Clause
// Keys and packets of QUIC's Initial encryption level, which anybody who saw the client's first
// Destination Connection ID can open (RFC 9001 section 5.2, RFC 9369 section 3.3).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "probe/application/hello_crypto.hpp"

namespace probe {

inline constexpr std::uint32_t kQuicVersion1 = 0x0000'0001;
inline constexpr std::uint32_t kQuicVersion2 = 0x6B33'43CF;
/// RFC 9000 section 17.2.
inline constexpr std::size_t kConnectionIdOctetsMax = 20;

struct InitialKeys {
    AesKey key;
    GcmNonce iv;
    AesKey header_protection;
};

/// Of the client's side; nothing for versions whose salt is not known (known: 1, 2, and the drafts
/// from 23 on).
[[nodiscard]] std::optional<InitialKeys> client_initial_keys(std::uint32_t version,
                                                             Bytes connection_id,
                                                             HelloCrypto& crypto) noexcept;
[[nodiscard]] bool is_known_quic_version(std::uint32_t version) noexcept;

/// A packet with a long header, in the clear part of it (RFC 9000 section 17.2).
struct LongHeader {
    enum class Type : std::uint8_t { initial, zero_rtt, handshake, retry };
    Type type = Type::initial;
    std::uint32_t version = 0;
    Bytes destination; ///< connection IDs
    Bytes source;
    Bytes packet;                         ///< this packet only, of the datagram's several
    std::size_t packet_number_offset = 0; ///< in packet; 0 for retry
};

/// The packet at the front of `datagram`; nothing when it has no long header, a false one, or that
/// of a Version Negotiation, which nothing tells from chance.
[[nodiscard]] std::optional<LongHeader> read_long_header(Bytes datagram) noexcept;

/// Takes protection off; the frames are in `out`, which is at least as long as the packet. Empty
/// when the keys are not the packet's, or it was changed or cut.
[[nodiscard]] Bytes open_initial(const LongHeader& header, const InitialKeys& keys,
                                 HelloCrypto& crypto, std::span<std::uint8_t> out) noexcept;

} // namespace probe
