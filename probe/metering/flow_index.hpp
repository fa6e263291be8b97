// SPDX-License-Identifier: BSD-3-Clause
// Flows that found their bucket of the front index full, and DPDK's memory: the only user of
// rte_hash in metering.
//
// rte_hash keeps buckets of eight 16-bit tags, moves entries between two of them, and compares the
// whole key before it says yes; its search for a place is bounded. It is created for one writer
// that is also the only reader (the owner worker): no lock, no deferred reuse. Slots are the
// table's, kept as rte_hash's data. With random keys less than one flow in a hundred is here even
// when the table is full; there is room for one in sixteen.
//
// Needs an initialised EAL, or a way to start it when the first flow comes. Signatures are 32 bits
// of SipHash (siphash.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

struct rte_hash;

namespace probe {

/// Starts the EAL, once; false where that fails. Empty: it runs.
using StartDpdk = std::function<bool()>;

class FlowIndex {
  public:
    static constexpr std::int32_t kNoSlot = -1;

    /// Room for `entries` keys of `key_octets` octets on `socket` (-1: any). Throws
    /// std::runtime_error. With `start_dpdk` (offline, where nothing has to be fixed at start)
    /// memory is taken when the first flow comes, and where that fails there is no room.
    FlowIndex(std::string name, std::size_t entries, std::size_t key_octets, int socket,
              StartDpdk start_dpdk = {});

    /// How many flows of a table of `flows_max` it has to have room for.
    [[nodiscard]] static std::size_t entries_beside(std::size_t flows_max) noexcept;

    /// Slot of each of the `count` (at most kBurstPackets) keys, kNoSlot where it is not in the
    /// index.
    void lookup_burst(const void* const* keys, const std::uint32_t* signatures, std::uint32_t count,
                      std::int32_t* slots) const noexcept;

    /// Adds a key that is not in the index; false when it is full or rte_hash finds no place within
    /// the bound of its search.
    [[nodiscard]] bool insert(const void* key, std::uint32_t signature, std::int32_t slot) noexcept;

    /// Takes out a key that is in the index.
    void erase(const void* key, std::uint32_t signature) noexcept;

    [[nodiscard]] std::size_t flows() const noexcept { return flows_; }

    /// Octets that an index of this size takes, for the memory budget.
    [[nodiscard]] static std::size_t memory_octets(std::size_t entries,
                                                   std::size_t key_octets) noexcept;

  private:
    struct Free {
        void operator()(rte_hash* table) const noexcept;
    };

    void create();
    [[nodiscard]] bool create_late() noexcept;

    std::string name_;
    std::size_t entries_max_;
    std::size_t key_octets_;
    int socket_;
    StartDpdk start_dpdk_;                  ///< empty when it was called
    std::unique_ptr<rte_hash, Free> table_; ///< nullptr: no flow came yet
    std::size_t flows_ = 0;
};

/// Zeroed memory for a table's records: from DPDK's hugepages on the given socket where it runs and
/// has any, else anonymous memory for which transparent hugepages are asked. Throws
/// std::runtime_error with the remedy.
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
