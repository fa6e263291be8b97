// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "encoder/nearest_name.hpp"
#include "encoder/yaml_document.hpp"
#include "encoder/yaml_tree.hpp"

namespace ipfix {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 7> kDurations = {{{"ns", 1},
                                             {"us", 1'000},
                                             {"ms", 1'000'000},
                                             {"s", 1'000'000'000},
                                             {"m", 60'000'000'000},
                                             {"h", 3'600'000'000'000},
                                             {"d", 86'400'000'000'000}}};
constexpr std::array<Unit, 11> kSizes = {{{"", 1},
                                          {"k", 1ULL << 10U},
                                          {"K", 1ULL << 10U},
                                          {"KiB", 1ULL << 10U},
                                          {"M", 1ULL << 20U},
                                          {"MiB", 1ULL << 20U},
                                          {"G", 1ULL << 30U},
                                          {"GiB", 1ULL << 30U},
                                          {"T", 1ULL << 40U},
                                          {"TiB", 1ULL << 40U},
                                          {"B", 1}}};

// "1.5" and "s" of "1.5s"; a number of digits and at most one point.
std::pair<std::string_view, std::string_view> split_unit(std::string_view text) {
    const std::size_t end = text.find_first_not_of("0123456789.");
    if (end == std::string_view::npos) return {text, {}};
    std::string_view unit = text.substr(end);
    while (!unit.empty() && unit.front() == ' ')
        unit.remove_prefix(1);
    return {text.substr(0, end), unit};
}

// Exact for whole numbers; a fraction is rounded to the unit below. Nothing for what does not fit.
template <std::size_t Count>
std::optional<std::uint64_t> scaled(std::string_view text, const std::array<Unit, Count>& units) {
    const auto [number, unit_name] = split_unit(text);
    const auto unit = std::find_if(units.begin(), units.end(),
                                   [name = unit_name](const Unit& u) { return u.name == name; });
    if (unit == units.end() || number.empty()) return std::nullopt;
    std::uint64_t whole = 0;
    const char* end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, whole);
    if (error == std::errc() && stop == end) {
        std::uint64_t value = 0;
        return __builtin_mul_overflow(whole, unit->factor, &value) ? std::nullopt
                                                                   : std::optional(value);
    }
    double fraction = 0; // from_chars of g++ 12 has doubles, and no locale
    const auto [stop_fraction, error_fraction] = std::from_chars(number.data(), end, fraction);
    if (error_fraction != std::errc() || stop_fraction != end) return std::nullopt;
    const double value = std::floor(fraction * static_cast<double>(unit->factor) + 1e-6);
    return value < 1e18 ? std::optional(static_cast<std::uint64_t>(value)) : std::nullopt;
}

std::string got(const std::string& value) {
    constexpr std::size_t kShown = 60;
    return value.size() <= kShown ? "'" + value + "'" : "'" + value.substr(0, kShown) + "...'";
}

std::string size_text(std::uint64_t octets) {
    constexpr std::array<std::pair<std::uint64_t, const char*>, 3> kNames = {
        {{1ULL << 30U, "G"}, {1ULL << 20U, "M"}, {1ULL << 10U, "k"}}};
    for (const auto& [factor, name] : kNames) {
        if (octets >= factor && octets % factor == 0) return std::to_string(octets / factor) + name;
    }
    return std::to_string(octets);
}

const char* kind_name(YamlKind kind) {
    switch (kind) {
        case YamlKind::null:
            return "nothing";
        case YamlKind::scalar:
            return "a single value";
        case YamlKind::list:
            return "a list";
        case YamlKind::map:
            break;
    }
    return "keys with values";
}

} // namespace

std::string duration_text(std::uint64_t ns) {
    if (ns == kDurationOff) return "off";
    if (ns == 0) return "0s";
    constexpr std::array<Unit, 6> kShown = {{{"h", 3'600'000'000'000},
                                             {"m", 60'000'000'000},
                                             {"s", 1'000'000'000},
                                             {"ms", 1'000'000},
                                             {"us", 1'000},
                                             {"ns", 1}}};
    const auto unit = std::find_if(kShown.begin(), kShown.end(),
                                   [ns](const Unit& u) { return ns % u.factor == 0; });
    return std::to_string(ns / unit->factor).append(unit->name);
}

YamlKind YamlNode::kind() const noexcept {
    return tree_->entries[index_].kind;
}
const std::string& YamlNode::file() const noexcept {
    return tree_->file;
}
int YamlNode::line() const noexcept {
    return tree_->entries[index_].line;
}
int YamlNode::column() const noexcept {
    return tree_->entries[index_].column;
}
const std::string& YamlNode::path() const noexcept {
    return tree_->entries[index_].path;
}

ConfigError YamlNode::error(const std::string& text) const {
    return {file(), line(), column(), path().empty() ? text : path() + ": " + text};
}

ConfigError YamlNode::key_error(std::string_view key, const std::string& text) const {
    for (const std::size_t at : tree_->entries[index_].keys) {
        const YamlEntry& entry = tree_->entries[at];
        if (entry.value == key) return {file(), entry.line, entry.column, text};
    }
    return error(text);
}

void YamlNode::require(YamlKind wanted, const char* expected) const {
    if (kind() == wanted) return;
    throw error(std::string("expected ") + expected + ", found " + kind_name(kind()));
}

std::optional<YamlNode> YamlNode::find(std::string_view key) const {
    require(YamlKind::map, "keys with values");
    const YamlEntry& map = tree_->entries[index_];
    for (std::size_t i = 0; i < map.children.size(); ++i) {
        if (tree_->entries[map.keys[i]].value == key) return YamlNode(tree_, map.children[i]);
    }
    return std::nullopt;
}

bool YamlNode::has(std::string_view key) const {
    return find(key).has_value();
}

YamlNode YamlNode::at(std::string_view key) const {
    if (std::optional<YamlNode> found = find(key)) return *found;
    throw error("the key '" + std::string(key) + "' is missing; add '" + std::string(key) +
                ":' here");
}

std::vector<std::string> YamlNode::keys() const {
    require(YamlKind::map, "keys with values");
    std::vector<std::string> names;
    for (const std::size_t at : tree_->entries[index_].keys) {
        names.push_back(tree_->entries[at].value);
    }
    return names;
}

void YamlNode::check_keys(std::initializer_list<std::string_view> known) const {
    for (const std::string& key : keys()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        std::string all;
        for (const std::string_view name : known) {
            all.append(all.empty() ? "" : ", ").append(name);
        }
        throw key_error(key, std::string("unknown key '")
                                 .append(key)
                                 .append("'; did you mean '")
                                 .append(nearest_name(key, known))
                                 .append("'? The keys here are: ")
                                 .append(all));
    }
}

std::vector<YamlNode> YamlNode::list() const {
    require(YamlKind::list, "a list");
    std::vector<YamlNode> items;
    for (const std::size_t at : tree_->entries[index_].children) {
        items.push_back(YamlNode(tree_, at));
    }
    return items;
}

std::vector<YamlNode> YamlNode::list_or_one() const {
    if (kind() == YamlKind::scalar) return {*this};
    return list();
}

const std::string& YamlNode::scalar(const char* expected) const {
    require(YamlKind::scalar, expected);
    return tree_->entries[index_].value;
}

std::string YamlNode::as_string() const {
    const std::string& value = scalar("a text");
    if (value.empty()) throw error("expected a text, found an empty one");
    return value;
}

bool YamlNode::as_bool() const {
    const std::string& value = scalar("true or false");
    for (const char* yes : {"true", "yes", "on"}) {
        if (value == yes) return true;
    }
    for (const char* no : {"false", "no", "off"}) {
        if (value == no) return false;
    }
    throw error("expected true or false, found " + got(value));
}

std::uint64_t YamlNode::as_uint(std::uint64_t min, std::uint64_t max) const {
    const std::string expected =
        "expected a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    const std::string& value = scalar("a whole number");
    std::string_view digits = value;
    const bool hex = digits.substr(0, 2) == "0x";
    if (hex) digits.remove_prefix(2);
    std::uint64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, failure] = std::from_chars(digits.data(), end, number, hex ? 16 : 10);
    const bool whole = failure == std::errc() && stop == end;
    if (!whole || number < min || number > max) throw error(expected + ", found " + got(value));
    return number;
}

std::int64_t YamlNode::as_int(std::int64_t min, std::int64_t max) const {
    const std::string& value = scalar("a whole number");
    std::int64_t number = 0;
    const char* end = value.data() + value.size();
    const auto [stop, failure] = std::from_chars(value.data(), end, number);
    if (failure != std::errc() || stop != end || number < min || number > max) {
        throw error("expected a whole number from " + std::to_string(min) + " to " +
                    std::to_string(max) + ", found " + got(value));
    }
    return number;
}

double YamlNode::as_double(double min, double max) const {
    const std::string& value = scalar("a number");
    double number = 0;
    const char* end = value.data() + value.size();
    const auto [stop, failure] = std::from_chars(value.data(), end, number);
    const bool inside = number >= min && number <= max; // false for NaN
    if (failure != std::errc() || stop != end || !inside) {
        std::array<char, 128> limits{};
        std::snprintf(limits.data(), limits.size(), "%g to %g", min, max);
        throw error("expected a number from " + std::string(limits.data()) + ", found " +
                    got(value));
    }
    return number;
}

std::uint64_t YamlNode::as_duration(std::uint64_t min_ns, std::uint64_t max_ns,
                                    bool off_allowed) const {
    const std::string& value = scalar("a duration such as 15s");
    if (off_allowed && value == "off") return kDurationOff;
    const std::optional<std::uint64_t> ns = scaled(value, kDurations);
    if (ns && *ns >= min_ns && *ns <= max_ns) return *ns;
    const bool bare = value.find_first_not_of("0123456789.") == std::string::npos;
    throw error("expected a duration from " + duration_text(min_ns) + " to " +
                duration_text(max_ns) + (off_allowed ? ", or off" : "") + ", found " + got(value) +
                (bare ? "; write the unit as well, such as " + value + "s" : ""));
}

std::uint64_t YamlNode::as_size(std::uint64_t min, std::uint64_t max) const {
    const std::string& value = scalar("a size such as 64k");
    const std::optional<std::uint64_t> octets = scaled(value, kSizes);
    if (octets && *octets >= min && *octets <= max) return *octets;
    throw error("expected a size in octets from " + size_text(min) + " to " + size_text(max) +
                " (64k, 16M, 1G), found " + got(value));
}

std::size_t YamlNode::as_one_of(std::initializer_list<std::string_view> words) const {
    const std::string& value = scalar("a word");
    const auto at = std::find(words.begin(), words.end(), value);
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
    std::string all;
    for (const std::string_view word : words)
        all.append(all.empty() ? "" : ", ").append(word);
    throw error("expected one of " + all + ", found " + got(value) + "; did you mean '" +
                std::string(nearest_name(value, words)) + "'?");
}

} // namespace ipfix
