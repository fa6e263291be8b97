// SPDX-License-Identifier: BSD-3-Clause
#include "probe/packet/ipv6_extension_headers.hpp"

#include "probe/packet/packet_parser.hpp"

namespace probe {
namespace {

/// RFC 8200 section 4.5: next header, reserved, offset in units of 8 octets, 2 bits, M.
void take_fragment(const HeaderView<8>& fragment, PacketHeaders& headers) noexcept {
    constexpr std::uint16_t kOffsetMask = 0xFFF8;
    constexpr std::uint16_t kMoreFragments = 0x0001;
    constexpr std::uint8_t kMoreFragmentsFlag = 0x20; // as fragmentFlags (197) has it
    const std::uint16_t offset_and_flags = fragment.u16<2>();
    headers.fragment_offset = offset_and_flags & kOffsetMask;
    const bool more = (offset_and_flags & kMoreFragments) != 0;
    headers.fragment_flags = more ? kMoreFragmentsFlag : 0;
    // An atomic fragment (RFC 6946) is a whole packet.
    headers.is_fragment = more || headers.fragment_offset != 0;
}

} // namespace

[[gnu::noinline]] bool take_jumbo_payload(PacketCursor cursor, std::uint32_t wire_octets,
                                          PacketHeaders& headers) noexcept {
    constexpr std::uint8_t kPad1 = 0;
    constexpr std::uint8_t kJumboPayload = 0xC2;
    constexpr std::uint32_t kPlainPayloadMax = 0xFFFF; // a jumbo option below that is an error
    const auto start = cursor.peek<2>();
    if (headers.protocol != kProtocolHopByHop || !start) {
        return true;
    }
    cursor.limit((start.u8<1>() + 1u) * 8);
    static_cast<void>(cursor.skip(2));
    // RFC 8200 section 4.2: type, length, value. Every round moves on, within 2,048 octets.
    while (const auto type = cursor.peek<1>()) {
        if (type.u8<0>() == kPad1) {
            static_cast<void>(cursor.skip(1));
            continue;
        }
        const auto option = cursor.peek<2>();
        if (!option) {
            break;
        }
        if (option.u8<0>() == kJumboPayload) {
            const auto jumbo = cursor.peek<6>();
            if (!jumbo || option.u8<1>() != 4 || jumbo.u32<2>() <= kPlainPayloadMax) {
                break;
            }
            if (jumbo.u32<2>() > wire_octets) {
                return false;
            }
            headers.ip_octets = jumbo.u32<2>() + kIpv6HeaderOctets;
            break;
        }
        if (!cursor.skip(option.u8<1>() + 2u)) {
            break;
        }
    }
    return true;
}

[[gnu::noinline]] bool skip_extension_headers(PacketCursor& cursor,
                                              PacketHeaders& headers) noexcept {
    for (std::uint32_t passed = 0; passed < kExtensionHeadersMax; ++passed) {
        const auto header = cursor.peek<8>(); // the shortest extension header
        if (!header) {
            headers.extension_chain_cut = true;
            return false;
        }
        const std::uint8_t type = headers.protocol;
        std::uint32_t octets = (header.u8<1>() + 1u) * 8;
        if (type == kProtocolFragment) {
            octets = 8;
            take_fragment(header, headers);
        } else if (type == kProtocolAuthentication) {
            octets = (header.u8<1>() + 2u) * 4; // RFC 4302 section 2.2: in units of 4, minus 2
        }
        headers.protocol = header.u8<0>();
        if (headers.fragment_offset != 0) {
            return false; // what follows is the middle of something
        }
        if (!cursor.skip(octets)) {
            headers.extension_chain_cut = true;
            return false;
        }
        if (!is_extension_header(headers.protocol)) {
            return true;
        }
    }
    headers.extension_chain_cut = true;
    return false;
}

} // namespace probe
