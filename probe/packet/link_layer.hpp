// SPDX-License-Identifier: BSD-3-Clause
// From the first octet of a frame to the IP header (internal to the parser).
#pragma once

#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_cursor.hpp"
#include "probe/packet/packet_headers.hpp"
#include "probe/packet/parse_verdict.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

/// Where the link layer ended: `verdict` metered means the cursor stands at an IP header that
/// should be of `family`.
struct NetworkStart {
    ParseVerdict verdict;
    IpFamily family;
};

/// Records one tag; only the two outermost are kept (IEEE 802.1Q 9.6: PCP, DEI and VID are the
/// TCI).
inline void add_vlan_tag(PacketHeaders& headers, std::uint16_t tci) noexcept {
    if (headers.vlan_tags == 0) {
        headers.outer_vlan_tci = tci;
    } else {
        headers.inner_vlan_tci = tci;
    }
    ++headers.vlan_tags;
}

/// The cursor stands behind `ether_type`, which is anything: tags, label stacks, PPPoE, LLC, IP.
[[nodiscard]] NetworkStart resolve_ether_type(PacketCursor& cursor, std::uint16_t ether_type,
                                              PacketHeaders& headers) noexcept;

/// Every link type but Ethernet.
[[nodiscard]] NetworkStart parse_other_link(PacketCursor& cursor, LinkType link,
                                            PacketHeaders& headers) noexcept;

/// Ethernet II and 802.3. Untagged or once tagged IP is decided here, the rest out of line.
[[nodiscard]] inline NetworkStart parse_ethernet(PacketCursor& cursor,
                                                 PacketHeaders& headers) noexcept {
    const auto ethernet = cursor.peek<kEthernetHeaderOctets>();
    if (!ethernet) [[unlikely]] {
        return {ParseVerdict::dropped_link_truncated, IpFamily::ipv4};
    }
    std::uint16_t ether_type = ethernet.u16<12>();
    static_cast<void>(cursor.skip(kEthernetHeaderOctets));
    if (ether_type == kEtherTypeVlan) {
        const auto tag = cursor.peek<4>();
        if (!tag) [[unlikely]] {
            return {ParseVerdict::dropped_link_truncated, IpFamily::ipv4};
        }
        add_vlan_tag(headers, tag.u16<0>());
        ether_type = tag.u16<2>();
        static_cast<void>(cursor.skip(4));
    }
    if (ether_type == kEtherTypeIpv4) [[likely]] {
        headers.ether_type = kEtherTypeIpv4;
        return {ParseVerdict::metered, IpFamily::ipv4};
    }
    if (ether_type == kEtherTypeIpv6) {
        headers.ether_type = kEtherTypeIpv6;
        return {ParseVerdict::metered, IpFamily::ipv6};
    }
    PacketCursor rest = cursor; // a copy: the cursor itself stays in registers
    const NetworkStart start = resolve_ether_type(rest, ether_type, headers);
    cursor = rest;
    return start;
}

} // namespace probe
