// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/nearest_name.hpp"

#include <algorithm>
#include <array>

namespace ipfix {

namespace {

constexpr std::size_t kCompared = 64;
constexpr std::size_t kEdit = 2;
constexpr std::size_t kCase = 1;

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::size_t replace_cost(char a, char b) noexcept {
    if (a == b) return 0;
    return lower(a) == lower(b) ? kCase : kEdit;
}

} // namespace

// Optimal string alignment over three rows, on the stack: names are short.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) noexcept {
    a = a.substr(0, kCompared);
    b = b.substr(0, kCompared);
    const std::size_t longer = std::max(a.size(), b.size()) - std::min(a.size(), b.size());
    if (longer * kEdit >= limit) return limit;
    using Row = std::array<std::size_t, kCompared + 1>;
    Row before{};
    Row above{};
    Row row{};
    for (std::size_t j = 0; j <= b.size(); ++j)
        above[j] = j * kEdit;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i * kEdit;
        std::size_t least = row[0];
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + replace_cost(a[i - 1], b[j - 1]);
            row[j] = std::min({above[j] + kEdit, row[j - 1] + kEdit, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + kEdit);
            }
            least = std::min(least, row[j]);
        }
        // No later row has less: a swap adds an edit to the row above, at most one edit below.
        if (least >= limit) return limit;
        before = above;
        above = row;
    }
    return above[b.size()];
}

} // namespace ipfix
