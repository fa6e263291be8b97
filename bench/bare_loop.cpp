// SPDX-License-Identifier: BSD-3-Clause
#include "bench/bare_loop.hpp"

#include <rte_hash.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <stdexcept>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "probe/metering/siphash.hpp"

namespace bench {
namespace {

constexpr std::uint32_t kBurst = 64;
constexpr probe::SipKey kHashKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

struct Ipv4 {
    static constexpr std::size_t kKeyOctets = 16; // addresses, ports, protocol, three zeros
    static void make_key(const std::uint8_t* frame, std::uint8_t* key) noexcept {
        std::memcpy(key, frame + 26, 12);
        std::memset(key + 12, 0, 4);
        key[12] = frame[23];
    }
    static std::uint32_t ip_octets(const std::uint8_t* frame) noexcept {
        return static_cast<std::uint32_t>(frame[16] << 8 | frame[17]);
    }
};

struct Ipv6 {
    static constexpr std::size_t kKeyOctets = 40;
    static void make_key(const std::uint8_t* frame, std::uint8_t* key) noexcept {
        std::memcpy(key, frame + 22, 36);
        std::memset(key + 36, 0, 4);
        key[36] = frame[20];
    }
    static std::uint32_t ip_octets(const std::uint8_t* frame) noexcept {
        return static_cast<std::uint32_t>(frame[18] << 8 | frame[19]) + 40;
    }
};

template <class Family>
struct alignas(64) Record {
    std::array<std::uint8_t, Family::kKeyOctets> key;
    std::uint64_t packets;
    std::uint64_t octets;
    std::uint64_t last;
};
static_assert(sizeof(Record<Ipv4>) == 64 && sizeof(Record<Ipv6>) == 64);

/// Zeroed memory on large pages, where the kernel grants them.
template <class T>
class Array {
  public:
    explicit Array(std::size_t count) : octets_(count * sizeof(T)) {
        void* mapped =
            mmap(nullptr, octets_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED) {
            throw std::bad_alloc();
        }
        (void)madvise(mapped, octets_, MADV_HUGEPAGE);
        at_ = static_cast<T*>(mapped);
    }
    ~Array() { munmap(at_, octets_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    T& operator[](std::size_t i) noexcept { return at_[i]; }
    const T& operator[](std::size_t i) const noexcept { return at_[i]; }

  private:
    std::size_t octets_;
    T* at_ = nullptr;
};

template <class Family>
class Frames {
  public:
    explicit Frames(const Traffic& traffic) : traffic_(traffic), count_(traffic.frames().size()) {}

    /// Stage 1 of a burst: keys and lengths. The next burst's frames are asked for meanwhile.
    void parse(std::uint8_t* keys, std::uint32_t* ip_octets) noexcept {
        for (std::uint32_t i = 0; i < kBurst; ++i) {
            const std::uint8_t* frame = traffic_.frame(next_);
            const std::size_t ahead = next_ + kBurst < count_ ? next_ + kBurst : next_;
            __builtin_prefetch(traffic_.frame(ahead));
            Family::make_key(frame, keys + i * Family::kKeyOctets);
            ip_octets[i] = Family::ip_octets(frame);
            next_ = next_ + 1 == count_ ? 0 : next_ + 1;
        }
    }

    /// Calls `take(key)` once for every frame.
    template <class Take>
    void for_each_key(Take take) {
        std::array<std::uint8_t, Family::kKeyOctets> key{};
        for (std::size_t i = 0; i < count_; ++i) {
            Family::make_key(traffic_.frame(i), key.data());
            take(key.data());
        }
    }

  private:
    const Traffic& traffic_;
    std::size_t count_;
    std::size_t next_ = 0;
};

template <class Family>
void update(Record<Family>& record, std::uint32_t ip_octets, std::uint64_t now) noexcept {
    record.packets += 1;
    record.octets += ip_octets;
    record.last = now;
}

std::uint64_t hash_of(const std::uint8_t* key, std::size_t octets) noexcept {
    return probe::siphash24(kHashKey, key, octets);
}

/// The two directions of a flow are two records here: the bare loop knows no biflows.
std::size_t keys_of(const Traffic& traffic) noexcept {
    return traffic.options().flows * (traffic.options().order == FlowOrder::both_ways ? 2 : 1);
}

template <class Family>
class BareHashLoop final : public BareLoop {
  public:
    explicit BareHashLoop(const Traffic& traffic)
        : frames_(traffic), records_(std::bit_ceil(keys_of(traffic) * 2) + 1) {
        rte_hash_parameters parameters{};
        parameters.name = "bare_loop";
        // at most half full, as the meter's index is at its own load limit or below
        parameters.entries = static_cast<std::uint32_t>(std::bit_ceil(keys_of(traffic) * 2));
        parameters.key_len = Family::kKeyOctets;
        parameters.socket_id = -1;
        table_ = rte_hash_create(&parameters);
        if (table_ == nullptr) {
            throw std::runtime_error("no memory for the bare loop's rte_hash; give more hugepages");
        }
        frames_.for_each_key([&](const std::uint8_t* key) {
            const std::int32_t slot = rte_hash_add_key_with_hash(
                table_, key, probe::index_signature(hash_of(key, Family::kKeyOctets)));
            if (slot < 0) {
                throw std::runtime_error("the bare loop's rte_hash is full");
            }
            std::memcpy(records_[static_cast<std::size_t>(slot)].key.data(), key,
                        Family::kKeyOctets);
        });
    }
    ~BareHashLoop() override { rte_hash_free(table_); }

    std::uint64_t run(std::uint64_t bursts) noexcept override {
        std::array<const void*, kBurst> pointers;
        for (std::uint32_t i = 0; i < kBurst; ++i) {
            pointers[i] = keys_.data() + i * Family::kKeyOctets;
        }
        std::array<std::uint64_t, kBurst> hashes;
        std::array<std::uint32_t, kBurst> signatures;
        std::array<std::uint32_t, kBurst> ip_octets;
        std::array<std::int32_t, kBurst> slots;
        for (std::uint64_t b = 0; b < bursts; ++b) {
            frames_.parse(keys_.data(), ip_octets.data());
            probe::siphash24_burst<Family::kKeyOctets>(kHashKey, keys_.data(), kBurst,
                                                       hashes.data());
            for (std::uint32_t i = 0; i < kBurst; ++i) {
                signatures[i] = probe::index_signature(hashes[i]);
            }
            (void)rte_hash_lookup_with_hash_bulk(table_, pointers.data(), signatures.data(), kBurst,
                                                 slots.data());
            for (const std::int32_t slot : slots) {
                __builtin_prefetch(&records_[static_cast<std::size_t>(slot)], 1);
            }
            for (std::uint32_t i = 0; i < kBurst; ++i) {
                Record<Family>& record = records_[static_cast<std::size_t>(slots[i])];
                update(record, ip_octets[i], b);
                counted_ += 1;
            }
        }
        return bursts * kBurst;
    }
    std::uint64_t counted() const noexcept override { return counted_; }

  private:
    Frames<Family> frames_;
    Array<Record<Family>> records_;
    rte_hash* table_ = nullptr;
    std::uint64_t counted_ = 0;
    alignas(64) std::array<std::uint8_t, kBurst * Family::kKeyOctets> keys_;
};

struct alignas(64) Bucket {
    std::array<std::uint16_t, 8> tags; ///< 0: empty
    std::array<std::uint32_t, 8> slots;
};
static_assert(sizeof(Bucket) == 64);

[[nodiscard]] std::uint16_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint16_t>((hash >> 48) | 1);
}

/// Bit i: tag i of the bucket is `tag`.
[[nodiscard]] std::uint32_t matches(const Bucket& bucket, std::uint16_t tag) noexcept {
#if defined(__SSE2__)
    __m128i tags;
    std::memcpy(&tags, bucket.tags.data(), sizeof tags);
    const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, equal))) & 0xff;
#else
    std::uint32_t bits = 0;
    for (std::uint32_t i = 0; i < 8; ++i) {
        bits |= (bucket.tags[i] == tag ? 1U : 0U) << i;
    }
    return bits;
#endif
}

template <class Family>
class BareTagLoop final : public BareLoop {
  public:
    explicit BareTagLoop(const Traffic& traffic)
        : frames_(traffic),
          // eight places a bucket, at most half of them used
          mask_(std::bit_ceil(std::max<std::size_t>(keys_of(traffic) / 4, 2)) - 1),
          buckets_(mask_ + 1),
          records_(keys_of(traffic)) {
        frames_.for_each_key([&](const std::uint8_t* key) { insert(key); });
    }

    std::uint64_t run(std::uint64_t bursts) noexcept override {
        for (std::uint64_t b = 0; b < bursts; ++b) {
            Stage& first = stages_[b % 3];
            frames_.parse(first.keys.data(), first.ip_octets.data());
            probe::siphash24_burst<Family::kKeyOctets>(kHashKey, first.keys.data(), kBurst,
                                                       first.hashes.data());
            for (const std::uint64_t hash : first.hashes) {
                __builtin_prefetch(&buckets_[hash & mask_]);
            }
            first.full = true;
            find_candidates(stages_[(b + 2) % 3]); // the burst before
            account(stages_[(b + 1) % 3], b);      // and the one before that
        }
        for (std::uint64_t b = bursts; b < bursts + 2; ++b) { // what is still on its way
            find_candidates(stages_[(b + 2) % 3]);
            account(stages_[(b + 1) % 3], b);
        }
        return bursts * kBurst;
    }
    std::uint64_t counted() const noexcept override { return counted_; }

  private:
    struct Stage {
        alignas(64) std::array<std::uint8_t, kBurst * Family::kKeyOctets> keys;
        std::array<std::uint64_t, kBurst> hashes;
        std::array<std::uint32_t, kBurst> ip_octets;
        std::array<std::uint32_t, kBurst> slots;
        bool full = false;
        bool found = false;
    };

    /// The n-th bucket to look into; more than the second is hardly ever needed.
    [[nodiscard]] std::size_t bucket_of(std::uint64_t hash, std::size_t n) const noexcept {
        const std::size_t first = hash & mask_;
        return n == 0 ? first : ((first ^ tag_of(hash) * std::size_t{0x5bd1e995}) + n) & mask_;
    }

    void insert(const std::uint8_t* key) {
        const std::uint64_t hash = hash_of(key, Family::kKeyOctets);
        if (find(key, hash) != kNone) {
            return;
        }
        for (std::size_t n = 0; n < kBucketsMax; ++n) {
            Bucket& bucket = buckets_[bucket_of(hash, n)];
            const auto place = static_cast<std::size_t>(
                std::find(bucket.tags.begin(), bucket.tags.end(), 0) - bucket.tags.begin());
            if (place != bucket.tags.size()) {
                bucket.tags[place] = tag_of(hash);
                bucket.slots[place] = static_cast<std::uint32_t>(keys_);
                std::memcpy(records_[keys_].key.data(), key, Family::kKeyOctets);
                ++keys_;
                return;
            }
        }
        throw std::runtime_error("all buckets of a key of the bare tag loop are full");
    }

    /// The exact way, for inserts and for the rare packet whose first candidate was another key.
    [[nodiscard]] std::uint32_t find(const std::uint8_t* key, std::uint64_t hash) const noexcept {
        for (std::size_t n = 0; n < kBucketsMax; ++n) {
            const Bucket& bucket = buckets_[bucket_of(hash, n)];
            for (std::uint32_t bits = matches(bucket, tag_of(hash)); bits != 0; bits &= bits - 1) {
                const std::uint32_t slot =
                    bucket.slots[static_cast<std::size_t>(std::countr_zero(bits))];
                if (std::memcmp(records_[slot].key.data(), key, Family::kKeyOctets) == 0) {
                    return slot;
                }
            }
        }
        return kNone;
    }

    void find_candidates(Stage& stage) noexcept {
        if (!stage.full) {
            return;
        }
        for (std::uint32_t i = 0; i < kBurst; ++i) {
            const std::uint64_t hash = stage.hashes[i];
            const Bucket* bucket = &buckets_[hash & mask_];
            std::uint32_t bits = matches(*bucket, tag_of(hash));
            if (bits == 0) [[unlikely]] {
                bucket = &buckets_[bucket_of(hash, 1)];
                bits = matches(*bucket, tag_of(hash)) | 0x100;
            }
            stage.slots[i] = bucket->slots[static_cast<std::size_t>(std::countr_zero(bits)) & 7];
            __builtin_prefetch(&records_[stage.slots[i]], 1);
        }
        stage.full = false;
        stage.found = true;
    }

    void account(Stage& stage, std::uint64_t now) noexcept {
        if (!stage.found) {
            return;
        }
        for (std::uint32_t i = 0; i < kBurst; ++i) {
            const std::uint8_t* key = stage.keys.data() + i * Family::kKeyOctets;
            std::uint32_t slot = stage.slots[i];
            if (std::memcmp(records_[slot].key.data(), key, Family::kKeyOctets) != 0) [[unlikely]] {
                slot = find(key, stage.hashes[i]);
                if (slot == kNone) {
                    continue; // every key was inserted: counted() would tell
                }
            }
            update(records_[slot], stage.ip_octets[i], now);
            ++counted_;
        }
        stage.found = false;
    }

    static constexpr std::uint32_t kNone = UINT32_MAX;
    static constexpr std::size_t kBucketsMax = 4;

    Frames<Family> frames_;
    std::size_t mask_;
    Array<Bucket> buckets_;
    Array<Record<Family>> records_;
    std::size_t keys_ = 0;
    std::uint64_t counted_ = 0;
    std::array<Stage, 3> stages_;
};

template <template <class> class Loop>
std::unique_ptr<BareLoop> make_loop(const Traffic& traffic) {
    switch (traffic.options().family) {
        case TrafficFamily::ipv4:
            return std::make_unique<Loop<Ipv4>>(traffic);
        case TrafficFamily::ipv6:
            return std::make_unique<Loop<Ipv6>>(traffic);
        default:
            return nullptr;
    }
}

} // namespace

std::unique_ptr<BareLoop> make_bare_hash_loop(const Traffic& traffic) {
    return make_loop<BareHashLoop>(traffic);
}

std::unique_ptr<BareLoop> make_bare_tag_loop(const Traffic& traffic) {
    return make_loop<BareTagLoop>(traffic);
}

} // namespace bench
