// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/housekeeping.hpp"

#include <algorithm>

namespace probe {

Housekeeping::Housekeeping(const std::vector<Worker*>& workers, TimeNs sweep_period,
                           std::size_t slots_per_step)
    : period_(std::max<TimeNs>(sweep_period, 1)), slots_per_step_(slots_per_step) {
    for (const Worker* worker : workers) {
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            if (FlowLane* lane = worker->lane(family); lane != nullptr) {
                tables_.push_back({lane});
            }
        }
    }
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
    for (Table& table : tables_) {
        const std::size_t slots = table.lane->slots_used();
        const auto due = static_cast<std::size_t>(static_cast<double>(slots) * share);
        const std::size_t to = std::min({slots, due, table.cursor + budget});
        if (to > table.cursor) {
            const std::size_t stopped = table.lane->sweep(table.cursor, to, now);
            looked_at += stopped - table.cursor;
            budget -= stopped - table.cursor;
            table.cursor = stopped;
        }
        finished = finished && table.cursor >= slots;
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
    for (const Table& table : tables_) {
        table.lane->set_sweep_timeouts(timeouts);
    }
}

void Housekeeping::begin_pass(TimeNs now) noexcept {
    passing_ = true;
    pass_began_ = now;
    for (Table& table : tables_) {
        table.cursor = 0;
    }
}

} // namespace probe
