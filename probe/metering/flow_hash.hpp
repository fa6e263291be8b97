// SPDX-License-Identifier: BSD-3-Clause
// A number that all records of a flow share: both directions of it, biflow or uniflows, and
// whatever template made them, as long as it keys on the same of addresses, ports and protocol. Its
// key is public and fixed, so that every probe and every run gives a flow the same number. Not for
// tables.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "probe/metering/flow_key.hpp"
#include "probe/metering/siphash.hpp"

namespace probe {

namespace flow_hash_detail {

inline constexpr SipKey kPublicKey{0x7061727368616c6cULL, 0x6f6e65666c6f7700ULL};

template <class Key>
[[nodiscard]] std::uint64_t endpoint(const typename Key::Address& address,
                                     std::uint16_t port_be) noexcept {
    constexpr std::size_t kOctets = (sizeof(typename Key::Address) + sizeof port_be + 7) / 8 * 8;
    std::array<std::uint8_t, kOctets> octets{};
    std::memcpy(octets.data(), address.data(), address.size());
    std::memcpy(octets.data() + address.size(), &port_be, sizeof port_be);
    return siphash24(kPublicKey, octets.data(), octets.size());
}

template <class Key>
[[nodiscard]] std::uint64_t of_key(const std::uint8_t* octets) noexcept {
    Key key;
    std::memcpy(&key, octets, sizeof key);
    // A sum does not know which end comes first.
    const std::array<std::uint64_t, 2> both = {
        endpoint<Key>(key.source, key.source_port_be) +
            endpoint<Key>(key.destination, key.destination_port_be),
        key.protocol};
    return siphash24(kPublicKey, both.data(), sizeof both);
}

} // namespace flow_hash_detail

/// `key`: the octets of a FlowKey of this family; the narrow form is the front of the wide one.
[[nodiscard]] inline std::uint64_t flow_hash(IpFamily family, const std::uint8_t* key) noexcept {
    return family == IpFamily::ipv4 ? flow_hash_detail::of_key<Ipv4Key>(key)
                                    : flow_hash_detail::of_key<Ipv6Key>(key);
}

} // namespace probe
