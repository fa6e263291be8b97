// SPDX-License-Identifier: BSD-3-Clause
// What was read out of flows, kept until the last record that tells of it is encoded.
//
// A result is a string of octets (packed_fields.hpp) in chunks of a fixed pool, so that a flow with
// a short name takes little. A flow record carries the result's handle to the exporter instead of
// the octets. The worker counts references: one for the flow, one for each record on its way; the
// exporter gives a record's reference back through a ring.
//
// Threads: one worker writes; the exporter calls read() and give_back() only. A result is complete
// before a record with its handle is published (SpscQueue P1), and is written again only after the
// exporter's give_back() was seen (C1), so the octets themselves need no atomics.
// Memory: all at construction, but no page of it is touched before it is needed: reading a small
// capture does not wait for a large pool.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "probe/metering/spsc_queue.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

using ResultHandle = std::uint32_t;
inline constexpr ResultHandle kNoResult = UINT32_MAX;

class ApplicationResults {
  public:
    static constexpr std::size_t kChunkOctets = 128;

    /// `octets` of chunks. `records_max`: how many records can be on their way
    /// at once, the one in the exporter's hands included.
    ApplicationResults(std::size_t octets, std::size_t records_max);

    // --- the worker ---

    /// Keeps a copy, with one reference. kNoResult when there is no room.
    [[nodiscard]] ResultHandle store(Bytes result) noexcept;
    /// Another reference, for a record that goes to the exporter.
    void lend(ResultHandle handle) noexcept;
    /// One reference less; the last one frees the chunks.
    void drop(ResultHandle handle) noexcept;
    /// Takes what the exporter gave back. Cheap when there is nothing.
    void take_returns() noexcept;

    [[nodiscard]] std::size_t chunks() const noexcept { return chunks_count_; }
    [[nodiscard]] std::size_t chunks_free() const noexcept {
        return free_count_ + (chunks_count_ - fresh_);
    }

    // --- the exporter ---

    /// Copies the result to `out`, which has room for what was stored. Returns its octets.
    [[nodiscard]] std::size_t read(ResultHandle handle, std::span<std::uint8_t> out) const noexcept;
    /// A record's reference, once: after the last read() for it and before the record leaves its
    /// queue.
    void give_back(ResultHandle handle) noexcept;

    [[nodiscard]] static std::size_t memory_octets(std::size_t octets,
                                                   std::size_t records_max) noexcept;

  private:
    struct Chunk {
        static constexpr std::size_t kOctets = kChunkOctets - 2 * sizeof(std::uint32_t);
        std::uint32_t next;   ///< kNoResult: none
        std::uint32_t octets; ///< here and in the chunks behind
        std::array<std::uint8_t, kOctets> data;
    };
    static_assert(sizeof(Chunk) == kChunkOctets);

    static constexpr std::size_t kReturnsPerRecord = 4;

    [[nodiscard]] static constexpr std::size_t chunks_for(std::size_t octets) noexcept {
        return (octets + Chunk::kOctets - 1) / Chunk::kOctets;
    }

    /// One of chunks_free(), the one used last if any was.
    [[nodiscard]] std::uint32_t take_chunk() noexcept {
        return free_count_ != 0 ? free_[--free_count_] : static_cast<std::uint32_t>(fresh_++);
    }

    std::size_t chunks_count_;
    std::unique_ptr<Chunk[]> chunks_; // worker: rw, exporter: ro while it holds a reference
    std::unique_ptr<std::uint32_t[]> references_; // worker: rw. By first chunk
    std::unique_ptr<std::uint32_t[]> free_;       // worker: rw. The first free_count_ are valid
    std::size_t free_count_ = 0;                  // worker: rw
    std::size_t fresh_ = 0;                       // worker: rw. Chunks from here on were never used
    std::size_t lent_ = 0;                        // worker: rw. To records that were not seen back
    SpscQueue returned_;                          // exporter: producer, worker: consumer
};

} // namespace probe
