// SPDX-License-Identifier: BSD-3-Clause
// Every frame. The straight line: Ethernet, perhaps a tag, IP without options, TCP or UDP; the rest
// is a call away (link_layer.cpp, ipv6_extension_headers.cpp).
#include "probe/packet/packet_parser.hpp"

#include "probe/packet/ipv6_extension_headers.hpp"
#include "probe/packet/link_layer.hpp"
#include "probe/packet/packet_cursor.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {
namespace {

/// Port-bearing protocols start with source and destination port, 16 bits each: RFC 9293 section
/// 3.1, RFC 768, RFC 3828 section 3.1, RFC 9260 section 3.1, RFC 4340 section 5.1.
template <std::uint32_t kHeaderOctets>
void take_ports(const PacketCursor& cursor, PacketHeaders& headers) noexcept {
    const auto ports = cursor.peek<4>();
    if (ports) {
        headers.source_port = ports.u16<0>();
        headers.destination_port = ports.u16<2>();
    }
    headers.transport_cut = cursor.left() < kHeaderOctets;
}

void take_tcp(const PacketCursor& cursor, PacketHeaders& headers) noexcept {
    constexpr std::uint32_t kTcpHeaderOctets = 20;
    constexpr std::uint16_t kControlBits = 0x0FFF;
    take_ports<kTcpHeaderOctets>(cursor, headers);
    if (const auto tcp = cursor.peek<14>()) [[likely]] {
        headers.tcp_control_bits = tcp.u16<12>() & kControlBits;
    }
}

void take_icmp(const PacketCursor& cursor, PacketHeaders& headers) noexcept {
    constexpr std::uint32_t kIcmpHeaderOctets = 4;
    if (const auto icmp = cursor.peek<2>()) {
        headers.icmp_type_code = icmp.u16<0>();
    }
    headers.transport_cut = cursor.left() < kIcmpHeaderOctets;
}

/// Everything but TCP and UDP, out of line.
[[gnu::noinline]] void parse_other_transport(PacketCursor cursor, PacketHeaders& headers) noexcept {
    switch (headers.protocol) {
        case kProtocolUdpLite:
            take_ports<8>(cursor, headers);
            break;
        case kProtocolSctp:
        case kProtocolDccp:
            take_ports<12>(cursor, headers);
            break;
        case kProtocolIcmp:
            if (headers.family == IpFamily::ipv4) {
                take_icmp(cursor, headers);
            }
            break;
        case kProtocolIcmpv6:
            if (headers.family == IpFamily::ipv6) {
                take_icmp(cursor, headers);
            }
            break;
        default:
            break;
    }
}

/// The cursor stands at the transport header of an unfragmented packet or a first fragment.
inline void parse_transport(PacketCursor cursor, PacketHeaders& headers) noexcept {
    if (headers.protocol == kProtocolTcp) {
        take_tcp(cursor, headers);
    } else if (headers.protocol == kProtocolUdp) {
        take_ports<8>(cursor, headers);
    } else {
        parse_other_transport(cursor, headers);
    }
    constexpr std::uint32_t kOffsetMax = 0xFFFF;
    if (!headers.transport_cut && cursor.left() > 0 && cursor.offset() <= kOffsetMax) [[likely]] {
        headers.transport_offset = static_cast<std::uint16_t>(cursor.offset());
    }
}

/// RFC 791 section 3.1.
ParseVerdict parse_ipv4(PacketCursor cursor, std::uint32_t frame_octets,
                        PacketHeaders& headers) noexcept {
    constexpr std::uint16_t kFragmentOffsetMask = 0x1FFF;
    constexpr std::uint16_t kMoreFragments = 0x2000;
    constexpr std::uint8_t kDontAndMoreFragments = 0x60;
    const auto ip = cursor.peek<kIpv4HeaderOctets>();
    if (!ip) [[unlikely]] {
        return ParseVerdict::dropped_ip_truncated;
    }
    const std::uint8_t version_ihl = ip.u8<0>();
    if ((version_ihl >> 4) != 4) [[unlikely]] {
        return ParseVerdict::dropped_ip_version;
    }
    const std::uint32_t header_octets = (version_ihl & 0x0Fu) * 4;
    const std::uint32_t total_octets = ip.u16<2>();
    if (header_octets < kIpv4HeaderOctets || total_octets < header_octets) [[unlikely]] {
        return ParseVerdict::dropped_ip_header_length;
    }
    headers.ip_octets = total_octets;
    headers.network_offset = static_cast<std::uint16_t>(cursor.offset());
    headers.family = IpFamily::ipv4;
    headers.traffic_class = ip.u8<1>();
    headers.hop_limit = ip.u8<8>();
    headers.protocol = ip.u8<9>();
    const std::uint16_t fragment = ip.u16<6>();
    headers.fragment_flags = ip.u8<6>() & kDontAndMoreFragments;
    headers.fragment_offset = static_cast<std::uint16_t>((fragment & kFragmentOffsetMask) * 8);
    headers.is_fragment = (fragment & (kFragmentOffsetMask | kMoreFragments)) != 0;
    cursor.limit(total_octets);
    if (!cursor.skip(header_octets)) [[unlikely]] {
        if (frame_octets < cursor.offset() + header_octets) {
            return ParseVerdict::dropped_ip_header_length; // not even the wire had the options
        }
        headers.transport_cut = headers.fragment_offset == 0; // the snap length cut them
        return ParseVerdict::metered;
    }
    if (headers.fragment_offset != 0) [[unlikely]] {
        return ParseVerdict::metered;
    }
    parse_transport(cursor, headers);
    return ParseVerdict::metered;
}

/// RFC 8200 section 3.
ParseVerdict parse_ipv6(PacketCursor cursor, std::uint32_t frame_octets,
                        PacketHeaders& headers) noexcept {
    constexpr std::uint32_t kFlowLabelMask = 0x000FFFFF;
    const auto ip = cursor.peek<kIpv6HeaderOctets>();
    if (!ip) [[unlikely]] {
        return ParseVerdict::dropped_ip_truncated;
    }
    const std::uint32_t version_class_label = ip.u32<0>();
    if ((version_class_label >> 28) != 6) [[unlikely]] {
        return ParseVerdict::dropped_ip_version;
    }
    const std::uint32_t payload_octets = ip.u16<4>();
    headers.ip_octets = payload_octets + kIpv6HeaderOctets;
    headers.network_offset = static_cast<std::uint16_t>(cursor.offset());
    headers.family = IpFamily::ipv6;
    headers.flow_label = version_class_label & kFlowLabelMask;
    headers.traffic_class = static_cast<std::uint8_t>(version_class_label >> 20);
    headers.protocol = ip.u8<6>();
    headers.hop_limit = ip.u8<7>();
    static_cast<void>(cursor.skip(kIpv6HeaderOctets));
    if (payload_octets == 0) [[unlikely]] {
        const std::uint32_t wire_octets =
            frame_octets > cursor.offset() ? frame_octets - cursor.offset() : 0;
        if (!take_jumbo_payload(cursor, wire_octets, headers)) {
            return ParseVerdict::dropped_ip_header_length;
        }
    }
    cursor.limit(headers.ip_octets - kIpv6HeaderOctets);
    if (is_extension_header(headers.protocol)) [[unlikely]] {
        PacketCursor chain = cursor; // a copy leaves the cursor itself in registers
        if (!skip_extension_headers(chain, headers)) {
            return ParseVerdict::metered;
        }
        cursor = chain;
    }
    parse_transport(cursor, headers);
    return ParseVerdict::metered;
}

} // namespace

ParseVerdict parse_any_frame(const PacketView& packet, PacketHeaders& headers) noexcept {
    headers = PacketHeaders{}; // three vector stores; cheaper than a store for each absent field
    if (packet.vlan_stripped) {
        add_vlan_tag(headers, packet.stripped_vlan_tci);
    }
    PacketCursor cursor(packet.octets, packet.captured_octets);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): every branch below sets it
    NetworkStart start;
    if (packet.link == LinkType::ethernet) [[likely]] {
        start = parse_ethernet(cursor, headers);
    } else {
        PacketCursor other = cursor;
        start = parse_other_link(other, packet.link, headers);
        cursor = other;
    }
    if (start.verdict != ParseVerdict::metered) [[unlikely]] {
        return start.verdict;
    }
    return start.family == IpFamily::ipv4 ? parse_ipv4(cursor, packet.frame_octets, headers)
                                          : parse_ipv6(cursor, packet.frame_octets, headers);
}

ParseVerdict parse_packet(const PacketView& packet, PacketHeaders& headers) noexcept {
    if (parse_common_frame(packet, headers)) [[likely]] {
        return ParseVerdict::metered;
    }
    return parse_any_frame(packet, headers);
}

} // namespace probe
