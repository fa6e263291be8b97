// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/flow_index.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <utility>

#include "probe/packet/packet_batch.hpp"

namespace probe {

static_assert(kBurstPackets <= RTE_HASH_LOOKUP_BULK_MAX);

namespace {

/// rte_hash rounds its bucket entries up to a power of two. A table of more than this load could
/// fail to place a key (its guide: adds start to fail at about 90 %), and searches up to 1,000
/// positions before it says so.
constexpr double kLoadMax = 0.85;

std::size_t entries_for(std::size_t wanted) noexcept {
    const std::size_t bucket_entries = std::bit_ceil(wanted);
    if (static_cast<double>(wanted) <= kLoadMax * static_cast<double>(bucket_entries)) {
        return wanted;
    }
    return bucket_entries + 1; // makes rte_hash take the next power of two for its buckets
}

constexpr std::size_t kEntriesMin = 64; // rte_hash refuses less than a bucket's eight

/// A slot as rte_hash's data, which is a pointer that nobody follows.
void* data_of(std::int32_t slot) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): nobody follows it
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(slot));
}
std::int32_t slot_of(const void* data) noexcept {
    return static_cast<std::int32_t>(reinterpret_cast<std::uintptr_t>(data));
}

} // namespace

FlowIndex::FlowIndex(std::string name, std::size_t entries, std::size_t key_octets, int socket,
                     StartDpdk start_dpdk)
    : name_(std::move(name)),
      entries_max_(entries),
      key_octets_(key_octets),
      socket_(socket),
      start_dpdk_(std::move(start_dpdk)) {
    if (!start_dpdk_) {
        create();
    }
}

void FlowIndex::create() {
    const std::size_t positions = entries_for(std::max(entries_max_, kEntriesMin));
    rte_hash_parameters parameters{};
    parameters.name = name_.c_str();
    parameters.entries = static_cast<std::uint32_t>(positions);
    parameters.key_len = static_cast<std::uint32_t>(key_octets_);
    parameters.socket_id = socket_;
    table_.reset(rte_hash_create(&parameters));
    if (!table_) {
        throw std::runtime_error("no memory for a flow index of " + std::to_string(positions) +
                                 " entries (" +
                                 std::to_string(memory_octets(entries_max_, key_octets_) >> 20) +
                                 " MB; " + rte_strerror(rte_errno) +
                                 "); lower metering.flows_max, or give DPDK more memory (-m, or "
                                 "/proc/sys/vm/nr_hugepages)");
    }
}

bool FlowIndex::create_late() noexcept {
    if (!start_dpdk_) {
        return false; // it failed before
    }
    try {
        const StartDpdk start = std::exchange(start_dpdk_, {});
        if (start()) {
            create();
        }
    } catch (const std::exception&) { // no room: such flows are counted as dropped_index_full
        table_.reset();
    }
    return table_ != nullptr;
}

std::size_t FlowIndex::entries_beside(std::size_t flows_max) noexcept {
    // Buckets of small tables are few, so their share varies; those have room for every flow.
    constexpr std::size_t kAlways = 1024;
    constexpr std::size_t kOneIn = 16;
    return std::min(flows_max, std::max(kAlways, flows_max / kOneIn));
}

void FlowIndex::lookup_burst(const void* const* keys, const std::uint32_t* signatures,
                             std::uint32_t count, std::int32_t* slots) const noexcept {
    if (!table_) {
        std::fill_n(slots, count, kNoSlot);
        return;
    }
    // DPDK's signature lacks a const that its body keeps.
    auto** unqualified = const_cast<const void**>(keys);
    auto* sums = const_cast<hash_sig_t*>(signatures);
    std::uint64_t hits = 0;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): read only where there is a hit
    std::array<void*, kBurstPackets> data;
    // fails only for a count outside 1..64, which the lanes never ask
    (void)rte_hash_lookup_with_hash_bulk_data(table_.get(), unqualified, sums, count, &hits,
                                              data.data());
    for (std::uint32_t i = 0; i < count; ++i) {
        slots[i] = (hits >> i & 1) != 0 ? slot_of(data[i]) : kNoSlot;
    }
}

bool FlowIndex::insert(const void* key, std::uint32_t signature, std::int32_t slot) noexcept {
    if (!table_ && !create_late()) {
        return false;
    }
    if (flows_ >= entries_max_ ||
        rte_hash_add_key_with_hash_data(table_.get(), key, signature, data_of(slot)) != 0) {
        return false;
    }
    ++flows_;
    return true;
}

void FlowIndex::erase(const void* key, std::uint32_t signature) noexcept {
    if (rte_hash_del_key_with_hash(table_.get(), key, signature) >= 0) {
        --flows_;
    }
}

std::size_t FlowIndex::memory_octets(std::size_t entries, std::size_t key_octets) noexcept {
    const std::size_t positions = entries_for(std::max(entries, kEntriesMin));
    const std::size_t bucket_octets = std::bit_ceil(positions) / 8 * 64;
    const std::size_t key_entry =
        (key_octets + 8 + 15) / 16 * 16; // struct rte_hash_key, KEY_ALIGNMENT
    const std::size_t free_ring = std::bit_ceil(positions + 1) * 4;
    return bucket_octets + positions * key_entry + free_ring;
}

void FlowIndex::Free::operator()(rte_hash* table) const noexcept {
    rte_hash_free(table);
}

TableMemory::TableMemory(const std::string& name, std::size_t octets, int socket) {
    if (rte_lcore_count() != 0 && rte_eal_has_hugepages() != 0) { // lcores: the EAL runs
        octets_ = static_cast<std::uint8_t*>(
            rte_zmalloc_socket(name.c_str(), octets, kCacheLineBytes, socket));
    } else {
        void* mapped = mmap(nullptr, octets, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped != MAP_FAILED) {
            mapped_ = octets;
            octets_ = static_cast<std::uint8_t*>(mapped);
            (void)madvise(mapped, octets,
                          MADV_HUGEPAGE); // a wish: without it the table is only slower
        }
    }
    if (octets_ == nullptr) {
        throw std::runtime_error(
            "no memory for " + std::to_string(octets >> 20) +
            " MB of flow records; lower metering.flows_max or give DPDK more hugepages "
            "(/proc/sys/vm/nr_hugepages)");
    }
}

TableMemory::~TableMemory() {
    if (mapped_ != 0) {
        munmap(octets_, mapped_);
    } else {
        rte_free(octets_);
    }
}

} // namespace probe
