// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4 (Aumasson and Bernstein, 2012) over keys whose length is a multiple of eight octets.
//
// The scalar form below is the definition. Output: 64 bits; the key is 128 bits and secret, so
// nobody outside can prepare flow keys that collide. Pure and thread-safe. Octets are read
// little-endian, as the reference does.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace probe {

struct SipKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;

    /// A fresh key from getrandom(2). Throws std::system_error when the kernel refuses.
    [[nodiscard]] static SipKey random();
};

namespace siphash_detail {

struct State {
    std::uint64_t v0, v1, v2, v3;

    constexpr void round() noexcept {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }

    constexpr void absorb(std::uint64_t word) noexcept {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }

    [[nodiscard]] constexpr std::uint64_t finish() noexcept {
        v2 ^= 0xff;
        round();
        round();
        round();
        round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

[[nodiscard]] constexpr State begin(const SipKey& key) noexcept {
    return {0x736f6d6570736575ULL ^ key.k0, 0x646f72616e646f6dULL ^ key.k1,
            0x6c7967656e657261ULL ^ key.k0, 0x7465646279746573ULL ^ key.k1};
}

} // namespace siphash_detail

/// SipHash-2-4 of `octets` octets at `data`; any length (the tail is handled as the paper says).
[[nodiscard]] inline std::uint64_t siphash24(const SipKey& key, const void* data,
                                             std::size_t octets) noexcept {
    static_assert(std::endian::native == std::endian::little, "words are loaded as they lie");
    siphash_detail::State s = siphash_detail::begin(key);
    const auto* at = static_cast<const unsigned char*>(data);
    const std::size_t words = octets / 8;
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, at + i * 8, 8);
        s.absorb(word);
    }
    std::uint64_t last = static_cast<std::uint64_t>(octets) << 56;
    std::memcpy(&last, at + words * 8, octets % 8); // little-endian: the tail fills the low octets
    s.absorb(last);
    return s.finish();
}

/// The same for a length known when compiling, without a tail: unrolled, and inlined wherever it is
/// used, so that a CPU overlaps one key with the next.
template <std::size_t kOctets>
[[nodiscard]] [[gnu::always_inline]] inline std::uint64_t siphash24_fixed(
    const SipKey& key, const void* data) noexcept {
    static_assert(kOctets % 8 == 0, "whole words");
    siphash_detail::State s = siphash_detail::begin(key);
    const auto* at = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < kOctets; i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at + i, 8);
        s.absorb(word);
    }
    s.absorb(std::uint64_t{kOctets & 0xff} << 56);
    return s.finish();
}

/// `count` keys of `kOctets` octets each, lying one behind the other; out[i] is the hash of key i.
/// The lengths of the flow keys (16, 40, 64) are hashed several keys at once by the widest vectors
/// the CPU has (siphash_simd.cpp).
template <std::size_t kOctets>
void siphash24_burst(const SipKey& key, const void* keys, std::size_t count,
                     std::uint64_t* out) noexcept {
    static_assert(kOctets % 8 == 0, "flow keys are whole words");
    const auto* at = static_cast<const unsigned char*>(keys);
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = siphash24_fixed<kOctets>(key, at + i * kOctets);
    }
}
template <>
void siphash24_burst<16>(const SipKey&, const void*, std::size_t, std::uint64_t*) noexcept;
template <>
void siphash24_burst<40>(const SipKey&, const void*, std::size_t, std::uint64_t*) noexcept;
template <>
void siphash24_burst<64>(const SipKey&, const void*, std::size_t, std::uint64_t*) noexcept;

/// For tests and benchmarks: the vector targets this CPU can run, best first, and to use one of
/// them ("": the best again). False when there is no such target. Not while workers run.
[[nodiscard]] std::vector<std::string> siphash_targets();
bool use_siphash_target(const std::string& name);

/// The one place where 64 bits become the flow index's 32-bit signature.
[[nodiscard]] constexpr std::uint32_t index_signature(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

} // namespace probe
