// SPDX-License-Identifier: BSD-3-Clause
// The Flow Key (RFC 7011 section 2) as the flow table stores it.
//
// One layout an address family, in a narrow form (the 5-tuple, ToS and outer VLAN) and a wide form
// (also MAC addresses, interface, inner VLAN, EtherType and flow label). A template's `keys` become
// a mask over the layout: what is masked is zero, so any subset of key fields costs the same.
// Addresses and ports are in network byte order, the rest in host order. No padding: the table
// compares octets.
//
// In a biflow template the key is canonical: the endpoint that compares smaller stands first, so
// that both directions have one key; make_flow_key tells which way a packet went.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "probe/packet/load.hpp"
#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

/// Templates of one family share its tables; the template's number is part of every key, in the
/// four bits that the 12-bit VLAN identifier leaves.
inline constexpr unsigned kTemplatesPerFamilyMax = 16;
inline constexpr std::uint16_t kVlanIdMask = 0x0fff;
inline constexpr unsigned kTemplateShift = 12;

struct Ipv4Addresses {
    static constexpr IpFamily kFamily = IpFamily::ipv4;
    using Address = std::array<std::uint8_t, 4>;
    static constexpr std::size_t kSourceInHeader = 12; // RFC 791 section 3.1
};

struct Ipv6Addresses {
    static constexpr IpFamily kFamily = IpFamily::ipv6;
    using Address = std::array<std::uint8_t, 16>;
    static constexpr std::size_t kSourceInHeader = 8; // RFC 8200 section 3
};

using MacAddress = std::array<std::uint8_t, 6>;

struct NarrowKeyFields {};

struct WideKeyFields {
    MacAddress source_mac;
    MacAddress destination_mac;
    std::uint32_t ingress_interface;
    std::uint32_t flow_label;
    std::uint16_t inner_vlan_id;
    std::uint16_t ether_type;
};

template <class Family, class Extra>
struct FlowKey {
    using Addresses = Family;
    using Address = typename Family::Address;
    static constexpr bool kWide = std::is_same_v<Extra, WideKeyFields>;

    Address source;
    Address destination;
    std::uint16_t source_port_be; ///< or ICMP type and code, when a uniflow template keys on them
    std::uint16_t destination_port_be;
    std::uint16_t vlan_and_template; ///< outer VLAN identifier | template number << 12
    std::uint8_t protocol;
    std::uint8_t traffic_class;
    [[no_unique_address]] Extra extra;

    [[nodiscard]] unsigned template_number() const noexcept {
        return vlan_and_template >> kTemplateShift;
    }
    friend bool operator==(const FlowKey& a, const FlowKey& b) noexcept {
        return std::memcmp(&a, &b, sizeof(FlowKey)) == 0;
    }
};

using Ipv4Key = FlowKey<Ipv4Addresses, NarrowKeyFields>;
using Ipv4WideKey = FlowKey<Ipv4Addresses, WideKeyFields>;
using Ipv6Key = FlowKey<Ipv6Addresses, NarrowKeyFields>;
using Ipv6WideKey = FlowKey<Ipv6Addresses, WideKeyFields>;

static_assert(sizeof(Ipv4Key) == 16 && sizeof(Ipv6Key) == 40);
static_assert(sizeof(Ipv4WideKey) == 40 && sizeof(Ipv6WideKey) == 64);
static_assert(std::has_unique_object_representations_v<Ipv4WideKey> &&
                  std::has_unique_object_representations_v<Ipv6WideKey>,
              "keys are compared and hashed as octets, so none may be padding");
static_assert(std::is_trivially_copyable_v<Ipv6WideKey>);

/// The parts of a key that a template can ask for; bits of KeyParts.
enum class KeyPart : std::uint16_t {
    source_address = 1 << 0,
    destination_address = 1 << 1,
    source_port = 1 << 2,
    destination_port = 1 << 3,
    protocol = 1 << 4,
    traffic_class = 1 << 5,
    vlan_id = 1 << 6,
    icmp_type_code = 1 << 7, ///< in the place of source_port
    source_mac = 1 << 8,     ///< from here on: wide layouts only
    destination_mac = 1 << 9,
    ingress_interface = 1 << 10,
    flow_label = 1 << 11,
    inner_vlan_id = 1 << 12,
    ether_type = 1 << 13,
};

class KeyParts {
  public:
    constexpr KeyParts() = default;
    constexpr KeyParts& add(KeyPart part) noexcept {
        bits_ = static_cast<std::uint16_t>(bits_ | static_cast<std::uint16_t>(part));
        return *this;
    }
    [[nodiscard]] constexpr bool has(KeyPart part) const noexcept {
        return (bits_ & static_cast<std::uint16_t>(part)) != 0;
    }
    [[nodiscard]] constexpr bool wide() const noexcept { return bits_ >= (1U << 8); }
    friend constexpr bool operator==(KeyParts, KeyParts) = default;

  private:
    std::uint16_t bits_ = 0;
};

/// How a template makes keys: mask, number and whether both directions share one key.
template <class Key>
struct KeyRecipe {
    Key mask{};                      ///< all ones where the template has the part
    std::uint16_t template_bits = 0; ///< template number << kTemplateShift
    bool biflow = false;
    bool icmp_in_port = false;

    KeyRecipe() = default;
    KeyRecipe(KeyParts parts, unsigned template_number, bool biflow_template) noexcept
        : template_bits(static_cast<std::uint16_t>(template_number << kTemplateShift)),
          biflow(biflow_template),
          icmp_in_port(parts.has(KeyPart::icmp_type_code)) {
        const auto ones = [&](KeyPart part, auto& field) {
            if (parts.has(part)) {
                std::memset(&field, 0xff, sizeof field);
            }
        };
        ones(KeyPart::source_address, mask.source);
        ones(KeyPart::destination_address, mask.destination);
        ones(KeyPart::source_port, mask.source_port_be);
        ones(KeyPart::icmp_type_code, mask.source_port_be);
        ones(KeyPart::destination_port, mask.destination_port_be);
        ones(KeyPart::protocol, mask.protocol);
        ones(KeyPart::traffic_class, mask.traffic_class);
        mask.vlan_and_template = parts.has(KeyPart::vlan_id) ? kVlanIdMask : std::uint16_t{0};
        if constexpr (Key::kWide) {
            ones(KeyPart::source_mac, mask.extra.source_mac);
            ones(KeyPart::destination_mac, mask.extra.destination_mac);
            ones(KeyPart::ingress_interface, mask.extra.ingress_interface);
            ones(KeyPart::flow_label, mask.extra.flow_label);
            mask.extra.inner_vlan_id =
                parts.has(KeyPart::inner_vlan_id) ? kVlanIdMask : std::uint16_t{0};
            ones(KeyPart::ether_type, mask.extra.ether_type);
        }
    }
};

namespace flow_key_detail {

/// A key as words: addresses, then one word with ports, VLAN, template, protocol and class, then
/// the wide fields. It is put together in registers, loaded and stored word by word: what is stored
/// in one width and loaded in another (a field's and a word's, a word's and a vector's) has to
/// leave the store buffer first.
template <class Key>
struct KeyWords {
    static constexpr std::size_t kWords = sizeof(Key) / 8;
    static constexpr std::size_t kAddressWords = 2 * sizeof(typename Key::Address) / 8;
    static constexpr std::size_t kTail = kAddressWords;
    static constexpr std::size_t kExtra = kTail + 1; ///< wide keys only
    using Array = std::array<std::uint64_t, kWords>;
};

static_assert(std::endian::native == std::endian::little,
              "the tail word is put together by shifts");
static_assert(offsetof(Ipv4Key, source_port_be) == 8 && offsetof(Ipv4Key, protocol) == 14 &&
              offsetof(Ipv6Key, vlan_and_template) == 36 && offsetof(Ipv6Key, traffic_class) == 39);
static_assert(offsetof(WideKeyFields, destination_mac) == 6 &&
              offsetof(WideKeyFields, ingress_interface) == 12 &&
              offsetof(WideKeyFields, flow_label) == 16 &&
              offsetof(WideKeyFields, inner_vlan_id) == 20 &&
              offsetof(WideKeyFields, ether_type) == 22 && sizeof(WideKeyFields) == 24);
static_assert(offsetof(PacketHeaders, destination_port) ==
                  offsetof(PacketHeaders, source_port) + 2 &&
              offsetof(PacketHeaders, traffic_class) == offsetof(PacketHeaders, protocol) + 1);
[[nodiscard]] inline std::uint64_t tail_word(const PacketHeaders& headers,
                                             bool icmp_in_port) noexcept {
    std::uint32_t ports;
    std::memcpy(&ports, &headers.source_port, sizeof ports); // and destination_port
    if (icmp_in_port) {
        ports = (ports & 0xffff0000) | headers.icmp_type_code;
    }
    ports = (ports & 0x00ff00ff) << 8 | (ports >> 8 & 0x00ff00ff); // each in network order
    std::uint16_t protocol_and_class;
    std::memcpy(&protocol_and_class, &headers.protocol, sizeof protocol_and_class);
    return std::uint64_t{ports} | std::uint64_t{headers.outer_vlan_tci} << 32 |
           std::uint64_t{protocol_and_class} << 48;
}

/// The tail with its ports exchanged.
[[nodiscard]] constexpr std::uint64_t exchange_ports(std::uint64_t tail) noexcept {
    return (tail & ~std::uint64_t{0xffffffff}) | std::rotl(static_cast<std::uint32_t>(tail), 16);
}

/// `b` where `choose` is all ones, `a` where it is all zeros.
[[nodiscard]] constexpr std::uint64_t select(std::uint64_t choose, std::uint64_t a,
                                             std::uint64_t b) noexcept {
    return a ^ ((a ^ b) & choose);
}

inline constexpr std::uint64_t kMacMask = 0xffffffffffff;

/// The MAC addresses of an Ethernet frame, each in the low 48 bits; zero for other framings.
struct MacWords {
    std::uint64_t source = 0;
    std::uint64_t destination = 0;
};

[[nodiscard]] inline MacWords mac_words(const PacketView& packet) noexcept {
    if (packet.link != LinkType::ethernet || packet.captured_octets < 12) {
        return {};
    }
    return {load<std::uint64_t>(packet.octets + 4) >> 16,
            load<std::uint64_t>(packet.octets) & kMacMask};
}

/// The three words of WideKeyFields.
[[nodiscard]] inline std::array<std::uint64_t, 3> wide_words(
    const PacketView& packet, const PacketHeaders& headers) noexcept {
    const MacWords macs = mac_words(packet);
    return {macs.source | macs.destination << 48,
            macs.destination >> 16 | std::uint64_t{packet.ingress_interface} << 32,
            std::uint64_t{headers.flow_label} | std::uint64_t{headers.inner_vlan_tci} << 32 |
                std::uint64_t{headers.ether_type} << 48};
}

/// Exchanges `a` and `b` where `choose` is all ones.
constexpr void exchange_if(std::uint64_t choose, std::uint64_t& a, std::uint64_t& b) noexcept {
    const std::uint64_t difference = (a ^ b) & choose;
    a ^= difference;
    b ^= difference;
}

/// Whether the endpoints stand in the wrong order; any total order will do, as long as both
/// directions agree on it.
template <class Key>
[[nodiscard]] inline bool in_wrong_order(const typename KeyWords<Key>::Array& w) noexcept {
    const std::uint64_t source_port = w[KeyWords<Key>::kTail] & 0xffff;
    const std::uint64_t destination_port = w[KeyWords<Key>::kTail] >> 16 & 0xffff;
    if constexpr (sizeof(typename Key::Address) == 4) {
        return ((w[0] & 0xffffffff) << 16 | source_port) > (w[0] >> 32 << 16 | destination_port);
    } else {
        // as one number of 144 bits: source less destination, and its borrow
        const std::uint64_t low = std::uint64_t{source_port > destination_port};
        const std::uint64_t middle =
            std::uint64_t{w[1] > w[3]} | (std::uint64_t{w[1] == w[3]} & low);
        return (std::uint64_t{w[0] > w[2]} | (std::uint64_t{w[0] == w[2]} & middle)) != 0;
    }
}

/// Returns whether the endpoints were exchanged. Which way a packet goes is as good as random, so
/// nothing branches.
template <class Key>
[[nodiscard]] inline bool put_in_order(typename KeyWords<Key>::Array& w) noexcept {
    using Words = KeyWords<Key>;
    const bool reversed = in_wrong_order<Key>(w);
    const std::uint64_t exchange = 0 - std::uint64_t{reversed};
    if constexpr (Words::kAddressWords == 1) {
        w[0] = select(exchange, w[0], std::rotl(w[0], 32));
    } else {
        exchange_if(exchange, w[0], w[2]);
        exchange_if(exchange, w[1], w[3]);
    }
    w[Words::kTail] = select(exchange, w[Words::kTail], exchange_ports(w[Words::kTail]));
    if constexpr (Key::kWide) {
        std::uint64_t& macs = w[Words::kExtra];
        std::uint64_t& rest = w[Words::kExtra + 1];
        const std::uint64_t destination = macs >> 48 | (rest & 0xffffffff) << 16;
        const std::uint64_t difference = ((macs & kMacMask) ^ destination) & exchange;
        macs ^= difference | difference << 48;
        rest ^= difference >> 16;
    }
    return reversed;
}

} // namespace flow_key_detail

/// The MAC addresses of an Ethernet frame; zero for other framings.
inline void read_macs(const PacketView& packet, MacAddress& source,
                      MacAddress& destination) noexcept {
    const flow_key_detail::MacWords words = flow_key_detail::mac_words(packet);
    std::memcpy(source.data(), &words.source, source.size());
    std::memcpy(destination.data(), &words.destination, destination.size());
}

/// Makes the key of a parsed packet. Returns true when the endpoints were exchanged to make it
/// canonical.
template <class Key>
[[nodiscard]] inline bool make_flow_key(const PacketView& packet, const PacketHeaders& headers,
                                        const KeyRecipe<Key>& recipe, Key& key) noexcept {
    using Words = flow_key_detail::KeyWords<Key>;
    typename Words::Array w;
    // source and destination lie side by side in both headers, as they do in the key
    const std::uint8_t* const addresses =
        packet.octets + headers.network_offset + Key::Addresses::kSourceInHeader;
    for (std::size_t i = 0; i < Words::kAddressWords; ++i) {
        w[i] = load<std::uint64_t>(addresses + 8 * i);
    }
    w[Words::kTail] = flow_key_detail::tail_word(headers, recipe.icmp_in_port);
    if constexpr (Key::kWide) {
        const std::array<std::uint64_t, 3> extra = flow_key_detail::wide_words(packet, headers);
        std::copy(extra.begin(), extra.end(), w.begin() + Words::kExtra);
    }
    const auto* const mask = reinterpret_cast<const std::uint8_t*>(&recipe.mask);
    for (std::size_t i = 0; i < Words::kWords; ++i) {
        w[i] &= load<std::uint64_t>(mask + 8 * i);
    }
    w[Words::kTail] |= std::uint64_t{recipe.template_bits} << 32;
    const bool reversed = recipe.biflow && flow_key_detail::put_in_order<Key>(w);
    auto* const octets = reinterpret_cast<std::uint8_t*>(&key);
    for (std::size_t i = 0; i < Words::kWords; ++i) {
        std::memcpy(octets + 8 * i, &w[i], 8);
    }
    return reversed;
}

} // namespace probe
