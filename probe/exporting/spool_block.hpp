// SPDX-License-Identifier: BSD-3-Clause
// One block of a spool file: an IPFIX Message (RFC 7011), templates first, as a gzip member of its
// own (RFC 1952), so that `zcat` makes an IPFIX file (RFC 5655) of a spool file. The extra field of
// the member (subfield "PS", "PX" once it was replayed) has what replaying needs and IPFIX has no
// place for, in network byte order:
//
//    member octets (4)  records (4)  packets (8)  octets (8)  message octets (4)  weight octets (4)
//    CRC-32 of these (4)   CRC-64 of all of the block but the subfield's name (8)
//    weights: packets and octets of each record, LEB128
//
// Thread: any, one at a time per compressor. Pure; no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "probe/exporting/isal_compression.hpp"
#include "probe/exporting/session_ledger.hpp"

namespace probe {

inline constexpr std::size_t kSpoolHeaderOctets = 60;
/// Where the octet stands that tells a replayed block from one that waits, and what it becomes.
inline constexpr std::size_t kSpoolStateOffset = 13;
inline constexpr std::uint8_t kSpoolReplayed = 'X';
inline constexpr std::size_t kSpoolWeightOctetsMax = std::size_t{32} * 1024;
inline constexpr std::size_t kSpoolTallyOctetsMax = 20; ///< the weight of one record at most

struct SpoolBlockHeader {
    std::uint32_t member_octets = 0;
    std::uint32_t message_octets = 0;
    std::uint32_t weight_octets = 0;
    RecordTally tally;
    bool replayed = false;
};

/// Room for any block.
[[nodiscard]] std::size_t spool_block_octets_max() noexcept;

/// Octets written to `out`; 0: it has too little room.
[[nodiscard]] std::size_t encode_spool_block(Bytes message, Bytes weights, const RecordTally& tally,
                                             BlockCompressor& compressor,
                                             std::span<std::uint8_t> out) noexcept;

/// From the first kSpoolHeaderOctets of a block; nothing: it is none, or damaged.
[[nodiscard]] std::optional<SpoolBlockHeader> read_spool_header(Bytes octets) noexcept;

/// The checksum over a whole block.
[[nodiscard]] bool spool_block_is_whole(Bytes block) noexcept;

/// Octets of the message written to `out`; 0: damaged.
[[nodiscard]] std::size_t decode_spool_block(Bytes block, const SpoolBlockHeader& header,
                                             BlockCompressor& compressor,
                                             std::span<std::uint8_t> out) noexcept;

/// Appends one weight at `out`, which has room for kSpoolTallyOctetsMax; how many octets.
[[nodiscard]] std::size_t put_spool_weight(const RecordWeight& weight, std::uint8_t* out) noexcept;
/// Takes one weight off the front; false: there is none.
[[nodiscard]] bool take_spool_weight(Bytes& weights, RecordWeight& weight) noexcept;

} // namespace probe
