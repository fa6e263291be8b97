// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/quic_initial.hpp"

#include <algorithm>
#include <string_view>

#include "probe/application/parser_tools.hpp"
#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

using Salt = std::array<std::uint8_t, 20>;

constexpr Salt kSalt1 = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                         0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
constexpr Salt kSalt2 = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
                         0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
// draft-ietf-quic-tls-29 and -23, section 5.2.
constexpr Salt kSaltDraft29 = {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
                               0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
constexpr Salt kSaltDraft23 = {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
                               0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};

const Salt* salt_of(std::uint32_t version) noexcept {
    constexpr std::uint32_t kDraft = 0xFF00'0000;
    if (version == kQuicVersion1) {
        return &kSalt1;
    }
    if (version == kQuicVersion2) {
        return &kSalt2;
    }
    if (version >= kDraft + 33 && version <= kDraft + 34) {
        return &kSalt1;
    }
    if (version >= kDraft + 29 && version <= kDraft + 32) {
        return &kSaltDraft29;
    }
    if (version >= kDraft + 23 && version <= kDraft + 28) {
        return &kSaltDraft23;
    }
    return nullptr;
}

/// HKDF-Expand-Label of RFC 8446 section 7.1 with an empty context; at most one hash long, so
/// HKDF-Expand (RFC 5869 section 2.3) is one HMAC.
bool expand_label(const Sha256& secret, std::string_view label, std::span<std::uint8_t> out,
                  HelloCrypto& crypto) noexcept {
    TextBuffer<64> info;
    const std::array<char, 3> lengths = {0, static_cast<char>(out.size()),
                                         static_cast<char>(label.size() + 6)};
    info.add({lengths.data(), lengths.size()});
    info.add("tls13 ");
    info.add(label);
    info.add(std::string_view("\0\1", 2)); // no context; the first block of HKDF-Expand
    Sha256 block;
    if (!crypto.hmac_sha256(secret, info.octets(), block)) {
        return false;
    }
    std::copy_n(block.begin(), out.size(), out.begin());
    return true;
}

LongHeader::Type packet_type(std::uint8_t first, std::uint32_t version) noexcept {
    const std::uint8_t bits = first >> 4 & 3;
    // RFC 9369 section 3.2: version 2 counts from Retry on.
    return static_cast<LongHeader::Type>(version == kQuicVersion2 ? (bits + 3) & 3 : bits);
}

} // namespace

bool is_known_quic_version(std::uint32_t version) noexcept {
    return salt_of(version) != nullptr;
}

std::optional<InitialKeys> client_initial_keys(std::uint32_t version, Bytes connection_id,
                                               HelloCrypto& crypto) noexcept {
    const Salt* salt = salt_of(version);
    Sha256 initial_secret;
    Sha256 client_secret;
    if (salt == nullptr || !crypto.hmac_sha256(*salt, connection_id, initial_secret) ||
        !expand_label(initial_secret, "client in", client_secret, crypto)) {
        return {};
    }
    const bool second = version == kQuicVersion2;
    InitialKeys keys{};
    const bool derived =
        expand_label(client_secret, second ? "quicv2 key" : "quic key", keys.key, crypto) &&
        expand_label(client_secret, second ? "quicv2 iv" : "quic iv", keys.iv, crypto) &&
        expand_label(client_secret, second ? "quicv2 hp" : "quic hp", keys.header_protection,
                     crypto);
    return derived ? std::optional(keys) : std::nullopt;
}

std::optional<LongHeader> read_long_header(Bytes datagram) noexcept {
    constexpr std::uint8_t kLong = 0x80;
    constexpr std::uint8_t kFixed = 0x40;
    PayloadReader reader(datagram);
    LongHeader header;
    const std::uint8_t first = reader.u8();
    header.version = reader.u32();
    const std::uint8_t destination_octets = reader.u8();
    header.destination = reader.take(destination_octets);
    const std::uint8_t source_octets = reader.u8();
    header.source = reader.take(source_octets);
    if (!reader.ok() || (first & kLong) == 0 || (first & kFixed) == 0 || header.version == 0 ||
        destination_octets > kConnectionIdOctetsMax || source_octets > kConnectionIdOctetsMax) {
        return {};
    }
    header.packet = datagram;
    header.type = packet_type(first, header.version);
    if (header.type == LongHeader::Type::retry) {
        return header;
    }
    if (header.type == LongHeader::Type::initial) {
        reader.skip(reader.varint()); // token
    }
    const std::uint64_t octets = reader.varint();
    header.packet_number_offset = reader.offset();
    reader.skip(octets);
    if (!reader.ok()) {
        return {};
    }
    header.packet = datagram.first(reader.offset());
    return header;
}

Bytes open_initial(const LongHeader& header, const InitialKeys& keys, HelloCrypto& crypto,
                   std::span<std::uint8_t> out) noexcept {
    // RFC 9001 section 5.4.2: the sample begins four octets behind the packet number's first.
    constexpr std::size_t kSampleAt = 4;
    constexpr std::size_t kSampleOctets = 16;
    constexpr std::size_t kHeaderOctetsMax = 512; // tokens are rarely longer than 100
    const std::size_t number_at = header.packet_number_offset;
    if (number_at == 0 || number_at + kSampleAt > kHeaderOctetsMax ||
        header.packet.size() < number_at + kSampleAt + kSampleOctets ||
        header.packet.size() > out.size()) {
        return {};
    }
    const auto sample = header.packet.subspan(number_at + kSampleAt).first<kSampleOctets>();
    std::array<std::uint8_t, 16> mask{};
    if (!crypto.aes_block(keys.header_protection, sample, mask)) {
        return {};
    }
    std::array<std::uint8_t, kHeaderOctetsMax> clear{};
    clear[0] = header.packet[0] ^ (mask[0] & 0x0F);
    const std::size_t number_octets = (clear[0] & 3U) + 1U;
    std::copy_n(header.packet.begin() + 1, number_at + number_octets - 1, clear.begin() + 1);
    GcmNonce nonce = keys.iv;
    for (std::size_t i = 0; i < number_octets; ++i) {
        clear[number_at + i] ^= mask[1 + i];
        // Initial packet numbers are small: the truncated one is the whole one.
        nonce[nonce.size() - number_octets + i] ^= clear[number_at + i];
    }
    const Bytes sealed = header.packet.subspan(number_at + number_octets);
    const Bytes associated = Bytes(clear).first(number_at + number_octets);
    if (!crypto.open_gcm(keys.key, nonce, associated, sealed, out)) {
        return {};
    }
    return Bytes(out).first(sealed.size() - kGcmTagOctets);
}

} // namespace probe
