// SPDX-License-Identifier: BSD-3-Clause
// The only clocks of the program. Everything else gets its time as an argument.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "probe/packet/packet_batch.hpp"

namespace probe {

namespace clock_detail {
[[nodiscard]] inline TimeNs read(clockid_t id) noexcept {
    timespec t{};
    clock_gettime(id, &t); // cannot fail for these ids; through the vDSO, about 20 ns
    return static_cast<TimeNs>(t.tv_sec) * kNsPerSecond + static_cast<TimeNs>(t.tv_nsec);
}
} // namespace clock_detail

[[nodiscard]] inline TimeNs monotonic_ns() noexcept {
    return clock_detail::read(CLOCK_MONOTONIC);
}
[[nodiscard]] inline TimeNs wall_clock_ns() noexcept {
    return clock_detail::read(CLOCK_REALTIME);
}

/// The probe's timeline: nanoseconds since the epoch that never run backwards and never jump. It is
/// the monotonic clock with an offset to the wall clock; when the wall clock is stepped, the offset
/// follows at one per cent, so that timers and durations stay right to one per cent and records
/// never end before they start.
///
/// now() may be called by every thread; follow_wall_clock() by one (the housekeeping lcore).
class ProbeClock {
  public:
    ProbeClock() noexcept : ProbeClock(monotonic_ns(), wall_clock_ns()) {}
    ProbeClock(TimeNs monotonic, TimeNs wall) noexcept
        : offset_(static_cast<std::int64_t>(wall - monotonic)), followed_at_(monotonic) {}

    [[nodiscard]] TimeNs now() const noexcept { return at(monotonic_ns()); }

    /// The timeline's value at a reading of the monotonic clock.
    [[nodiscard]] TimeNs at(TimeNs monotonic) const noexcept {
        // relaxed: an offset that is a step old is off by a hundredth of the time since that step
        return monotonic + static_cast<TimeNs>(offset_.load(std::memory_order_relaxed));
    }

    /// Moves the offset towards the wall clock. Returns how far the timeline is off, in
    /// nanoseconds.
    std::int64_t follow_wall_clock(TimeNs monotonic, TimeNs wall) noexcept {
        const std::int64_t offset = offset_.load(std::memory_order_relaxed); // its only writer
        const auto error = static_cast<std::int64_t>(wall - monotonic) - offset;
        const auto slew_max = static_cast<std::int64_t>((monotonic - followed_at_) / kSlewDivisor);
        followed_at_ = monotonic;
        offset_.store(offset + std::clamp(error, -slew_max, slew_max), std::memory_order_relaxed);
        return error;
    }

  private:
    static constexpr TimeNs kSlewDivisor = 100;

    std::atomic<std::int64_t> offset_; // follow_wall_clock's caller: rw, everyone: ro
    TimeNs followed_at_;
};

/// One thread's view of the timeline: never earlier than what this thread saw before.
class ThreadClock {
  public:
    explicit ThreadClock(const ProbeClock& clock) noexcept : clock_(clock) {}
    [[nodiscard]] TimeNs now() noexcept {
        latest_ = std::max(latest_, clock_.now());
        return latest_;
    }

  private:
    const ProbeClock& clock_;
    TimeNs latest_ = 0;
};

} // namespace probe
