// SPDX-License-Identifier: BSD-3-Clause
#include "tests/probe/packet/packet_cases.hpp"

#include <cstdio>

#include "tests/support/packet_builder.hpp"

namespace probe::test {
namespace {

using Cases = std::vector<PacketCase>;

constexpr LinkType kEthernet = LinkType::ethernet;

PacketBuilder on_ethernet() {
    return PacketBuilder().ethernet();
}

PacketBuilder tagged(std::uint32_t tags) {
    PacketBuilder frame = on_ethernet();
    for (std::uint32_t tag = 1; tag <= tags; ++tag) {
        frame.vlan(static_cast<std::uint16_t>(tag));
    }
    return frame;
}

PacketBuilder labelled(std::uint32_t labels) {
    PacketBuilder frame = on_ethernet();
    for (std::uint32_t label = 1; label <= labels; ++label) {
        frame.mpls(label, label == labels);
    }
    return frame;
}

PacketBuilder extended(std::uint32_t headers) {
    PacketBuilder frame = on_ethernet().ipv6();
    for (std::uint32_t header = 0; header < headers; ++header) {
        frame.extension(60);
    }
    return frame;
}

void add_link_cases(Cases& cases) {
    const auto add = [&](const char* description, LinkType link, const PacketBuilder& frame,
                         const char* expected) {
        cases.push_back({description, link, frame.build(), expected});
    };
    add("one tag", kEthernet, on_ethernet().vlan(0x200A).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 18/38 vlan 200a");
    add("two tags of 802.1ad", kEthernet, on_ethernet().vlan(100, 0x88A8).vlan(7).ipv6().udp(1, 2),
        "v6 p17 1>2 o48 at 22/62 vlan 0064.0007");
    add("the old double tag", kEthernet, on_ethernet().vlan(100, 0x9100).vlan(7).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 22/42 vlan 0064.0007");
    add("three tags: the outermost and the innermost", kEthernet, tagged(3).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 26/46 vlan 0001.0003 of 3");
    add("as many tags as the bound", kEthernet, tagged(32).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 142/162 vlan 0001.0020 of 32");
    add("more tags than the bound", kEthernet, tagged(33).ipv4().udp(1, 2), "dropped_vlan_depth");
    add("a label", kEthernet, labelled(1).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 18/38 mpls 14 type 8847");
    add("three labels over IPv6", kEthernet, labelled(3).ipv6().tcp(1, 2),
        "v6 p6 1>2 o60 at 26/66 bits 002 mpls 14 type 8847");
    add("upstream-assigned label behind a tag", kEthernet,
        on_ethernet().vlan(5).mpls(1, true, 0x8848).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 22/42 vlan 0005 mpls 18 type 8848");
    add("as many labels as the bound", kEthernet, labelled(16).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 78/98 mpls 14 type 8847");
    add("no bottom of stack within the bound", kEthernet, labelled(17).ipv4().udp(1, 2),
        "dropped_mpls_depth");
    add("a pseudowire", kEthernet, labelled(2).payload(40, 0), "ignored_mpls_payload");
    add("PPPoE", kEthernet, on_ethernet().pppoe().ipv4().tcp(1, 2),
        "v4 p6 1>2 o40 at 22/42 bits 002 type 8864");
    add("PPPoE behind two tags", kEthernet, on_ethernet().vlan(1).vlan(2).pppoe().ipv6().udp(1, 2),
        "v6 p17 1>2 o48 at 30/70 vlan 0001.0002 type 8864");
    add("PPP LCP", kEthernet, on_ethernet().pppoe().next_as(0xC021).payload(30),
        "ignored_pppoe_control");
    add("PPPoE discovery", kEthernet, on_ethernet().next_as(0x8863).payload(30),
        "ignored_pppoe_control");
    add("SNAP", kEthernet, PacketBuilder().ethernet_802_3().snap().ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 22/42");
    add("spanning tree", kEthernet, PacketBuilder().ethernet_802_3().payload(38, 0x42),
        "ignored_llc");
    add("ARP", kEthernet, on_ethernet().next_as(0x0806).payload(28), "ignored_arp");
    add("ARP behind a tag", kEthernet, on_ethernet().vlan(9).next_as(0x0806).payload(28),
        "ignored_arp");
    add("LLDP", kEthernet, on_ethernet().next_as(0x88CC).payload(28), "ignored_lldp");
    add("EAPOL", kEthernet, on_ethernet().next_as(0x888E).payload(28), "ignored_eapol");
    add("MACsec", kEthernet, on_ethernet().next_as(0x88E5).payload(28), "ignored_macsec");
    add("another EtherType", kEthernet, on_ethernet().next_as(0x9000).payload(28),
        "ignored_other_ethertype");
    add("PPP", LinkType::ppp, PacketBuilder().ppp(false).ipv6().udp(1, 2),
        "v6 p17 1>2 o48 at 2/42");
    add("PPP behind HDLC's address", LinkType::ppp, PacketBuilder().ppp(true).ipv4().tcp(1, 2),
        "v4 p6 1>2 o40 at 4/24 bits 002");
    add("PPP LCP on a line", LinkType::ppp, PacketBuilder().ppp(true).next_as(0xC021).payload(30),
        "ignored_pppoe_control");
    add("PPP with its protocol in one octet", LinkType::ppp,
        PacketBuilder().payload(1, 0x21).ipv4().udp(1, 2), "v4 p17 1>2 o28 at 1/21");
    add("PPP with a label", LinkType::ppp,
        PacketBuilder().ppp(true).next_as(0x0281).payload(3, 0x01).payload(1, 64).ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 8/28 mpls 4");
    add("PPP of one octet", LinkType::ppp, PacketBuilder().payload(1, 0), "dropped_link_truncated");
    add("a link type nobody knows", LinkType::unsupported, on_ethernet().ipv4().udp(1, 2),
        "ignored_link_type");
    add("raw IPv4", LinkType::raw_ip, PacketBuilder().ipv4().udp(1, 2), "v4 p17 1>2 o28 at 0/20");
    add("raw IPv6", LinkType::raw_ip, PacketBuilder().ipv6().udp(1, 2), "v6 p17 1>2 o48 at 0/40");
    add("raw with version 5", LinkType::raw_ip,
        PacketBuilder().ipv4().udp(1, 2).version_ihl_as(0x55), "dropped_ip_version");
    add("cooked", LinkType::linux_cooked, PacketBuilder().linux_cooked().ipv4().udp(1, 2),
        "v4 p17 1>2 o28 at 16/36");
    add("cooked with a tag", LinkType::linux_cooked,
        PacketBuilder().linux_cooked().vlan(3).ipv6().udp(1, 2),
        "v6 p17 1>2 o48 at 20/60 vlan 0003");
    add("cooked ARP", LinkType::linux_cooked,
        PacketBuilder().linux_cooked().next_as(0x0806).payload(28), "ignored_arp");
    add("cooked LLC", LinkType::linux_cooked, PacketBuilder().linux_cooked().next_as(4).payload(28),
        "ignored_llc");
    add("cooked netlink", LinkType::linux_cooked,
        PacketBuilder().linux_cooked().next_as(0).payload(28), "ignored_other_family");
    add("cooked, another EtherType", LinkType::linux_cooked,
        PacketBuilder().linux_cooked().next_as(0x9000).payload(28), "ignored_other_family");
    add("cooked v2", LinkType::linux_cooked_2, PacketBuilder().linux_cooked_2().ipv6().udp(1, 2),
        "v6 p17 1>2 o48 at 20/60");
    add("loopback, little endian", LinkType::null_loopback,
        PacketBuilder().null_loopback(true).ipv4().udp(1, 2), "v4 p17 1>2 o28 at 4/24");
    add("loopback, big endian", LinkType::null_loopback,
        PacketBuilder().null_loopback(false).ipv4().udp(1, 2), "v4 p17 1>2 o28 at 4/24");
    for (const std::uint8_t inet6 : std::initializer_list<std::uint8_t>{10, 24, 28, 30}) {
        add("loopback IPv6 of one system or another", LinkType::null_loopback,
            PacketBuilder().null_loopback(true, inet6).ipv6().udp(1, 2), "v6 p17 1>2 o48 at 4/44");
    }
    add("loopback, another family", LinkType::null_loopback,
        PacketBuilder().null_loopback(true).next_as(7).payload(40), "ignored_other_family");
}

void add_ipv4_cases(Cases& cases) {
    const auto add = [&](const char* description, const PacketBuilder& frame,
                         const char* expected) {
        cases.push_back({description, kEthernet, frame.build(), expected});
    };
    add("UDP in IPv4", on_ethernet().ipv4().udp(1000, 53).payload(10),
        "v4 p17 1000>53 o38 at 14/34");
    add("TCP in IPv4", on_ethernet().ipv4().tcp(50000, 443, 0x18),
        "v4 p6 50000>443 o40 at 14/34 bits 018");
    add("the ninth control bit and the reserved ones", on_ethernet().ipv4().tcp(1, 2, 0xFC2),
        "v4 p6 1>2 o40 at 14/34 bits fc2");
    add("UDP-Lite", on_ethernet().ipv4().udp_lite(3, 4), "v4 p136 3>4 o28 at 14/34");
    add("SCTP", on_ethernet().ipv4().sctp(3, 4), "v4 p132 3>4 o32 at 14/34");
    add("DCCP", on_ethernet().ipv4().dccp(3, 4), "v4 p33 3>4 o32 at 14/34");
    add("ICMP", on_ethernet().ipv4().icmp(8, 3), "v4 p1 0>0 o28 at 14/34 icmp 0803");
    add("IGMP", on_ethernet().ipv4().igmp(), "v4 p2 0>0 o28 at 14/34");
    add("ICMPv6 has no business in IPv4", on_ethernet().ipv4().icmpv6(128, 0),
        "v4 p58 0>0 o28 at 14/34");
    add("a protocol without ports", on_ethernet().ipv4().protocol(47).payload(20),
        "v4 p47 0>0 o40 at 14/34");
    add("authentication header in IPv4 is the protocol",
        on_ethernet().ipv4().authentication().udp(1, 2), "v4 p51 0>0 o52 at 14/34");
    add("options", on_ethernet().ipv4({.option_octets = 40}).udp(1, 2), "v4 p17 1>2 o68 at 14/74");
    add("traffic class, TTL, don't fragment",
        on_ethernet()
            .ipv4({.traffic_class = 0xB8, .hop_limit = 3, .dont_fragment = true})
            .udp(1, 2),
        "v4 p17 1>2 o28 at 14/34 tc b8 ttl 3 flags 40");
    add("first fragment", on_ethernet().ipv4({.more_fragments = true}).udp(1, 2).payload(8),
        "v4 p17 1>2 o36 at 14/34 flags 20 fragment 0");
    add("later fragment",
        on_ethernet().ipv4({.more_fragments = true, .fragment_offset = 1480}).udp(1, 2),
        "v4 p17 0>0 o28 at 14/0 flags 20 fragment 1480");
    add("last fragment", on_ethernet().ipv4({.fragment_offset = 65528}).tcp(1, 2),
        "v4 p6 0>0 o40 at 14/0 fragment 65528");
    add("Ethernet padding is not the packet", on_ethernet().ipv4().udp(1, 2).padding(18),
        "v4 p17 1>2 o28 at 14/34");
    add("padding is not a transport header", on_ethernet().ipv4().protocol(17).padding(26),
        "v4 p17 0>0 o20 at 14/0 cut");
    add("a total length beyond the frame is what is billed",
        on_ethernet().ipv4().udp(1, 2).ip_octets_as(1500), "v4 p17 1>2 o1500 at 14/34");
    add("nothing behind the header", on_ethernet().ipv4().protocol(47), "v4 p47 0>0 o20 at 14/0");
    add("version 6 under the EtherType of IPv4",
        on_ethernet().ipv4().udp(1, 2).version_ihl_as(0x65), "dropped_ip_version");
    add("a header of four words", on_ethernet().ipv4().udp(1, 2).version_ihl_as(0x44),
        "dropped_ip_header_length");
    add("a total length below the header's", on_ethernet().ipv4().udp(1, 2).ip_octets_as(19),
        "dropped_ip_header_length");
    add("a total length inside the options",
        on_ethernet().ipv4({.option_octets = 8}).udp(1, 2).ip_octets_as(27),
        "dropped_ip_header_length");
    add("a header longer than the frame",
        on_ethernet().ipv4().udp(1, 2).version_ihl_as(0x4F).ip_octets_as(100),
        "dropped_ip_header_length");
}

void add_ipv6_cases(Cases& cases) {
    const auto add = [&](const char* description, const PacketBuilder& frame,
                         const char* expected) {
        cases.push_back({description, kEthernet, frame.build(), expected});
    };
    add("UDP in IPv6", on_ethernet().ipv6().udp(1000, 53).payload(10),
        "v6 p17 1000>53 o58 at 14/54");
    add("TCP in IPv6", on_ethernet().ipv6().tcp(1, 2, 0x11), "v6 p6 1>2 o60 at 14/54 bits 011");
    add("traffic class, hop limit, flow label",
        on_ethernet()
            .ipv6({.traffic_class = 0xB8, .hop_limit = 1, .flow_label = 0xABCDE})
            .udp(1, 2),
        "v6 p17 1>2 o48 at 14/54 tc b8 ttl 1 label abcde");
    add("ICMPv6", on_ethernet().ipv6().icmpv6(135, 1), "v6 p58 0>0 o48 at 14/54 icmp 8701");
    add("ICMP has no business in IPv6", on_ethernet().ipv6().icmp(8, 0), "v6 p1 0>0 o48 at 14/54");
    add("no next header", on_ethernet().ipv6().protocol(59), "v6 p59 0>0 o40 at 14/0");
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0, 43, 60, 135, 139, 140}) {
        add("one extension header of each kind", on_ethernet().ipv6().extension(type, 16).udp(1, 2),
            "v6 p17 1>2 o64 at 14/70");
    }
    add("authentication counts in units of four", on_ethernet().ipv6().authentication(28).tcp(1, 2),
        "v6 p6 1>2 o88 at 14/82 bits 002");
    add("a chain",
        on_ethernet()
            .ipv6()
            .extension(0)
            .extension(60)
            .extension(43, 24)
            .authentication()
            .extension(60)
            .tcp(1, 2),
        "v6 p6 1>2 o132 at 14/126 bits 002");
    add("ESP ends the chain", on_ethernet().ipv6().extension(0).protocol(50).payload(20),
        "v6 p50 0>0 o68 at 14/62");
    add("as many extension headers as the bound", extended(32).udp(1, 2),
        "v6 p17 1>2 o304 at 14/310");
    add("more extension headers than the bound", extended(33).udp(1, 2),
        "v6 p60 0>0 o312 at 14/0 chain cut");
    add("an extension header that runs off the packet",
        on_ethernet().ipv6().extension(60, 64).udp(1, 2).ip_octets_as(40),
        "v6 p17 0>0 o80 at 14/0 chain cut");
    add("first fragment", on_ethernet().ipv6().fragment(0, true).udp(1, 2),
        "v6 p17 1>2 o56 at 14/62 flags 20 fragment 0");
    add("later fragment", on_ethernet().ipv6().fragment(1448, true).udp(1, 2),
        "v6 p17 0>0 o56 at 14/0 flags 20 fragment 1448");
    add("last fragment behind options",
        on_ethernet().ipv6().extension(0).fragment(65528, false).tcp(1, 2),
        "v6 p6 0>0 o76 at 14/0 fragment 65528");
    add("a later fragment of a chain says no more",
        on_ethernet().ipv6().fragment(8, false).extension(60).udp(1, 2),
        "v6 p60 0>0 o64 at 14/0 fragment 8");
    add("an atomic fragment is a whole packet", on_ethernet().ipv6().fragment(0, false).udp(1, 2),
        "v6 p17 1>2 o56 at 14/62");
    add("jumbo payload", on_ethernet().ipv6().jumbo(70'000).udp(1, 2).payload(69'984),
        "v6 p17 1>2 o70040 at 14/62");
    add("a jumbo payload of more than the wire carried",
        on_ethernet().ipv6().jumbo(0xFFFFFFFF).udp(1, 2), "dropped_ip_header_length");
    add("a jumbo payload that needs no jumbo", on_ethernet().ipv6().jumbo(65'535).udp(1, 2),
        "v6 p0 0>0 o40 at 14/0 chain cut");
    add("payload length 0 without a jumbo option", on_ethernet().ipv6().udp(1, 2).ip_octets_as(0),
        "v6 p17 0>0 o40 at 14/0 cut");
    add("padding", on_ethernet().ipv6().udp(1, 2).padding(6), "v6 p17 1>2 o48 at 14/54");
    add("version 4 under the EtherType of IPv6",
        on_ethernet().ipv6().udp(1, 2).version_ihl_as(0x45), "dropped_ip_version");
}

} // namespace

std::vector<PacketCase> packet_cases() {
    Cases cases;
    add_link_cases(cases);
    add_ipv4_cases(cases);
    add_ipv6_cases(cases);
    return cases;
}

std::string outcome(ParseVerdict verdict, const PacketHeaders& headers) {
    if (verdict != ParseVerdict::metered) {
        return std::string(kParseVerdictNames[static_cast<std::size_t>(verdict)]);
    }
    const auto hex = [](const char* before, int digits, unsigned value) {
        char text[16];
        std::snprintf(text, sizeof text, "%0*x", digits, value);
        return std::string(before) + text;
    };
    const bool v4 = headers.family == IpFamily::ipv4;
    std::string text = v4 ? "v4" : "v6";
    text += " p" + std::to_string(headers.protocol) + " " + std::to_string(headers.source_port) +
            ">" + std::to_string(headers.destination_port) + " o" +
            std::to_string(headers.ip_octets) + " at " + std::to_string(headers.network_offset) +
            "/" + std::to_string(headers.transport_offset);
    text += headers.tcp_control_bits != 0 ? hex(" bits ", 3, headers.tcp_control_bits) : "";
    text += headers.icmp_type_code != 0 ? hex(" icmp ", 4, headers.icmp_type_code) : "";
    text += headers.traffic_class != 0 ? hex(" tc ", 2, headers.traffic_class) : "";
    text += headers.hop_limit != 64 ? " ttl " + std::to_string(headers.hop_limit) : "";
    text += headers.flow_label != 0 ? hex(" label ", 5, headers.flow_label) : "";
    text += headers.fragment_flags != 0 ? hex(" flags ", 2, headers.fragment_flags) : "";
    text += headers.is_fragment ? " fragment " + std::to_string(headers.fragment_offset) : "";
    text += headers.vlan_tags >= 1 ? hex(" vlan ", 4, headers.outer_vlan_tci) : "";
    text += headers.vlan_tags >= 2 ? hex(".", 4, headers.inner_vlan_tci) : "";
    text += headers.vlan_tags >= 3 ? " of " + std::to_string(headers.vlan_tags) : "";
    text += headers.mpls_offset != 0 ? " mpls " + std::to_string(headers.mpls_offset) : "";
    text +=
        headers.ether_type != (v4 ? 0x0800 : 0x86DD) ? hex(" type ", 4, headers.ether_type) : "";
    text += headers.transport_cut ? " cut" : "";
    text += headers.extension_chain_cut ? " chain cut" : "";
    return text;
}

} // namespace probe::test
