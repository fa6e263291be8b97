// SPDX-License-Identifier: BSD-3-Clause
// How long after a connection attempt the next may be made: doubled after each failure between two
// bounds, and up to a quarter more by chance, so that many probes do not return to a collector in
// one instant.
#pragma once

#include <algorithm>
#include <cstdint>

#include "probe/packet/packet_batch.hpp"

namespace probe {

class ReconnectDelay {
  public:
    ReconnectDelay(TimeNs shortest, TimeNs longest, std::uint64_t seed) noexcept
        : shortest_(std::max<TimeNs>(shortest, 1)),
          longest_(std::max(longest, shortest_)),
          next_(shortest_),
          random_(seed) {}

    [[nodiscard]] TimeNs next() noexcept {
        const TimeNs delay = next_;
        next_ = delay > longest_ / 2 ? longest_ : delay * 2;
        return delay + random() % (delay / 4 + 1);
    }
    void reset() noexcept { next_ = shortest_; }
    [[nodiscard]] TimeNs longest() const noexcept { return longest_; }

  private:
    // SplitMix64 (Steele, Lea, Flood 2014): enough to spread delays, the same on every run.
    std::uint64_t random() noexcept {
        random_ += 0x9E3779B97F4A7C15U;
        std::uint64_t mixed = random_;
        mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
        return mixed ^ (mixed >> 31U);
    }

    TimeNs shortest_;
    TimeNs longest_;
    TimeNs next_;
    std::uint64_t random_;
};

/// When a transport with connections tries, and when it gives up.
struct ConnectionTimes {
    // Not explicit: a schedule alone says all there is to say.
    ConnectionTimes(ReconnectDelay schedule, TimeNs timeout = 15 * kNsPerSecond) noexcept
        : delay(schedule), peer_timeout(timeout) {}
    ReconnectDelay delay;
    TimeNs peer_timeout; ///< an attempt, or a peer, without an answer for this long is over
};

} // namespace probe
