// SPDX-License-Identifier: BSD-3-Clause
// What patterns have in common: as read off their texts, and held against Hyperscan.
#include "probe/application/shared_literals.hpp"

#include <random>
#include <string>

#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using Random = std::mt19937;
using Patterns = std::vector<PatternExpression>;

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Patterns numbered(int count, const std::string& before, const std::string& behind) {
    Patterns patterns;
    for (int i = 0; i < count; ++i) {
        patterns.push_back({std::string(before).append(std::to_string(i)).append(behind), false});
    }
    return patterns;
}

/// Texts of the literals; empty when there are none.
std::vector<std::string> texts_of(const Patterns& patterns) {
    std::vector<std::string> texts;
    if (const auto literals = shared_literals(patterns)) {
        for (const PatternExpression& literal : *literals) {
            CHECK(literal.ignore_case);
            texts.push_back(literal.text);
        }
    }
    return texts;
}

/// Whether any of the expressions matches.
bool matches(const PatternDatabase& database, std::string_view payload) {
    const std::array databases = {&database};
    PatternScratch scratch(databases);
    bool found = false;
    REQUIRE(scratch.scan(
        database, bytes(payload),
        [](void* answer, std::uint32_t) noexcept { *static_cast<bool*>(answer) = true; }, &found));
    return found;
}

} // namespace

TEST_CASE("Patterns share as long a literal as they have in common",
          "[application][labels][without-hyperscan]") {
    using Texts = std::vector<std::string>;
    // "\r\nx-own-": letters in lower case
    CHECK(texts_of(numbered(100, "\\r\\nX-Own-", ": [0-9a-f]{4}")) ==
          Texts{"\\x0d\\x0a\\x78\\x2d\\x6f\\x77\\x6e\\x2d"});
    // Behind octets that differ.
    CHECK(texts_of(numbered(10, "[0-9].abcd", "")) == Texts{"\\x61\\x62\\x63\\x64"});
    SECTION("each way to match has one") {
        CHECK(texts_of(numbered(30, "(?:/api/|/old/)v", "")) ==
              Texts{"\\x2f\\x61\\x70\\x69\\x2f\\x76", "\\x2f\\x6f\\x6c\\x64\\x2f\\x76"});
        CHECK(texts_of(numbered(30, "(?:/api/|o)v", "")).empty());
    }
    SECTION("one pattern without any spoils it") {
        Patterns patterns = numbered(100, "/api/", "");
        patterns.push_back({"a.b.c.d", false});
        CHECK(texts_of(patterns).empty());
        patterns.back().text = ".*abcdef"; // what a match begins with is not said
        CHECK(texts_of(patterns).empty());
        patterns.back().text = "(?i)abcdef"; // not read
        CHECK(texts_of(patterns).empty());
        patterns.back().text = "xyzw";
        CHECK(texts_of(patterns).size() == 2);
    }
    SECTION("few patterns, and such with little in common, have none") {
        CHECK(texts_of(numbered(7, "/api/", "")).empty());
        CHECK(texts_of(numbered(8, "/api/", "")).size() == 1);
        Patterns patterns;
        for (char first = 'a'; first <= 'q'; ++first) { // 17 of them
            for (const PatternExpression& one : numbered(20, std::string(4, first), "")) {
                patterns.push_back(one);
            }
        }
        CHECK(texts_of(patterns).empty());
        patterns.resize(std::size_t{16} * 20);
        CHECK(texts_of(patterns).size() == 16);
        CHECK_FALSE(shared_literals({}));
    }
}

TEST_CASE("What matches a pattern holds a shared literal", "[application][labels]") {
    const auto seed = GENERATE(range(0U, 30U));
    Random random(seed);
    const auto one_of = [&random](const auto& all) -> std::string {
        return all[random() % std::size(all)];
    };
    static constexpr std::array kShared = {"\\r\\nX-", "/aPi/", "\\x00\\xff\\x01\\x02A",
                                           "K[aA]bc\\.d"};
    static constexpr std::array kBefore = {"", "", "[0-9]", ".", "(?:y|zz)", "q{0,2}"};
    static constexpr std::array kBehind = {"", "[a-f]+", "x", "1?2", "[^ab]{2}", "(?:one|two)"};
    Patterns patterns;
    for (int i = 0; i < 60; ++i) {
        patterns.push_back({one_of(kBefore) + one_of(kShared) + one_of(kBehind) + one_of(kBehind),
                            random() % 2 == 0});
    }
    const auto literals = shared_literals(patterns);
    REQUIRE(literals);
    CHECK(literals->size() <= 8);
    const PatternDatabase gate = PatternDatabase::compile(*literals);
    const PatternDatabase all = PatternDatabase::compile(patterns);
    static constexpr std::array<std::string_view, 16> kPieces = {
        "\r\nX-", "\r\nx-", "/aPi/", "/api/", "KAbc.d", "kabc.D", "1", "2",
        "x",      "one",    "two",   "qq",    "zz",     "fade",   " ", "\r\n"};
    std::size_t matched = 0;
    std::size_t held = 0;
    for (int i = 0; i < 2'000; ++i) {
        std::string payload;
        for (auto pieces = 1 + random() % 6; pieces > 0; --pieces) {
            payload += random() % 8 == 0 ? std::string_view("\0\xff\1\2a", 5)
                                         : kPieces[random() % kPieces.size()];
        }
        const bool matches_one = matches(all, payload);
        const bool holds_one = matches(gate, payload);
        REQUIRE((holds_one || !matches_one));
        matched += matches_one ? 1 : 0;
        held += holds_one ? 1 : 0;
    }
    CHECK(matched > 100);
    CHECK(held > matched);
    CHECK(held < 2'000);
}

} // namespace probe::test
