// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/queue_symmetry.hpp"

#include <rte_thash.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace probe {
namespace {

constexpr std::size_t kKeyOctetsMin = 40; // 32 octets of addresses, 4 of ports, 4 of window
constexpr std::uint32_t kSamples = 64;
constexpr std::size_t kAddressWordsV4 = 1;
constexpr std::size_t kAddressWordsV6 = 4;

/// Source address, destination address, ports: 32-bit words as rte_softrss takes them.
using Tuple = std::array<std::uint32_t, 2 * kAddressWordsV6 + 1>;

/// A fixed sequence of unlike words; only that they differ matters.
std::uint32_t next_word(std::uint32_t& state) {
    state = state * 1664525U + 1013904223U; // Numerical Recipes' LCG
    return state ^ (state >> 16U);
}

Tuple reversed(const Tuple& tuple, std::size_t words) {
    Tuple other = tuple;
    std::swap_ranges(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(words),
                     other.begin() + static_cast<std::ptrdiff_t>(words));
    const std::uint32_t ports = tuple[2 * words];
    other[2 * words] = (ports << 16U) | (ports >> 16U);
    return other;
}

} // namespace

std::vector<std::uint8_t> symmetric_rss_key(std::size_t octets) {
    std::vector<std::uint8_t> key(octets);
    for (std::size_t i = 0; i < octets; ++i) {
        key[i] = i % 2 == 0 ? 0x6d : 0x5a;
    }
    return key;
}

bool is_symmetric_rss_key(std::span<const std::uint8_t> key) {
    if (key.size() < kKeyOctetsMin) {
        return false;
    }
    alignas(4) std::array<std::uint8_t, kKeyOctetsMin> aligned{};
    std::memcpy(aligned.data(), key.data(), aligned.size());
    std::uint32_t state = 1;
    for (std::uint32_t sample = 0; sample < kSamples; ++sample) {
        Tuple tuple{};
        std::generate(tuple.begin(), tuple.end(), [&state] { return next_word(state); });
        for (const std::size_t words : {kAddressWordsV4, kAddressWordsV6}) {
            Tuple other = reversed(tuple, words);
            for (const std::size_t ports : {std::size_t{0}, std::size_t{1}}) {
                const auto length = static_cast<std::uint32_t>(2 * words + ports);
                Tuple forward = tuple;
                if (rte_softrss(forward.data(), length, aligned.data()) !=
                    rte_softrss(other.data(), length, aligned.data())) {
                    return false;
                }
            }
        }
    }
    return true;
}

} // namespace probe
