// SPDX-License-Identifier: BSD-3-Clause
// When the sweep looks at each slot of a flow table again.
//
// A flow's times say before when it cannot end; until then nobody needs to read its record, whose
// line the owner is writing. So a pass reads four octets a slot, and the records of those alone
// whose time has come: for a flow with packets, once in an idle timeout. Ticks are 2^24 ns and wrap
// after two years.
//
// Threads: housekeeping reads and writes; the owner only stores kNow, where something it did may
// end the flow earlier than its times said. Cells are atomic.
//   S1: the owner's release store of kNow, after it changed the record; pairs with S2.
//   S2: housekeeping's exchange, before it reads the record. What the owner marks after S2 makes S3
//       fail, what it marked before is seen in the record.
//   S3: housekeeping's compare-exchange from kLooking to the next time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "probe/metering/flow_index.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class SweepSchedule {
  public:
    SweepSchedule(const std::string& name, std::size_t slots, int socket)
        : memory_(name, slots * sizeof(std::uint32_t), socket),
          cells_(reinterpret_cast<std::uint32_t*>(memory_.octets())) {}

    // --- the owner ---

    void look_now(std::int32_t slot) noexcept {
        cell(slot).store(kNow, std::memory_order_release); // S1, pairs with S2
    }

    // --- housekeeping ---

    [[nodiscard]] bool due(std::int32_t slot, TimeNs now) const noexcept {
        const std::uint32_t at = cell(slot).load(std::memory_order_relaxed); // S2 orders
        return at == kNow || at == kLooking || static_cast<std::int32_t>(tick(now) - at) >= 0;
    }
    /// Before the record is read. Without look_again_at() the slot stays due.
    void begin_look(std::int32_t slot) noexcept {
        (void)cell(slot).exchange(kLooking, std::memory_order_acq_rel); // S2, pairs with S1
    }
    /// The flow cannot end before `then`, by what was read since begin_look().
    void look_again_at(std::int32_t slot, TimeNs then, TimeNs now) noexcept {
        std::uint32_t expected = kLooking;
        (void)cell(slot).compare_exchange_strong( // S3
            expected, tick(std::min(then, now + kFarthest)), std::memory_order_relaxed);
    }

    [[nodiscard]] static std::size_t memory_octets(std::size_t slots) noexcept {
        return slots * sizeof(std::uint32_t);
    }

  private:
    static constexpr std::uint32_t kNow = 0; ///< as in fresh memory
    static constexpr std::uint32_t kLooking = 1;
    static constexpr unsigned kTickShift = 24;
    static constexpr TimeNs kFarthest = TimeNs{1} << 30 << kTickShift; ///< half of what fits

    /// A time that falls on kNow or kLooking is looked at early, which does no harm.
    [[nodiscard]] static std::uint32_t tick(TimeNs at) noexcept {
        return static_cast<std::uint32_t>(at >> kTickShift) + 2;
    }
    [[nodiscard]] std::atomic_ref<std::uint32_t> cell(std::int32_t slot) const noexcept {
        return std::atomic_ref<std::uint32_t>(cells_[slot]);
    }

    TableMemory memory_;
    std::uint32_t* cells_;
};

} // namespace probe
