// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/application_classifier.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "probe/application/application_rules.hpp"
#include "probe/application/pattern_database.hpp"
#include "probe/application/rule_set.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

// LabelState::Candidate::sides.
constexpr std::uint8_t kClientIs0 = 1; ///< the rule's own patterns say who the client is
constexpr std::uint8_t kClientIs1 = 2;
constexpr std::uint8_t kSeen0 = 4; ///< evidence in direction 0
constexpr std::uint8_t kSeen1 = 8;

/// What one payload said for one rule.
struct Findings {
    std::uint8_t either = 0; ///< bits of patterns
    std::uint8_t client = 0;
    std::uint8_t server = 0;

    [[nodiscard]] bool empty() const noexcept { return (either | client | server) == 0; }
};

using Candidate = LabelState::Candidate;

std::uint8_t packets_of(const LabelState& state, std::uint8_t direction) noexcept {
    return direction == 0 ? state.packets & 0x0F : state.packets >> 4;
}

/// The patterns of a payload join what earlier ones said. Once a side is known to be the client's,
/// the other side's octets do not speak as the client.
void join(Candidate& candidate, const Findings& findings, std::uint8_t direction) noexcept {
    const std::uint8_t as_client = direction == 0 ? kClientIs0 : kClientIs1;
    const std::uint8_t as_server = direction == 0 ? kClientIs1 : kClientIs0;
    if ((candidate.sides & (kClientIs0 | kClientIs1)) == 0) {
        candidate.sides |= findings.client != 0   ? as_client
                           : findings.server != 0 ? as_server
                                                  : std::uint8_t{0};
    }
    std::uint8_t patterns = findings.either;
    patterns |= (candidate.sides & as_client) != 0 ? findings.client : std::uint8_t{0};
    patterns |= (candidate.sides & as_server) != 0 ? findings.server : std::uint8_t{0};
    if (patterns != 0) {
        candidate.patterns |= patterns;
        candidate.sides |= direction == 0 ? kSeen0 : kSeen1;
    }
}

bool holds(const ApplicationRule& rule, const Candidate& candidate) noexcept {
    constexpr std::uint8_t kBoth = kSeen0 | kSeen1;
    return std::popcount(candidate.patterns) >= rule.evidence &&
           (!rule.both_directions || (candidate.sides & kBoth) == kBoth);
}

bool has_port(const ApplicationRule& rule, const ClassifyRequest& request) noexcept {
    return std::any_of(rule.ports.begin(), rule.ports.end(), [&request](std::uint16_t port) {
        return port == request.source_port || port == request.destination_port;
    });
}

} // namespace

struct ApplicationClassifier::Workspace {
    explicit Workspace(std::shared_ptr<const ApplicationRules> shared)
        : rules(std::move(shared)), set(*rules->set_), findings(set.rules.size()) {
        touched.reserve(set.rules.size());
        std::vector<const PatternDatabase*> databases;
        for (const TransportPatterns& transport : set.transports) {
            for (const PatternShare* const share : transport.shares()) {
                for (const PatternGroup* const group : share->groups()) {
                    if (group->database) {
                        databases.push_back(&*group->database);
                    }
                }
            }
        }
        if (!databases.empty()) {
            scratch = std::make_unique<PatternScratch>(databases);
        }
    }

    void classify(const TransportPatterns& transport, ClassifyRequest& request) noexcept;
    void ask(const SievedPatterns& patterns, Bytes octets) noexcept;
    [[nodiscard]] bool may_be_refined(const LabelState& state, RuleNumber parsed) const noexcept;
    void scan(const PatternGroup& group, Bytes octets) noexcept;
    void scan(const ScannedPatterns& patterns, Bytes octets) noexcept;
    void settle(LabelState& state, std::uint8_t direction, RuleNumber parsed) noexcept;
    void add_candidates(const LabelState& state) noexcept;
    /// The rule itself, or what it refines.
    [[nodiscard]] RuleNumber carrier(RuleNumber rule) const noexcept {
        return rule == kNoRule || set.carriers[rule] == kNoRule ? rule : set.carriers[rule];
    }
    /// No rule of the rest wins any more.
    [[nodiscard]] bool settled_in_front(const LabelState& state) const noexcept {
        const RuleNumber* const settled = set.by_id.find(state.rule_id);
        return settled != nullptr && *settled < set.rest_begin;
    }
    void finish(LabelState& state, std::uint8_t direction) noexcept;
    [[nodiscard]] bool exhausted(const LabelState& state, std::uint8_t direction) const noexcept {
        return packets_of(state, direction) >= set.packets_max ||
               state.octets_by_32[direction] * 32 >= set.octets_max;
    }
    static void on_match(void* context, std::uint32_t expression) noexcept;

    std::shared_ptr<const ApplicationRules> rules;
    const RuleSet& set;
    std::unique_ptr<PatternScratch> scratch;
    ClassifyTally tally;
    std::vector<Findings> findings;  ///< by rule; all zero between payloads
    std::vector<RuleNumber> touched; ///< the rules with findings
    const PatternGroup* scanned = nullptr;
    const ClassifyRequest* scanning = nullptr;
    bool first_of_direction = false;
};

/// Those that this payload said nothing about stay candidates.
void ApplicationClassifier::Workspace::add_candidates(const LabelState& state) noexcept {
    for (const Candidate& candidate : state.candidates) {
        if (candidate.rule != 0 && candidate.rule <= set.rules.size()) {
            const auto rule = static_cast<RuleNumber>(candidate.rule - 1);
            if (findings[rule].empty()) {
                touched.push_back(rule);
            }
        }
    }
}

void ApplicationClassifier::Workspace::on_match(void* context, std::uint32_t expression) noexcept {
    auto& self = *static_cast<Workspace*>(context);
    const PatternGroup::Place& place = self.scanned->places[expression];
    if (place.anchor == PatternAnchor::start && !self.first_of_direction) {
        return;
    }
    const ApplicationRule& rule = self.set.rules[place.rule];
    if (rule.port_required && !has_port(rule, *self.scanning)) {
        return;
    }
    Findings& found = self.findings[place.rule];
    if (found.empty()) {
        self.touched.push_back(place.rule); // within its reserve: each rule once
    }
    std::uint8_t& bits = place.side == PatternSide::either   ? found.either
                         : place.side == PatternSide::client ? found.client
                                                             : found.server;
    bits |= place.bit;
}

/// Rules in their order: the first that holds is it. What refines a rule is asked once that one has
/// settled or its parser has read something (`parsed`), in this payload or before. Of those that
/// may still hold and would win, the first two are remembered.
void ApplicationClassifier::Workspace::settle(LabelState& state, std::uint8_t direction,
                                              RuleNumber parsed) noexcept {
    const RuleNumber* const known = set.by_id.find(state.rule_id);
    RuleNumber settled = known != nullptr ? *known : kNoRule;
    add_candidates(state);
    std::sort(touched.begin(), touched.end());
    const std::array<Candidate, 2> earlier = std::exchange(state.candidates, {});
    std::size_t kept = 0;
    const auto ask = [&](RuleNumber rule) {
        Candidate candidate{static_cast<std::uint16_t>(rule + 1), 0, 0};
        for (const Candidate& one : earlier) {
            candidate = one.rule == candidate.rule ? one : candidate;
        }
        join(candidate, findings[rule], direction);
        if (holds(set.rules[rule], candidate)) {
            settled = rule;
        } else if (kept < state.candidates.size() && candidate.patterns != 0) {
            state.candidates[kept++] = candidate;
        }
    };
    for (const RuleNumber rule : touched) {
        if (set.carriers[rule] == kNoRule && rule < settled && rule <= parsed) {
            ask(rule);
        }
    }
    const auto winner = [&] { return std::min(settled, parsed); };
    for (const RuleNumber rule : touched) {
        if (set.carriers[rule] != kNoRule && rule < winner() &&
            set.carriers[rule] == carrier(winner())) {
            ask(rule);
        }
    }
    for (const RuleNumber rule : touched) {
        findings[rule] = {};
    }
    touched.clear();
    while (kept > 0 && state.candidates[kept - 1].rule > winner()) { // behind a refining rule
        state.candidates[--kept] = {};
    }
    if (settled != kNoRule) {
        tally.settled += state.rule_id == 0 ? 1 : 0;
        state.rule_id = set.rules[settled].id & 0xFF'FFFFU;
        state.done = kept == 0 && !set.refined[settled];
    }
}

/// A direction that said all it may while the other kept silent is not waited for.
void ApplicationClassifier::Workspace::finish(LabelState& state, std::uint8_t direction) noexcept {
    const auto other = static_cast<std::uint8_t>(1 - direction);
    if (state.done == 0 && exhausted(state, direction) &&
        (exhausted(state, other) || packets_of(state, other) == 0)) {
        state.done = 1;
        tally.given_up += state.rule_id == 0 ? 1 : 0;
    }
}

void ApplicationClassifier::Workspace::scan(const PatternGroup& group, Bytes octets) noexcept {
    if (group.database) {
        scanned = &group;
        if (!scratch->scan(*group.database, octets, &on_match, this)) {
            ++tally.scan_failed;
        }
    }
}

/// What the patterns have in common is looked for first: as a rule it is not there, and a few
/// octets' tables stay in the cache.
void ApplicationClassifier::Workspace::scan(const ScannedPatterns& patterns,
                                            Bytes octets) noexcept {
    bool may_match = !patterns.gate.database;
    if (!may_match &&
        !scratch->scan(
            *patterns.gate.database, octets,
            [](void* found, std::uint32_t) noexcept { *static_cast<bool*>(found) = true; },
            &may_match)) {
        may_match = true; // the scan itself will be refused, and counted
    }
    if (may_match) {
        scan(patterns.group, octets);
    }
}

void ApplicationClassifier::Workspace::ask(const SievedPatterns& patterns, Bytes octets) noexcept {
    using Verdict = PayloadSieve::Verdict;
    scanned = &patterns.group;
    const Verdict verdict =
        patterns.sieve.ask(octets, first_of_direction,
                           [this](std::uint32_t pattern) noexcept { on_match(this, pattern); });
    if (verdict == Verdict::maybe ||
        (verdict == Verdict::on_port &&
         (patterns.required_ports.find(scanning->source_port) != nullptr ||
          patterns.required_ports.find(scanning->destination_port) != nullptr))) {
        scan(patterns.group, octets);
    }
}

/// Whether what the payload belongs to may be a rule that others refine: by a parser, by payloads
/// before, or by this one's patterns.
bool ApplicationClassifier::Workspace::may_be_refined(const LabelState& state,
                                                      RuleNumber parsed) const noexcept {
    const auto refined = [this](RuleNumber rule) { return set.refined[carrier(rule)]; };
    const RuleNumber* const settled = set.by_id.find(state.rule_id);
    const auto candidate = [&](const Candidate& one) {
        return one.rule != 0 && one.rule <= set.rules.size() &&
               refined(static_cast<RuleNumber>(one.rule - 1));
    };
    return (parsed != kNoRule && refined(parsed)) || (settled != nullptr && refined(*settled)) ||
           std::any_of(state.candidates.begin(), state.candidates.end(), candidate) ||
           std::any_of(touched.begin(), touched.end(), refined);
}

void ApplicationClassifier::Workspace::classify(const TransportPatterns& transport,
                                                ClassifyRequest& request) noexcept {
    LabelState& state = *request.state;
    const std::uint8_t direction = request.direction & 1;
    if (request.payload.empty() || exhausted(state, direction)) {
        return;
    }
    if (state.generation != set.generation) {
        state.generation = set.generation;
        state.candidates = {};
    }
    const auto left = static_cast<std::size_t>(set.octets_max - state.octets_by_32[direction] * 32);
    const Bytes octets = request.payload.first(std::min(request.payload.size(), left));
    scanning = &request;
    first_of_direction = packets_of(state, direction) == 0;
    ++tally.payloads;
    tally.octets += octets.size();
    const RuleNumber parsed = set.by_parser[static_cast<std::size_t>(request.parsed)];
    const bool rest_may_win = request.asked != PatternsAsked::front && !settled_in_front(state);
    ask(transport.front.anchored, octets);
    scan(transport.front.anywhere, octets);
    if (rest_may_win && request.asked == PatternsAsked::all) {
        ask(transport.rest.anchored, octets);
        scan(transport.rest.anywhere, octets);
    }
    if (may_be_refined(state, parsed)) {
        ask(transport.front.refining, octets);
        if (rest_may_win) {
            ask(transport.rest.refining, octets);
        }
    }
    state.packets = static_cast<std::uint8_t>(state.packets + (direction == 0 ? 0x01 : 0x10));
    state.octets_by_32[direction] =
        static_cast<std::uint8_t>(state.octets_by_32[direction] + (octets.size() + 31) / 32);
    if (!touched.empty()) {
        settle(state, direction, parsed);
    }
    finish(state, direction);
}

ApplicationClassifier::ApplicationClassifier(std::shared_ptr<const ApplicationRules> rules)
    : workspace_(std::make_unique<Workspace>(std::move(rules))) {}
ApplicationClassifier::~ApplicationClassifier() = default;
ApplicationClassifier::ApplicationClassifier(ApplicationClassifier&& other) noexcept = default;
ApplicationClassifier& ApplicationClassifier::operator=(ApplicationClassifier&& other) noexcept =
    default;

/// TCP's payloads first, then UDP's: each database stays in the cache for its part of the burst.
void ApplicationClassifier::classify_burst(std::span<ClassifyRequest> requests) noexcept {
    constexpr std::array kTransports = {kProtocolTcp, kProtocolUdp};
    Workspace& work = *workspace_;
    for (std::size_t i = 0; i < kTransports.size(); ++i) {
        const TransportPatterns& transport = work.set.transports[i];
        for (ClassifyRequest& request : requests) {
            if (request.protocol != kTransports[i]) {
                continue;
            }
            LabelState& state = *request.state;
            if (state.done == 0 && transport.has_database()) {
                work.classify(transport, request);
            } else if (state.done == 0) {
                work.tally.without_support += transport.has_patterns() ? 1 : 0;
                state.done = 1;
            }
            request.verdict =
                state.done != 0 ? ClassifyVerdict::done : ClassifyVerdict::more_wanted;
        }
    }
    for (ClassifyRequest& request : requests) {
        if (request.protocol != kProtocolTcp && request.protocol != kProtocolUdp) {
            request.verdict = ClassifyVerdict::done;
        }
    }
}

const ClassifyTally& ApplicationClassifier::tally() const noexcept {
    return workspace_->tally;
}
const std::shared_ptr<const ApplicationRules>& ApplicationClassifier::rules() const noexcept {
    return workspace_->rules;
}

} // namespace probe
