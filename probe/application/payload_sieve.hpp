// SPDX-License-Identifier: BSD-3-Clause
// Tells of most payloads that no anchored pattern can match, or which do, without a scan.
//
// The heads of all patterns lie in 64 buckets, like ones together; by position and octet a word has
// a bit for each bucket in which some head has that octet there. The words of a payload's first
// octets, taken together, leave the buckets that may match: as a rule none. A head that is a whole
// pattern and has its bucket to itself is a match. The price is the same for any number of
// patterns. False positives cost a scan; there are no false negatives.
//
// Built while rules are loaded, then immutable: any thread may ask.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "probe/application/pattern_head.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class PayloadSieve {
  public:
    struct Entry {
        PatternHead head;
        bool first_only = false;    ///< of a direction's first payload
        bool port_required = false; ///< counts on its rule's ports only
        std::uint32_t pattern = 0;  ///< the head's
    };

    enum class Verdict : std::uint8_t {
        no,      ///< no pattern matches
        found,   ///< those that were told, and no others
        on_port, ///< none but those that are tied to ports
        maybe,
    };

    PayloadSieve() = default; ///< of no pattern
    explicit PayloadSieve(std::vector<Entry> entries);

    /// Calls `found` with patterns where the answer is Verdict::found.
    template <class Found>
    [[nodiscard]] Verdict ask(Bytes payload, bool first_of_direction,
                              Found&& found) const noexcept {
        const std::size_t octets = payload.size() < kHeadOctets ? payload.size() : kHeadOctets;
        Buckets left = by_octets_[octets] & (first_of_direction ? ~Buckets{0} : later_);
        // A few at a time: where most payloads fall out is not for the branch predictor to guess.
        constexpr std::size_t kStep = 4;
        std::size_t at = 0;
        for (; at + kStep <= octets && left != 0; at += kStep) {
            for (std::size_t i = at; i < at + kStep; ++i) {
                left &= words_[i][payload[i]];
            }
        }
        for (; at < octets && left != 0; ++at) {
            left &= words_[at][payload[at]];
        }
        if (left == 0) {
            return Verdict::no;
        }
        if ((left & ~whole_) == 0) {
            for (; left != 0; left &= left - 1) {
                found(patterns_[static_cast<std::size_t>(std::countr_zero(left))]);
            }
            return Verdict::found;
        }
        return (left & ~port_required_) == 0 ? Verdict::on_port : Verdict::maybe;
    }

  private:
    using Buckets = std::uint64_t;
    static constexpr std::size_t kBuckets = 64;

    /// By a payload's length: with a head of that many octets, or of less.
    std::array<Buckets, kHeadOctets + 1> by_octets_{};
    Buckets later_ = 0; ///< asked of later payloads, too
    Buckets port_required_ = 0;
    Buckets whole_ = 0;                              ///< a pattern by itself
    std::array<std::uint32_t, kBuckets> patterns_{}; ///< of `whole_`
    std::array<std::array<Buckets, 256>, kHeadOctets> words_{};
};

} // namespace probe
