// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/housekeeping.hpp"

#include <algorithm>

namespace probe {

Housekeeping::Housekeeping(const std::vector<Worker*>& workers, TimeNs sweep_period,
                           std::size_t slots_per_step)
    : period_(std::max<TimeNs>(sweep_period, 1)), slots_per_step_(slots_per_step) {
    std::vector<FlowLanes*> lanes;
    for (const Worker* worker : workers) {
        lanes.push_back(worker->lanes());
    }
    tables_ = tables_of(lanes);
    cursors_.assign(2 * workers.size(), 0); // as many tables as there can be
}

std::vector<FlowLane*> tables_of(const std::vector<FlowLanes*>& lanes) {
    std::vector<FlowLane*> tables;
    for (const FlowLanes* some : lanes) {
        for (const auto& lane : some->lanes) {
            if (lane) {
                tables.push_back(lane.get());
            }
        }
    }
    return tables;
}

void Housekeeping::exchange(std::vector<FlowLane*>& next) noexcept {
    tables_.swap(next);
    passing_ = false;
}

std::size_t Housekeeping::step(TimeNs now) noexcept {
    if (!passing_) {
        if (pass_began_ != 0 && now < pass_began_ + period_) {
            return 0;
        }
        begin_pass(now);
    }
    // The share of the pass that should be done by now; a late step catches up within its budget.
    const TimeNs elapsed = now > pass_began_ ? now - pass_began_ : 0;
    const double share = std::min(1.0, static_cast<double>(elapsed) / static_cast<double>(period_) +
                                           1.0 / 64.0); // begins at once, so short periods work
    std::size_t budget = slots_per_step_;
    std::size_t looked_at = 0;
    bool finished = true;
    for (std::size_t t = 0; t < tables_.size(); ++t) {
        FlowLane& lane = *tables_[t];
        std::size_t& cursor = cursors_[t];
        const std::size_t slots = lane.slots_used();
        const auto due = static_cast<std::size_t>(static_cast<double>(slots) * share);
        const std::size_t to = std::min({slots, due, cursor + budget});
        if (to > cursor) {
            const std::size_t stopped = lane.sweep(cursor, to, now);
            looked_at += stopped - cursor;
            budget -= stopped - cursor;
            cursor = stopped;
        }
        finished = finished && cursor >= slots;
    }
    if (finished && share >= 1.0) {
        passing_ = false;
        passes_.add(1);
        last_pass_ns_.set(now - pass_began_);
    }
    return looked_at;
}

void Housekeeping::set_timeouts(const TimeoutOptions& timeouts, TimeNs sweep_period) noexcept {
    period_ = std::max<TimeNs>(sweep_period, 1);
    for (FlowLane* table : tables_) {
        table->set_sweep_timeouts(timeouts);
    }
}

void Housekeeping::begin_pass(TimeNs now) noexcept {
    passing_ = true;
    pass_began_ = now;
    std::fill(cursors_.begin(), cursors_.end(), 0);
}

} // namespace probe
