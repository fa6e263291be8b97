// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/application_rules.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <set>

#include "probe/application/pattern_cache.hpp"
#include "probe/application/rule_set.hpp"
#include "probe/application/shared_literals.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

constexpr std::array<const char*, 2> kTransportNames = {"TCP", "UDP"};

/// Neighbouring generations differ, so that a LabelState knows its candidates from others'.
std::uint8_t next_generation() {
    static std::atomic<std::uint8_t> last{0};
    return static_cast<std::uint8_t>(last.fetch_add(1, std::memory_order_relaxed) + 1);
}

void check_options(const ApplicationOptions& options) {
    if (options.payload_packets_max < 1 || options.payload_packets_max > kLabelPacketsMax ||
        options.payload_octets_max < 32 || options.payload_octets_max > kLabelOctetsMax) {
        throw std::invalid_argument("application labels look at 1 to " +
                                    std::to_string(kLabelPacketsMax) + " packets and 32 to " +
                                    std::to_string(kLabelOctetsMax) + " octets a direction");
    }
}

/// Ids and names are the collector's keys: each stands for one rule.
void check_unique(const std::vector<ApplicationRule>& rules) {
    std::map<std::uint32_t, const ApplicationRule*> ids;
    std::map<std::string_view, const ApplicationRule*> names;
    const auto where = [](const ApplicationRule& rule) {
        return rule.node.file() + ":" + std::to_string(rule.node.line());
    };
    for (const ApplicationRule& rule : rules) {
        if (const auto [other, fresh] = ids.emplace(rule.id, &rule); !fresh) {
            throw rule.node.at("id").error("the id " + std::to_string(rule.id) + " is that of \"" +
                                           other->second->name + "\" at " + where(*other->second));
        }
        if (const auto [other, fresh] = names.emplace(rule.name, &rule); !fresh) {
            throw rule.node.at("name").error("\"" + rule.name + "\" has a rule already at " +
                                             where(*other->second));
        }
    }
}

void find_refined(RuleSet& set) {
    set.refined.assign(set.rules.size(), false);
    set.carriers.assign(set.rules.size(), kNoRule);
    for (std::size_t i = 0; i < set.rules.size(); ++i) {
        const ApplicationRule& rule = set.rules[i];
        if (rule.refines.empty()) {
            continue;
        }
        const auto refined = std::find_if(
            set.rules.begin() + static_cast<std::ptrdiff_t>(i) + 1, set.rules.end(),
            [&rule](const ApplicationRule& other) { return other.name == rule.refines; });
        if (refined == set.rules.end()) {
            throw rule.node.at("refines").error(
                "no rule after this one is named \"" + rule.refines +
                "\"; what refines a rule stands before it, since the first that holds wins");
        }
        set.carriers[i] = static_cast<RuleNumber>(refined - set.rules.begin());
        set.refined[set.carriers[i]] = set.refined[set.carriers[i]] || !rule.patterns.empty();
    }
}

void index_rules(RuleSet& set) {
    set.by_parser.fill(kNoRule);
    for (std::size_t i = 0; i < set.rules.size(); ++i) {
        const ApplicationRule& rule = set.rules[i];
        const auto number = static_cast<RuleNumber>(i);
        set.by_id.add(rule.id, number);
        if (rule.ip_protocol) {
            set.by_ip_protocol.add(*rule.ip_protocol, number);
        }
        for (const ApplicationProtocol parser : rule.parsers) {
            RuleNumber& first = set.by_parser[static_cast<std::size_t>(parser)];
            first = std::min(first, number);
        }
        for (const std::string& host : rule.hosts) {
            set.by_host.add(host, number);
        }
        for (const std::uint16_t port : rule.ports) {
            const bool patterns =
                !rule.patterns.empty() && set.patterns == PatternsVerdict::matched;
            for (std::size_t t = 0; t < set.ports.size(); ++t) {
                if (t == 0 ? rule.tcp : rule.udp) {
                    bool& all = set.ports[t].add(port, true);
                    all = all && patterns;
                }
            }
        }
    }
}

/// The first rule of the file that has a rule whose parser suffices.
void find_rest(RuleSet& set) {
    const auto sufficient =
        std::find_if(set.rules.begin(), set.rules.end(),
                     [](const ApplicationRule& rule) { return rule.parser_suffices; });
    if (sufficient == set.rules.end()) {
        return;
    }
    const auto rest = std::find_if(set.rules.begin(), sufficient, [&](const ApplicationRule& rule) {
        return rule.node.file() == sufficient->node.file();
    });
    set.rest_begin = static_cast<RuleNumber>(rest - set.rules.begin());
}

/// See ApplicationRules::asked. Rules of one file are known to each other.
void find_asked(RuleSet& set) {
    const auto rest = set.rules.begin() + set.rest_begin;
    for (std::size_t p = 0; p < set.by_parser.size(); ++p) {
        const RuleNumber number = set.by_parser[p];
        if (number == kNoRule || number < set.rest_begin || !set.rules[number].parser_suffices) {
            continue;
        }
        const ApplicationRule& parsed = set.rules[number];
        const auto other_file = [&parsed](const ApplicationRule& rule) {
            return !rule.patterns.empty() && rule.node.file() != parsed.node.file();
        };
        if (std::any_of(rest, set.rules.begin() + number, other_file)) {
            continue;
        }
        const auto refines = [&parsed](const ApplicationRule& rule) {
            return !rule.patterns.empty() &&
                   (rule.refines == parsed.name ||
                    (!parsed.refines.empty() && rule.refines == parsed.refines));
        };
        set.asked_beside[p] = {
            std::any_of(set.rules.begin(), rest, refines) ? AskedUntil::limits : AskedUntil::done,
            std::any_of(rest, set.rules.end(), refines) ? AskedUntil::done : AskedUntil::read};
    }
}

/// IANA-L4's selector is a port without its transport: a port that rules share has their names.
void list_entries(RuleSet& set) {
    std::map<std::uint16_t, ApplicationEntry> ports;
    for (std::size_t i = 0; i < set.rules.size(); ++i) {
        const ApplicationRule& rule = set.rules[i];
        set.entries.push_back({set.id_of(static_cast<RuleNumber>(i)), rule.name, rule.category});
        for (const std::uint16_t port : rule.ports) {
            ApplicationEntry& entry = ports[port];
            if (entry.name.empty()) {
                entry = {{0, port, ClassificationEngine::iana_l4}, rule.name, rule.category};
            } else if (("/" + entry.name + "/").find("/" + rule.name + "/") == std::string::npos &&
                       entry.name.size() + rule.name.size() < kApplicationNameOctetsMax) {
                entry.name += "/" + rule.name;
            }
        }
    }
    for (const auto& [port, entry] : ports) {
        set.entries.push_back(entry);
    }
    const auto order = [](const ApplicationId& id) {
        return std::make_pair(id.engine, std::uint32_t{id.selector});
    };
    std::sort(set.entries.begin(), set.entries.end(),
              [order](const auto& a, const auto& b) { return order(a.id) < order(b.id); });
    for (std::size_t i = 0; i < set.entries.size(); ++i) {
        set.entry_places.add(RuleSet::entry_key(set.entries[i].id), static_cast<std::uint32_t>(i));
    }
}

using Patterns = std::vector<const RulePattern*>;

/// Tells the sieve what begins with the pattern, the last one of the group.
void sieve_pattern(const ApplicationRule& rule, const RulePattern& pattern, SievedPatterns& into,
                   std::vector<PayloadSieve::Entry>& entries) {
    const auto number = static_cast<std::uint32_t>(into.group.places.size() - 1);
    const std::vector<PatternHead> heads = pattern.anchor == PatternAnchor::anywhere
                                               ? std::vector{PatternHead::any()}
                                               : pattern_heads(pattern.expression);
    for (const PatternHead& head : heads) {
        entries.push_back(
            {head, pattern.anchor == PatternAnchor::start, rule.port_required, number});
    }
    for (const std::uint16_t port : rule.ports) {
        if (rule.port_required) {
            into.required_ports.add(port, true);
        }
    }
}

/// Patterns of the transport's rules from `begin` to before `end`, in rule order, as
/// PatternShare::groups() lists them, but for the gate.
std::array<Patterns, 3> collect(const RuleSet& set, std::size_t transport, std::size_t begin,
                                std::size_t end, PatternShare& into) {
    Patterns anchored;
    Patterns anywhere;
    Patterns refining;
    std::vector<PayloadSieve::Entry> of_anchored;
    std::vector<PayloadSieve::Entry> of_refining;
    for (std::size_t i = begin; i < end; ++i) {
        const ApplicationRule& rule = set.rules[i];
        if (!(transport == 0 ? rule.tcp : rule.udp)) {
            continue;
        }
        for (std::size_t p = 0; p < rule.patterns.size(); ++p) {
            const RulePattern& pattern = rule.patterns[p];
            const PatternGroup::Place place{static_cast<RuleNumber>(i),
                                            static_cast<std::uint8_t>(1U << p), pattern.side,
                                            pattern.anchor};
            if (!rule.refines.empty()) {
                refining.push_back(&pattern);
                into.refining.group.places.push_back(place);
                sieve_pattern(rule, pattern, into.refining, of_refining);
            } else if (pattern.anchor == PatternAnchor::anywhere) {
                anywhere.push_back(&pattern);
                into.anywhere.group.places.push_back(place);
            } else {
                anchored.push_back(&pattern);
                into.anchored.group.places.push_back(place);
                sieve_pattern(rule, pattern, into.anchored, of_anchored);
            }
        }
    }
    into.anchored.sieve = PayloadSieve(std::move(of_anchored));
    into.refining.sieve = PayloadSieve(std::move(of_refining));
    return {anchored, anywhere, refining};
}

/// Throws ConfigError at the pattern that is to blame, if one is.
PatternDatabase compile(const std::vector<PatternExpression>& expressions,
                        const Patterns& patterns) {
    try {
        return PatternDatabase::compile(expressions);
    } catch (const PatternError& error) {
        const bool one = error.expression() < patterns.size();
        const ipfix::YamlNode& node = patterns[one ? error.expression() : 0]->node;
        throw node.error((one ? "the pattern '" + node.as_string() + "' cannot be compiled: "
                              : std::string("the patterns cannot be compiled together: ")) +
                         error.what());
    }
}

/// From the cache, else compiled and kept there.
void compile_group(PatternGroup& group, const std::vector<PatternExpression>& expressions,
                   const Patterns& patterns, const ApplicationOptions& options,
                   CompileReport& report) {
    if (expressions.empty()) {
        return;
    }
    const PatternCache cache(options.cache.value_or(""));
    group.database = cache.find(expressions);
    report.from_cache += group.database ? 1 : 0;
    if (!group.database) {
        group.database = compile(expressions, patterns);
        ++report.compiled;
        std::string remark = cache.keep(expressions, *group.database);
        std::vector<std::string>& said = report.remarks;
        if (!remark.empty() && std::find(said.begin(), said.end(), remark) == said.end()) {
            said.push_back(std::move(remark));
        }
    }
}

std::vector<PatternExpression> expressions_of(const Patterns& patterns) {
    std::vector<PatternExpression> expressions;
    for (const RulePattern* pattern : patterns) {
        expressions.push_back(pattern->expression);
    }
    return expressions;
}

/// `patterns`: as collect() returns them.
void compile_share(PatternShare& share, const std::array<Patterns, 3>& patterns,
                   const ApplicationOptions& options, CompileReport& report) {
    const auto& [anchored, anywhere, refining] = patterns;
    const auto of_anywhere = expressions_of(anywhere);
    compile_group(share.anchored.group, expressions_of(anchored), anchored, options, report);
    compile_group(share.anywhere.group, of_anywhere, anywhere, options, report);
    compile_group(share.refining.group, expressions_of(refining), refining, options, report);
    if (const auto shared = shared_literals(of_anywhere)) {
        compile_group(share.anywhere.gate, *shared, anywhere, options, report);
    }
}

void compile_transport(RuleSet& set, std::size_t number, const ApplicationOptions& options) {
    TransportPatterns& transport = set.transports[number];
    const std::array patterns = {
        collect(set, number, 0, set.rest_begin, transport.front),
        collect(set, number, set.rest_begin, set.rules.size(), transport.rest)};
    if (set.patterns != PatternsVerdict::matched) {
        return;
    }
    const std::array shares = {&transport.front, &transport.rest};
    std::size_t octets = 0;
    for (std::size_t s = 0; s < shares.size(); ++s) {
        compile_share(*shares[s], patterns[s], options, set.report);
        for (const PatternGroup* const group : shares[s]->groups()) {
            octets += group->database ? group->database->octets() : 0;
        }
    }
    if (octets > options.limits.database_octets_max) {
        const auto of_transport = [number](const ApplicationRule& rule) {
            return !rule.patterns.empty() && (number == 0 ? rule.tcp : rule.udp);
        };
        const auto last = std::find_if(set.rules.rbegin(), set.rules.rend(), of_transport);
        throw last->patterns.back().node.error(std::string("with this rule the patterns for ") +
                                               kTransportNames[number] + " take " +
                                               std::to_string(octets) + " octets; the limit is " +
                                               std::to_string(options.limits.database_octets_max));
    }
    set.report.database_octets += octets;
}

void read_rules(RuleSet& set, const ApplicationOptions& options) {
    std::size_t patterns = 0;
    for (const std::string& path : options.rule_files) {
        read_rule_file(path, options, set.patterns == PatternsVerdict::matched, set.rules);
    }
    for (const ApplicationRule& rule : set.rules) {
        patterns += rule.patterns.size();
        if (patterns > options.limits.patterns_max) {
            throw rule.node.error("there are more than " +
                                  std::to_string(options.limits.patterns_max) + " patterns");
        }
    }
    check_unique(set.rules);
    set.report.rules = set.rules.size();
    set.report.patterns = patterns;
    if (patterns == 0) {
        set.patterns = PatternsVerdict::none_in_rules;
    }
}

} // namespace

void ApplicationId::write(std::span<std::uint8_t> out) const noexcept {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    if (out.empty()) {
        return;
    }
    out[0] = static_cast<std::uint8_t>(engine);
    const auto put = [&out](std::uint32_t value, std::size_t from, std::size_t to) {
        for (; to > from; value >>= 8) {
            out[--to] = static_cast<std::uint8_t>(value);
        }
    };
    constexpr std::size_t kPenEnd = 5;
    const bool pen = engine == ClassificationEngine::pana_l7_pen && out.size() > kPenEnd;
    put(selector, pen ? kPenEnd : 1, out.size());
    if (pen) {
        put(enterprise, 1, kPenEnd);
    }
}

ApplicationId RuleSet::id_of(RuleNumber rule) const noexcept {
    const ApplicationRule& named = rules[rule];
    if (named.ip_protocol) {
        return {0, *named.ip_protocol, ClassificationEngine::iana_l3};
    }
    return {enterprise_number, named.id & 0xFF'FFFFU,
            enterprise_number == 0 ? ClassificationEngine::user_defined
                                   : ClassificationEngine::pana_l7_pen};
}

std::shared_ptr<const ApplicationRules> ApplicationRules::load(const ApplicationOptions& options,
                                                               PatternSupportCheck support) {
    check_options(options);
    auto set = std::make_unique<RuleSet>();
    set->enterprise_number = options.enterprise_number;
    set->packets_max = options.payload_packets_max;
    set->octets_max = options.payload_octets_max;
    set->generation = next_generation();
    set->patterns = support();
    read_rules(*set, options);
    find_refined(*set);
    index_rules(*set);
    find_rest(*set);
    find_asked(*set);
    list_entries(*set);
    for (std::size_t i = 0; i < set->transports.size(); ++i) {
        compile_transport(*set, i, options);
    }
    if (set->patterns == PatternsVerdict::not_built ||
        set->patterns == PatternsVerdict::cpu_not_supported) {
        set->report.remarks.emplace_back(
            set->patterns == PatternsVerdict::not_built
                ? "this build has no Hyperscan: application labels come from parsers, names and "
                  "ports, not from payload patterns"
                : "Hyperscan does not run on this CPU (it wants SSSE3): application labels come "
                  "from parsers, names and ports, not from payload patterns");
    }
    return std::shared_ptr<const ApplicationRules>(new ApplicationRules(std::move(set)));
}

ApplicationRules::ApplicationRules(std::unique_ptr<const RuleSet> set) : set_(std::move(set)) {}
ApplicationRules::~ApplicationRules() = default;

std::span<const ApplicationEntry> ApplicationRules::entries() const noexcept {
    return set_->entries;
}

const ApplicationEntry* ApplicationRules::find(const ApplicationId& id) const noexcept {
    const std::uint32_t* const place = set_->entry_places.find(RuleSet::entry_key(id));
    return place != nullptr && set_->entries[*place].id == id ? &set_->entries[*place] : nullptr;
}

std::size_t ApplicationRules::id_octets() const noexcept {
    return set_->enterprise_number == 0 ? 4 : 8;
}
PatternsAsked ApplicationRules::asked(std::uint8_t protocol, ApplicationProtocol parsed,
                                      bool parser_done) const noexcept {
    const AskedBesideParser beside = set_->asked_beside[static_cast<std::size_t>(parsed)];
    const auto is_asked = [parser_done](AskedUntil until) {
        return until == AskedUntil::limits || (until == AskedUntil::done && !parser_done);
    };
    if (beside.rest == AskedUntil::limits) {
        return PatternsAsked::all;
    }
    const TransportPatterns& transport = set_->transports[protocol == kProtocolTcp ? 0 : 1];
    if (is_asked(beside.rest) && !transport.rest.refining.group.places.empty()) {
        return PatternsAsked::refining;
    }
    return is_asked(beside.front) && transport.front.has_patterns() ? PatternsAsked::front
                                                                    : PatternsAsked::none;
}
PatternsVerdict ApplicationRules::patterns() const noexcept {
    return set_->patterns;
}
const CompileReport& ApplicationRules::report() const noexcept {
    return set_->report;
}

} // namespace probe
