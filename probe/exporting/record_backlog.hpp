// SPDX-License-Identifier: BSD-3-Clause
// The queue of one collector: data records of any length in a ring of fixed size.
//
// Two ends for reading: records before the cursor are packed into the message at hand, the oldest
// still held; `release` forgets them once the message has left, `rewind` makes them unread again.
// Thread: its session's. No allocation after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "probe/exporting/session_ledger.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

struct QueuedRecord {
    TimeNs queued_at = 0;
    RecordWeight weight;
    std::uint16_t template_index = 0;
    std::uint16_t octets = 0; ///< of the data record
};

class RecordBacklog {
  public:
    /// `octets` holds the records and 32 octets of bookkeeping for each; at least two records of
    /// any size have room (128 KiB). `touched`: the ring is written once, so that the memory is
    /// really there; otherwise it is taken from the system as it fills up.
    explicit RecordBacklog(std::uint32_t octets, bool touched = true);

    /// False: there is no room, nothing changed.
    [[nodiscard]] bool push(const QueuedRecord& record, Bytes octets) noexcept;

    /// False: no unread record. `octets` stays valid until the record is released.
    [[nodiscard]] bool peek(QueuedRecord& record, Bytes& octets) const noexcept;

    /// Moves the cursor behind the record that peek() showed.
    void advance() noexcept;
    void rewind() noexcept;
    void release() noexcept;
    void clear() noexcept;

    /// Records that were ever taken, and how many of these are not held any more.
    [[nodiscard]] std::uint64_t pushed() const noexcept { return pushed_; }
    [[nodiscard]] std::uint64_t left() const noexcept { return pushed_ - records_; }

    [[nodiscard]] bool empty() const noexcept { return records_ == 0; }
    [[nodiscard]] bool all_read() const noexcept { return unread_records_ == 0; }
    [[nodiscard]] bool over_half() const noexcept { return used_ > ring_.size() / 2; }
    [[nodiscard]] std::size_t percent_used() const noexcept { return used_ * 100 / ring_.size(); }
    /// Of all records, without bookkeeping and set headers.
    [[nodiscard]] std::size_t held_octets() const noexcept { return held_octets_; }
    /// Of unread records, without bookkeeping and set headers.
    [[nodiscard]] std::size_t unread_octets() const noexcept { return unread_octets_; }

  private:
    void skip_tail_gap(std::size_t& position) const noexcept;
    void begin_again() noexcept;

    std::unique_ptr<std::uint8_t[]> memory_;
    std::span<std::uint8_t> ring_;
    std::size_t head_ = 0;   ///< oldest record
    std::size_t cursor_ = 0; ///< oldest unread record
    std::size_t tail_ = 0;   ///< where the next goes
    std::size_t used_ = 0;   ///< octets from head_ to tail_, gaps at the ring's end included
    std::size_t read_ = 0;   ///< octets from head_ to cursor_
    std::uint64_t pushed_ = 0;
    std::size_t records_ = 0;
    std::size_t unread_records_ = 0;
    std::size_t held_octets_ = 0; ///< record octets in the ring
    std::size_t unread_octets_ = 0;
};

} // namespace probe
