// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/meterable_elements.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

namespace probe {

namespace {

using enum ValueSource;
constexpr auto kBoth = ElementFamily::both;
constexpr auto kV4 = ElementFamily::ipv4;
constexpr auto kV6 = ElementFamily::ipv6;
constexpr std::optional<KeyPart> kNoKey = std::nullopt;
constexpr bool kValue = true;
constexpr bool kNoValue = false;
constexpr bool kReverse = true;
constexpr bool kNoReverse = false;

constexpr auto kEntries = std::to_array<MeterableEntry>({
    {1, octet_delta, kNoKey, kValue, kReverse, kBoth,
     "IP octets since the flow's last record, from the IP length field"},
    {2, packet_delta, kNoKey, kValue, kReverse, kBoth, "packets since the flow's last record"},
    {4, protocol, KeyPart::protocol, kNoValue, kNoReverse, kBoth,
     "the upper-layer protocol, behind IPv6's extension headers"},
    {5, traffic_class, KeyPart::traffic_class, kValue, kReverse, kBoth,
     "ToS octet or Traffic Class of the first packet"},
    {6, tcp_bits, kNoKey, kValue, kReverse, kBoth,
     "TCP control bits seen since the last record, or-ed (RFC 9565: 12 bits)"},
    {7, source_port, KeyPart::source_port, kNoValue, kNoReverse, kBoth,
     "source port; 0 without ports and in later fragments"},
    {8, source_address, KeyPart::source_address, kNoValue, kNoReverse, kV4, "source address"},
    {10, ingress_interface, KeyPart::ingress_interface, kValue, kReverse, kBoth,
     "number of the observation point (observation.points)"},
    {11, destination_port, KeyPart::destination_port, kNoValue, kNoReverse, kBoth,
     "destination port; 0 without ports and in later fragments"},
    {12, destination_address, KeyPart::destination_address, kNoValue, kNoReverse, kV4,
     "destination address"},
    {25, ip_octets_min, kNoKey, kValue, kReverse, kBoth,
     "length of the shortest IP packet since the last record"},
    {26, ip_octets_max, kNoKey, kValue, kReverse, kBoth,
     "length of the longest IP packet since the last record"},
    {27, source_address, KeyPart::source_address, kNoValue, kNoReverse, kV6, "source address"},
    {28, destination_address, KeyPart::destination_address, kNoValue, kNoReverse, kV6,
     "destination address"},
    {31, flow_label, KeyPart::flow_label, kValue, kReverse, kV6, "flow label of the first packet"},
    {32, icmp_type_code, KeyPart::icmp_type_code, kValue, kReverse, kV4,
     "ICMP type * 256 + code of the first packet"},
    {34, sampling_interval, kNoKey, kValue, kNoReverse, kBoth,
     "metering.sampling: one packet in so many is metered"},
    {52, hop_limit_min, kNoKey, kValue, kReverse, kBoth,
     "smallest TTL or hop limit since the last record"},
    {53, hop_limit_max, kNoKey, kValue, kReverse, kBoth,
     "largest TTL or hop limit since the last record"},
    {56, source_mac, KeyPart::source_mac, kValue, kReverse, kBoth,
     "source MAC address of the first packet"},
    {58, outer_vlan_id, KeyPart::vlan_id, kValue, kReverse, kBoth,
     "12-bit identifier of the outer VLAN tag; 0 without one"},
    {60, ip_version, kNoKey, kValue, kNoReverse, kBoth, "4 or 6"},
    {61, flow_direction, kNoKey, kValue, kNoReverse, kBoth,
     "direction of the observation point: 0 ingress, 1 egress"},
    {70, mpls_label, kNoKey, kValue, kReverse, kBoth,
     "top MPLS label of the first packet: label, traffic class, S bit"},
    {80, destination_mac, KeyPart::destination_mac, kValue, kReverse, kBoth,
     "destination MAC address of the first packet"},
    {85, octet_total, kNoKey, kValue, kReverse, kBoth, "IP octets since the flow began"},
    {86, packet_total, kNoKey, kValue, kReverse, kBoth, "packets since the flow began"},
    {136, end_reason, kNoKey, kValue, kNoReverse, kBoth, "why this record was made"},
    {139, icmp_type_code, KeyPart::icmp_type_code, kValue, kReverse, kV6,
     "ICMPv6 type * 256 + code of the first packet"},
    {148, flow_id, kNoKey, kValue, kNoReverse, kBoth,
     "a hash of the flow key and this record's start: the same in every run"},
    {149, domain_id, kNoKey, kValue, kNoReverse, kBoth, "observation.domain_id"},
    {150, start_seconds, kNoKey, kValue, kReverse, kBoth,
     "time of the first packet of this record"},
    {151, end_seconds, kNoKey, kValue, kReverse, kBoth, "time of the last packet of this record"},
    {152, start_milliseconds, kNoKey, kValue, kReverse, kBoth,
     "time of the first packet of this record"},
    {153, end_milliseconds, kNoKey, kValue, kReverse, kBoth,
     "time of the last packet of this record"},
    {154, start_microseconds, kNoKey, kValue, kReverse, kBoth,
     "time of the first packet of this record"},
    {155, end_microseconds, kNoKey, kValue, kReverse, kBoth,
     "time of the last packet of this record"},
    {156, start_nanoseconds, kNoKey, kValue, kReverse, kBoth,
     "time of the first packet of this record"},
    {157, end_nanoseconds, kNoKey, kValue, kReverse, kBoth,
     "time of the last packet of this record"},
    {161, duration_milliseconds, kNoKey, kValue, kReverse, kBoth, "end less start"},
    {162, duration_microseconds, kNoKey, kValue, kReverse, kBoth, "end less start"},
    {176, icmp_type, kNoKey, kValue, kReverse, kV4, "ICMP type of the first packet"},
    {177, icmp_code, kNoKey, kValue, kReverse, kV4, "ICMP code of the first packet"},
    {178, icmp_type, kNoKey, kValue, kReverse, kV6, "ICMPv6 type of the first packet"},
    {179, icmp_code, kNoKey, kValue, kReverse, kV6, "ICMPv6 code of the first packet"},
    {192, hop_limit_first, kNoKey, kValue, kReverse, kBoth, "TTL or hop limit of the first packet"},
    {195, dscp, kNoKey, kValue, kReverse, kBoth, "DSCP of the first packet"},
    {196, precedence, kNoKey, kValue, kReverse, kBoth, "IP precedence of the first packet"},
    {197, fragment_flags, kNoKey, kValue, kReverse, kBoth, "DF and MF of the first packet"},
    {206, is_multicast, kNoKey, kValue, kNoReverse, kBoth,
     "multicast properties of the destination address"},
    {210, padding, kNoKey, kValue, kNoReverse, kBoth, "zero octets"},
    {239, biflow_direction, kNoKey, kValue, kNoReverse, kBoth,
     "1: the source initiated the flow; 0: first seen in mid-stream"},
    {243, outer_vlan_id, KeyPart::vlan_id, kValue, kReverse, kBoth,
     "12-bit identifier of the outer VLAN tag; 0 without one"},
    {244, outer_vlan_priority, kNoKey, kValue, kReverse, kBoth, "priority of the outer VLAN tag"},
    {245, inner_vlan_id, KeyPart::inner_vlan_id, kValue, kReverse, kBoth,
     "12-bit identifier of the inner VLAN tag; 0 without one"},
    {246, inner_vlan_priority, kNoKey, kValue, kReverse, kBoth, "priority of the inner VLAN tag"},
    {256, ether_type, KeyPart::ether_type, kValue, kReverse, kBoth,
     "EtherType behind all VLAN tags"},
    {291, packet_list, kNoKey, kValue, kNoReverse, kBoth,
     "basicList(ELEMENT) of the first 16 packets of this record, both directions in their order: "
     "ipTotalLength, tcpControlBits, biflowDirection (1 forward, 2 reverse), "
     "observationTimeMilliseconds, -Microseconds, -Nanoseconds"},
    {352, frame_octet_delta, kNoKey, kValue, kReverse, kBoth,
     "frame octets since the flow's last record"},
});

bool by_number(const MeterableEntry& a, const MeterableEntry& b) noexcept {
    return std::tie(a.enterprise, a.id) < std::tie(b.enterprise, b.id);
}

/// The table, and the fields of layer 7 that have an element.
std::vector<MeterableEntry> all_entries() {
    std::vector<MeterableEntry> entries(kEntries.begin(), kEntries.end());
    for (std::size_t i = 0; i < kApplicationFields; ++i) {
        const ApplicationFieldInfo& info = field_info(static_cast<ApplicationField>(i));
        if (info.element != 0) {
            entries.push_back({info.element, application, kNoKey, kValue, kNoReverse, kBoth,
                               info.name, info.enterprise, info.field});
        }
    }
    std::sort(entries.begin(), entries.end(), by_number);
    return entries;
}

} // namespace

std::span<const MeterableEntry> meterable_entries() {
    static const std::vector<MeterableEntry> entries = all_entries();
    return entries;
}

const MeterableEntry* find_meterable(std::uint32_t enterprise, std::uint16_t id) {
    MeterableEntry wanted{};
    wanted.enterprise = enterprise;
    wanted.id = id;
    const auto entries = meterable_entries();
    const auto at = std::lower_bound(entries.begin(), entries.end(), wanted, by_number);
    const bool found = at != entries.end() && !by_number(wanted, *at);
    return found ? &*at : nullptr;
}

} // namespace probe
