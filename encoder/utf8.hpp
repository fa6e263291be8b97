// SPDX-License-Identifier: BSD-3-Clause
// UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace ipfix {

/// Octets of the character at the front of a text that is not empty; 0 when that is not UTF-8.
[[nodiscard]] constexpr std::size_t utf8_octets(std::string_view text) noexcept {
    const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (at(0) < 0x80) return 1;
    const std::size_t octets = at(0) >= 0xF0 ? 4 : at(0) >= 0xE0 ? 3 : 2;
    if (at(0) < 0xC2 || at(0) > 0xF4 || text.size() < octets) return 0;
    for (std::size_t i = 1; i < octets; ++i) {
        if ((at(i) & 0xC0) != 0x80) return 0;
    }
    const bool overlong = (at(0) == 0xE0 && at(1) < 0xA0) || (at(0) == 0xF0 && at(1) < 0x90);
    const bool surrogate = at(0) == 0xED && at(1) > 0x9F;
    const bool beyond = at(0) == 0xF4 && at(1) > 0x8F;
    return overlong || surrogate || beyond ? 0 : octets;
}

} // namespace ipfix
