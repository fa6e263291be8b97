// SPDX-License-Identifier: BSD-3-Clause
// What an lcore does when there is nothing to do: first it pauses, then it sleeps for a moment, so
// that an idle probe does not burn its cores. And how busy it was, since `top` cannot tell a
// polling thread from a working one.
#pragma once

#include <rte_pause.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "probe/lcores/clock.hpp"
#include "probe/packet/counter.hpp"

namespace probe {

class IdleLadder {
  public:
    /// Whether the lcore has receive queues to watch (the default) or only roles that nothing
    /// overruns.
    void watches_queues(bool yes) noexcept {
        long_nap_ns_ = yes ? kLongNapNs : kLongNapWithoutQueuesNs;
    }

    /// The last turn had work.
    void worked() noexcept {
        naps_ = 0;
        if (idle_turns_ != 0) {
            resting_ended(monotonic_ns());
        }
    }

    /// The last turn had none: waits a little, longer when it has been quiet for long.
    void rest() noexcept {
        if (idle_turns_ == 0) {
            resting_since_ = monotonic_ns();
        }
        ++idle_turns_;
        if (idle_turns_ < kPauseTurns) {
            rte_pause();
            return;
        }
        naps_ += naps_ < kShortNaps ? 1 : 0;
        const timespec nap{0, naps_ < kShortNaps ? kNapNs : long_nap_ns_};
        (void)nanosleep(&nap, nullptr); // an interrupted nap is a short nap
        if (idle_turns_ % kNapsPerReport == 0) {
            resting_ended(monotonic_ns());
            resting_since_ = monotonic_ns();
            idle_turns_ = kPauseTurns;
        }
    }

    /// Any thread.
    [[nodiscard]] double busy_share() const noexcept {
        const TimeNs began = began_.get();
        const TimeNs lived = std::max<TimeNs>(monotonic_ns() - began, 1);
        const TimeNs rested = std::min<TimeNs>(rested_ns_.get(), lived);
        return 1.0 - static_cast<double>(rested) / static_cast<double>(lived);
    }

    IdleLadder() noexcept { began_.set(monotonic_ns()); }

  private:
    static constexpr std::uint32_t kPauseTurns = 512;
    /// 50 us, about 100 with the kernel's timer slack: 1,500 packets at 10 Gbit/s of 64 octets,
    /// which the default 2,048 descriptors of a queue hold.
    static constexpr long kNapNs = 50'000;
    /// After some 0.1 s without a packet naps are longer: a nap costs about 10 us of CPU, and
    /// 10,000 of them a second are a tenth of a core. The default descriptors still hold what a
    /// silent link sends in 0.5 ms at 3.7 Mpps.
    static constexpr std::uint32_t kShortNaps = 1024;
    static constexpr long kLongNapNs = 500'000;
    static constexpr long kLongNapWithoutQueuesNs = 1'000'000;
    static constexpr std::uint32_t kNapsPerReport = 1024;

    void resting_ended(TimeNs now) noexcept {
        rested_ns_.add(now - resting_since_);
        idle_turns_ = 0;
    }

    std::uint32_t idle_turns_ = 0;
    std::uint32_t naps_ = 0; // since the last work, up to kShortNaps
    long long_nap_ns_ = kLongNapNs;
    TimeNs resting_since_ = 0;
    Counter rested_ns_;
    Counter began_;
};

} // namespace probe
