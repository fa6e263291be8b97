// SPDX-License-Identifier: BSD-3-Clause
// From Flow Key to slot: the only user of rte_hash, and of DPDK's memory, in metering.
//
// rte_hash keeps buckets of eight 16-bit tags and compares the whole key before it says yes. It is
// created for one writer that is also the only reader (the owner worker): no lock, no deferred
// reuse. Slots are our own, kept as rte_hash's data: its positions go round through all of its
// memory, while here the slot freed last is taken first, so that a new flow's record is one that
// is in the cache and the sweep walks no further than the most flows there ever were. Slots are
// 0 .. slots()-1, independent of the hash key, so that the same packets get the same slots in
// every run.
//
// Needs an initialised EAL. Signatures are 32 bits of SipHash (siphash.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct rte_hash;

namespace probe {

class FlowIndex {
  public:
    static constexpr std::int32_t kNoSlot = -1;

    /// Room for `entries` keys of `key_octets` octets on `socket` (-1: any). Throws
    /// std::runtime_error.
    FlowIndex(const std::string& name, std::size_t entries, std::size_t key_octets, int socket);

    /// Slot of each of the `count` (at most kBurstPackets) keys, kNoSlot where it is not in the
    /// index.
    void lookup_burst(const void* const* keys, const std::uint32_t* signatures, std::uint32_t count,
                      std::int32_t* slots) const noexcept;

    /// Gives a slot to a key that is not in the index; kNoSlot when all are taken or rte_hash finds
    /// no place within the bound of its search.
    [[nodiscard]] std::int32_t insert(const void* key, std::uint32_t signature) noexcept;

    /// Frees the slot of a key that is in the index.
    void erase(const void* key, std::uint32_t signature, std::int32_t slot) noexcept;

    [[nodiscard]] std::size_t slots() const noexcept { return slots_; }
    [[nodiscard]] std::size_t slots_free() const noexcept { return free_slots_.size(); }

    /// Octets that an index of this size takes, for the memory budget.
    [[nodiscard]] static std::size_t memory_octets(std::size_t entries,
                                                   std::size_t key_octets) noexcept;

  private:
    struct Free {
        void operator()(rte_hash* table) const noexcept;
    };

    std::unique_ptr<rte_hash, Free> table_;
    std::size_t slots_;
    std::vector<std::int32_t> free_slots_; ///< a stack; its memory is taken at construction
};

/// Zeroed memory for a table's records: from DPDK's hugepages on the given socket where there are
/// any, else anonymous memory for which transparent hugepages are asked. Throws std::runtime_error
/// with the remedy.
class TableMemory {
  public:
    TableMemory(const std::string& name, std::size_t octets, int socket);
    ~TableMemory();
    TableMemory(const TableMemory&) = delete;
    TableMemory& operator=(const TableMemory&) = delete;

    [[nodiscard]] std::uint8_t* octets() const noexcept { return octets_; }

  private:
    std::uint8_t* octets_ = nullptr;
    std::size_t mapped_ = 0; ///< 0: it came from DPDK's heap
};

} // namespace probe
