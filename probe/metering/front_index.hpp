// SPDX-License-Identifier: BSD-3-Clause
// The flow index: buckets of eight 16-bit tags and slots, each one cache line.
//
// A key's home bucket and its tag come from its keyed hash, so nobody outside can aim at a bucket.
// A tag says where the flow may be; the key in the record says whether it is. A flow that finds its
// bucket full is left out: rte_hash keeps it (flow_index.hpp), and the bucket counts such flows, so
// that as long as there are none its silence proves a flow to be new. All-zero memory is an empty
// index.
//
// For a full table each entry carries a stamp of when it was seen last, on a clock that advances
// with the flows that come: 64 ticks make a whole table of new flows. So a flow's age is known
// without its record, and a packet writes the bucket only when the clock has moved on.
//
// Thread: the owner worker. Memory is fixed at construction.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "probe/metering/flow_index.hpp"
#include "probe/packet/packet_batch.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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
          buckets_(reinterpret_cast<Bucket*>(memory_.octets())),
          inserts_per_tick_(std::max<std::size_t>(flows / kTicksPerTable, 1)) {}

    void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&bucket(hash), 1); }
    void prefetch_neighbour(std::uint64_t hash) const noexcept {
        __builtin_prefetch(&neighbour(hash), 1);
    }

    /// The first slot whose tag fits, or kNoSlot where none does. The caller compares keys; on a
    /// mismatch it asks find_exact. The flow counts as seen now.
    [[nodiscard]] std::int32_t candidate(std::uint64_t hash) noexcept {
        Bucket& b = bucket(hash);
        const std::size_t entry = first_of(b, tag_of(hash));
        if (entry >= kEntriesPerBucket) [[unlikely]] {
            return kNoSlot;
        }
        if (b.stamps[entry] != now_) {
            b.stamps[entry] = now_;
        }
        return b.slots[entry];
    }

    /// The slot for which `is_it(slot)` holds, or kNoSlot.
    template <class IsIt>
    [[nodiscard]] std::int32_t find_exact(std::uint64_t hash, IsIt is_it) const noexcept {
        const Bucket& b = bucket(hash);
        for (std::uint32_t marks = marks_of(b, tag_of(hash)); marks != 0; marks &= marks - 1) {
            const std::int32_t slot = b.slots[entry_of(marks)];
            if (is_it(slot)) {
                return slot;
            }
        }
        return kNoSlot;
    }

    /// Adds a flow that is in no index; false where its bucket is full.
    [[nodiscard]] bool insert(std::uint64_t hash, std::int32_t slot) noexcept {
        Bucket& b = bucket(hash);
        const std::size_t place = free_place(b);
        if (place >= kEntriesPerBucket) {
            return false;
        }
        put(b, place, hash, slot);
        return true;
    }

    /// Takes a flow out; false where it is not here, but left out.
    [[nodiscard]] bool erase(std::uint64_t hash, std::int32_t slot) noexcept {
        Bucket& b = bucket(hash);
        for (std::size_t i = 0; i < kEntriesPerBucket; ++i) {
            if (b.slots[i] == slot && tag_at(b, i) == tag_of(hash)) {
                set_tag(b, i, kFree);
                return true;
            }
        }
        return false;
    }

    /// A flow of this hash is kept, or no longer kept, by rte_hash for want of room here.
    void leave_out(std::uint64_t hash) noexcept { ++bucket(hash).left_out; }
    void let_go(std::uint64_t hash) noexcept { --bucket(hash).left_out; }

    /// Whether every flow of this hash's bucket is in it.
    [[nodiscard]] bool complete(std::uint64_t hash) const noexcept {
        return bucket(hash).left_out == 0;
    }

    /// An entry of the index as it was when it was looked at; another flow's may replace it.
    struct Entry {
        std::uint64_t bucket = 0;
        std::uint32_t place = 0;
        std::int32_t slot = kNoSlot;
        std::uint8_t stamp = 0;
    };

    /// The entry seen longest ago of the hash's bucket and its neighbour, some eight flows when the
    /// table is full; of its bucket alone where that is full, so that the new flow finds a place.
    /// Without a slot where both are empty.
    [[nodiscard]] Entry oldest(std::uint64_t hash) const noexcept {
        // One number an entry, of age and place; what is free is younger than all. No branch, since
        // which entry wins is nobody's guess.
        constexpr std::uint16_t kInUse = 1U << 15;
        const std::uint64_t home = hash & bucket_mask_;
        const std::uint16_t here = oldest_of(buckets_[home], kInUse);
        const std::uint16_t there = oldest_of(buckets_[home ^ 1U], kInUse);
        const bool full = !has_room(buckets_[home]);
        const std::uint32_t neighbours =
            static_cast<std::uint32_t>(!full) &
            static_cast<std::uint32_t>((there >> kPlaceBits) > (here >> kPlaceBits));
        const std::uint32_t best = here ^ ((here ^ there) & (0U - neighbours));
        if (best < kInUse) {
            return {};
        }
        const std::uint64_t bucket = home ^ neighbours;
        const std::uint32_t place = best & (kEntriesPerBucket - 1);
        return {.bucket = bucket,
                .place = place,
                .slot = buckets_[bucket].slots[place],
                .stamp = buckets_[bucket].stamps[place]};
    }
    /// What oldest() gave for this hash may still be replaced: the same flow is there, or one that
    /// is as old, and the new one finds a place.
    [[nodiscard]] bool stands(const Entry& entry, std::uint64_t hash) const noexcept {
        const Bucket& b = buckets_[entry.bucket];
        const std::uint64_t home = hash & bucket_mask_;
        return tag_at(b, entry.place) != kFree && b.slots[entry.place] == entry.slot &&
               b.stamps[entry.place] == entry.stamp &&
               (entry.bucket == home || has_room(buckets_[home]));
    }

    /// Takes the entry of oldest(), which stands, out and adds a flow of that hash.
    void replace(const Entry& entry, std::uint64_t hash, std::int32_t slot) noexcept {
        set_tag(buckets_[entry.bucket], entry.place, kFree);
        Bucket& b = bucket(hash); // has room: it had before, or it has the place above
        put(b, free_place(b), hash, slot);
    }

    [[nodiscard]] static std::size_t memory_octets(std::size_t flows) noexcept {
        return buckets_for(flows) * sizeof(Bucket);
    }

  private:
    static constexpr std::size_t kTagsPerWord = 4;
    static constexpr std::uint64_t kFree = 0; ///< the tag of no flow
    static constexpr std::size_t kTicksPerTable = 64;

    struct alignas(kCacheLineBytes) Bucket {
        std::array<std::uint64_t, kEntriesPerBucket / kTagsPerWord>
            tags; ///< four 16-bit tags a word
        std::array<std::int32_t, kEntriesPerBucket> slots;
        std::array<std::uint8_t, kEntriesPerBucket>
            stamps;             ///< of now_, when the flow was seen last
        std::uint32_t left_out; ///< live flows of this bucket that found it full
    };
    static_assert(sizeof(Bucket) == kCacheLineBytes);

    [[nodiscard]] static std::size_t buckets_for(std::size_t flows) noexcept {
        return std::bit_ceil(std::max<std::size_t>(flows / (kEntriesPerBucket / 2), 2));
    }
    [[nodiscard]] Bucket& bucket(std::uint64_t hash) const noexcept {
        return buckets_[hash & bucket_mask_];
    }
    [[nodiscard]] Bucket& neighbour(std::uint64_t hash) const noexcept {
        return buckets_[(hash & bucket_mask_) ^ 1U];
    }
    [[nodiscard]] static std::uint64_t tag_of(std::uint64_t hash) noexcept {
        return hash >> 48 | 1; // never kFree
    }

    /// A bit for each entry with the tag, two apart. In vectors where every processor of the build
    /// has them: no branch on where a flow is.
    [[nodiscard]] static std::uint32_t marks_of(const Bucket& b, std::uint64_t tag) noexcept {
#if defined(__SSE2__)
        constexpr std::uint32_t kEvenBits = 0x5555;
        __m128i tags;
        std::memcpy(&tags, b.tags.data(), sizeof tags);
        const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
        return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) & kEvenBits;
#else
        const auto tags = std::bit_cast<std::array<std::uint16_t, kEntriesPerBucket>>(b.tags);
        std::uint32_t marks = 0;
        for (std::uint32_t i = 0; i < kEntriesPerBucket; ++i) {
            marks |= std::uint32_t{tags[i] == tag} << 2 * i;
        }
        return marks;
#endif
    }
    /// Of the lowest mark; kEntriesPerBucket or more where there is none.
    [[nodiscard]] static std::size_t entry_of(std::uint32_t marks) noexcept {
        return static_cast<std::size_t>(std::countr_zero(marks)) / 2;
    }
    /// The first entry with the tag; kEntriesPerBucket or more where there is none.
    [[nodiscard]] static std::size_t first_of(const Bucket& b, std::uint64_t tag) noexcept {
        return entry_of(marks_of(b, tag));
    }
    static constexpr unsigned kPlaceBits = 3;
    static_assert(kEntriesPerBucket == 1U << kPlaceBits);
    /// The highest of in_use | age << 3 | place over a bucket's entries.
    [[nodiscard]] std::uint16_t oldest_of(const Bucket& b, std::uint16_t in_use) const noexcept {
        const auto tags = std::bit_cast<std::array<std::uint16_t, kEntriesPerBucket>>(b.tags);
        std::array<std::uint16_t, kEntriesPerBucket> ranks;
        for (std::uint16_t i = 0; i < kEntriesPerBucket; ++i) {
            const std::uint32_t age = static_cast<std::uint8_t>(now_ - b.stamps[i]);
            ranks[i] = static_cast<std::uint16_t>((tags[i] != kFree ? in_use : 0U) |
                                                  age << kPlaceBits | i);
        }
        std::uint16_t best = 0;
        for (const std::uint16_t rank : ranks) {
            best = std::max(best, rank);
        }
        return best;
    }
    [[nodiscard]] static bool has_room(const Bucket& b) noexcept {
        return free_place(b) < kEntriesPerBucket;
    }
    /// The first free place, kEntriesPerBucket or more where there is none. No branch: which one it
    /// is is nobody's guess.
    [[nodiscard]] static std::size_t free_place(const Bucket& b) noexcept {
        return first_of(b, kFree);
    }
    void put(Bucket& b, std::size_t place, std::uint64_t hash, std::int32_t slot) noexcept {
        set_tag(b, place, tag_of(hash));
        b.slots[place] = slot;
        b.stamps[place] = now_;
        count_insert();
    }
    [[nodiscard]] static std::uint64_t tag_at(const Bucket& b, std::size_t i) noexcept {
        return b.tags[i / kTagsPerWord] >> (i % kTagsPerWord * 16) & 0xffff;
    }
    static void set_tag(Bucket& b, std::size_t i, std::uint64_t tag) noexcept {
        const std::size_t shift = i % kTagsPerWord * 16;
        std::uint64_t& word = b.tags[i / kTagsPerWord];
        word = (word & ~(std::uint64_t{0xffff} << shift)) | tag << shift;
    }
    void count_insert() noexcept {
        if (++inserts_ == inserts_per_tick_) {
            inserts_ = 0;
            ++now_;
        }
    }

    std::size_t bucket_mask_;
    TableMemory memory_;
    Bucket* buckets_;
    std::size_t inserts_per_tick_;
    std::size_t inserts_ = 0; ///< since the last tick
    std::uint8_t now_ = 0;
};

} // namespace probe
