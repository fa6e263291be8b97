// SPDX-License-Identifier: BSD-3-Clause
// When a session's records of Options Templates (options_records.hpp) go out: all of them after the
// templates of every transport session, then once an interval, and once more before the session is
// closed in order, so that the last figures that a collector has are the last there were.
//
// Thread: its session's. `records` must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "probe/exporting/export_message.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/exporting/template_announcements.hpp"

namespace probe {

class OptionsCycle {
  public:
    /// `records`: nullptr for none.
    OptionsCycle(OptionsSource* records, TimeNs interval) noexcept
        : records_(records),
          count_(records != nullptr ? records->count() : 0),
          interval_(interval),
          next_(count_),
          packed_next_(count_) {}

    [[nodiscard]] OptionsSource* records() const noexcept { return records_; }
    /// A reload: what is told from the next record on, all of it at once.
    void change(OptionsSource* records, TimeNs now) noexcept;

    [[nodiscard]] bool due() const noexcept { return next_ < count_; }
    /// Nothing is due, and the cycle before the end was sent.
    [[nodiscard]] bool finished() const noexcept { return count_ == 0 || (last_begun_ && !due()); }

    void start_session(TimeNs now) noexcept;
    /// `ending`: the session closes and has nothing else to send.
    void start_when_due(TimeNs now, bool ending) noexcept;

    /// All of them are due, whatever the interval says.
    void start_again(TimeNs now) noexcept { start_session(now); }

    void begin_message() noexcept;
    /// Appends what is due and fits; what fits no message is counted in the ledger.
    void pack(ExportMessage& message, const TemplateAnnouncements& announcements,
              SessionLedger& ledger) noexcept;
    /// Nothing is due behind what the message at hand holds: flow records may follow.
    [[nodiscard]] bool all_packed() const noexcept { return packed_next_ == count_; }
    /// Records in the message at hand.
    [[nodiscard]] std::uint64_t packed() const noexcept { return packed_; }
    void message_left() noexcept { next_ = packed_next_; }

  private:
    OptionsSource* records_;
    std::size_t count_;
    const TimeNs interval_;
    std::size_t next_; ///< records from here on are due
    TimeNs begun_at_ = 0;
    bool last_begun_ = false;
    std::size_t packed_next_; ///< next_ once the message at hand has left
    std::uint64_t packed_ = 0;
};

} // namespace probe
