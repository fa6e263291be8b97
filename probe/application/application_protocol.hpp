// SPDX-License-Identifier: BSD-3-Clause
// What an application protocol parser is given, and what it answers.
//
// Every parser is a function of one stretch of octets: a datagram, or a TCP direction's octets from
// where the parser last stopped. It is total (ends in time proportional to the octets, whatever
// they are), reads nothing else, and writes only to the ApplicationFields it is handed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class ApplicationProtocol : std::uint8_t {
    unknown, ///< not recognised (yet)
    tls,
    dtls,
    quic,
    dns,
    mdns,
    llmnr,
    netbios,
    http1,
    http2,
    ssh,
    smtp,
    ftp,
    imap,
    pop3,
    sip,
    rtsp,
    ssdp,
    rtp,
    rtcp,
    ntp,
    snmp,
    dhcp,
    radius,
    mqtt,
    smb,
    rdp,
    bittorrent,
    wireguard,
    openvpn,
    ike,
    stun,
    syslog,
    websocket, ///< on http1
    ipp,       ///< on http1
    count_,    ///< not a protocol
};

/// What carries the protocol, if it is told by that one's messages; else itself.
[[nodiscard]] constexpr ApplicationProtocol carrier_of(ApplicationProtocol protocol) noexcept {
    return protocol == ApplicationProtocol::websocket || protocol == ApplicationProtocol::ipp
               ? ApplicationProtocol::http1
               : protocol;
}

/// Lower case, as the protocol's own documents abbreviate it.
[[nodiscard]] constexpr std::string_view protocol_name(ApplicationProtocol protocol) noexcept {
    constexpr std::array<std::string_view, static_cast<std::size_t>(ApplicationProtocol::count_)>
        kNames = {"unknown",   "tls",     "dtls",   "quic", "dns",    "mdns",      "llmnr",
                  "netbios",   "http1",   "http2",  "ssh",  "smtp",   "ftp",       "imap",
                  "pop3",      "sip",     "rtsp",   "ssdp", "rtp",    "rtcp",      "ntp",
                  "snmp",      "dhcp",    "radius", "mqtt", "smb",    "rdp",       "bittorrent",
                  "wireguard", "openvpn", "ike",    "stun", "syslog", "websocket", "ipp"};
    return kNames[static_cast<std::size_t>(protocol)];
}

/// How one parser answers about the octets it was given.
enum class Parsed : std::uint8_t {
    not_mine,  ///< not this protocol, or no longer
    need_more, ///< the message is cut: wants the same octets again with what follows (TCP only)
    partly,    ///< read; later messages of this direction may say more
    complete,  ///< read; this direction has nothing more to say
};

/// What a parser sees. `octets` is not empty.
struct Payload {
    Bytes octets;
    std::uint16_t source_port;      ///< a hint only, and only where content cannot tell
    std::uint16_t destination_port; ///< a hint only
    std::uint8_t direction;         ///< 0: as the flow's first packet, 1: the other way
    bool stream;                    ///< TCP: a message may go on in what follows
    bool last_chance; ///< nothing will follow: read what is there, never answer need_more

    [[nodiscard]] bool port_is(std::uint16_t port) const noexcept {
        return source_port == port || destination_port == port;
    }
    /// need_more, unless nothing more will come: then `otherwise`.
    [[nodiscard]] Parsed more_or(Parsed otherwise) const noexcept {
        return stream && !last_chance ? Parsed::need_more : otherwise;
    }
};

} // namespace probe
