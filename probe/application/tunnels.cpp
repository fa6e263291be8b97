// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/tunnels.hpp"

#include <algorithm>
#include <array>

#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

using F = ApplicationField;

} // namespace

Parsed parse_wireguard(const Payload& payload, ApplicationFields& fields) noexcept {
    // Handshake messages have one size each; data alone would be a guess.
    constexpr std::uint32_t kInitiation = 1;
    constexpr std::uint32_t kResponse = 2;
    constexpr std::uint32_t kCookieReply = 3;
    PayloadReader reader(payload.octets);
    const std::uint32_t type = reader.u32_little(); // an octet and three zeros
    const std::uint32_t first = reader.u32_little();
    const std::uint32_t second = reader.u32_little();
    const std::size_t octets = payload.octets.size();
    if (payload.stream || !reader.ok()) {
        return Parsed::not_mine;
    }
    if (type == kInitiation && octets == 148) {
        fields.set(F::wireguard_initiator, std::uint64_t{first});
        return Parsed::complete;
    }
    if (type == kResponse && octets == 92) {
        fields.set(F::wireguard_responder, std::uint64_t{first});
        fields.set(F::wireguard_initiator, std::uint64_t{second});
        return Parsed::complete;
    }
    return type == kCookieReply && octets == 64 ? Parsed::partly : Parsed::not_mine;
}

Parsed parse_openvpn(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint16_t kPort = 1194;
    constexpr std::uint8_t kHardResetClientV2 = 7;
    constexpr std::uint8_t kHardResetServerV2 = 8;
    constexpr std::uint8_t kHardResetClientV3 = 10;
    constexpr std::size_t kPlainOctets = 14;
    constexpr std::size_t kServerOctetsMore = 12; // one acknowledgement and the session it is for
    // With tls-auth: SHA-1, SHA-256, SHA-512; tls-crypt has SHA-256's size.
    constexpr std::array<std::size_t, 4> kClientOctets = {kPlainOctets, 42, 54, 86};
    PayloadReader reader(payload.octets);
    if (payload.stream && reader.u16() + std::size_t{2} != payload.octets.size()) {
        return Parsed::not_mine;
    }
    const std::size_t octets = reader.left();
    const std::uint8_t first = reader.u8();
    const std::uint8_t opcode = first >> 3;
    const bool client = opcode == kHardResetClientV2 || opcode == kHardResetClientV3;
    const std::size_t own = client ? octets : octets - std::min(octets, kServerOctetsMore);
    const bool size_known =
        std::find(kClientOctets.begin(), kClientOctets.end(), own) != kClientOctets.end();
    const bool hinted = payload.port_is(kPort) && octets >= kPlainOctets;
    // A reset is of key 0. Without the port, its exact size must speak for it, and the session
    // cannot be zero.
    const std::uint64_t session = reader.u64();
    if (!reader.ok() || (first & 7) != 0 || (!client && opcode != kHardResetServerV2) ||
        session == 0 || !(size_known || hinted)) {
        return Parsed::not_mine;
    }
    if (own == kPlainOctets && client) {
        // No acknowledgements, packet 0.
        const Bytes end = payload.octets.last(5);
        if (std::any_of(end.begin(), end.end(), [](std::uint8_t octet) { return octet != 0; })) {
            return Parsed::not_mine;
        }
    }
    fields.set(F::openvpn_opcode, std::uint64_t{opcode});
    return Parsed::complete;
}

Parsed parse_ike(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint16_t kNatTraversalPort = 4500;
    PayloadReader reader(payload.octets);
    std::size_t octets = payload.octets.size();
    if (payload.port_is(kNatTraversalPort)) { // RFC 3948 section 2.2: four zeros tell it from ESP
        if (reader.u32() != 0) {
            return Parsed::not_mine;
        }
        octets -= 4;
    }
    const std::uint64_t initiator = reader.u64(); // RFC 7296 section 3.1
    reader.skip(8);
    reader.skip(1);
    const std::uint8_t version = reader.u8();
    const std::uint8_t exchange = reader.u8();
    const std::uint8_t flags = reader.u8();
    reader.skip(4);
    const std::uint32_t length = reader.u32();
    const bool second = version >> 4 == 2;
    const bool exchange_known = second ? exchange >= 34 && exchange <= 50
                                       : exchange >= 1 && exchange <= 34; // RFC 2408 section 3.1
    if (payload.stream || !reader.ok() || initiator == 0 || length != octets ||
        (version != 0x10 && version != 0x20) || !exchange_known ||
        (flags & (second ? 0xC7 : 0xF8)) != 0) {
        return Parsed::not_mine;
    }
    fields.set(F::ike_version, std::uint64_t{static_cast<std::uint8_t>(version >> 4)});
    fields.set(F::ike_exchange_type, std::uint64_t{exchange});
    return Parsed::complete;
}

} // namespace probe
