// SPDX-License-Identifier: BSD-3-Clause
// Which slots of a flow table are free.
//
// The slot freed last is taken first, so that a new flow's record is one that is in the cache, and
// the sweep walks no further than the most flows there ever were. Slots do not depend on the hash
// key: the same packets get the same slots in every run.
//
// Thread: the owner worker. Memory is fixed at construction, and touched when slots come back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace probe {

class SlotPool {
  public:
    static constexpr std::int32_t kNoSlot = -1;

    explicit SlotPool(std::size_t slots) : slots_(slots) { freed_.reserve(slots); }

    /// What the n-th take() from now on gives, or kNoSlot where there are not so many.
    [[nodiscard]] std::int32_t peek(std::size_t n = 0) const noexcept {
        if (n < freed_.size()) {
            return freed_[freed_.size() - 1 - n];
        }
        const std::size_t fresh = unused_ + (n - freed_.size());
        return fresh < slots_ ? static_cast<std::int32_t>(fresh) : kNoSlot;
    }

    /// Takes the slot that peek() shows; there must be one.
    void take() noexcept {
        if (freed_.empty()) {
            ++unused_;
        } else {
            freed_.pop_back();
        }
    }

    void give(std::int32_t slot) noexcept { freed_.push_back(slot); } // within the reserve

    [[nodiscard]] std::size_t slots() const noexcept { return slots_; }
    [[nodiscard]] std::size_t free() const noexcept { return freed_.size() + slots_ - unused_; }
    /// No slot at or above this was ever taken.
    [[nodiscard]] std::size_t used() const noexcept { return unused_; }

    [[nodiscard]] static std::size_t memory_octets(std::size_t slots) noexcept {
        return slots * sizeof(std::int32_t);
    }

  private:
    std::size_t slots_;
    std::size_t unused_ = 0;          ///< slots from here on were never taken
    std::vector<std::int32_t> freed_; ///< a stack
};

} // namespace probe
