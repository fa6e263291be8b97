// SPDX-License-Identifier: BSD-3-Clause
// What a message's first octet rules out, so that few parsers are asked about a payload that nobody
// has recognised yet. Pure; the parsers decide, this only spares them.
#pragma once

#include <cstdint>

#include "probe/application/application_protocol.hpp"

namespace probe {

/// With fewer octets a parser may wait for more without a mark of its own: all are asked.
inline constexpr std::size_t kFirstOctetsMin = 4;

namespace first_octets_detail {

[[nodiscard]] constexpr bool within(std::uint8_t octet, unsigned first, unsigned last) noexcept {
    return octet >= first && octet <= last;
}
[[nodiscard]] constexpr bool letter(std::uint8_t octet) noexcept {
    return within(octet | 0x20U, 'a', 'z');
}

} // namespace first_octets_detail

/// Whether the protocol's parser may take at least kFirstOctetsMin octets that begin so. False: it
/// answers not_mine whatever follows, and leaves the flow's state alone. A family of protocols goes
/// by the one that ApplicationInspector's order names it by.
[[nodiscard]] constexpr bool may_begin(ApplicationProtocol protocol, bool stream,
                                       std::uint8_t first) noexcept {
    using first_octets_detail::letter;
    using first_octets_detail::within;
    using P = ApplicationProtocol;
    switch (protocol) {
        case P::tls:
        case P::dtls:
            return within(first, 20, 24); // RFC 8446 section 5.1: ContentType
        case P::quic:
            return first >= 0xC0; // RFC 9000 section 17.2: a long header, the fixed bit
        case P::http1:            // and RTSP, SIP, SSDP: a method or a version
            return within(first, 'A', 'Z') || first == '-' || first == '_';
        case P::ssh:
            return first == 'S';
        case P::smtp: // and FTP, IMAP, POP3: a reply, "+OK", "* OK", or a command
            return within(first, '1', '5') || first == '+' || first == '*' || letter(first);
        case P::mqtt:
            return first == 0x10;
        case P::smb:
            return first == 0;
        case P::rdp:
            return first == 3;
        case P::bittorrent:
            return first == (stream ? 0x13 : 'd');
        case P::wireguard:
            return within(first, 1, 3);
        case P::openvpn: // over TCP a length comes first
            return stream || ((first & 7) == 0 && within(first >> 3, 7, 10));
        case P::stun:
        case P::rtcp:
        case P::rtp: // RFC 7983 section 7
            return protocol == P::stun ? first < 0x40 : within(first, 0x80, 0xBF);
        case P::snmp:
            return first == 0x30;
        case P::dhcp:
            return within(first, 1, 2);
        case P::radius:
            return within(first, 1, 5) || within(first, 11, 13) || within(first, 40, 45);
        case P::syslog: // RFC 6587 section 3.4.1: over TCP perhaps behind its length
            return first == '<' || (stream && within(first, '0', '9'));
        default:
            return true; // identifiers and lengths of any value
    }
}

} // namespace probe
