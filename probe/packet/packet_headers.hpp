// SPDX-License-Identifier: BSD-3-Clause
// What the parser found in one packet. Plain values in host byte order unless said; no pointers, so
// a burst of them is an array. Filled completely by parse_packet when the verdict is `metered`.
#pragma once

#include <cstdint>

namespace probe {

enum class IpFamily : std::uint8_t { ipv4 = 0, ipv6 = 1 };

struct PacketHeaders {
    std::uint32_t
        ip_octets; ///< IPv4 total length; IPv6 payload length + 40 (or the jumbo payload's)
    std::uint32_t flow_label;       ///< IPv6, 20 bits; 0 for IPv4
    std::uint16_t network_offset;   ///< of the IP header in the frame
    std::uint16_t transport_offset; ///< of the transport header; 0 when it is absent (later
                                    ///< fragment, cut frame)
    std::uint16_t mpls_offset;      ///< of the top label stack entry; 0 when there is none
    std::uint16_t ether_type; ///< of what the frame carries after all tags (0x0800, 0x86DD, 0x8847,
                              ///< 0x8864 ...)
    std::uint16_t source_port; ///< 0 for protocols without ports and for fragments but the first
    std::uint16_t destination_port;
    std::uint16_t tcp_control_bits; ///< RFC 9565: 12 bits after the data offset; 0 unless TCP
    std::uint16_t icmp_type_code;   ///< type << 8 | code of ICMP or ICMPv6; 0 otherwise
    std::uint16_t outer_vlan_tci;   ///< first tag's PCP, DEI and VID; valid when vlan_tags >= 1
    std::uint16_t inner_vlan_tci;   ///< innermost tag's (the customer's); valid when vlan_tags >= 2
    std::uint16_t fragment_offset;  ///< in octets
    std::uint8_t vlan_tags;         ///< how many tags in all, also those beyond the two reported
    std::uint8_t fragment_flags;    ///< as element 197 has them: 0x40 DF, 0x20 MF
    IpFamily family;
    std::uint8_t protocol;      ///< the upper-layer protocol, after IPv6's extension headers
    std::uint8_t traffic_class; ///< ToS octet or Traffic Class
    std::uint8_t hop_limit;     ///< TTL or hop limit
    bool is_fragment;
    bool transport_cut;       ///< the transport header should be here, but the frame ends first
    bool extension_chain_cut; ///< IPv6: more extension headers than the bound, or the chain ran off
                              ///< the frame
};

} // namespace probe
