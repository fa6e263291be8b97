// SPDX-License-Identifier: BSD-3-Clause
// "Did you mean": the edit distance that picks the nearest known name. Cold path only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ipfix {

/// Inserted, deleted, replaced and swapped neighbouring characters; a difference of case alone
/// counts less than any of them, so that a name in wrong case is always the nearest.
/// The unit is half an edit. Names are compared up to their first 64 characters. Anything that is
/// not below `limit` may be answered with `limit`, without looking at all of it.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b,
                                        std::size_t limit = SIZE_MAX) noexcept;

/// The nearest of `names`, or an empty view when there are none.
template <typename Names>
[[nodiscard]] std::string_view nearest_name(std::string_view wrong, const Names& names) noexcept {
    std::string_view best;
    std::size_t best_distance = SIZE_MAX;
    for (const std::string_view name : names) {
        const std::size_t distance = edit_distance(wrong, name, best_distance);
        if (distance < best_distance) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}

} // namespace ipfix
