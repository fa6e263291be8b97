// SPDX-License-Identifier: BSD-3-Clause
// Lines and words of text protocols, as views into the payload.
#pragma once

#include <algorithm>
#include <string_view>

namespace probe {

[[nodiscard]] constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}

/// ASCII only, as the protocols compare their words.
[[nodiscard]] constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}
[[nodiscard]] constexpr bool starts_ignoring_case(std::string_view text,
                                                  std::string_view start) noexcept {
    return equals_ignoring_case(text.substr(0, start.size()), start);
}
[[nodiscard]] constexpr bool contains_ignoring_case(std::string_view text,
                                                    std::string_view word) noexcept {
    return std::search(text.begin(), text.end(), word.begin(), word.end(),
                       [](char x, char y) { return lower(x) == lower(y); }) != text.end();
}
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
        text.remove_suffix(1);
    }
    return text;
}

/// Takes the text before the next space off the front, and the space.
[[nodiscard]] constexpr std::string_view take_word(std::string_view& text) noexcept {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

struct Line {
    std::string_view text; ///< without its end, CR LF or LF
    bool whole = false;    ///< its end was there
};

/// Takes the next line off the front.
[[nodiscard]] constexpr Line take_line(std::string_view& text) noexcept {
    const std::size_t end = text.find('\n');
    Line line{text.substr(0, end), end != std::string_view::npos};
    text.remove_prefix(line.whole ? end + 1 : text.size());
    if (line.whole && !line.text.empty() && line.text.back() == '\r') {
        line.text.remove_suffix(1);
    }
    return line;
}

} // namespace probe
