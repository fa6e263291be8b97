// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/sessions.hpp"

#include <algorithm>
#include <array>

#include "probe/application/parser_tools.hpp"
#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

using F = ApplicationField;

/// A variable byte integer (MQTT 5.0 section 1.5.5); fails the reader after four octets.
std::uint32_t mqtt_integer(PayloadReader& reader) noexcept {
    std::uint32_t value = 0;
    for (std::uint32_t shift = 0; shift < 28; shift += 7) {
        const std::uint8_t octet = reader.u8();
        value |= (octet & 0x7FU) << shift;
        if ((octet & 0x80) == 0) {
            return value;
        }
    }
    reader.fail();
    return 0;
}

constexpr std::string_view kPeerProtocol =
    "\x13"
    "BitTorrent protocol";

void set_info_hash(Bytes hash, ApplicationFields& fields) noexcept {
    TextBuffer<40> hex;
    hex.add_hex(hash);
    if (!hash.empty()) {
        fields.set(F::bittorrent_info_hash, hex.text());
    }
}

} // namespace

Parsed parse_mqtt(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint8_t kConnect = 0x10;
    constexpr std::uint8_t kVersion5 = 5;
    PayloadReader reader(payload.octets);
    if (reader.u8() != kConnect || !payload.stream) {
        return Parsed::not_mine;
    }
    const std::uint32_t octets = mqtt_integer(reader);
    const std::string_view name = as_text(reader.take(reader.u16()));
    if (!reader.ok()) {
        // 0x10 and a length are too little to wait for any stream that begins so.
        return payload.octets.size() < 4 ? payload.more_or(Parsed::not_mine) : Parsed::not_mine;
    }
    if (name != "MQTT" && name != "MQIsdp") {
        return Parsed::not_mine;
    }
    const std::uint8_t version = reader.u8();
    reader.skip(3); // connect flags, keep alive
    if (version == kVersion5) {
        reader.skip(mqtt_integer(reader)); // properties
    }
    const Bytes client = reader.take(reader.u16());
    if (!reader.ok() && payload.octets.size() < octets) {
        return payload.more_or(Parsed::complete);
    }
    fields.set(F::mqtt_version, std::uint64_t{version});
    fields.set(F::mqtt_client_id, client);
    return Parsed::complete;
}

Parsed parse_smb(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint32_t kSmb1 = 0xFF53'4D42; // "\xFFSMB"
    constexpr std::uint32_t kSmb2 = 0xFE53'4D42;
    PayloadReader reader(payload.octets);
    // [MS-SMB2] section 2.1: a zero octet and three of length, as NetBIOS session service.
    if (!payload.stream || reader.u8() != 0) {
        return Parsed::not_mine;
    }
    reader.skip(3);
    const std::uint32_t protocol = reader.u32();
    if (!reader.ok() || (protocol != kSmb1 && protocol != kSmb2)) {
        return Parsed::not_mine;
    }
    if (protocol == kSmb1) {
        fields.set(F::smb_command, std::uint64_t{reader.u8()});
        return Parsed::partly; // SMB 2 may follow on the same connection
    }
    // [MS-SMB2] section 2.2.1: the 64-octet header; section 2.2.4: the negotiated dialect.
    constexpr std::uint32_t kToCommand = 8;
    constexpr std::uint32_t kFromCommandToFlags = 2;
    constexpr std::uint32_t kFromFlagsToBody = 44;
    reader.skip(kToCommand);
    const std::uint16_t command = reader.u16_little();
    reader.skip(kFromCommandToFlags);
    const bool response = (reader.u32_little() & 1) != 0;
    reader.skip(kFromFlagsToBody);
    fields.set(F::smb_command, std::uint64_t{command});
    if (command != 0 || !response) {
        return Parsed::complete;
    }
    reader.skip(4); // structure size, security mode
    const std::uint16_t dialect = reader.u16_little();
    if (reader.ok()) {
        fields.set(F::smb_dialect, std::uint64_t{dialect});
    }
    return Parsed::complete;
}

Parsed parse_rdp(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint16_t kPort = 3389;
    constexpr std::uint8_t kTpktVersion = 3;          // RFC 1006 section 6
    constexpr std::uint8_t kConnectionRequest = 0xE0; // ITU-T X.224 section 13.3
    constexpr std::uint8_t kConnectionConfirm = 0xD0;
    constexpr std::uint32_t kReferencesOctets = 5;
    constexpr std::string_view kCookie = "Cookie: mstshash="; // [MS-RDPBCGR] section 2.2.1.1
    constexpr std::uint8_t kNegotiationRequest = 1;           // section 2.2.1.1.1
    constexpr std::uint8_t kNegotiationFailure = 3;           // section 2.2.1.2.2
    constexpr std::uint16_t kNegotiationOctets = 8;
    PayloadReader reader(payload.octets);
    const std::uint8_t version = reader.u8();
    const std::uint8_t reserved = reader.u8();
    const std::uint16_t octets = reader.u16();
    const std::uint8_t indicator = reader.u8();
    const std::uint8_t type = reader.u8();
    if (!payload.stream || !reader.ok() || version != kTpktVersion || reserved != 0 ||
        octets != payload.octets.size() || indicator + std::size_t{5} != octets ||
        (type != kConnectionRequest && type != kConnectionConfirm)) {
        return Parsed::not_mine;
    }
    reader.skip(kReferencesOctets);
    const std::string_view text = as_text(payload.octets.subspan(reader.offset()));
    std::string_view cookie;
    if (text.starts_with(kCookie)) {
        const std::size_t end = text.find("\r\n");
        if (end != std::string_view::npos) {
            cookie = text.substr(kCookie.size(), end - kCookie.size());
            reader.skip(end + 2);
        }
    }
    const std::uint8_t negotiation = reader.u8();
    reader.skip(1); // flags
    const bool negotiates = reader.u16_little() == kNegotiationOctets && negotiation >= 1 &&
                            negotiation <= kNegotiationFailure;
    const std::uint32_t protocols = reader.u32_little();
    // X.224 alone carries other protocols too (S7, ISO 8073 applications).
    if (cookie.empty() && !(reader.ok() && negotiates) && !payload.port_is(kPort)) {
        return Parsed::not_mine;
    }
    if (!cookie.empty()) {
        fields.set(F::rdp_cookie, cookie);
    }
    if (reader.ok() && negotiates && negotiation == kNegotiationRequest) {
        fields.set(F::rdp_protocols, std::uint64_t{protocols});
    }
    return Parsed::partly; // TLS may follow
}

Parsed parse_bittorrent(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::size_t kReservedOctets = 8;
    constexpr std::size_t kHashOctets = 20;
    const std::string_view text = as_text(payload.octets);
    if (payload.stream) {
        const std::size_t common = std::min(text.size(), kPeerProtocol.size());
        if (text.substr(0, common) != kPeerProtocol.substr(0, common)) {
            return Parsed::not_mine;
        }
        PayloadReader reader(payload.octets);
        reader.skip(kPeerProtocol.size() + kReservedOctets);
        const Bytes hash = reader.take(kHashOctets);
        if (!reader.ok()) {
            return payload.more_or(common < kPeerProtocol.size() ? Parsed::not_mine
                                                                 : Parsed::complete);
        }
        set_info_hash(hash, fields);
        return Parsed::complete;
    }
    // BEP 5: bencoded dictionaries; arguments, a response or an error come first.
    constexpr std::array<std::string_view, 4> kStarts = {"d1:ad2:id20:", "d1:rd2:id20:", "d1:eli20",
                                                         "d2:ip"};
    if (std::none_of(kStarts.begin(), kStarts.end(),
                     [text](std::string_view start) { return text.starts_with(start); })) {
        return Parsed::not_mine;
    }
    constexpr std::string_view kInfoHash = "9:info_hash20:";
    const std::size_t at = text.find(kInfoHash);
    if (at != std::string_view::npos && text.size() - at - kInfoHash.size() >= kHashOctets) {
        set_info_hash(payload.octets.subspan(at + kInfoHash.size(), kHashOctets), fields);
        return Parsed::complete;
    }
    return Parsed::partly; // a later question may name the torrent
}

} // namespace probe
