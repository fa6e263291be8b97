// SPDX-License-Identifier: BSD-3-Clause
// What a match of an anchored pattern begins with, read off the pattern's text.
//
// For PayloadSieve, which spares payloads a scan: what is said here errs on the side of too much,
// unless it is said to be the whole pattern. A construct that this reader does not know is "any
// octets". Used while rules are loaded.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "probe/application/pattern_database.hpp"

namespace probe {

/// Octets of a payload that are told apart.
inline constexpr std::size_t kHeadOctets = 16;

using OctetSet = std::bitset<256>;

struct PatternHead {
    static constexpr std::size_t kAnyLength = SIZE_MAX;

    std::array<OctetSet, kHeadOctets> sets; ///< by position: what may stand there
    std::size_t octets_min = 0;             ///< no match is shorter; at most kHeadOctets
    /// Of a pattern that asks for the payload's end, one more than octets_min: for a line feed,
    /// which `$` lets stand behind it.
    std::size_t octets_max = kAnyLength;
    /// What begins so is a match; with an octets_max, if it has octets_min octets.
    bool whole = false;

    /// Of a match that may begin with any octets, or stand anywhere.
    [[nodiscard]] static PatternHead any() {
        PatternHead head;
        head.sets.fill(OctetSet().set());
        return head;
    }
};

/// Each match begins with octets of one of these.
[[nodiscard]] std::vector<PatternHead> pattern_heads(const PatternExpression& expression);

} // namespace probe
