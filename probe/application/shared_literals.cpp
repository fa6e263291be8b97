// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/shared_literals.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "probe/application/pattern_head.hpp"
#include "probe/application/text_lines.hpp"

namespace probe {

namespace {

constexpr std::size_t kLiteralsMax = 16;
/// Fewer patterns for each literal than this are not worth two searches.
constexpr std::size_t kPatternsPerLiteral = 8;
/// With more ways to begin nothing is looked for: a start is not to take seconds.
constexpr std::size_t kHeadsMax = 32'768;
/// What is looked for in common first; shorter ones stand in too many payloads.
constexpr std::size_t kOctetsMin = 4;

/// What surely stands at each place: an octet, a letter in lower case; or nothing.
using SureOctets = std::vector<std::optional<unsigned char>>;

SureOctets sure_octets(const PatternHead& head) {
    SureOctets octets;
    for (std::size_t i = 0; i < std::min(head.octets_min, kHeadOctets); ++i) {
        const OctetSet& set = head.sets[i];
        const auto first = static_cast<char>(set._Find_first());
        const auto last = static_cast<char>(set._Find_next(set._Find_first()));
        const bool sure = set.count() == 1 || (set.count() == 2 && lower(first) == lower(last));
        octets.push_back(sure ? std::optional(static_cast<unsigned char>(lower(first)))
                              : std::nullopt);
    }
    return octets;
}

/// Where a literal stands in heads, in their order, at the first place in each.
struct Place {
    std::size_t head;
    std::size_t begin;
};
using Literals = std::map<std::string, std::vector<Place>>; ///< of kOctetsMin octets

Literals literals_of(const std::vector<SureOctets>& heads) {
    Literals all;
    for (std::size_t head = 0; head < heads.size(); ++head) {
        std::string literal;
        for (std::size_t at = 0; at < heads[head].size(); ++at) {
            const std::optional<unsigned char> octet = heads[head][at];
            if (!octet) {
                literal.clear();
                continue;
            }
            literal += static_cast<char>(*octet);
            if (literal.size() > kOctetsMin) {
                literal.erase(0, 1);
            }
            if (literal.size() < kOctetsMin) {
                continue;
            }
            std::vector<Place>& places = all[literal];
            if (places.empty() || places.back().head != head) {
                places.push_back({head, at + 1 - kOctetsMin});
            }
        }
    }
    return all;
}

/// The octet that stands `ahead` of where the literal begins, in all of these heads; or nothing.
std::optional<unsigned char> common_at(const std::vector<SureOctets>& heads,
                                       const std::vector<Place>& begins, std::ptrdiff_t ahead) {
    std::optional<unsigned char> common;
    for (const auto& [head, begin] : begins) {
        const auto at = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(begin) + ahead);
        const std::optional<unsigned char> here =
            at < heads[head].size() ? heads[head][at] : std::nullopt; // before the first: wrapped
        if (!here || (common && common != here)) {
            return std::nullopt;
        }
        common = here;
    }
    return common;
}

/// With all that the heads have in common before and behind it.
std::string longest(const std::vector<SureOctets>& heads, std::string literal,
                    const std::vector<Place>& begins) {
    while (const auto octet =
               common_at(heads, begins, static_cast<std::ptrdiff_t>(literal.size()))) {
        literal += static_cast<char>(*octet);
    }
    for (std::ptrdiff_t ahead = -1; const auto octet = common_at(heads, begins, ahead); --ahead) {
        literal.insert(literal.begin(), static_cast<char>(*octet));
    }
    return literal;
}

PatternExpression expression_of(const std::string& literal) {
    constexpr char kDigits[] = "0123456789abcdef";
    constexpr unsigned kSixteen = 16;
    PatternExpression expression{.text = {}, .ignore_case = true};
    for (const char character : literal) {
        const auto octet = static_cast<unsigned char>(character);
        expression.text += {'\\', 'x', kDigits[octet / kSixteen], kDigits[octet % kSixteen]};
    }
    return expression;
}

} // namespace

std::optional<std::vector<PatternExpression>> shared_literals(
    std::span<const PatternExpression> patterns) {
    std::vector<SureOctets> heads;
    for (const PatternExpression& pattern : patterns) {
        for (const PatternHead& head : pattern_heads(pattern)) {
            heads.push_back(sure_octets(head));
        }
        if (heads.size() > kHeadsMax) {
            return std::nullopt;
        }
    }
    Literals literals = literals_of(heads);
    std::vector<bool> has_one(heads.size(), false);
    std::size_t without = heads.size();
    std::vector<PatternExpression> chosen;
    // Again and again what most of those heads have that have none yet.
    while (without > 0) {
        const auto most = std::max_element(
            literals.begin(), literals.end(),
            [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
        if (most == literals.end() || most->second.empty() || chosen.size() == kLiteralsMax) {
            return std::nullopt;
        }
        const std::vector<Place> begins = most->second;
        chosen.push_back(expression_of(longest(heads, most->first, begins)));
        for (const auto& [head, begin] : begins) {
            has_one[head] = true;
        }
        without -= begins.size();
        for (auto& [literal, places] : literals) {
            std::erase_if(places, [&](const Place& other) { return has_one[other.head]; });
        }
    }
    return chosen.empty() || chosen.size() * kPatternsPerLiteral > patterns.size()
               ? std::nullopt
               : std::optional(std::move(chosen));
}

} // namespace probe
