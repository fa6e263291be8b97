// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_name_pattern.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <stdexcept>

namespace probe {
namespace {

constexpr std::size_t kAgainOctetsMax = 11; // "-" and the digits of an unsigned
constexpr std::string_view kKnown =
    "%Y (year), %m (month), %d (day), %H (hour), %M (minute), %S (second), %j (day of the year), "
    "%s (seconds since 1970) and %%";

struct Conversion {
    char letter;
    std::size_t digits;
};
constexpr std::array<Conversion, 8> kConversions = {{
    {'Y', 4},
    {'m', 2},
    {'d', 2},
    {'H', 2},
    {'M', 2},
    {'S', 2},
    {'j', 3},
    {'s', 10},
}};

std::size_t digits_of(char letter) noexcept {
    const auto* const found =
        std::find_if(kConversions.begin(), kConversions.end(),
                     [letter](const Conversion& known) { return known.letter == letter; });
    return found == kConversions.end() ? 0 : found->digits;
}

bool is_digit(char letter) noexcept {
    return letter >= '0' && letter <= '9';
}

void append_digits(std::string& out, std::uint64_t value, std::size_t digits) {
    out.append(digits, '0');
    for (std::size_t i = out.size(); digits > 0; --digits, value /= 10) {
        out[--i] = static_cast<char>('0' + value % 10);
    }
}

std::uint64_t value_of(char letter, const std::tm& time, std::time_t seconds) noexcept {
    const auto number = [](int value) { return static_cast<std::uint64_t>(value); };
    switch (letter) {
        case 'Y':
            return number(time.tm_year) + 1900;
        case 'm':
            return number(time.tm_mon) + 1;
        case 'd':
            return number(time.tm_mday);
        case 'H':
            return number(time.tm_hour);
        case 'M':
            return number(time.tm_min);
        case 'S':
            return number(time.tm_sec);
        case 'j':
            return number(time.tm_yday) + 1;
        default:
            return static_cast<std::uint64_t>(seconds);
    }
}

} // namespace

FileNamePattern::FileNamePattern(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
    folder_ = path.substr(0, name);
    pattern_ = path.substr(name);
    if (folder_.find('%') != std::string::npos) {
        throw std::invalid_argument(
            "'" + path + "': the folder stays the same; write % in the file's name only");
    }
    for (std::size_t i = 0; i < pattern_.size(); ++i) {
        if (pattern_[i] != '%') continue;
        ++i;
        const bool known =
            i < pattern_.size() && (pattern_[i] == '%' || digits_of(pattern_[i]) > 0);
        if (!known) {
            throw std::invalid_argument("'" + path + "': '%" + pattern_.substr(i, 1) +
                                        "' is no part of a time; known are " + std::string(kKnown));
        }
        conversions_ = conversions_ || pattern_[i] != '%';
    }
    extensions_ = extensions_of(pattern_);
}

FileNamePattern FileNamePattern::of_many(const std::string& path) {
    FileNamePattern pattern(path);
    if (pattern.conversions_) return pattern;
    std::string name = pattern.pattern_;
    name.insert(pattern.extensions_, "-%Y%m%d-%H%M%S");
    return FileNamePattern(pattern.folder_ + name);
}

// ".ipfix.gz", ".gz", ".ipfix": what a program looks at to know the kind of file.
std::size_t FileNamePattern::extensions_of(std::string_view name) noexcept {
    std::string_view rest = name;
    if (rest.ends_with(".gz")) rest.remove_suffix(3);
    const std::size_t dot = rest.rfind('.');
    const bool short_one = dot != std::string_view::npos && dot > 0 && rest.size() - dot <= 6 &&
                           rest.find('%', dot) == std::string_view::npos;
    return short_one ? dot : rest.size();
}

std::size_t FileNamePattern::octets_max() const noexcept {
    constexpr std::size_t kWidest = 10; // of two characters, "%s"
    return folder_.size() + pattern_.size() * kWidest / 2 + kAgainOctetsMax + 1;
}

void FileNamePattern::write(TimeNs time, unsigned again, std::string& out) const {
    const auto seconds = static_cast<std::time_t>(time / kNsPerSecond);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    out.assign(folder_);
    for (std::size_t i = 0; i < pattern_.size(); ++i) {
        if (i == extensions_ && again > 0) {
            std::array<char, kAgainOctetsMax> digits{};
            const auto end = std::to_chars(digits.begin(), digits.end(), again).ptr;
            out.append(1, '-').append(digits.data(), end);
        }
        if (pattern_[i] != '%') {
            out.push_back(pattern_[i]);
        } else if (pattern_[++i] == '%') {
            out.push_back('%');
        } else {
            append_digits(out, value_of(pattern_[i], parts, seconds), digits_of(pattern_[i]));
        }
    }
    if (extensions_ == pattern_.size() && again > 0) out.append("-").append(std::to_string(again));
}

bool FileNamePattern::matches(std::string_view name) const noexcept {
    std::size_t at = 0;
    const auto skip_again = [&] {
        if (at + 1 >= name.size() || name[at] != '-' || !is_digit(name[at + 1])) return;
        for (++at; at < name.size() && is_digit(name[at]);) {
            ++at;
        }
    };
    for (std::size_t i = 0; i < pattern_.size(); ++i) {
        if (i == extensions_) skip_again();
        const char letter = pattern_[i] == '%' ? pattern_[++i] : '%';
        const std::size_t digits = letter == '%' ? 0 : digits_of(letter);
        if (at + std::max<std::size_t>(digits, 1) > name.size()) return false;
        if (digits == 0 && name[at++] != pattern_[i]) return false;
        for (std::size_t n = 0; n < digits; ++n) {
            if (!is_digit(name[at++])) return false;
        }
    }
    if (extensions_ == pattern_.size()) skip_again();
    return at == name.size();
}

} // namespace probe
