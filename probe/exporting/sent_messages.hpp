// SPDX-License-Identifier: BSD-3-Clause
// What the last messages of a session held, so that a break can be counted: over TCP the kernel
// says how many octets were never acknowledged, over SCTP which messages did not arrive; this says
// which records those were.
//
// Bounded: 1,024 messages of 16 KiB are four times the largest default send buffer (4 MiB); older
// ones count as acknowledged. Thread: its session's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "probe/exporting/session_ledger.hpp"

namespace probe {

class SentMessages {
  public:
    void clear() noexcept { count_ = next_ = total_ = 0; }

    void add(std::uint32_t message_octets, const RecordTally& records) noexcept {
        ring_[next_] = {records, message_octets};
        next_ = (next_ + 1) % kMessages;
        if (count_ < kMessages) ++count_;
        ++total_;
    }

    /// Records of the message of this number, counted from 0 since clear(); a second time, or too
    /// long ago: none.
    [[nodiscard]] RecordTally take(std::uint64_t number) noexcept {
        if (number >= total_ || total_ - number > count_) return {};
        Entry& entry = ring_[(next_ + kMessages - (total_ - number)) % kMessages];
        const RecordTally tally = entry.records;
        entry.records = {};
        return tally;
    }

    /// Records of the newest messages with any octet among the last `octets` sent.
    [[nodiscard]] RecordTally newest(std::uint64_t octets) const noexcept {
        RecordTally tally;
        for (std::size_t back = 1; back <= count_ && octets > 0; ++back) {
            const Entry& entry = ring_[(next_ + kMessages - back) % kMessages];
            tally.add(entry.records);
            octets -= octets < entry.octets ? octets : entry.octets;
        }
        return tally;
    }

  private:
    struct Entry {
        RecordTally records;
        std::uint32_t octets = 0;
    };
    static constexpr std::size_t kMessages = 1024;

    std::array<Entry, kMessages> ring_{};
    std::size_t next_ = 0;
    std::size_t count_ = 0;
    std::uint64_t total_ = 0;
};

} // namespace probe
