// SPDX-License-Identifier: BSD-3-Clause
// When does a flow end? A pure function of its times and the clock, so that the records do not
// depend on when the sweep comes by: of several deadlines that have passed, the earliest one
// counts.
#pragma once

#include <algorithm>

#include "probe/metering/flow_end_reason.hpp"
#include "probe/metering/flow_record.hpp"
#include "probe/metering/metering_options.hpp"

namespace probe {

struct FlowTimes {
    TimeNs first_ns; ///< kNoPacketYet: nothing metered since the last record
    TimeNs last_ns;
    std::uint8_t state;
};

/// a + b, or kNever where that does not fit.
[[nodiscard]] constexpr TimeNs deadline_after(TimeNs at, TimeNs wait) noexcept {
    return wait > kNever - at ? kNever : at + wait;
}

/// FlowEndReason::none while the flow lives. A deadline has passed when `now` has reached it.
[[nodiscard]] constexpr FlowEndReason expiry_verdict(const FlowTimes& flow, TimeNs now,
                                                     const TimeoutOptions& timeouts) noexcept {
    TimeNs deadline = deadline_after(flow.last_ns, timeouts.idle);
    FlowEndReason reason = FlowEndReason::idle_timeout;
    if ((flow.state & FlowState::kEnded) != 0) {
        const TimeNs linger_ends = deadline_after(flow.last_ns, timeouts.tcp_end);
        if (linger_ends <= deadline) {
            deadline = linger_ends;
            reason = FlowEndReason::end_of_flow_detected;
        }
    }
    if (flow.first_ns != kNoPacketYet) {
        const TimeNs cut = deadline_after(flow.first_ns, timeouts.active);
        if (cut < deadline) {
            deadline = cut;
            reason = FlowEndReason::active_timeout;
        }
    }
    return deadline != kNever && deadline <= now ? reason : FlowEndReason::none;
}

/// Before this time the flow cannot end or be cut, whatever packets come, as long as they come in
/// order and do not end its connection; nor can another flow that gets its slot.
[[nodiscard]] constexpr TimeNs earliest_end(const FlowTimes& flow,
                                            const TimeoutOptions& timeouts) noexcept {
    TimeNs deadline = deadline_after(flow.last_ns, std::min(timeouts.idle, timeouts.active));
    if ((flow.state & FlowState::kEnded) != 0) {
        deadline = std::min(deadline, deadline_after(flow.last_ns, timeouts.tcp_end));
    }
    if (flow.first_ns != kNoPacketYet) {
        deadline = std::min(deadline, deadline_after(flow.first_ns, timeouts.active));
    }
    return deadline;
}

template <class Record>
[[nodiscard]] FlowTimes published_times(const Record& record) noexcept {
    return {published_first(record), published_last(record), published_state(record)};
}

} // namespace probe
