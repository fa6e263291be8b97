// SPDX-License-Identifier: BSD-3-Clause
// A payload that the sieve refuses matches no pattern, and what it finds matches: held against
// Hyperscan itself, for the shipped patterns and for made ones.
#include "probe/application/payload_sieve.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "probe/application/rule_set.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using Random = std::mt19937;
using Verdict = PayloadSieve::Verdict;

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

unsigned below(Random& random, unsigned bound) {
    return static_cast<unsigned>(random() % bound);
}

PayloadSieve sieve_of(const std::vector<PatternHead>& heads, bool first_only = false,
                      bool port_required = false) {
    std::vector<PayloadSieve::Entry> entries;
    for (const PatternHead& head : heads) {
        entries.push_back({head, first_only, port_required});
    }
    return PayloadSieve(std::move(entries));
}

Verdict ask(const PayloadSieve& sieve, std::string_view payload, bool first_of_direction = true) {
    return sieve.ask(bytes(payload), first_of_direction, [](std::uint32_t) {});
}

bool admits(const std::string& pattern, std::string_view payload, bool ignore_case = false) {
    return ask(sieve_of(pattern_heads({pattern, ignore_case})), payload) != Verdict::no;
}

/// What the sieve says of a payload, without a scan.
bool finds(const std::string& pattern, std::string_view payload) {
    return ask(sieve_of(pattern_heads({pattern})), payload) == Verdict::found;
}

/// The shipped patterns that begin a payload.
std::vector<PatternExpression> shipped_expressions() {
    ApplicationOptions options;
    std::vector<ApplicationRule> rules;
    read_rule_file(PARSHALL_SOURCE_ROOT "/templates/applications.yaml", options, false, rules);
    std::vector<PatternExpression> expressions;
    for (const ApplicationRule& rule : rules) {
        for (const RulePattern& pattern : rule.patterns) {
            if (pattern.anchor != PatternAnchor::anywhere) {
                expressions.push_back(pattern.expression);
            }
        }
    }
    return expressions;
}

std::set<std::uint32_t> matching(const PatternDatabase& database, PatternScratch& scratch,
                                 std::string_view payload) {
    std::set<std::uint32_t> found;
    const auto note = [](void* context, std::uint32_t expression) noexcept {
        static_cast<std::set<std::uint32_t>*>(context)->insert(expression);
    };
    REQUIRE(scratch.scan(database, bytes(payload), note, &found));
    return found;
}

/// Octets as a head wants them, most of them; then any.
std::string payload_for(const PatternHead& head, Random& random) {
    std::string payload;
    for (const OctetSet& set : head.sets) {
        unsigned octet = below(random, 256);
        for (unsigned tries = 0; tries < 256 && !set.test(octet); ++tries) {
            octet = (octet + 1) % 256;
        }
        payload += static_cast<char>(octet);
    }
    if (below(random, 3) == 0) {
        payload[below(random, kHeadOctets)] = static_cast<char>(below(random, 256));
    }
    for (unsigned more = below(random, 24); more > 0; --more) {
        constexpr std::string_view kLikely{"\0\0\0\1 A\r\n", 8};
        payload += kLikely[below(random, kLikely.size())];
    }
    payload.resize(below(random, 8) == 0 ? below(random, kHeadOctets + 1) : payload.size());
    return payload;
}

/// A pattern over few letters, so that random payloads match it now and then.
std::string made_pattern(Random& random, unsigned depth) {
    std::string pattern;
    for (unsigned items = 1 + below(random, 4); items > 0; --items) {
        switch (below(random, depth == 0 ? 5 : 8)) {
            case 0:
                pattern += ".";
                break;
            case 1:
                pattern += "[ab]";
                break;
            case 2:
                pattern += "[^a]";
                break;
            case 3:
                pattern += R"(\x62)";
                break;
            case 4:
                pattern += static_cast<char>('a' + below(random, 3));
                break;
            case 5:
                pattern += "(?:" + made_pattern(random, depth - 1) + "$|" +
                           made_pattern(random, depth - 1) + ")";
                continue;
            default:
                pattern += "(?:" + made_pattern(random, depth - 1) + "|" +
                           made_pattern(random, depth - 1) + ")";
        }
        constexpr std::array kTimes = {"", "", "", "", "?", "*", "+", "{2}", "{0,2}", "{1,}"};
        pattern += kTimes[below(random, kTimes.size())];
    }
    return pattern;
}

} // namespace

TEST_CASE("What a pattern begins with is read off its text",
          "[application][labels][without-hyperscan]") {
    CHECK(admits("^(?:GET|PUT) ", "GET /"));
    CHECK_FALSE(admits("^(?:GET|PUT) ", "PUT")); // too short
    CHECK_FALSE(admits("^(?:GET|PUT) ", "GOT /"));
    CHECK_FALSE(admits("^(?:GET|PUT) ", "get /"));
    CHECK(admits("^(?:GET|PUT) ", "get /", true));
    CHECK(admits(R"(^(?:\x00{2}.[\x10-\x1f\xff]))", std::string_view("\0\0A\x1f", 4)));
    CHECK_FALSE(admits(R"(^(?:\x00{2}.[\x10-\x1f\xff]))", std::string_view("\0\0A\x20", 4)));
    CHECK(admits("a{2,3}b", "aaab"));
    CHECK(admits("a{2,3}b", "aab"));
    CHECK_FALSE(admits("a{2,3}b", "ab"));
    CHECK_FALSE(admits("a{2,3}b", "aaaab"));
    CHECK(admits("x*y+?z", "xxyyz"));
    CHECK(admits("x*y+?z", "yz"));
    CHECK_FALSE(admits("x*y+?z", "xz"));
    CHECK_FALSE(admits("[^a-c]x", "bx"));
    CHECK(admits("[]x-]y", "]y"));
    CHECK(admits("[]x-]y", "-y"));
    CHECK(admits(R"([\d_]\s\w\W)", "7 a-"));
    CHECK_FALSE(admits(R"([\d_]\s\w\W)", "7 ab"));
    CHECK(admits("a{b}", "a{b}"));
    CHECK_FALSE(admits("a{b}", "ab"));
    CHECK_FALSE(admits("ab$", "ac"));
    // Only a payload's first octets are read.
    CHECK(admits("1234567890abcdefX", "1234567890abcdefY"));
    CHECK_FALSE(admits("1234567890abcdefX", "1234567890abcdeeX"));
    // What is not known is anything.
    for (const char* unknown :
         {"(?i)abc", "(?=a)b", R"(\bx)", R"(\x{41})", "[[:alpha:]]x", "a)", "[a"}) {
        INFO(unknown);
        CHECK(admits(unknown, "?"));
    }
}

TEST_CASE("A pattern with many beginnings is told by fewer octets",
          "[application][labels][without-hyperscan]") {
    std::string many = "(?:0";
    for (char first = 'A'; first <= 'Z'; ++first) {
        for (char second = 'a'; second <= 'z'; second += 2) {
            many += std::string("|") + first + second + "xyz";
        }
    }
    CHECK(pattern_heads({many + ")"}).size() <= 64);
    CHECK(admits(many + ")", "Qcxyz"));
    CHECK_FALSE(admits(many + ")", "qcxyz"));
}

TEST_CASE("The sieve knows which patterns count", "[application][labels][without-hyperscan]") {
    CHECK(ask(PayloadSieve(), "anything") == Verdict::no);
    CHECK(ask(PayloadSieve(), "") == Verdict::no);
    const auto heads = pattern_heads({R"(AB\s?)"}); // more than a head tells
    CHECK(ask(sieve_of(heads, true), "ABBC") == Verdict::maybe);
    CHECK(ask(sieve_of(heads, true), "ABBC", false) == Verdict::no);
    CHECK(ask(sieve_of(heads, false), "ABBC", false) == Verdict::maybe);
    CHECK(ask(sieve_of(heads, true, true), "ABBB") == Verdict::on_port);
    CHECK(ask(sieve_of(heads, true, true), "ACCC") == Verdict::no);
    CHECK(ask(PayloadSieve({{heads[0], true, true}, {heads[0], false, false}}), "ABBC") ==
          Verdict::maybe);
    CHECK(ask(sieve_of({PatternHead::any()}), "?") == Verdict::maybe);
}

TEST_CASE("A pattern that its first octets tell needs no scan",
          "[application][labels][without-hyperscan]") {
    CHECK(finds("^(?:AB|C[0-9]{2})", "ABC"));
    CHECK(finds("^(?:AB|C[0-9]{2})", "C12"));
    CHECK(finds("a{2,3}b?", "aa"));
    CHECK(finds("1234567890abcdef", "1234567890abcdef"));
    CHECK(finds("a.{0,20}b", "axb"));
    // All of these ask for more than stands in the first octets, or may.
    CHECK_FALSE(finds("1234567890abcdefg", "1234567890abcdefg"));
    CHECK_FALSE(finds(".{17}", "1234567890abcdefg"));
    CHECK_FALSE(finds("a.{0,20}b", "a123456789012345678b"));
    CHECK_FALSE(finds(R"(a\sb)", "a b"));
    CHECK_FALSE(finds("a^b", "ab"));
    CHECK_FALSE(finds(R"(a\bb)", "ab"));
    CHECK(finds("[ac]b", "cb")); // octets with a gap between them
    CHECK_FALSE(admits("[ac]b", "bb"));
    CHECK_FALSE(admits(R"([^\x00-\xff]b)", "ab"));
    // Where the payload has to end; `$` lets a line feed stand behind it.
    CHECK(finds("ab$", "ab"));
    CHECK(finds("(?:ab$|abcd)", "abcd"));
    CHECK(finds("a(?:b|c$)", "ac"));
    CHECK_FALSE(admits("ab$", "abc"));
    CHECK_FALSE(admits("ab$", "ab\nc"));
    CHECK_FALSE(admits("a(?:b|c$)", "acb"));
    CHECK(ask(sieve_of(pattern_heads({"ab$"})), "ab\n") == Verdict::maybe);
    CHECK_FALSE(finds("a$b?", "a"));
    CHECK(admits("a$\n", "a\n"));
    CHECK(ask(sieve_of(pattern_heads({"1234567890abcdef$"})), "1234567890abcdef-") ==
          Verdict::maybe);
    // With a pattern that does.
    const auto whole = pattern_heads({"AB"});
    const auto more = pattern_heads({R"(AB\s?)"});
    CHECK(ask(PayloadSieve({{whole[0], true, false, 0}, {more[0], true, false, 1}}), "ABBC") ==
          Verdict::maybe);
    // Several at once.
    const PayloadSieve both({{pattern_heads({"A"})[0], true, false, 3},
                             {pattern_heads({"A.C"})[0], false, true, 5},
                             {pattern_heads({"AC"})[0], true, false, 7}});
    std::vector<std::uint32_t> found;
    CHECK(both.ask(bytes("ABC"), true, [&](std::uint32_t pattern) { found.push_back(pattern); }) ==
          Verdict::found);
    std::sort(found.begin(), found.end());
    CHECK(found == std::vector<std::uint32_t>{3, 5});
}

TEST_CASE("The sieve spares most payloads that are none of the shipped patterns'",
          "[application][labels][without-hyperscan]") {
    std::vector<PatternHead> heads;
    for (const PatternExpression& expression : shipped_expressions()) {
        for (const PatternHead& head : pattern_heads(expression)) {
            heads.push_back(head);
        }
    }
    const PayloadSieve sieve = sieve_of(heads);
    Random random(7); // NOLINT(cert-msc51-cpp): the same payloads each time
    unsigned let_through = 0;
    constexpr unsigned kPayloads = 10'000;
    for (unsigned i = 0; i < kPayloads; ++i) {
        std::string payload;
        while (payload.size() < kHeadOctets) {
            payload += static_cast<char>(below(random, 256));
        }
        let_through += ask(sieve, payload) != Verdict::no ? 1 : 0;
    }
    INFO(let_through);
    CHECK(let_through < kPayloads / 5);
}

TEST_CASE("The sieve says of shipped patterns what Hyperscan says", "[application][labels]") {
    Random random(20'261'127); // NOLINT(cert-msc51-cpp)
    std::vector<PayloadSieve::Entry> entries;
    const std::vector<PatternExpression> expressions = shipped_expressions();
    for (const PatternExpression& expression : expressions) {
        const auto number = static_cast<std::uint32_t>(&expression - expressions.data());
        for (const PatternHead& head : pattern_heads(expression)) {
            entries.push_back({head, false, false, number});
        }
    }
    const PayloadSieve sieve(entries);
    const PatternDatabase database = PatternDatabase::compile(expressions);
    const PatternDatabase* const asked = &database;
    PatternScratch scratch({&asked, 1});
    unsigned scanned = 0;
    unsigned found = 0;
    for (const PayloadSieve::Entry& entry : entries) {
        for (int i = 0; i < 100; ++i) {
            const std::string payload = payload_for(entry.head, random);
            if (payload.empty()) {
                continue;
            }
            const std::set<std::uint32_t> truth = matching(database, scratch, payload);
            std::set<std::uint32_t> told;
            const Verdict verdict = sieve.ask(bytes(payload), true,
                                              [&](std::uint32_t pattern) { told.insert(pattern); });
            INFO(payload);
            if (verdict == Verdict::found) {
                ++found;
                REQUIRE(told == truth);
            } else {
                REQUIRE((verdict == Verdict::maybe || truth.empty()));
                REQUIRE(std::includes(truth.begin(), truth.end(), told.begin(), told.end()));
                scanned += truth.empty() ? 0 : 1;
            }
        }
    }
    CHECK(scanned > 1'000);
    CHECK(found > 1'000);
}

TEST_CASE("The sieve says of made patterns what Hyperscan says", "[application][labels]") {
    Random random(1); // NOLINT(cert-msc51-cpp)
    unsigned matched = 0;
    unsigned refused = 0;
    unsigned found = 0;
    for (int i = 0; i < 300; ++i) {
        const PatternExpression expression{
            "^(?:" + made_pattern(random, 2) + (below(random, 4) == 0 ? "$)" : ")"),
            below(random, 4) == 0};
        std::optional<PatternDatabase> compiled;
        try {
            compiled.emplace(PatternDatabase::compile({&expression, 1}));
        } catch (const PatternError&) { // it knows no `$` with something behind it
            continue;
        }
        const PatternDatabase& database = *compiled;
        const PatternDatabase* const asked = &database;
        PatternScratch scratch({&asked, 1});
        const PayloadSieve sieve = sieve_of(pattern_heads(expression));
        for (int payloads = 0; payloads < 60; ++payloads) {
            std::string payload;
            for (unsigned octets = 1 + below(random, 10); octets > 0; --octets) {
                payload += "abcAB"[below(random, 5)];
            }
            payload += below(random, 6) == 0 ? "\n" : "";
            const Verdict verdict = ask(sieve, payload);
            const bool matches = !matching(database, scratch, payload).empty();
            matched += matches ? 1 : 0;
            refused += verdict == Verdict::no ? 1 : 0;
            found += verdict == Verdict::found ? 1 : 0;
            INFO(expression.text << " " << payload);
            REQUIRE((verdict != Verdict::no || !matches));
            REQUIRE((verdict != Verdict::found || matches));
        }
    }
    CHECK(matched > 1'000);
    CHECK(refused > 1'000);
    CHECK(found > 1'000);
}

} // namespace probe::test
