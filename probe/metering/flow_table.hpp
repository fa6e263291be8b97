// SPDX-License-Identifier: BSD-3-Clause
// A flow table: an index from key to slot, and an array of records with the same slot numbers.
//
// A look-up reads one bucket of the front index (one cache line), and the key in the record itself
// proves the answer. Only flows that found their bucket full are in rte_hash, which is asked for
// those buckets alone.
//
// Threads: one worker owns it and is its only writer. Housekeeping reads the published fields of
// the records in [0, slots_used) and nothing else. A slot is reused at once after erase(); since
// housekeeping's findings are hints that the owner checks again, a reused slot does no harm. Memory
// is fixed at construction. The hash key is never printed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "probe/metering/flow_index.hpp"
#include "probe/metering/flow_record.hpp"
#include "probe/metering/front_index.hpp"
#include "probe/metering/siphash.hpp"
#include "probe/metering/slot_pool.hpp"
#include "probe/packet/counter.hpp"

namespace probe {

struct TableOptions {
    std::string name; ///< unique in the process: rte_hash wants it
    std::size_t flows_max = 0;
    std::size_t stride = 0; ///< octets from record to record
    int socket = -1;        ///< NUMA node, -1: any
    SipKey hash_key;
    StartDpdk start_dpdk = {}; ///< empty: DPDK runs
};

enum class InsertVerdict : std::uint8_t { found, inserted, table_full, index_full };

/// Of the keys that the front index did not know.
struct MissingKeys {
    std::uint32_t unknown; ///< in no table
    std::uint32_t asked;   ///< looked up in rte_hash
};

template <class Key>
class FlowTable {
  public:
    using Record = FlowRecord<Key>;

    /// Whole records, of two lines and more, are sent for so many ahead of their reader.
    static constexpr std::uint32_t kRecordsAhead = kPrefetchAhead / 2;

    explicit FlowTable(const TableOptions& options)
        : pool_(std::max<std::size_t>(options.flows_max, 1)),
          front_(options.name, options.flows_max, options.socket),
          left_out_(options.name, FlowIndex::entries_beside(options.flows_max), sizeof(Key),
                    options.socket, options.start_dpdk),
          memory_(options.name, pool_.slots() * options.stride, options.socket),
          stride_(options.stride),
          flows_max_(options.flows_max),
          hash_key_(options.hash_key) {}

    void hash_burst(const Key* keys, std::uint32_t count, std::uint64_t* hashes) const noexcept {
        siphash24_burst<sizeof(Key)>(hash_key_, keys, count, hashes);
    }
    [[nodiscard]] std::uint64_t hash_of(const Key& key) const noexcept {
        return siphash24_fixed<sizeof(Key)>(hash_key_, &key);
    }

    /// Where each key's flow probably is, with its record on the way into the cache: kNoSlot where
    /// the front index knows of none. holds() says whether it is the flow, find() looks everywhere.
    /// Returns how many have none.
    std::uint32_t lookup_burst(const std::uint64_t* hashes, std::uint32_t count,
                               std::int32_t* slots) noexcept {
        prefetch_first_buckets(hashes, count);
        std::uint32_t missing = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            front_.prefetch(hashes[ahead_of(i, count)]);
            slots[i] = front_.candidate(hashes[i]);
            if (slots[i] != FlowIndex::kNoSlot) {
                prefetch(slots[i]);
            } else {
                ++missing;
            }
        }
        return missing;
    }

    /// Asks rte_hash for the keys that lookup_burst did not find and that may have been left out,
    /// all together. The others are new, and the first of the records that they will get are sent
    /// for; insert_new() goes on with that.
    MissingKeys resolve_burst(const Key* keys, const std::uint64_t* hashes, std::uint32_t count,
                              std::int32_t* slots) const noexcept {
        std::array<const void*, kBurstPackets> asked_keys;
        std::array<std::uint32_t, kBurstPackets> signatures;
        std::array<std::uint32_t, kBurstPackets> places;
        std::uint32_t asked = 0;
        std::uint32_t unknown = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            if (slots[i] != FlowIndex::kNoSlot) {
                continue;
            }
            if (front_.complete(hashes[i])) {
                ++unknown;
                continue;
            }
            asked_keys[asked] = keys + i;
            signatures[asked] = index_signature(hashes[i]);
            places[asked] = i;
            ++asked;
        }
        if (asked != 0) {
            std::array<std::int32_t, kBurstPackets> found;
            left_out_.lookup_burst(asked_keys.data(), signatures.data(), asked, found.data());
            for (std::uint32_t i = 0; i < asked; ++i) {
                slots[places[i]] = found[i];
                unknown += found[i] == FlowIndex::kNoSlot ? 1U : 0U;
            }
        }
        for (std::uint32_t i = 0; i < std::min(unknown, kRecordsAhead); ++i) {
            prefetch_whole(pool_.peek(i));
        }
        return {.unknown = unknown, .asked = asked};
    }

    /// The slot has a live flow with this key.
    [[nodiscard]] bool holds(std::int32_t slot, const Key& key) const noexcept {
        const Record& there = record(slot);
        return there.key == key && (there.state & FlowState::kLive) != 0;
    }

    /// The key's slot, also where the front index left it out; kNoSlot when there is no such flow.
    [[nodiscard]] std::int32_t find(const Key& key, std::uint64_t hash) const noexcept {
        const std::int32_t slot = find_in_front(key, hash);
        if (slot != FlowIndex::kNoSlot || front_.complete(hash)) {
            return slot;
        }
        const void* const pointer = &key;
        const std::uint32_t signature = index_signature(hash);
        std::int32_t found = FlowIndex::kNoSlot;
        left_out_.lookup_burst(&pointer, &signature, 1, &found);
        return found;
    }

    /// Finds the key or gives it a slot. The record of a new slot is not live yet: the caller fills
    /// it.
    [[nodiscard]] InsertVerdict insert(const Key& key, std::uint64_t hash,
                                       std::int32_t& slot) noexcept {
        slot = find(key, hash);
        return slot != FlowIndex::kNoSlot ? InsertVerdict::found : insert_new(key, hash, slot);
    }
    /// The same for a key that is in no index.
    [[nodiscard]] InsertVerdict insert_new(const Key& key, std::uint64_t hash,
                                           std::int32_t& slot) noexcept {
        if (flows_ >= flows_max_) {
            return InsertVerdict::table_full;
        }
        slot = pool_.peek();
        if (!front_.insert(hash, slot)) {
            if (!left_out_.insert(&key, index_signature(hash), slot)) {
                slot = FlowIndex::kNoSlot;
                return InsertVerdict::index_full;
            }
            front_.leave_out(hash);
        }
        pool_.take();
        prefetch_whole(pool_.peek(kRecordsAhead - 1));
        ++flows_;
        if (pool_.used() > slots_used_.get()) {
            slots_used_.set(pool_.used());
        }
        return InsertVerdict::inserted;
    }

    /// Takes a live flow out: its slot is free afterwards.
    void erase(std::int32_t slot) noexcept { erase(slot, hash_of(record(slot).key)); }
    /// Up to a burst of them, all different, whose records are in the cache.
    void erase_burst(const std::int32_t* slots, std::uint32_t count) noexcept {
        if (count == 0) {
            return;
        }
        std::array<Key, kBurstPackets> keys{};
        std::array<std::uint64_t, kBurstPackets> hashes;
        for (std::uint32_t i = 0; i < count; ++i) {
            keys[i] = record(slots[i]).key;
        }
        hash_burst(keys.data(), count, hashes.data());
        prefetch_first_buckets(hashes.data(), count);
        for (std::uint32_t i = 0; i < count; ++i) {
            front_.prefetch(hashes[ahead_of(i, count)]);
            erase(slots[i], hashes[i]);
        }
    }

    // --- a full table ---

    /// The flow that has to leave for one with this hash: of its bucket's and the next one's flows
    /// the one seen longest ago; without a slot where there is none.
    [[nodiscard]] FrontIndex::Entry victim_for(std::uint64_t hash) const noexcept {
        return front_.oldest(hash);
    }
    /// What victim_for() gave for this hash earlier in the burst may still leave for it.
    [[nodiscard]] bool stands(const FrontIndex::Entry& victim, std::uint64_t hash) const noexcept {
        return front_.stands(victim, hash);
    }
    /// Gives the slot of a flow that leaves, the victim for this hash, to a new flow, which is in
    /// no index. Its record is not live yet: the caller fills it.
    void replace(const FrontIndex::Entry& victim, std::uint64_t hash) noexcept {
        publish(record(victim.slot).state, std::uint8_t{0});
        front_.replace(victim, hash, victim.slot);
    }
    void prefetch_victims_of(std::uint64_t hash) const noexcept { front_.prefetch_neighbour(hash); }
    /// The whole record, as a new flow and one that ends touch it.
    void prefetch_whole(std::int32_t slot) const noexcept {
        if (slot == FlowIndex::kNoSlot) {
            return;
        }
        const std::uint8_t* const at = address(slot);
        for (std::size_t line = 0; line < stride_; line += kCacheLineBytes) {
            __builtin_prefetch(at + line, 1);
        }
    }
    [[nodiscard]] Record& record(std::int32_t slot) noexcept {
        return *reinterpret_cast<Record*>(address(slot));
    }
    [[nodiscard]] const Record& record(std::int32_t slot) const noexcept {
        return *reinterpret_cast<const Record*>(address(slot));
    }
    /// The lines that every packet of the flow touches: one for IPv4's narrow key, two for others.
    void prefetch(std::int32_t slot) const noexcept {
        const std::uint8_t* const at = address(slot);
        for (std::size_t line = 0; line < sizeof(Record); line += kCacheLineBytes) {
            __builtin_prefetch(at + line, 1);
        }
    }

    [[nodiscard]] std::size_t flows() const noexcept { return flows_; }
    /// Flows that found their bucket of the front index full.
    [[nodiscard]] std::size_t flows_left_out() const noexcept { return left_out_.flows(); }
    [[nodiscard]] std::size_t flows_max() const noexcept { return flows_max_; }
    [[nodiscard]] std::size_t slots() const noexcept { return pool_.slots(); }
    /// No slot at or above this was ever used. Written by the owner, read by housekeeping.
    [[nodiscard]] std::size_t slots_used() const noexcept { return slots_used_.get(); }

    /// Walks every invariant: live records are in the index under their own slot, and as many as
    /// flows(). For tests and sanitizer builds; owner only.
    [[nodiscard]] bool selfcheck() const noexcept {
        std::size_t live = 0;
        for (std::size_t i = 0; i < slots(); ++i) {
            const auto slot = static_cast<std::int32_t>(i);
            const Record& candidate = record(slot);
            if ((candidate.state & FlowState::kLive) == 0) {
                continue;
            }
            ++live;
            const std::uint64_t hash = hash_of(candidate.key);
            const void* const key = &candidate.key;
            const std::uint32_t signature = index_signature(hash);
            std::int32_t found = FlowIndex::kNoSlot;
            left_out_.lookup_burst(&key, &signature, 1, &found);
            const std::int32_t in_front = find_in_front(candidate.key, hash);
            const bool left_out = found == slot && !front_.complete(hash);
            if ((in_front == slot) == left_out || i >= slots_used()) {
                return false;
            }
        }
        return live == flows_ && live + pool_.free() == slots();
    }

  private:
    void prefetch_first_buckets(const std::uint64_t* hashes, std::uint32_t count) const noexcept {
        for (std::uint32_t i = 0; i < std::min(count, kPrefetchAhead); ++i) {
            front_.prefetch(hashes[i]);
        }
    }

    void erase(std::int32_t slot, std::uint64_t hash) noexcept {
        if (!front_.erase(hash, slot)) {
            left_out_.erase(&record(slot).key, index_signature(hash));
            front_.let_go(hash);
        }
        free(slot);
    }

    void free(std::int32_t slot) noexcept {
        publish(record(slot).state, std::uint8_t{0});
        pool_.give(slot);
        --flows_;
    }

    [[nodiscard]] std::int32_t find_in_front(const Key& key, std::uint64_t hash) const noexcept {
        return front_.find_exact(hash, [&](std::int32_t slot) { return holds(slot, key); });
    }

    [[nodiscard]] std::uint8_t* address(std::int32_t slot) const noexcept {
        return memory_.octets() + static_cast<std::size_t>(slot) * stride_;
    }

    SlotPool pool_;
    FrontIndex front_;
    FlowIndex left_out_;
    TableMemory memory_;
    std::size_t stride_;
    std::size_t flows_max_;
    std::size_t flows_ = 0;
    Counter slots_used_;
    SipKey hash_key_;
};

} // namespace probe
