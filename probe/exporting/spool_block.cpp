// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/spool_block.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "encoder/wire_format.hpp"

namespace probe {
namespace {

constexpr std::array<std::uint8_t, 10> kGzipHeader = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255};
constexpr std::size_t kExtraLengthAt = 10;
constexpr std::size_t kSubfieldAt = 12;
constexpr std::size_t kSubfieldLengthAt = 14;
constexpr std::size_t kFieldsAt = 16;
constexpr std::size_t kHeaderCrcAt = 48;
constexpr std::size_t kBlockCrcAt = 52;
constexpr std::size_t kTrailerOctets = 8;

void store_le(std::uint8_t* at, std::uint32_t value, std::size_t octets) noexcept {
    for (std::size_t i = 0; i < octets; ++i)
        at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint64_t block_crc(Bytes block) noexcept {
    return crc64_of(block.subspan(kSpoolHeaderOctets),
                    crc64_of(block.subspan(kFieldsAt, kBlockCrcAt - kFieldsAt)));
}

std::size_t put_number(std::uint64_t value, std::uint8_t* out) noexcept {
    std::size_t octets = 0;
    for (; value >= 0x80; value >>= 7U)
        out[octets++] = static_cast<std::uint8_t>(value | 0x80U);
    out[octets++] = static_cast<std::uint8_t>(value);
    return octets;
}

bool take_number(Bytes& octets, std::uint64_t& value) noexcept {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !octets.empty(); shift += 7) {
        const std::uint8_t octet = octets.front();
        octets = octets.subspan(1);
        value |= std::uint64_t{octet & 0x7fU} << shift;
        if (octet < 0x80) return true;
    }
    return false;
}

} // namespace

std::size_t spool_block_octets_max() noexcept {
    return kSpoolHeaderOctets + kSpoolWeightOctetsMax +
           BlockCompressor::octets_max(ipfix::kMessageOctetsMax) + kTrailerOctets;
}

std::size_t encode_spool_block(Bytes message, Bytes weights, const RecordTally& tally,
                               BlockCompressor& compressor, std::span<std::uint8_t> out) noexcept {
    const std::size_t front = kSpoolHeaderOctets + weights.size();
    if (out.size() < front + kTrailerOctets || weights.size() > kSpoolWeightOctetsMax) return 0;
    const std::size_t deflated =
        compressor.compress(message, out.subspan(front, out.size() - front - kTrailerOctets));
    if (deflated == 0) return 0;
    const std::size_t octets = front + deflated + kTrailerOctets;
    std::copy(kGzipHeader.begin(), kGzipHeader.end(), out.begin());
    const auto subfield = static_cast<std::uint32_t>(front - kFieldsAt);
    store_le(&out[kExtraLengthAt], subfield + 4, 2);
    out[kSubfieldAt] = 'P';
    out[kSpoolStateOffset] = 'S';
    store_le(&out[kSubfieldLengthAt], subfield, 2);
    ipfix::store_be(&out[16], static_cast<std::uint32_t>(octets));
    ipfix::store_be(&out[20], static_cast<std::uint32_t>(tally.records));
    ipfix::store_be(&out[24], tally.packets);
    ipfix::store_be(&out[32], tally.octets);
    ipfix::store_be(&out[40], static_cast<std::uint32_t>(message.size()));
    ipfix::store_be(&out[44], static_cast<std::uint32_t>(weights.size()));
    ipfix::store_be(&out[kHeaderCrcAt], crc32_of({&out[kFieldsAt], kHeaderCrcAt - kFieldsAt}));
    std::copy(weights.begin(), weights.end(), out.begin() + kSpoolHeaderOctets);
    store_le(&out[octets - 8], crc32_of(message), 4);
    store_le(&out[octets - 4], static_cast<std::uint32_t>(message.size()), 4);
    ipfix::store_be(&out[kBlockCrcAt], block_crc(out.first(octets)));
    return octets;
}

std::optional<SpoolBlockHeader> read_spool_header(Bytes octets) noexcept {
    if (octets.size() < kSpoolHeaderOctets ||
        !std::equal(kGzipHeader.begin(), kGzipHeader.end(), octets.begin()) ||
        octets[kSubfieldAt] != 'P' ||
        ipfix::load_be<std::uint32_t>(&octets[kHeaderCrcAt]) !=
            crc32_of(octets.subspan(kFieldsAt, kHeaderCrcAt - kFieldsAt))) {
        return std::nullopt;
    }
    SpoolBlockHeader header;
    header.member_octets = ipfix::load_be<std::uint32_t>(&octets[16]);
    header.tally = {ipfix::load_be<std::uint32_t>(&octets[20]),
                    ipfix::load_be<std::uint64_t>(&octets[24]),
                    ipfix::load_be<std::uint64_t>(&octets[32])};
    header.message_octets = ipfix::load_be<std::uint32_t>(&octets[40]);
    header.weight_octets = ipfix::load_be<std::uint32_t>(&octets[44]);
    header.replayed = octets[kSpoolStateOffset] == kSpoolReplayed;
    const bool sound =
        header.weight_octets <= kSpoolWeightOctetsMax &&
        header.message_octets <= ipfix::kMessageOctetsMax &&
        header.member_octets <= spool_block_octets_max() &&
        header.member_octets >= kSpoolHeaderOctets + header.weight_octets + kTrailerOctets;
    return sound ? std::optional(header) : std::nullopt;
}

bool spool_block_is_whole(Bytes block) noexcept {
    return block.size() >= kSpoolHeaderOctets + kTrailerOctets &&
           ipfix::load_be<std::uint64_t>(&block[kBlockCrcAt]) == block_crc(block);
}

std::size_t decode_spool_block(Bytes block, const SpoolBlockHeader& header,
                               BlockCompressor& compressor, std::span<std::uint8_t> out) noexcept {
    if (block.size() != header.member_octets || !spool_block_is_whole(block)) return 0;
    const std::size_t front = kSpoolHeaderOctets + header.weight_octets;
    const std::size_t octets =
        compressor.decompress(block.subspan(front, block.size() - front - kTrailerOctets), out);
    return octets == header.message_octets ? octets : 0;
}

std::size_t put_spool_weight(const RecordWeight& weight, std::uint8_t* out) noexcept {
    const std::size_t octets = put_number(weight.packets, out);
    return octets + put_number(weight.octets, out + octets);
}

bool take_spool_weight(Bytes& weights, RecordWeight& weight) noexcept {
    return take_number(weights, weight.packets) && take_number(weights, weight.octets);
}

} // namespace probe
