// SPDX-License-Identifier: BSD-3-Clause
// Tells of most payloads that no anchored pattern can match, without a scan.
//
// The heads of all patterns lie in 64 buckets, like ones together; by position and octet a word has
// a bit for each bucket in which some head has that octet there. The words of a payload's first
// octets, taken together, leave the buckets that may match: as a rule none. The price is the same
// for any number of patterns. False positives cost a scan; there are no false negatives.
//
// Built while rules are loaded, then immutable: any thread may ask.
#pragma once

#include <array>
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
    };

    enum class Verdict : std::uint8_t {
        no,      ///< no pattern matches
        on_port, ///< none but those that are tied to ports
        maybe,
    };

    PayloadSieve() = default; ///< of no pattern
    explicit PayloadSieve(std::vector<Entry> entries);

    [[nodiscard]] Verdict ask(Bytes payload, bool first_of_direction) const noexcept {
        const std::size_t octets = payload.size() < kHeadOctets ? payload.size() : kHeadOctets;
        Buckets left = by_octets_[octets] & (first_of_direction ? ~Buckets{0} : later_);
        for (std::size_t i = 0; i < octets && left != 0; ++i) {
            left &= words_[i][payload[i]];
        }
        return left == 0                       ? Verdict::no
               : (left & ~port_required_) == 0 ? Verdict::on_port
                                               : Verdict::maybe;
    }

  private:
    using Buckets = std::uint64_t;

    /// By a payload's length: with a head of that many octets, or of less.
    std::array<Buckets, kHeadOctets + 1> by_octets_{};
    Buckets later_ = 0; ///< asked of later payloads, too
    Buckets port_required_ = 0;
    std::array<std::array<Buckets, 256>, kHeadOctets> words_{};
};

} // namespace probe
