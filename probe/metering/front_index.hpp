// SPDX-License-Identifier: BSD-3-Clause
// A small exact index in front of rte_hash: buckets of eight tags and slots in one cache line.
//
// rte_hash costs a packet three cache lines besides the record (two buckets, one stored key). Here
// it is one: the tag says which slots may be the flow's, and the record, whose line the packet
// needs anyway, holds the whole key that proves it. rte_hash stays the authority: it alone decides
// what is in the table, gives slots and frees them; this index only knows where to look first. A
// full bucket leaves a flow out, which then costs a look-up in rte_hash per packet, nothing else;
// the bucket counts those, so that its silence about a new flow can be believed.
// The bucket and the tag come from a keyed hash, so nobody outside can aim at a bucket.
//
// Thread: the owner worker. Memory is fixed at construction.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>

#include "probe/metering/flow_index.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class FrontIndex {
  public:
    static constexpr std::size_t kEntriesPerBucket = 8;
    static constexpr std::int32_t kNoSlot = -1;

    /// Room for about `flows` flows: buckets are half full on average, at most, so that few flows
    /// are left out.
    FrontIndex(const std::string& name, std::size_t flows, int socket)
        : bucket_mask_(buckets_for(flows) - 1),
          memory_(name, (bucket_mask_ + 1) * sizeof(Bucket), socket),
          buckets_(reinterpret_cast<Bucket*>(memory_.octets())) {
        for (std::size_t b = 0; b <= bucket_mask_; ++b) {
            buckets_[b].slots.fill(kNoSlot);
        }
    }

    void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&bucket(hash), 1); }

    /// The first slot whose tag fits, or kNoSlot. The caller compares keys; on a mismatch it asks
    /// find_exact.
    [[nodiscard]] std::int32_t candidate(std::uint64_t hash) const noexcept {
        const Bucket& b = bucket(hash);
        const std::uint64_t low = matches(b.tags[0], hash);
        if (low != 0) [[likely]] {
            return b.slots[lane(low)];
        }
        const std::uint64_t high = matches(b.tags[1], hash);
        return high != 0 ? b.slots[kTagsPerWord + lane(high)] : kNoSlot;
    }

    /// The slot for which `is_it(slot)` holds, or kNoSlot.
    template <class IsIt>
    [[nodiscard]] std::int32_t find_exact(std::uint64_t hash, IsIt is_it) const noexcept {
        const Bucket& b = bucket(hash);
        for (std::size_t w = 0; w < b.tags.size(); ++w) {
            for (std::uint64_t left = matches(b.tags[w], hash); left != 0; left &= left - 1) {
                const std::int32_t slot = b.slots[w * kTagsPerWord + lane(left)];
                if (slot != kNoSlot && is_it(slot)) {
                    return slot;
                }
            }
        }
        return kNoSlot;
    }

    /// Remembers a flow; in a full bucket it is left out. The flow must not be in the index
    /// already.
    void insert(std::uint64_t hash, std::int32_t slot) noexcept {
        Bucket& b = bucket(hash);
        for (std::size_t i = 0; i < kEntriesPerBucket; ++i) {
            if (b.slots[i] == kNoSlot) {
                b.slots[i] = slot;
                set_tag(b, i, tag_of(hash));
                return;
            }
        }
        ++b.left_out;
    }

    /// Whether every flow of this hash's bucket is in it: then one that is not found here is in no
    /// index.
    [[nodiscard]] bool complete(std::uint64_t hash) const noexcept {
        return bucket(hash).left_out == 0;
    }

    /// Forgets a flow that is in rte_hash, also one that was left out.
    void erase(std::uint64_t hash, std::int32_t slot) noexcept {
        Bucket& b = bucket(hash);
        for (std::size_t i = 0; i < kEntriesPerBucket; ++i) {
            if (b.slots[i] == slot) {
                b.slots[i] = kNoSlot;
                set_tag(b, i, 0);
                return;
            }
        }
        --b.left_out;
    }

    [[nodiscard]] static std::size_t memory_octets(std::size_t flows) noexcept {
        return buckets_for(flows) * sizeof(Bucket);
    }

  private:
    static constexpr std::size_t kTagsPerWord = 4;
    static constexpr std::uint64_t kEveryTag = 0x0001'0001'0001'0001ULL;
    static constexpr std::uint64_t kTopBits = 0x8000'8000'8000'8000ULL;

    struct alignas(kCacheLineBytes) Bucket {
        std::array<std::uint64_t, kEntriesPerBucket / kTagsPerWord>
            tags; ///< four 16-bit tags a word
        std::array<std::int32_t, kEntriesPerBucket> slots;
        std::uint64_t left_out; ///< live flows of this bucket that found it full
    };
    static_assert(sizeof(Bucket) == kCacheLineBytes);

    [[nodiscard]] static std::size_t buckets_for(std::size_t flows) noexcept {
        return std::bit_ceil(std::max<std::size_t>(flows / (kEntriesPerBucket / 2), 2));
    }
    [[nodiscard]] Bucket& bucket(std::uint64_t hash) const noexcept {
        return buckets_[hash & bucket_mask_];
    }
    [[nodiscard]] static std::uint64_t tag_of(std::uint64_t hash) noexcept { return hash >> 48; }

    /// The top bit of every tag in `tags` that equals the hash's. A tag above a match may be marked
    /// falsely (the borrow of the subtraction); like any other tag that fits by chance it fails the
    /// key comparison.
    [[nodiscard]] static std::uint64_t matches(std::uint64_t tags, std::uint64_t hash) noexcept {
        const std::uint64_t difference = tags ^ (tag_of(hash) * kEveryTag);
        return (difference - kEveryTag) & ~difference & kTopBits;
    }
    [[nodiscard]] static std::size_t lane(std::uint64_t marks) noexcept {
        return static_cast<std::size_t>(std::countr_zero(marks)) / 16;
    }
    static void set_tag(Bucket& b, std::size_t i, std::uint64_t tag) noexcept {
        const std::size_t shift = i % kTagsPerWord * 16;
        std::uint64_t& word = b.tags[i / kTagsPerWord];
        word = (word & ~(std::uint64_t{0xffff} << shift)) | tag << shift;
    }

    std::size_t bucket_mask_;
    TableMemory memory_;
    Bucket* buckets_;
};

} // namespace probe
