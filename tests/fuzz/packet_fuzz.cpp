// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: the packet parser. The first octet chooses the link type, the second what the NIC did
// and how much longer the frame was on the wire; the rest is the frame.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "probe/packet/packet_parser.hpp"

namespace {

constexpr std::uint8_t kLinkTypes = static_cast<std::uint8_t>(probe::LinkType::unsupported) + 1;

void require(bool held) {
    if (!held) {
        std::abort();
    }
}

/// What every reader of PacketHeaders may rely on.
void check(const probe::PacketView& packet, const probe::PacketHeaders& headers) {
    const bool v4 = headers.family == probe::IpFamily::ipv4;
    require(headers.network_offset + (v4 ? 20u : 40u) <= packet.captured_octets);
    require((packet.octets[headers.network_offset] >> 4) == (v4 ? 4 : 6));
    require(headers.ip_octets >= (v4 ? 20u : 40u));
    require(headers.transport_offset == 0 || headers.transport_offset < packet.captured_octets);
    require(headers.transport_offset == 0 || headers.transport_offset > headers.network_offset);
    require(headers.mpls_offset == 0 || headers.mpls_offset < headers.network_offset);
    require(headers.fragment_offset == 0 ||
            (headers.is_fragment && headers.source_port == 0 && headers.destination_port == 0));
    require(headers.vlan_tags <= probe::kVlanTagsMax);
    require(headers.tcp_control_bits == 0 || headers.protocol == 6);
    require((headers.fragment_flags & ~0x60) == 0 && headers.flow_label <= 0xFFFFF);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2 || size > 1u << 17) {
        return 0;
    }
    probe::PacketView packet{};
    packet.link = static_cast<probe::LinkType>(data[0] % kLinkTypes);
    packet.octets = data + 2;
    packet.captured_octets = static_cast<std::uint32_t>(size - 2);
    packet.frame_octets = packet.captured_octets + (data[1] & 0x7Fu) * 16u;
    packet.vlan_stripped = (data[1] & 0x80) != 0;
    packet.stripped_vlan_tci = 0x0FFF;
    probe::PacketHeaders headers;
    const probe::ParseVerdict verdict = probe::parse_packet(packet, headers);
    require(verdict < probe::ParseVerdict::count_);
    if (verdict == probe::ParseVerdict::metered) {
        check(packet, headers);
    }
    probe::PacketHeaders quick;
    if (probe::parse_common_frame(packet, quick)) {
        probe::PacketHeaders general;
        require(probe::parse_any_frame(packet, general) == probe::ParseVerdict::metered);
        require(std::memcmp(&quick, &general, sizeof quick) == 0);
    }
    return 0;
}
