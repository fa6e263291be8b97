// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/flow_key.hpp"

#include <random>

#include "probe/packet/packet_parser.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packet_builder.hpp"

using namespace probe;
using namespace probe::test;

namespace {

constexpr KeyPart kEveryPart[] = {KeyPart::source_address,  KeyPart::destination_address,
                                  KeyPart::source_port,     KeyPart::destination_port,
                                  KeyPart::protocol,        KeyPart::traffic_class,
                                  KeyPart::vlan_id,         KeyPart::source_mac,
                                  KeyPart::destination_mac, KeyPart::ingress_interface,
                                  KeyPart::flow_label,      KeyPart::inner_vlan_id,
                                  KeyPart::ether_type};

KeyParts all_parts() {
    KeyParts parts;
    for (const KeyPart part : kEveryPart) {
        parts.add(part);
    }
    return parts;
}

KeyParts five_tuple() {
    return KeyParts()
        .add(KeyPart::source_address)
        .add(KeyPart::destination_address)
        .add(KeyPart::source_port)
        .add(KeyPart::destination_port)
        .add(KeyPart::protocol);
}

/// A frame with its parsed headers.
struct Parsed {
    std::vector<std::uint8_t> frame;
    PacketView view{};
    PacketHeaders headers{};

    explicit Parsed(const PacketBuilder& builder, std::uint32_t interface = 3)
        : frame(builder.build()) {
        view = {.octets = frame.data(),
                .captured_octets = static_cast<std::uint32_t>(frame.size()),
                .frame_octets = static_cast<std::uint32_t>(frame.size()),
                .time_ns = 1,
                .stripped_vlan_tci = 0,
                .vlan_stripped = false,
                .link = LinkType::ethernet,
                .ingress_interface = interface};
        REQUIRE(parse_packet(view, headers) == ParseVerdict::metered);
    }
};

template <class Key>
Key key_of(const Parsed& packet, const KeyRecipe<Key>& recipe, bool* reversed = nullptr) {
    Key key{};
    const bool exchanged = make_flow_key(packet.view, packet.headers, recipe, key);
    if (reversed != nullptr) {
        *reversed = exchanged;
    }
    return key;
}

template <class Key>
PacketBuilder frame(const std::string& source, const std::string& destination,
                    std::uint16_t source_port, std::uint16_t destination_port) {
    PacketBuilder builder;
    builder.ethernet().vlan(0x6064, 0x88a8).vlan(0xa0c8);
    if constexpr (Key::Addresses::kFamily == IpFamily::ipv4) {
        builder.ipv4({.source = source, .destination = destination, .traffic_class = 0x2e});
    } else {
        builder.ipv6({.source = source,
                      .destination = destination,
                      .traffic_class = 0x2e,
                      .hop_limit = 64,
                      .flow_label = 0x12345});
    }
    return builder.udp(source_port, destination_port);
}

template <class Key>
constexpr bool is_ipv4 = Key::Addresses::kFamily == IpFamily::ipv4;
template <class Key>
std::string low() {
    return is_ipv4<Key> ? "10.0.0.1" : "2001:db8::1";
}
template <class Key>
std::string high() {
    return is_ipv4<Key> ? "203.0.113.9" : "2001:db8:ffff::9";
}

} // namespace

TEMPLATE_TEST_CASE("each key part alone is what the packet has, and nothing else is in the key",
                   "[metering][key]", Ipv4WideKey, Ipv6WideKey) {
    using Key = TestType;
    const Parsed packet(frame<Key>(low<Key>(), high<Key>(), 1000, 53));
    const Key everything = key_of(packet, KeyRecipe<Key>(all_parts(), 0, false));
    CHECK(everything.source_port_be == 0xe803); // 1000 in network order
    CHECK(everything.destination_port_be == 0x3500);
    CHECK(everything.vlan_and_template == 0x064);
    CHECK(everything.protocol == 17);
    CHECK(everything.traffic_class == 0x2e);
    CHECK(everything.extra.source_mac == MacAddress{2, 0, 0, 0, 0, 1});
    CHECK(everything.extra.destination_mac == MacAddress{2, 0, 0, 0, 0, 2});
    CHECK(everything.extra.ingress_interface == 3);
    CHECK(everything.extra.flow_label == (is_ipv4<Key> ? 0 : 0x12345));
    CHECK(everything.extra.inner_vlan_id == 0x0c8);
    CHECK(everything.extra.ether_type == (is_ipv4<Key> ? 0x0800 : 0x86dd));

    Key joined{}; // the parts put together again are the whole: each part has its own octets
    std::size_t octets_set = 0;
    for (const KeyPart part : kEveryPart) {
        const Key one = key_of(packet, KeyRecipe<Key>(KeyParts().add(part), 0, false));
        auto* into = reinterpret_cast<std::uint8_t*>(&joined);
        const auto* from = reinterpret_cast<const std::uint8_t*>(&one);
        for (std::size_t i = 0; i < sizeof(Key); ++i) {
            CHECK((from[i] == 0 || into[i] == 0));
            into[i] = static_cast<std::uint8_t>(into[i] | from[i]);
            octets_set += from[i] != 0 ? 1 : 0;
        }
    }
    CHECK(joined == everything);
    CHECK(octets_set >= 18);
}

TEMPLATE_TEST_CASE("both directions have one key in a biflow and know which way they went",
                   "[metering][key]", Ipv4Key, Ipv4WideKey, Ipv6Key, Ipv6WideKey) {
    using Key = TestType;
    KeyParts parts = five_tuple();
    if (Key::kWide) {
        parts.add(KeyPart::source_mac).add(KeyPart::destination_mac);
    }
    const KeyRecipe<Key> biflow(parts, 0, true);
    const KeyRecipe<Key> uniflow(parts, 0, false);
    std::mt19937 random(7);
    std::size_t swapped = 0;
    for (int n = 0; n < 500; ++n) {
        const auto address = [&] {
            const auto octet = std::to_string(random() % 3 + 1);
            return is_ipv4<Key> ? octet + ".0.0." + octet : "2001:" + octet + "::" + octet;
        };
        const std::string a = address();
        const std::string b = address();
        const auto p = static_cast<std::uint16_t>(random() % 3 + 1000);
        const auto q = static_cast<std::uint16_t>(random() % 3 + 1000);
        PacketBuilder there = frame<Key>(a, b, p, q);
        PacketBuilder back = frame<Key>(b, a, q, p);
        Parsed to(there);
        Parsed from(back);
        std::swap_ranges(from.frame.begin(), from.frame.begin() + 6,
                         from.frame.begin() + 6); // MACs
        bool to_reversed = false;
        bool from_reversed = false;
        const Key to_key = key_of(to, biflow, &to_reversed);
        const Key from_key = key_of(from, biflow, &from_reversed);
        const bool same_endpoints = a == b && p == q;
        if (!(same_endpoints && Key::kWide)) {
            REQUIRE(to_key == from_key);
        }
        if (!same_endpoints) {
            REQUIRE(to_reversed != from_reversed);
            REQUIRE_FALSE(key_of(to, uniflow) == key_of(from, uniflow));
        }
        bool uniflow_reversed = true;
        (void)key_of(to, uniflow, &uniflow_reversed);
        REQUIRE_FALSE(uniflow_reversed);
        swapped += to_reversed ? 1 : 0;
    }
    CHECK(swapped > 100);
    CHECK(swapped < 400);
}

TEST_CASE("the template's number shares its word with the VLAN identifier", "[metering][key]") {
    const Parsed packet(PacketBuilder().ethernet().vlan(0xefff).ipv4().udp(1, 2));
    for (unsigned number = 0; number < kTemplatesPerFamilyMax; ++number) {
        const KeyParts with_vlan = five_tuple().add(KeyPart::vlan_id);
        const auto with = key_of(packet, KeyRecipe<Ipv4Key>(with_vlan, number, false));
        CHECK(with.template_number() == number);
        CHECK((with.vlan_and_template & kVlanIdMask) == 0xfff); // priority bits are no part of it
        const auto without = key_of(packet, KeyRecipe<Ipv4Key>(five_tuple(), number, true));
        CHECK(without.vlan_and_template == number << kTemplateShift);
    }
}

TEST_CASE("ICMP type and code stand in the source port of templates that ask for them",
          "[metering][key]") {
    const Parsed echo(PacketBuilder().ethernet().ipv4().icmp(8, 3));
    const KeyParts icmp = KeyParts().add(KeyPart::source_address).add(KeyPart::icmp_type_code);
    CHECK(key_of(echo, KeyRecipe<Ipv4Key>(icmp, 0, false)).source_port_be == 0x0308);
    CHECK(key_of(echo, KeyRecipe<Ipv4Key>(five_tuple(), 0, false)).source_port_be == 0);
}

TEST_CASE("MAC addresses are read from Ethernet only", "[metering][key]") {
    const auto octets = PacketBuilder().ethernet().ipv4().udp(1, 2).build();
    PacketView view{};
    view.octets = octets.data();
    view.captured_octets = static_cast<std::uint32_t>(octets.size());
    MacAddress source{};
    MacAddress destination{};
    view.link = LinkType::ethernet;
    read_macs(view, source, destination);
    CHECK(source[5] == 1);
    CHECK(destination[5] == 2);
    view.link = LinkType::raw_ip;
    read_macs(view, source, destination);
    CHECK(source == MacAddress{});
    CHECK(destination == MacAddress{});
    view.link = LinkType::ethernet;
    view.captured_octets = 11;
    read_macs(view, source, destination);
    CHECK(source == MacAddress{});
}
