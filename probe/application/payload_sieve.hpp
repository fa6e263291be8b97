// SPDX-License-Identifier: BSD-3-Clause
// Tells of most payloads that no anchored pattern can match, or which do, without a scan.
//
// The heads of all patterns lie in 64 buckets, like ones together; by position and octet a word has
// a bit for each bucket in which some head has that octet there. The words of a payload's first
// octets, taken together, leave the buckets that may match: as a rule none. The price is the same
// for any number of patterns. Of the buckets that are left the heads are held against the payload
// one by one: one that is a whole pattern is a match, any other costs a scan. There are no false
// negatives.
//
// Built while rules are loaded, then immutable: any thread may ask.
#pragma once

#include <algorithm>
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
        on_port, ///< beside those none but patterns that are tied to ports
        maybe,
    };

    PayloadSieve() = default; ///< of no pattern
    explicit PayloadSieve(std::vector<Entry> entries);

    /// Calls `found` with patterns that match, the same one several times as the case may be.
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
        return hold_against(payload, first_of_direction, left, found);
    }

  private:
    using Buckets = std::uint64_t;
    static constexpr std::size_t kBuckets = 64;
    /// A bucket with more heads is not looked through: a scan is not dearer.
    static constexpr std::size_t kHeadsMax = 128;

    /// By position: the least octet, and how far the greatest one lies above it.
    struct Ranges {
        std::array<std::uint8_t, kHeadOctets> least{};
        std::array<std::uint8_t, kHeadOctets> width{};

        [[nodiscard]] bool hold(
            const std::array<std::uint8_t, kHeadOctets>& octets) const noexcept {
            std::uint8_t beyond = 0;
            for (std::size_t i = 0; i < kHeadOctets; ++i) {
                const auto above = static_cast<std::uint8_t>(octets[i] - least[i]);
                beyond = static_cast<std::uint8_t>(beyond | (above > width[i] ? 0xFF : 0));
            }
            return beyond == 0;
        }
    };
    struct Kind {
        std::uint32_t pattern = 0;
        std::uint8_t octets_min = 0;
        bool ends = false;  ///< the payload has to, behind octets_min octets
        bool whole = false; ///< and the ranges are all of it
        bool first_only = false;
        bool port_required = false;
    };

    /// As PCRE's `$` has it: a line feed may stand behind the end.
    [[nodiscard]] static bool ends_at(Bytes payload, std::size_t octets) noexcept {
        return payload.size() == octets || (payload.size() == octets + 1 && payload.back() == '\n');
    }

    void add_bucket(std::size_t bucket, const Entry& joined);
    void add_head(const Entry& entry);

    /// The heads of these buckets, one by one.
    template <class Found>
    [[nodiscard]] Verdict hold_against(Bytes payload, bool first_of_direction, Buckets left,
                                       Found& found) const noexcept {
        std::array<std::uint8_t, kHeadOctets> octets{};
        std::copy_n(payload.begin(), std::min(payload.size(), kHeadOctets), octets.begin());
        Verdict verdict = Verdict::no;
        for (; left != 0; left &= left - 1) {
            const auto bucket = static_cast<std::size_t>(std::countr_zero(left));
            const std::uint32_t end = begin_[bucket + 1];
            if (end - begin_[bucket] > kHeadsMax) {
                return Verdict::maybe;
            }
            for (std::uint32_t i = begin_[bucket]; i < end; ++i) {
                const Kind& kind = kinds_[i];
                if (!ranges_[i].hold(octets) || payload.size() < kind.octets_min ||
                    (kind.ends && !ends_at(payload, kind.octets_min)) ||
                    (kind.first_only && !first_of_direction)) {
                    continue;
                }
                const bool whole = kind.whole && (!kind.ends || payload.size() == kind.octets_min);
                if (whole) {
                    found(kind.pattern);
                }
                verdict = std::max(verdict, whole                ? Verdict::found
                                            : kind.port_required ? Verdict::on_port
                                                                 : Verdict::maybe);
            }
        }
        return verdict;
    }

    /// By a payload's length: with a head of that many octets, or of less.
    std::array<Buckets, kHeadOctets + 1> by_octets_{};
    Buckets later_ = 0; ///< asked of later payloads, too
    std::array<std::array<Buckets, 256>, kHeadOctets> words_{};
    std::array<std::uint32_t, kBuckets + 1> begin_{}; ///< by bucket: its first head
    std::vector<Ranges> ranges_;                      ///< of all heads, by bucket
    std::vector<Kind> kinds_;
};

} // namespace probe
