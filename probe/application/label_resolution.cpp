// SPDX-License-Identifier: BSD-3-Clause
// How patterns, parsers, names and ports become one label.
#include <algorithm>

#include "probe/application/application_rules.hpp"
#include "probe/application/rule_set.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

constexpr std::size_t kHostOctetsMax = 255;

/// As rules write it: no port, no dot at the end. Empty when it is too long.
std::string_view host_of(std::string_view name) noexcept {
    name = name.substr(0, name.find(':'));
    while (!name.empty() && name.back() == '.') {
        name.remove_suffix(1);
    }
    return name.size() <= kHostOctetsMax ? name : std::string_view();
}

/// The first rule whose host is the name or above it.
RuleNumber by_host(const RuleSet& set, std::string_view name, ApplicationProtocol parsed) noexcept {
    const ApplicationProtocol told_by = carrier_of(parsed);
    RuleNumber best = kNoRule;
    if (!name.empty()) {
        set.by_host.for_each(host_of(name), [&](RuleNumber rule) {
            const auto& parsers = set.rules[rule].host_parsers;
            if (rule < best &&
                std::find(parsers.begin(), parsers.end(), told_by) != parsers.end()) {
                best = rule;
            }
        });
    }
    return best;
}

} // namespace

ApplicationLabel ApplicationRules::resolve(const LabelEvidence& evidence) const noexcept {
    const RuleSet& set = *set_;
    using P = ApplicationProtocol;
    RuleNumber best = kNoRule;
    LabelSource source = LabelSource::none;
    const auto consider = [&best, &source](RuleNumber rule, LabelSource from) {
        if (rule < best) {
            best = rule;
            source = from;
        }
    };
    const bool dns =
        evidence.parsed == P::dns || evidence.parsed == P::mdns || evidence.parsed == P::llmnr;
    consider(by_host(set, dns ? evidence.dns_name : evidence.server_name, evidence.parsed),
             LabelSource::host);
    consider(set.by_parser[static_cast<std::size_t>(evidence.parsed)], LabelSource::parser);
    if (evidence.state != nullptr && evidence.state->rule_id != 0) {
        const RuleNumber* const settled = set.by_id.find(evidence.state->rule_id);
        consider(settled != nullptr ? *settled : kNoRule, LabelSource::pattern);
    }
    if (const RuleNumber* const rule = set.by_ip_protocol.find(evidence.protocol)) {
        consider(*rule, LabelSource::ip_protocol);
    }
    if (best != kNoRule) {
        return {set.id_of(best), source};
    }
    if (evidence.protocol == kProtocolTcp || evidence.protocol == kProtocolUdp) {
        const auto& known = set.ports[evidence.protocol == kProtocolTcp ? 0 : 1];
        const bool content_seen =
            evidence.from_start && evidence.state != nullptr && evidence.state->packets != 0;
        for (const std::uint16_t port : {evidence.destination_port, evidence.source_port}) {
            const bool* const has_patterns = known.find(port);
            if (has_patterns != nullptr && !(content_seen && *has_patterns)) {
                return {{0, port, ClassificationEngine::iana_l4}, LabelSource::port};
            }
        }
    }
    return {};
}

} // namespace probe
