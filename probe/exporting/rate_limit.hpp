// SPDX-License-Identifier: BSD-3-Clause
// What an operator lets a collector have: data records and bits of messages a second, a token
// bucket each. A bucket holds a tenth of a second's worth, so that in any time t at most rate * (t
// + 0.1 s) leaves, and the message that used the last token.
//
// Thread: its session's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "probe/packet/packet_batch.hpp"

namespace probe {

class TokenBucket {
  public:
    /// 0: no limit.
    explicit TokenBucket(std::uint64_t tokens_per_second) noexcept : rate_(tokens_per_second) {}

    [[nodiscard]] bool has_any(TimeNs now) const noexcept { return free_at_ <= now; }
    /// It was empty within the last bucket's time.
    [[nodiscard]] bool exhausted(TimeNs now) const noexcept {
        return rate_ != 0 && free_at_ + kHolds > now;
    }
    void take(std::uint64_t tokens, TimeNs now) noexcept {
        if (rate_ == 0) return;
        const TimeNs full_at = now > kHolds ? now - kHolds : 0;
        free_at_ = std::max(free_at_, full_at) + (tokens * kNsPerSecond + rate_ - 1) / rate_;
    }
    [[nodiscard]] std::uint64_t holds() const noexcept {
        return rate_ == 0 ? UINT64_MAX : std::max<std::uint64_t>(rate_ * kHolds / kNsPerSecond, 1);
    }

  private:
    static constexpr TimeNs kHolds = 100 * kNsPerMs;

    std::uint64_t rate_;
    TimeNs free_at_ = 0; ///< from here on there is a token
};

class RateLimit {
  public:
    /// 0: no limit.
    RateLimit(std::uint64_t records_per_second, std::uint64_t bits_per_second) noexcept
        : records_(records_per_second), bits_(bits_per_second) {}

    [[nodiscard]] bool may_send(TimeNs now) const noexcept {
        return records_.has_any(now) && bits_.has_any(now);
    }
    [[nodiscard]] bool exhausted(TimeNs now) const noexcept {
        return records_.exhausted(now) || bits_.exhausted(now);
    }
    /// Most records that a message should hold.
    [[nodiscard]] std::uint64_t records_at_once() const noexcept { return records_.holds(); }

    void message_left(std::uint64_t data_records, std::size_t octets, TimeNs now) noexcept {
        records_.take(data_records, now);
        bits_.take(std::uint64_t{octets} * 8, now);
    }

  private:
    TokenBucket records_;
    TokenBucket bits_;
};

} // namespace probe
