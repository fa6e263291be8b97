// SPDX-License-Identifier: BSD-3-Clause
// Octets read as an integer, wherever they lie and in host order.
#pragma once

#include <cstring>

namespace probe {

/// The first sizeof(Word) octets at `octets`, which need not be aligned.
template <class Word>
[[nodiscard]] inline Word load(const void* octets) noexcept {
    Word word;
    std::memcpy(&word, octets, sizeof word);
    return word;
}

} // namespace probe
