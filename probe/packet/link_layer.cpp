// SPDX-License-Identifier: BSD-3-Clause
#include "probe/packet/link_layer.hpp"

#include "probe/packet/packet_parser.hpp"

namespace probe {
namespace {

constexpr NetworkStart stop(ParseVerdict verdict) noexcept {
    return {verdict, IpFamily::ipv4};
}

constexpr NetworkStart start(IpFamily family) noexcept {
    return {ParseVerdict::metered, family};
}

constexpr bool is_vlan(std::uint16_t ether_type) noexcept {
    return ether_type == kEtherTypeVlan || ether_type == kEtherTypeServiceVlan ||
           ether_type == kEtherTypeOldDoubleVlan;
}

/// IP without a word before it about which: the version nibble is all there is.
NetworkStart start_by_version(const PacketCursor& cursor, ParseVerdict empty,
                              ParseVerdict neither) noexcept {
    const auto first = cursor.peek<1>();
    if (!first) {
        return stop(empty);
    }
    switch (first.u8<0>() >> 4) {
        case 4:
            return start(IpFamily::ipv4);
        case 6:
            return start(IpFamily::ipv6);
        default:
            return stop(neither);
    }
}

/// RFC 3032 section 2.1: label 20, traffic class 3, bottom of stack 1, TTL 8 bits.
NetworkStart parse_mpls(PacketCursor& cursor, PacketHeaders& headers) noexcept {
    constexpr std::uint32_t kBottomOfStack = 0x100;
    headers.mpls_offset = static_cast<std::uint16_t>(cursor.offset());
    for (std::uint32_t depth = 0; depth < kMplsLabelsMax; ++depth) {
        const auto entry = cursor.peek<4>();
        if (!entry) {
            return stop(ParseVerdict::dropped_link_truncated);
        }
        static_cast<void>(cursor.skip(4));
        if ((entry.u32<0>() & kBottomOfStack) != 0) {
            // RFC 4928 section 3: pseudowires avoid these nibbles, so the nibble decides.
            return start_by_version(cursor, ParseVerdict::dropped_link_truncated,
                                    ParseVerdict::ignored_mpls_payload);
        }
    }
    return stop(ParseVerdict::dropped_mpls_depth);
}

NetworkStart start_by_ppp_protocol(PacketCursor& cursor, std::uint16_t protocol,
                                   PacketHeaders& headers) noexcept {
    switch (protocol) {
        case kPppIpv4:
            return start(IpFamily::ipv4);
        case kPppIpv6:
            return start(IpFamily::ipv6);
        case kPppMpls: // RFC 3032 section 4.3
            return parse_mpls(cursor, headers);
        default:
            return stop(ParseVerdict::ignored_pppoe_control);
    }
}

/// RFC 1661 section 2: the protocol in two octets, or in one that is odd (6.5); RFC 1662 section
/// 3.1: before it the address and the control octet, unless they were negotiated away.
NetworkStart parse_ppp(PacketCursor& cursor, PacketHeaders& headers) noexcept {
    constexpr std::uint16_t kAddressAndControl = 0xFF03;
    if (const auto hdlc = cursor.peek<2>(); hdlc && hdlc.u16<0>() == kAddressAndControl) {
        static_cast<void>(cursor.skip(2));
    }
    const auto first = cursor.peek<1>();
    if (first && (first.u8<0>() & 1) != 0 && first.u8<0>() != kAddressAndControl >> 8) {
        static_cast<void>(cursor.skip(1));
        return start_by_ppp_protocol(cursor, first.u8<0>(), headers);
    }
    const auto protocol = cursor.peek<2>();
    if (!protocol) {
        return stop(ParseVerdict::dropped_link_truncated);
    }
    static_cast<void>(cursor.skip(2));
    return start_by_ppp_protocol(cursor, protocol.u16<0>(), headers);
}

/// RFC 2516 section 4: version and type, code, session, length; then the PPP protocol.
NetworkStart parse_pppoe_session(PacketCursor& cursor, PacketHeaders& headers) noexcept {
    const auto session = cursor.peek<8>();
    if (!session) {
        return stop(ParseVerdict::dropped_link_truncated);
    }
    static_cast<void>(cursor.skip(8));
    return start_by_ppp_protocol(cursor, session.u16<6>(), headers);
}

/// SNAP with the encapsulated-Ethernet OUI (RFC 1042): an EtherType follows. 0 for any other LLC.
std::uint16_t take_snap_ether_type(PacketCursor& cursor) noexcept {
    constexpr std::uint32_t kSnapSapsAndControl = 0xAAAA0300;
    const auto snap = cursor.peek<8>();
    if (!snap || snap.u32<0>() != kSnapSapsAndControl || snap.u16<4>() != 0) {
        return 0;
    }
    static_cast<void>(cursor.skip(8));
    return snap.u16<6>();
}

} // namespace

[[gnu::noinline]] NetworkStart resolve_ether_type(PacketCursor& cursor, std::uint16_t ether_type,
                                                  PacketHeaders& headers) noexcept {
    while (is_vlan(ether_type)) {
        const auto tag = cursor.peek<4>();
        if (!tag) {
            return stop(ParseVerdict::dropped_link_truncated);
        }
        if (headers.vlan_tags >= kVlanTagsMax) {
            return stop(ParseVerdict::dropped_vlan_depth);
        }
        add_vlan_tag(headers, tag.u16<0>());
        ether_type = tag.u16<2>();
        static_cast<void>(cursor.skip(4));
    }
    if (ether_type < kEtherTypeMin) {
        ether_type = take_snap_ether_type(cursor);
        if (ether_type < kEtherTypeMin) {
            return stop(ParseVerdict::ignored_llc);
        }
    }
    headers.ether_type = ether_type;
    switch (ether_type) {
        case kEtherTypeIpv4:
            return start(IpFamily::ipv4);
        case kEtherTypeIpv6:
            return start(IpFamily::ipv6);
        case kEtherTypeMpls:
        case kEtherTypeMplsUpstream:
            return parse_mpls(cursor, headers);
        case kEtherTypePppoeSession:
            return parse_pppoe_session(cursor, headers);
        case kEtherTypePppoeDiscovery:
            return stop(ParseVerdict::ignored_pppoe_control);
        case kEtherTypeArp:
            return stop(ParseVerdict::ignored_arp);
        case kEtherTypeLldp:
            return stop(ParseVerdict::ignored_lldp);
        case kEtherTypeEapol:
            return stop(ParseVerdict::ignored_eapol);
        case kEtherTypeMacsec:
            return stop(ParseVerdict::ignored_macsec);
        default:
            return stop(ParseVerdict::ignored_other_ethertype);
    }
}

namespace {

/// Cooked framing carries an EtherType too, but also Linux's own numbers below 0x0600
/// (LINKTYPE_LINUX_SLL: 1 Novell 802.3, 4 LLC) and, for ARPHRD_NETLINK and such, other namespaces.
NetworkStart resolve_cooked(PacketCursor& cursor, std::uint16_t protocol,
                            PacketHeaders& headers) noexcept {
    constexpr std::uint16_t kCookedLlc = 0x0004;
    if (protocol < kEtherTypeMin && protocol != kCookedLlc) {
        return stop(ParseVerdict::ignored_other_family);
    }
    const NetworkStart found = resolve_ether_type(cursor, protocol, headers);
    return found.verdict == ParseVerdict::ignored_other_ethertype
               ? stop(ParseVerdict::ignored_other_family)
               : found;
}

/// LINKTYPE_NULL is in the byte order of the machine that captured, LINKTYPE_LOOP in network order.
/// Families are small numbers, so the order shows. AF_INET is 2 everywhere; AF_INET6 differs.
NetworkStart resolve_loopback(PacketCursor& cursor) noexcept {
    constexpr std::uint32_t kInet = 2;
    constexpr std::uint32_t kInet6Linux = 10;
    constexpr std::uint32_t kInet6NetBsd = 24; // and OpenBSD, BSD/OS
    constexpr std::uint32_t kInet6FreeBsd = 28;
    constexpr std::uint32_t kInet6Darwin = 30;
    const auto header = cursor.peek<4>();
    if (!header) {
        return stop(ParseVerdict::dropped_link_truncated);
    }
    static_cast<void>(cursor.skip(4));
    const std::uint32_t network_order = header.u32<0>();
    const std::uint32_t other_order = __builtin_bswap32(network_order);
    if (network_order > 0xFFFF && other_order > 0xFFFF) {
        // Some stacks write a 16-bit family and an EtherType.
        const std::uint16_t ether_type = header.u16<2>();
        return ether_type == kEtherTypeIpv4   ? start(IpFamily::ipv4)
               : ether_type == kEtherTypeIpv6 ? start(IpFamily::ipv6)
                                              : stop(ParseVerdict::ignored_other_family);
    }
    const std::uint32_t family = network_order > 0xFFFF ? other_order : network_order;
    switch (family) {
        case kInet:
            return start(IpFamily::ipv4);
        case kInet6Linux:
        case kInet6NetBsd:
        case kInet6FreeBsd:
        case kInet6Darwin:
            return start(IpFamily::ipv6);
        default:
            return stop(ParseVerdict::ignored_other_family);
    }
}

void set_ether_type_of_family(const NetworkStart& found, PacketHeaders& headers) noexcept {
    headers.ether_type = found.family == IpFamily::ipv4 ? kEtherTypeIpv4 : kEtherTypeIpv6;
}

} // namespace

[[gnu::noinline]] NetworkStart parse_other_link(PacketCursor& cursor, LinkType link,
                                                PacketHeaders& headers) noexcept {
    switch (link) {
        case LinkType::ethernet:
            return parse_ethernet(cursor, headers);
        case LinkType::raw_ip: {
            const NetworkStart found = start_by_version(cursor, ParseVerdict::dropped_ip_truncated,
                                                        ParseVerdict::dropped_ip_version);
            set_ether_type_of_family(found, headers);
            return found;
        }
        case LinkType::linux_cooked: {
            const auto cooked = cursor.peek<16>();
            if (!cooked) {
                return stop(ParseVerdict::dropped_link_truncated);
            }
            static_cast<void>(cursor.skip(16));
            return resolve_cooked(cursor, cooked.u16<14>(), headers);
        }
        case LinkType::linux_cooked_2: {
            const auto cooked = cursor.peek<20>();
            if (!cooked) {
                return stop(ParseVerdict::dropped_link_truncated);
            }
            static_cast<void>(cursor.skip(20));
            return resolve_cooked(cursor, cooked.u16<0>(), headers);
        }
        case LinkType::null_loopback: {
            const NetworkStart found = resolve_loopback(cursor);
            set_ether_type_of_family(found, headers);
            return found;
        }
        case LinkType::ppp: {
            const NetworkStart found = parse_ppp(cursor, headers);
            set_ether_type_of_family(found, headers);
            return found;
        }
        case LinkType::unsupported:
            break;
    }
    return stop(ParseVerdict::ignored_link_type);
}

} // namespace probe
