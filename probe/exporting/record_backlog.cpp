// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/record_backlog.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace probe {
namespace {

static_assert(std::is_trivially_copyable_v<QueuedRecord>);
static_assert(sizeof(QueuedRecord) == 32, "the bookkeeping that the header promises");

/// Entries start at multiples of this, so that a gap at the ring's end is 0 or has room for a mark.
constexpr std::size_t kAlign = 8;

/// Template index of an entry that only says: go on at the ring's start.
constexpr std::uint16_t kGapMark = 0xFFFF;

constexpr std::size_t entry_octets(std::size_t record_octets) noexcept {
    return sizeof(QueuedRecord) + (record_octets + kAlign - 1) / kAlign * kAlign;
}

} // namespace

RecordBacklog::RecordBacklog(std::uint32_t octets, bool touched) {
    const std::size_t size =
        std::max<std::size_t>(octets / kAlign * kAlign, 2 * entry_octets(0xFFFF));
    memory_ = std::make_unique_for_overwrite<std::uint8_t[]>(size);
    ring_ = {memory_.get(), size};
    if (touched) {
        std::fill(ring_.begin(), ring_.end(), std::uint8_t{0});
    }
}

// A gap shorter than a mark is known by its size, a longer one by the mark in it.
void RecordBacklog::skip_tail_gap(std::size_t& position) const noexcept {
    if (ring_.size() - position >= sizeof(QueuedRecord)) {
        QueuedRecord entry;
        std::memcpy(&entry, ring_.data() + position, sizeof entry);
        if (entry.template_index != kGapMark) return;
    }
    position = 0;
}

bool RecordBacklog::push(const QueuedRecord& record, Bytes octets) noexcept {
    const std::size_t need = entry_octets(octets.size());
    const std::size_t to_end = ring_.size() - tail_;
    const std::size_t gap = need > to_end ? to_end : 0;
    if (octets.size() > 0xFFFF || need + gap > ring_.size() - used_) return false;
    if (gap > 0) {
        if (gap >= sizeof(QueuedRecord)) {
            QueuedRecord mark;
            mark.template_index = kGapMark;
            std::memcpy(ring_.data() + tail_, &mark, sizeof mark);
        }
        used_ += gap;
        tail_ = 0;
    }
    QueuedRecord entry = record;
    entry.octets = static_cast<std::uint16_t>(octets.size());
    std::memcpy(ring_.data() + tail_, &entry, sizeof entry);
    if (!octets.empty()) {
        std::memcpy(ring_.data() + tail_ + sizeof entry, octets.data(), octets.size());
    }
    tail_ = (tail_ + need) % ring_.size();
    used_ += need;
    ++pushed_;
    ++records_;
    ++unread_records_;
    held_octets_ += octets.size();
    unread_octets_ += octets.size();
    return true;
}

bool RecordBacklog::peek(QueuedRecord& record, Bytes& octets) const noexcept {
    if (unread_records_ == 0) return false;
    std::size_t at = cursor_;
    skip_tail_gap(at);
    std::memcpy(&record, ring_.data() + at, sizeof record);
    octets = Bytes(ring_).subspan(at + sizeof record, record.octets);
    return true;
}

void RecordBacklog::advance() noexcept {
    if (unread_records_ == 0) return;
    std::size_t at = cursor_;
    skip_tail_gap(at);
    if (at != cursor_) read_ += ring_.size() - cursor_;
    QueuedRecord record;
    std::memcpy(&record, ring_.data() + at, sizeof record);
    const std::size_t size = entry_octets(record.octets);
    cursor_ = (at + size) % ring_.size();
    read_ += size;
    --unread_records_;
    unread_octets_ -= record.octets;
}

void RecordBacklog::rewind() noexcept {
    cursor_ = head_;
    read_ = 0;
    unread_records_ = records_;
    unread_octets_ = held_octets_;
}

void RecordBacklog::release() noexcept {
    head_ = cursor_;
    used_ -= read_;
    read_ = 0;
    records_ = unread_records_;
    held_octets_ = unread_octets_;
    begin_again();
}

/// While a collector keeps up, the ring's start is used again and again and stays in the cache;
/// what is moved is a quarter at most of what came since.
void RecordBacklog::begin_again() noexcept {
    constexpr std::size_t kWarmOctets = std::size_t{64} * 1024;
    constexpr std::size_t kShare = 4;
    const bool in_one_piece = head_ + used_ == tail_;
    if (head_ < kWarmOctets || used_ > head_ / kShare || !in_one_piece) return;
    std::memmove(ring_.data(), ring_.data() + head_, used_);
    head_ = cursor_ = 0;
    tail_ = used_;
}

void RecordBacklog::clear() noexcept {
    head_ = cursor_ = tail_ = used_ = read_ = 0;
    records_ = unread_records_ = held_octets_ = unread_octets_ = 0;
}

} // namespace probe
