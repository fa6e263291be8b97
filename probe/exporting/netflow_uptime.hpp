// SPDX-License-Identifier: BSD-3-Clause
// The times of NetFlow v5 and v9: flows are told in milliseconds since the exporter started, in 32
// bits, and the message's header says which instant that was.
//
// The start is taken an hour before the first flow and stays, so that sysUpTime grows as a router's
// does. It moves when a flow is older or so much younger, or when the 32 bits (49.7 days) are used
// up: a collector then sees a restart, and no time ever wraps. When a capture that is older
// than 49.7 days is read, messages carry the capture's own time. A message has flows only that fit
// one start.
//
// Thread: its session's.
#pragma once

#include <algorithm>
#include <cstdint>

namespace probe {

class NetflowUptime {
  public:
    void begin_message(std::uint32_t export_time_s) noexcept {
        export_ms_ = std::uint64_t{export_time_s} * kMsPerSecond;
        latest_ms_ = 0;
        flows_ = false;
    }

    /// Whether a flow of these times (Unix, ms) can go into the message at hand; if so, it does.
    [[nodiscard]] bool take(std::uint64_t first_ms, std::uint64_t last_ms) noexcept {
        const bool fits = first_ms >= start_ms_ && last_ms <= start_ms_ + kMax;
        if (!flows_ && (!fits || export_ms_ > start_ms_ + kMax)) {
            start_ms_ = first_ms > kBefore ? first_ms - kBefore : 0;
            if (last_ms > start_ms_ + kMax) start_ms_ = last_ms - kMax;
        } else if (!fits) {
            return false;
        }
        flows_ = true;
        latest_ms_ = std::max(latest_ms_, last_ms);
        return true;
    }

    /// Of a time that was taken. A flow of more than 49.7 days begins with the start.
    [[nodiscard]] std::uint32_t uptime(std::uint64_t time_ms) const noexcept {
        return static_cast<std::uint32_t>(time_ms - std::min(time_ms, start_ms_));
    }

    struct Header {
        std::uint32_t uptime_ms;
        std::uint32_t unix_s;
    };
    [[nodiscard]] Header header() noexcept {
        if (!flows_ && (export_ms_ < start_ms_ || export_ms_ > start_ms_ + kMax)) {
            start_ms_ = export_ms_ > kBefore ? export_ms_ - kBefore : 0;
        }
        std::uint64_t at = export_ms_;
        if (at > start_ms_ + kMax || at < latest_ms_) {
            at = (latest_ms_ / kMsPerSecond + 1) * kMsPerSecond;
        }
        return {static_cast<std::uint32_t>(at - start_ms_),
                static_cast<std::uint32_t>(at / kMsPerSecond)};
    }

  private:
    static constexpr std::uint64_t kMsPerSecond = 1000;
    static constexpr std::uint64_t kMax = UINT32_MAX - 2 * kMsPerSecond;
    static constexpr std::uint64_t kBefore = 3600 * kMsPerSecond;

    std::uint64_t start_ms_ = 0;
    std::uint64_t export_ms_ = 0;
    std::uint64_t latest_ms_ = 0;
    bool flows_ = false;
};

} // namespace probe
