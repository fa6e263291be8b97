// SPDX-License-Identifier: BSD-3-Clause
// The frame that nearly all traffic is made of, parsed in a few words: untagged Ethernet II, IPv4
// without options or IPv6 without extension headers, no fragment, and TCP or UDP with its whole
// header in memory.
//
// It decides nothing that packet_parser.cpp would decide otherwise (a test holds the two against
// each other); it is only faster: the headers are put together in registers and stored as five
// words, where the general way stores some twenty fields one by one.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "probe/packet/load.hpp"
#include "probe/packet/packet_parser.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

static_assert(std::endian::native == std::endian::little, "octets are picked from words by shifts");
static_assert(sizeof(PacketHeaders) == 40 && std::is_trivially_copyable_v<PacketHeaders>);
static_assert(
    offsetof(PacketHeaders, flow_label) == 4 && offsetof(PacketHeaders, network_offset) == 8 &&
    offsetof(PacketHeaders, transport_offset) == 10 && offsetof(PacketHeaders, ether_type) == 14 &&
    offsetof(PacketHeaders, source_port) == 16 && offsetof(PacketHeaders, destination_port) == 18 &&
    offsetof(PacketHeaders, tcp_control_bits) == 20 &&
    offsetof(PacketHeaders, fragment_flags) == 31 && offsetof(PacketHeaders, family) == 32 &&
    offsetof(PacketHeaders, protocol) == 33 && offsetof(PacketHeaders, traffic_class) == 34 &&
    offsetof(PacketHeaders, hop_limit) == 35);

/// Both 16-bit halves turned into host order, each in its place.
[[nodiscard]] constexpr std::uint32_t turn_halves(std::uint32_t word) noexcept {
    return (word & 0x00FF00FF) << 8 | (word >> 8 & 0x00FF00FF);
}

/// What both families have in common from here on.
struct Found {
    std::uint32_t ip_octets;
    std::uint32_t flow_label;
    std::uint16_t transport_offset;
    std::uint16_t ether_type;
    std::uint8_t fragment_flags;
    std::uint32_t family_to_hop_limit; ///< the four octets of PacketHeaders from `family` on
    bool tcp;
};

void store(const std::uint8_t* octets, const Found& found, PacketHeaders& headers) noexcept {
    constexpr std::uint32_t kControlBitsInTcp = 12;
    constexpr std::uint16_t kControlBits = 0x0FFF;
    const std::uint8_t* transport = octets + found.transport_offset;
    const auto control = static_cast<std::uint16_t>(
        __builtin_bswap16(load<std::uint16_t>(transport + kControlBitsInTcp)) & kControlBits);
    const std::uint64_t tcp_only = 0 - std::uint64_t{found.tcp};
    // each stored on its own: GCC would join them through memory, which is slower
    auto* words = reinterpret_cast<std::uint8_t*>(&headers);
    const auto put = [words](std::size_t number, std::uint64_t word) noexcept {
        std::memcpy(words + number * sizeof word, &word, sizeof word);
    };
    put(0, std::uint64_t{found.ip_octets} | std::uint64_t{found.flow_label} << 32);
    put(1, std::uint64_t{kEthernetHeaderOctets} | std::uint64_t{found.transport_offset} << 16 |
               std::uint64_t{found.ether_type} << 48);
    put(2, std::uint64_t{turn_halves(load<std::uint32_t>(transport))} |
               (std::uint64_t{control} & tcp_only) << 32);
    put(3, std::uint64_t{found.fragment_flags} << 56);
    put(4, std::uint64_t{found.family_to_hop_limit});
}

} // namespace

bool parse_common_frame(const PacketView& packet, PacketHeaders& headers) noexcept {
    constexpr std::uint32_t kTcpOctets = 20;
    constexpr std::uint32_t kUdpOctets = 8;
    constexpr std::uint32_t kIpv4Transport = kEthernetHeaderOctets + kIpv4HeaderOctets;
    constexpr std::uint32_t kIpv6Transport = kEthernetHeaderOctets + kIpv6HeaderOctets;
    if (packet.captured_octets < kIpv4Transport + kTcpOctets || packet.link != LinkType::ethernet ||
        packet.vlan_stripped) [[unlikely]] {
        return false;
    }
    const std::uint8_t* octets = packet.octets;
    // EtherType, and the first six octets of the IP header
    const auto start = load<std::uint64_t>(octets + kEthernetHeaderOctets - 2);
    if ((start & 0x00FF'FFFF) == 0x0045'0008) { // IPv4, five words of header
        // RFC 791 section 3.1: flags and fragment offset, time to live, protocol
        const auto middle = load<std::uint32_t>(octets + kEthernetHeaderOctets + 6);
        const std::uint32_t protocol = middle >> 24;
        const std::uint32_t total_octets =
            __builtin_bswap16(static_cast<std::uint16_t>(start >> 32));
        const bool tcp = protocol == kProtocolTcp;
        const bool known = tcp | (protocol == kProtocolUdp);
        const bool whole = (middle & 0xFF3F) == 0; // neither more fragments nor an offset
        const bool fits = total_octets >= kIpv4HeaderOctets + (tcp ? kTcpOctets : kUdpOctets);
        if (!(known & whole & fits)) [[unlikely]] {
            return false;
        }
        const auto type_of_service = static_cast<std::uint32_t>(start >> 24 & 0xFF);
        store(octets,
              {.ip_octets = total_octets,
               .flow_label = 0,
               .transport_offset = kIpv4Transport,
               .ether_type = kEtherTypeIpv4,
               .fragment_flags = static_cast<std::uint8_t>(middle & 0x40),
               .family_to_hop_limit = static_cast<std::uint32_t>(IpFamily::ipv4) | protocol << 8 |
                                      type_of_service << 16 | (middle << 8 & 0xFF00'0000),
               .tcp = tcp},
              headers);
        return true;
    }
    if ((start & 0x00F0'FFFF) == 0x0060'DD86) { // IPv6
        // RFC 8200 section 3: version, class and label; payload length; next header, hop limit
        const std::uint32_t label = __builtin_bswap32(static_cast<std::uint32_t>(start >> 16));
        const std::uint32_t payload_octets =
            __builtin_bswap16(static_cast<std::uint16_t>(start >> 48));
        const std::uint32_t last = load<std::uint16_t>(octets + kEthernetHeaderOctets + 6);
        const std::uint32_t protocol = last & 0xFF;
        const bool tcp = protocol == kProtocolTcp;
        const bool known = tcp | (protocol == kProtocolUdp);
        const bool there = packet.captured_octets >= kIpv6Transport + kTcpOctets;
        const bool fits = payload_octets >= (tcp ? kTcpOctets : kUdpOctets);
        if (!(known & there & fits)) [[unlikely]] {
            return false;
        }
        store(octets,
              {.ip_octets = payload_octets + kIpv6HeaderOctets,
               .flow_label = label & 0x000F'FFFF,
               .transport_offset = kIpv6Transport,
               .ether_type = kEtherTypeIpv6,
               .fragment_flags = 0,
               .family_to_hop_limit = static_cast<std::uint32_t>(IpFamily::ipv6) | protocol << 8 |
                                      (label >> 20 & 0xFF) << 16 | (last & 0xFF00) << 16,
               .tcp = tcp},
              headers);
        return true;
    }
    return false;
}

} // namespace probe
