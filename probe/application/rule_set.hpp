// SPDX-License-Identifier: BSD-3-Clause
// What is behind ApplicationRules: the rules as read, and as they are looked up. Only for the files
// of this folder that read, compile and apply rules.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "encoder/yaml_document.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/application/host_table.hpp"
#include "probe/application/number_table.hpp"
#include "probe/application/pattern_database.hpp"
#include "probe/application/payload_sieve.hpp"

namespace probe {

enum class PatternSide : std::uint8_t { either, client, server };
enum class PatternAnchor : std::uint8_t {
    start,    ///< the first octet that a direction of the flow carries
    packet,   ///< the first octet of any packet's payload
    anywhere, ///< in a packet's payload
};

/// LabelState keeps a bit for each pattern of a rule.
inline constexpr std::size_t kPatternsOfRuleMax = 8;

struct RulePattern {
    PatternExpression expression; ///< as compiled, the anchor in it
    PatternSide side = PatternSide::either;
    PatternAnchor anchor = PatternAnchor::start;
    ipfix::YamlNode node; ///< for messages
};

struct ApplicationRule {
    explicit ApplicationRule(ipfix::YamlNode where) : node(std::move(where)) {}

    std::uint32_t id = 0;
    std::string name;
    std::string category;
    bool tcp = false;
    bool udp = false;
    std::optional<std::uint8_t> ip_protocol; ///< another one: the rule is that protocol
    std::vector<std::uint16_t> ports;
    std::vector<ApplicationProtocol> parsers;
    std::vector<std::string> hosts;                ///< lower case, without a dot at the ends
    std::vector<ApplicationProtocol> host_parsers; ///< of which protocols' names
    std::vector<RulePattern> patterns;
    std::uint8_t evidence = 1;
    bool both_directions = false;
    bool port_required = false;   ///< patterns count on the rule's ports only
    bool parser_suffices = false; ///< patterns are not asked once a parser has read it
    std::string refines;
    ipfix::YamlNode node;
};

/// Reads the rules of a file, appended to `rules`. Throws ConfigError.
void read_rule_file(const std::string& path, const ApplicationOptions& options, bool check_patterns,
                    std::vector<ApplicationRule>& rules);

/// A rule's number, from 0, in the order in which they win.
using RuleNumber = std::uint16_t;
inline constexpr RuleNumber kNoRule = UINT16_MAX;

/// Patterns compiled together; expression i belongs to pattern `places[i]`.
struct PatternGroup {
    struct Place {
        RuleNumber rule;
        std::uint8_t bit; ///< of LabelState::Candidate::patterns
        PatternSide side;
        PatternAnchor anchor;
    };
    std::vector<Place> places;
    std::optional<PatternDatabase> database;
};

/// Patterns that a payload is scanned for where the sieve asks for it.
struct SievedPatterns {
    PatternGroup group;
    PayloadSieve sieve;
    NumberTable<bool> required_ports; ///< patterns tied to ports count on these
};

/// Patterns that a payload is scanned for in any case.
struct ScannedPatterns {
    PatternGroup group;
    /// Where they have something in common: without it none of them matches (shared_literals.hpp).
    PatternGroup gate;
};

/// Patterns of some rules, by what decides whether a payload is scanned for them.
struct PatternShare {
    SievedPatterns anchored;
    ScannedPatterns anywhere;
    SievedPatterns refining; ///< of rules that refine one: where that one may be the flow's

    [[nodiscard]] std::array<const PatternGroup*, 4> groups() const noexcept {
        return {&anchored.group, &anywhere.group, &refining.group, &anywhere.gate};
    }
    [[nodiscard]] bool has_database() const noexcept {
        const auto all = groups();
        return std::any_of(all.begin(), all.end(),
                           [](const PatternGroup* group) { return group->database.has_value(); });
    }
    [[nodiscard]] bool has_patterns() const noexcept {
        const auto all = groups();
        return std::any_of(all.begin(), all.end(),
                           [](const PatternGroup* group) { return !group->places.empty(); });
    }
};

/// Of one transport. Rules of `front` win over all of `rest`, so that a flow which `rest` can say
/// nothing more about is shown to the patterns of `front` alone.
struct TransportPatterns {
    PatternShare front;
    PatternShare rest;

    [[nodiscard]] std::array<const PatternShare*, 2> shares() const noexcept {
        return {&front, &rest};
    }
    [[nodiscard]] bool has_database() const noexcept {
        return front.has_database() || rest.has_database();
    }
    [[nodiscard]] bool has_patterns() const noexcept {
        return front.has_patterns() || rest.has_patterns();
    }
};

/// How long patterns are asked of a flow of which a parser has read a message.
enum class AskedUntil : std::uint8_t {
    limits, ///< as of any flow
    done,   ///< the parser knows all it wants
    read,   ///< no longer
};
struct AskedBesideParser {
    AskedUntil front = AskedUntil::limits;
    AskedUntil rest = AskedUntil::limits;
};

struct RuleSet {
    std::vector<ApplicationRule> rules;
    std::vector<RuleNumber> carriers; ///< by rule: the one it refines, or kNoRule
    std::vector<bool> refined;        ///< some rule's patterns refine this one: they are asked on
    /// Known ones of TCP, UDP; true when all their rules have patterns, and patterns are asked.
    std::array<NumberTable<bool>, 2> ports;
    std::array<TransportPatterns, 2> transports; ///< TCP, UDP
    /// Where the rest begins: at the file of the first rule whose parser suffices. Before it stand
    /// an operator's own rules.
    RuleNumber rest_begin = 0;
    NumberTable<RuleNumber> by_id;
    NumberTable<RuleNumber> by_ip_protocol;
    std::array<RuleNumber, static_cast<std::size_t>(ApplicationProtocol::count_)> by_parser;
    std::array<AskedBesideParser, static_cast<std::size_t>(ApplicationProtocol::count_)>
        asked_beside{};
    HostTable<RuleNumber> by_host;
    std::vector<ApplicationEntry> entries;
    NumberTable<std::uint32_t> entry_places; ///< in entries, by entry_key()
    std::uint32_t enterprise_number = 0;
    std::uint8_t packets_max = 0;
    std::uint16_t octets_max = 0;
    std::uint8_t generation = 0;
    PatternsVerdict patterns = PatternsVerdict::none_in_rules;
    CompileReport report;

    [[nodiscard]] ApplicationId id_of(RuleNumber rule) const noexcept;
    /// Ids of one set of rules differ by engine and selector; enterprise numbers, never.
    [[nodiscard]] static std::uint32_t entry_key(const ApplicationId& id) noexcept {
        constexpr unsigned kSelectorBits = 24;
        return std::uint32_t{static_cast<std::uint8_t>(id.engine)} << kSelectorBits | id.selector;
    }
};

} // namespace probe
