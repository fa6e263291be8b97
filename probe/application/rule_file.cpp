// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>

#include "encoder/nearest_name.hpp"
#include "encoder/utf8.hpp"
#include "probe/application/rule_set.hpp"
#include "probe/application/text_lines.hpp"

namespace probe {

namespace {

using ipfix::YamlNode;

constexpr std::uint32_t kRuleIdMax = 0xFF'FFFF; // a selector of three octets

std::string name_of(const YamlNode& node) {
    std::string name = node.as_string();
    if (name.size() > kApplicationNameOctetsMax) {
        throw node.error("this is longer than " + std::to_string(kApplicationNameOctetsMax) +
                         " octets");
    }
    for (std::string_view left = name; !left.empty();) {
        const std::size_t octets = ipfix::utf8_octets(left);
        if (octets == 0 || static_cast<unsigned char>(left[0]) < 0x20 || left[0] == 0x7F) {
            throw node.error("control characters have no place in a name");
        }
        left.remove_prefix(octets);
    }
    return name;
}

ApplicationProtocol parser_of(const YamlNode& node) {
    const std::string name = node.as_string();
    std::vector<std::string_view> known;
    for (std::size_t i = 1; i < static_cast<std::size_t>(ApplicationProtocol::count_); ++i) {
        known.push_back(protocol_name(static_cast<ApplicationProtocol>(i)));
        if (known.back() == name) {
            return static_cast<ApplicationProtocol>(i);
        }
    }
    throw node.error("no parser reads \"" + name + "\"; the nearest is \"" +
                     std::string(ipfix::nearest_name(name, known)) + "\"");
}

std::vector<ApplicationProtocol> parsers_of(const YamlNode& node) {
    std::vector<ApplicationProtocol> parsers;
    for (const YamlNode& one : node.list_or_one()) {
        parsers.push_back(parser_of(one));
    }
    return parsers;
}

std::string host_of(const YamlNode& node) {
    std::string host = node.as_string();
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    constexpr std::size_t kHostOctetsMax = 253; // RFC 1035 section 2.3.4
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
    if (host.size() > kHostOctetsMax || host.front() == '.' || host.back() == '.' ||
        host.find("..") != std::string::npos ||
        host.find_first_not_of(kAllowed) != std::string::npos) {
        throw node.error(
            "a host is a domain name, as example.com, which stands for itself and all "
            "names below it");
    }
    return host;
}

void read_protocol(const YamlNode& node, ApplicationRule& rule) {
    for (const YamlNode& one : node.list_or_one()) {
        const std::string text = one.as_string();
        if (text == "tcp") {
            rule.tcp = true;
        } else if (text == "udp") {
            rule.udp = true;
        } else if (text.find_first_not_of("0123456789") == std::string::npos) {
            rule.ip_protocol = static_cast<std::uint8_t>(one.as_uint(0, UINT8_MAX));
        } else {
            throw one.error("expected tcp, udp or the number of another IP protocol, not \"" +
                            text + "\"");
        }
    }
    if (rule.ip_protocol &&
        (rule.tcp || rule.udp || *rule.ip_protocol == 6 || *rule.ip_protocol == 17)) {
        throw node.error(
            "a rule for an IP protocol by number stands for that protocol alone; TCP "
            "and UDP go by name");
    }
}

/// What compiling it may take is known before it starts.
void check_expression(const RulePattern& pattern, const YamlNode& node, const RuleLimits& limits) {
    const std::string shown = "the pattern '" + node.as_string() + "' ";
    MatchOctets octets;
    try {
        octets = match_octets({node.as_string(), pattern.expression.ignore_case});
    } catch (const PatternError& error) {
        throw node.error(shown + "cannot be used: " + error.what());
    }
    if (octets.min == 0) {
        throw node.error(shown + "matches nothing at all as well; ask for at least one octet");
    }
    if (octets.max > limits.match_octets_max) {
        const bool unbounded = octets.max == UINT32_MAX;
        throw node.error(shown + "may match " +
                         (unbounded ? "any number of" : std::to_string(octets.max)) +
                         " octets; give repetitions a bound, as in .{0,64}, of " +
                         std::to_string(limits.match_octets_max) + " octets together");
    }
}

RulePattern pattern_of(const YamlNode& node, const RuleLimits& limits, bool check) {
    RulePattern pattern{{}, PatternSide::either, PatternAnchor::start, node};
    YamlNode match = node;
    if (node.is_map()) {
        node.check_keys({"match", "from", "at", "ignore_case"});
        match = node.at("match");
        if (const auto from = node.find("from")) {
            pattern.side =
                static_cast<PatternSide>(from->as_one_of({"either", "client", "server"}));
        }
        if (const auto at = node.find("at")) {
            pattern.anchor =
                static_cast<PatternAnchor>(at->as_one_of({"start", "packet", "anywhere"}));
        }
        if (const auto ignore_case = node.find("ignore_case")) {
            pattern.expression.ignore_case = ignore_case->as_bool();
        }
    }
    const std::string text = match.as_string();
    if (text.size() > limits.expression_octets_max || text.find('\0') != std::string::npos) {
        throw match.error("a pattern has at most " + std::to_string(limits.expression_octets_max) +
                          " octets, and a zero octet is written \\x00");
    }
    pattern.expression.text =
        pattern.anchor == PatternAnchor::anywhere ? text : "^(?:" + text + ")";
    pattern.node = match;
    if (check) {
        check_expression(pattern, match, limits);
    }
    return pattern;
}

void read_patterns(const YamlNode& node, ApplicationRule& rule, const RuleLimits& limits,
                   bool check) {
    for (const YamlNode& one : node.list_or_one()) {
        rule.patterns.push_back(pattern_of(one, limits, check));
    }
    if (rule.patterns.size() > kPatternsOfRuleMax) {
        throw node.error("a rule has at most " + std::to_string(kPatternsOfRuleMax) +
                         " patterns; join some as (?:a|b), or write two rules");
    }
}

void check_sense(const ApplicationRule& rule) {
    const YamlNode& node = rule.node;
    const bool transport = rule.tcp || rule.udp;
    if (!transport && (!rule.patterns.empty() || !rule.ports.empty())) {
        throw node.error("patterns and ports are those of TCP or UDP: say protocol: tcp or udp");
    }
    if (rule.patterns.empty() && rule.ports.empty() && rule.parsers.empty() && rule.hosts.empty() &&
        !rule.ip_protocol) {
        throw node.error("nothing speaks for \"" + rule.name +
                         "\": give it patterns, parsers, hosts or ports");
    }
    if (rule.port_required && (rule.ports.empty() || rule.patterns.empty())) {
        throw node.at("port_required").error("this ties patterns to ports: give both");
    }
    if (rule.evidence > std::max<std::size_t>(1, rule.patterns.size())) {
        throw node.at("evidence")
            .error("this asks for " + std::to_string(rule.evidence) + " patterns of " +
                   std::to_string(rule.patterns.size()));
    }
}

ApplicationRule rule_of(const YamlNode& node, const RuleLimits& limits, bool check) {
    node.check_keys({"name", "id", "category", "protocol", "ports", "parsers", "hosts",
                     "host_parsers", "patterns", "evidence", "both_directions", "port_required",
                     "parser_suffices", "refines"});
    ApplicationRule rule(node);
    rule.name = name_of(node.at("name"));
    rule.id = static_cast<std::uint32_t>(node.at("id").as_uint(1, kRuleIdMax));
    rule.category = name_of(node.at("category"));
    read_protocol(node.at("protocol"), rule);
    if (const auto ports = node.find("ports")) {
        for (const YamlNode& port : ports->list_or_one()) {
            rule.ports.push_back(static_cast<std::uint16_t>(port.as_uint(1, UINT16_MAX)));
        }
    }
    if (const auto parsers = node.find("parsers")) {
        rule.parsers = parsers_of(*parsers);
    }
    if (const auto hosts = node.find("hosts")) {
        for (const YamlNode& host : hosts->list_or_one()) {
            rule.hosts.push_back(host_of(host));
        }
    }
    const auto host_parsers = node.find("host_parsers");
    rule.host_parsers = host_parsers
                            ? parsers_of(*host_parsers)
                            : std::vector{ApplicationProtocol::tls, ApplicationProtocol::dtls,
                                          ApplicationProtocol::quic, ApplicationProtocol::http1};
    if (const auto patterns = node.find("patterns")) {
        read_patterns(*patterns, rule, limits, check);
    }
    if (const auto evidence = node.find("evidence")) {
        rule.evidence = static_cast<std::uint8_t>(evidence->as_uint(1, kPatternsOfRuleMax));
    }
    if (const auto both = node.find("both_directions")) {
        rule.both_directions = both->as_bool();
    }
    if (const auto required = node.find("port_required")) {
        rule.port_required = required->as_bool();
    }
    if (const auto suffices = node.find("parser_suffices")) {
        rule.parser_suffices = suffices->as_bool();
    }
    if (const auto refines = node.find("refines")) {
        rule.refines = refines->as_string();
    }
    check_sense(rule);
    return rule;
}

} // namespace

void read_rule_file(const std::string& path, const ApplicationOptions& options, bool check_patterns,
                    std::vector<ApplicationRule>& rules) {
    const YamlNode root = YamlNode::load_file(path);
    root.check_keys({"applications"});
    for (const YamlNode& node : root.at("applications").list()) {
        if (rules.size() >= options.limits.rules_max) {
            throw node.error("there are more than " + std::to_string(options.limits.rules_max) +
                             " rules");
        }
        rules.push_back(rule_of(node, options.limits, check_patterns));
    }
}

} // namespace probe
