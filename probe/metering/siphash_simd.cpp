// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4 over many keys at once, one key a lane: Highway compiles this file for every vector
// width and picks the widest at run time. The scalar siphash24 is the definition; a differential
// test holds both together.
#include "probe/metering/siphash.hpp"

// Lanes keeps vectors in a struct, which SVE's cannot be in.
#ifdef __aarch64__
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "probe/metering/siphash_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace probe::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<std::uint64_t>;
using V = hn::Vec<D>;

// AVX-512 rotates in one instruction; narrower vectors do so by whole octets only, as a shuffle.
template <int kBits>
HWY_INLINE V rotate_left(V v) {
#if HWY_TARGET > HWY_AVX3
    const D d;
    if constexpr (kBits == 32) {
        const hn::Repartition<std::uint32_t, D> halves;
        return hn::BitCast(d, hn::Shuffle2301(hn::BitCast(halves, v)));
    } else if constexpr (kBits == 16) {
        const hn::Repartition<std::uint8_t, D> octets;
        alignas(16) static constexpr std::uint8_t kOrder[16] = {6,  7,  0, 1, 2,  3,  4,  5,
                                                                14, 15, 8, 9, 10, 11, 12, 13};
        return hn::BitCast(
            d, hn::TableLookupBytes(hn::BitCast(octets, v), hn::LoadDup128(octets, kOrder)));
    }
#endif
    return hn::RotateRight<64 - kBits>(v);
}

struct Lanes {
    V v0, v1, v2, v3;

    HWY_INLINE void round() {
        v0 = hn::Add(v0, v1);
        v2 = hn::Add(v2, v3);
        v1 = hn::Xor(rotate_left<13>(v1), v0);
        v3 = hn::Xor(rotate_left<16>(v3), v2);
        v0 = rotate_left<32>(v0);
        v2 = hn::Add(v2, v1);
        v0 = hn::Add(v0, v3);
        v1 = hn::Xor(rotate_left<17>(v1), v2);
        v3 = hn::Xor(rotate_left<21>(v3), v0);
        v2 = rotate_left<32>(v2);
    }
};

/// Word `w` of `Lanes(d)` keys that lie `kWords` words apart.
template <std::size_t kWords>
HWY_INLINE void load_words(D d, const std::uint64_t* keys, V (&words)[kWords]) {
    if constexpr (kWords == 2) {
        hn::LoadInterleaved2(d, keys, words[0], words[1]);
    } else {
        constexpr std::size_t kLanesMax = HWY_MAX_BYTES / 8;
        HWY_ALIGN std::uint64_t turned[kWords][kLanesMax];
        const std::size_t lanes = hn::Lanes(d);
        for (std::size_t i = 0; i < lanes; ++i) {
            for (std::size_t w = 0; w < kWords; ++w) {
                turned[w][i] = keys[i * kWords + w];
            }
        }
        for (std::size_t w = 0; w < kWords; ++w) {
            words[w] = hn::Load(d, turned[w]);
        }
    }
}

/// Two vectors of keys side by side: the second hides the latency of the first.
template <std::size_t kWords>
HWY_INLINE void hash_pair(D d, const SipKey& key, const std::uint64_t* keys, std::uint64_t* out) {
    const std::size_t lanes = hn::Lanes(d);
    V a[kWords];
    V b[kWords];
    load_words<kWords>(d, keys, a);
    load_words<kWords>(d, keys + lanes * kWords, b);
    const auto begin = [&] {
        return Lanes{
            hn::Set(d, 0x736f6d6570736575ULL ^ key.k0), hn::Set(d, 0x646f72616e646f6dULL ^ key.k1),
            hn::Set(d, 0x6c7967656e657261ULL ^ key.k0), hn::Set(d, 0x7465646279746573ULL ^ key.k1)};
    };
    Lanes s = begin();
    Lanes t = begin();
    const V last = hn::Set(d, std::uint64_t{kWords * 8} << 56);
    for (std::size_t w = 0; w <= kWords; ++w) {
        const V x = w < kWords ? a[w < kWords ? w : 0] : last;
        const V y = w < kWords ? b[w < kWords ? w : 0] : last;
        s.v3 = hn::Xor(s.v3, x);
        t.v3 = hn::Xor(t.v3, y);
        s.round();
        t.round();
        s.round();
        t.round();
        s.v0 = hn::Xor(s.v0, x);
        t.v0 = hn::Xor(t.v0, y);
    }
    const V end = hn::Set(d, std::uint64_t{0xff});
    s.v2 = hn::Xor(s.v2, end);
    t.v2 = hn::Xor(t.v2, end);
    for (int i = 0; i < 4; ++i) {
        s.round();
        t.round();
    }
    hn::StoreU(hn::Xor(hn::Xor(s.v0, s.v1), hn::Xor(s.v2, s.v3)), d, out);
    hn::StoreU(hn::Xor(hn::Xor(t.v0, t.v1), hn::Xor(t.v2, t.v3)), d, out + lanes);
}

template <std::size_t kWords>
HWY_INLINE void hash_burst(const SipKey& key, const void* keys, std::size_t count,
                           std::uint64_t* out) {
    const D d;
    const auto* at = static_cast<const unsigned char*>(keys);
    const std::size_t pair = 2 * hn::Lanes(d);
    constexpr std::size_t kPairMax = 2 * HWY_MAX_BYTES / 8;
    HWY_ALIGN std::uint64_t some[kPairMax * kWords];
    std::size_t i = 0;
    for (; i + pair <= count; i += pair) {
        // flow keys are aligned as their widest member is, which need not be a word
        const unsigned char* from = at + i * kWords * 8;
        if (reinterpret_cast<std::uintptr_t>(from) % 8 == 0) {
            hash_pair<kWords>(d, key, reinterpret_cast<const std::uint64_t*>(from), out + i);
        } else {
            std::memcpy(some, from, pair * kWords * 8);
            hash_pair<kWords>(d, key, some, out + i);
        }
    }
    if (i == count) {
        return;
    }
    const std::size_t left = count - i;
    if (left == 1) {
        out[i] = siphash24_fixed<kWords * 8>(key, at + i * kWords * 8);
        return;
    }
    HWY_ALIGN std::uint64_t hashes[kPairMax];
    std::memset(some, 0, sizeof some);
    std::memcpy(some, at + i * kWords * 8, left * kWords * 8);
    hash_pair<kWords>(d, key, some, hashes);
    std::memcpy(out + i, hashes, left * 8);
}

void hash_burst_16(const SipKey& key, const void* keys, std::size_t count, std::uint64_t* out) {
    hash_burst<2>(key, keys, count, out);
}
void hash_burst_40(const SipKey& key, const void* keys, std::size_t count, std::uint64_t* out) {
    hash_burst<5>(key, keys, count, out);
}
void hash_burst_64(const SipKey& key, const void* keys, std::size_t count, std::uint64_t* out) {
    hash_burst<8>(key, keys, count, out);
}

} // namespace probe::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace probe {

HWY_EXPORT(hash_burst_16);
HWY_EXPORT(hash_burst_40);
HWY_EXPORT(hash_burst_64);

template <>
void siphash24_burst<16>(const SipKey& key, const void* keys, std::size_t count,
                         std::uint64_t* out) noexcept {
    HWY_DYNAMIC_DISPATCH(hash_burst_16)(key, keys, count, out);
}
template <>
void siphash24_burst<40>(const SipKey& key, const void* keys, std::size_t count,
                         std::uint64_t* out) noexcept {
    HWY_DYNAMIC_DISPATCH(hash_burst_40)(key, keys, count, out);
}
template <>
void siphash24_burst<64>(const SipKey& key, const void* keys, std::size_t count,
                         std::uint64_t* out) noexcept {
    HWY_DYNAMIC_DISPATCH(hash_burst_64)(key, keys, count, out);
}

std::vector<std::string> siphash_targets() {
    std::vector<std::string> names;
    // Highway's targets are bits, the best one lowest
    for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
        names.emplace_back(hwy::TargetName(left & -left));
    }
    return names;
}

bool use_siphash_target(const std::string& name) {
    hwy::SetSupportedTargetsForTest(0);
    std::int64_t chosen = 0;
    for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
        if (name == hwy::TargetName(left & -left)) {
            chosen = left & -left;
        }
    }
    hwy::SetSupportedTargetsForTest(chosen);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return chosen != 0 || name.empty();
}

} // namespace probe
#endif
