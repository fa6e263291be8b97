// SPDX-License-Identifier: BSD-3-Clause
// What numbers stand for, in a flat table: ids and ports are looked up for every flow.
//
// Open addressing, at most half full: a look-up reads one cache line as a rule, where a std::map
// walks its nodes. Filled while rules are loaded, then immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace probe {

template <class Value>
class NumberTable {
  public:
    /// Every key but this one.
    static constexpr std::uint32_t kNoKey = UINT32_MAX;

    /// The key's value: the one it has already, or else this one.
    Value& add(std::uint32_t key, const Value& value) {
        if (2 * (used_ + 1) > slots_.size()) {
            grow();
        }
        Slot& slot = slots_[place_of(key)];
        if (slot.key == kNoKey) {
            slot = {key, value};
            ++used_;
        }
        return slot.value;
    }

    /// nullptr when it is not there.
    [[nodiscard]] const Value* find(std::uint32_t key) const noexcept {
        if (slots_.empty()) {
            return nullptr;
        }
        const Slot& slot = slots_[place_of(key)];
        return slot.key == kNoKey ? nullptr : &slot.value;
    }

  private:
    struct Slot {
        std::uint32_t key = kNoKey;
        Value value{};
    };

    /// Where the key is, or would be.
    [[nodiscard]] std::size_t place_of(std::uint32_t key) const noexcept {
        constexpr std::uint64_t kGoldenRatio = 0x9E37'79B9'7F4A'7C15; // Fibonacci hashing
        const std::size_t mask = slots_.size() - 1;
        std::size_t place = (key * kGoldenRatio >> 32) & mask;
        while (slots_[place].key != kNoKey && slots_[place].key != key) {
            place = (place + 1) & mask;
        }
        return place;
    }

    void grow() {
        constexpr std::size_t kFirstSlots = 16;
        std::vector<Slot> smaller(slots_.empty() ? kFirstSlots : 2 * slots_.size());
        smaller.swap(slots_);
        for (const Slot& slot : smaller) {
            if (slot.key != kNoKey) {
                slots_[place_of(slot.key)] = slot;
            }
        }
    }

    std::vector<Slot> slots_;
    std::size_t used_ = 0;
};

} // namespace probe
