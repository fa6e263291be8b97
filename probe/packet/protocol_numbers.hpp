// SPDX-License-Identifier: BSD-3-Clause
// Numbers of the layers the parser reads, with their registries. Host byte order.
#pragma once

#include <cstdint>

namespace probe {

// EtherTypes (IEEE 802 Numbers, iana.org/assignments/ieee-802-numbers).
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100; // IEEE 802.1Q, C-tag
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86DD;
inline constexpr std::uint16_t kEtherTypeMpls = 0x8847;
inline constexpr std::uint16_t kEtherTypeMplsUpstream = 0x8848; // RFC 5332
inline constexpr std::uint16_t kEtherTypePppoeDiscovery = 0x8863;
inline constexpr std::uint16_t kEtherTypePppoeSession = 0x8864;
inline constexpr std::uint16_t kEtherTypeEapol = 0x888E;
inline constexpr std::uint16_t kEtherTypeServiceVlan = 0x88A8; // IEEE 802.1ad, S-tag
inline constexpr std::uint16_t kEtherTypeLldp = 0x88CC;
inline constexpr std::uint16_t kEtherTypeMacsec = 0x88E5;
inline constexpr std::uint16_t kEtherTypeOldDoubleVlan = 0x9100; // before 802.1ad, still in use
/// Below this the two octets are an IEEE 802.3 length and LLC follows.
inline constexpr std::uint16_t kEtherTypeMin = 0x0600;

// PPP protocols (iana.org/assignments/ppp-numbers).
inline constexpr std::uint16_t kPppIpv4 = 0x0021;
inline constexpr std::uint16_t kPppIpv6 = 0x0057;
inline constexpr std::uint16_t kPppMpls = 0x0281;

// IP protocol numbers (iana.org/assignments/protocol-numbers).
inline constexpr std::uint8_t kProtocolHopByHop = 0;
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolIgmp = 2;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolDccp = 33;
inline constexpr std::uint8_t kProtocolRouting = 43;
inline constexpr std::uint8_t kProtocolFragment = 44;
inline constexpr std::uint8_t kProtocolAuthentication = 51;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;
inline constexpr std::uint8_t kProtocolNoNextHeader = 59;
inline constexpr std::uint8_t kProtocolDestinationOptions = 60;
inline constexpr std::uint8_t kProtocolSctp = 132;
inline constexpr std::uint8_t kProtocolMobility = 135;
inline constexpr std::uint8_t kProtocolUdpLite = 136;
inline constexpr std::uint8_t kProtocolHip = 139;
inline constexpr std::uint8_t kProtocolShim6 = 140;

// Fixed headers, octets.
inline constexpr std::uint32_t kEthernetHeaderOctets = 14;
inline constexpr std::uint32_t kIpv4HeaderOctets = 20; // without options
inline constexpr std::uint32_t kIpv6HeaderOctets = 40;

} // namespace probe
