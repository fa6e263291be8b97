// SPDX-License-Identifier: BSD-3-Clause
// Housekeeping: walks every flow table once a sweep period and tells the owners which flows look
// expired.
//
// A step object with a cursor a table. The walk is spread evenly over the period, and a step looks
// at a bounded number of slots, so that neither the tables' memory nor the owners see bursts. It
// only reads the published fields.
#pragma once

#include <cstdint>
#include <vector>

#include "probe/lcores/worker.hpp"
#include "probe/packet/counter.hpp"

namespace probe {

/// The tables of some workers' lanes.
[[nodiscard]] std::vector<FlowLane*> tables_of(const std::vector<FlowLanes*>& lanes);

class Housekeeping {
  public:
    /// `slots_per_step`: bound of one step's work over all tables. The workers must outlive this
    /// object.
    Housekeeping(const std::vector<Worker*>& workers, TimeNs sweep_period,
                 std::size_t slots_per_step = 16'384);

    /// Sweeps what is due at `now`. Returns how many slots it looked at.
    std::size_t step(TimeNs now) noexcept;

    /// From the next step on; a sweep period shorter than the present pass ends it early.
    void set_timeouts(const TimeoutOptions& timeouts, TimeNs sweep_period) noexcept;

    /// A reload: these tables are swept from the next step on, and no others. `next` gets those
    /// before.
    void exchange(std::vector<FlowLane*>& next) noexcept;

    /// Whole passes over all tables so far, and how long the last one took, for the statistics.
    [[nodiscard]] std::uint64_t passes() const noexcept { return passes_.get(); }
    [[nodiscard]] TimeNs last_pass_ns() const noexcept { return last_pass_ns_.get(); }

  private:
    void begin_pass(TimeNs now) noexcept;

    std::vector<FlowLane*> tables_;
    std::vector<std::size_t> cursors_; ///< by table
    TimeNs period_;
    std::size_t slots_per_step_;
    TimeNs pass_began_ = 0;
    bool passing_ = false;
    Counter passes_;
    Counter last_pass_ns_;
};

} // namespace probe
