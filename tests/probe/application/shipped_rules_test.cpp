// SPDX-License-Identifier: BSD-3-Clause
// templates/applications.yaml: each rule that has patterns finds its example, and only that.
#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "probe/application/application_classifier.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/application/rule_set.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

ApplicationOptions shipped() {
    ApplicationOptions options;
    options.rule_files = {PARSHALL_SOURCE_ROOT "/templates/applications.yaml"};
    return options;
}

/// "\x41", "\r", "\n" as in patterns; "{12}" repeats the octet before it 12 times.
std::string octets_of(const std::string& notation) {
    std::string octets;
    for (std::size_t i = 0; i < notation.size(); ++i) {
        if (notation[i] == '\\' && notation[i + 1] == 'x') {
            octets += static_cast<char>(std::stoi(notation.substr(i + 2, 2), nullptr, 16));
            i += 3;
        } else if (notation[i] == '\\') {
            octets += notation[++i] == 'r' ? '\r' : notation[i] == 'n' ? '\n' : notation[i];
        } else if (notation[i] == '{' && notation.find('}', i) < i + 5 && notation[i + 1] >= '0' &&
                   notation[i + 1] <= '9') {
            octets.append(std::stoul(notation.substr(i + 1)), octets.back());
            i = notation.find('}', i);
        } else {
            octets += notation[i];
        }
    }
    return octets;
}

std::vector<ApplicationRule> read_shipped() {
    std::vector<ApplicationRule> rules;
    read_rule_file(shipped().rule_files[0], shipped(), false, rules);
    return rules;
}

struct Example {
    std::string rule;
    std::uint8_t protocol = 0;
    std::uint16_t port = 0;
    std::vector<std::pair<std::uint8_t, std::string>> payloads;
    std::string line;
};

std::vector<Example> examples() {
    constexpr std::uint8_t kTcp = 6;
    constexpr std::uint8_t kUdp = 17;
    std::ifstream file(PARSHALL_SOURCE_ROOT "/tests/probe/application/rule_examples.txt");
    std::vector<Example> all;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        Example example;
        example.line = line;
        std::istringstream words(line);
        std::string transport;
        words >> example.rule >> transport;
        example.protocol = transport.starts_with("tcp") ? kTcp : kUdp;
        if (const std::size_t slash = transport.find('/'); slash != std::string::npos) {
            example.port = static_cast<std::uint16_t>(std::stoul(transport.substr(slash + 1)));
        }
        for (std::string payload; words >> payload;) {
            example.payloads.emplace_back(payload[0] == '>' ? std::uint8_t{0} : std::uint8_t{1},
                                          octets_of(payload.substr(1)));
        }
        all.push_back(example);
    }
    return all;
}

std::string name_of(const ApplicationRules& rules, std::uint32_t id) {
    for (const ApplicationEntry& entry : rules.entries()) {
        if (entry.id.engine == ClassificationEngine::user_defined && entry.id.selector == id) {
            return entry.name;
        }
    }
    return "-";
}

TEST_CASE("Every shipped rule finds its example", "[application][labels]") {
    const auto rules = ApplicationRules::load(shipped());
    ApplicationClassifier classifier(rules);
    std::set<std::string> shown;
    for (const Example& example : examples()) {
        INFO(example.line);
        LabelState state{};
        for (const auto& [direction, payload] : example.payloads) {
            const Bytes octets(reinterpret_cast<const std::uint8_t*>(payload.data()),
                               payload.size());
            ClassifyRequest request{octets,    &state, example.protocol,
                                    direction, 40'000, example.port};
            classifier.classify_burst({&request, 1});
        }
        CHECK(name_of(*rules, state.rule_id) == example.rule);
        shown.insert(example.rule);
    }
    for (const ApplicationRule& rule : read_shipped()) {
        INFO(rule.name);
        CHECK((rule.patterns.empty() || shown.contains(rule.name)));
    }
}

TEST_CASE("The shipped rules keep to their ids", "[application][labels][without-hyperscan]") {
    CHECK(read_shipped().size() >= 60);
    for (const ApplicationRule& rule : read_shipped()) {
        INFO(rule.name);
        CHECK(rule.id < 100'000); // the rest is the operator's
    }
    const auto rules = ApplicationRules::load(
        shipped(), []() noexcept { return PatternsVerdict::cpu_not_supported; });
    LabelEvidence evidence;
    evidence.parsed = ApplicationProtocol::ssh;
    CHECK(rules->find(rules->resolve(evidence).id)->name == "ssh");
}

TEST_CASE("What HTTP carries has rules of its own, and HTTP's servers",
          "[application][labels][without-hyperscan]") {
    using P = ApplicationProtocol;
    const auto rules = ApplicationRules::load(shipped());
    const auto label_of = [&](P parsed, std::string_view server_name) {
        LabelEvidence evidence;
        evidence.protocol = 6;
        evidence.parsed = parsed;
        evidence.server_name = server_name;
        return rules->find(rules->resolve(evidence).id)->name;
    };
    CHECK(label_of(P::http1, "") == "http");
    CHECK(label_of(P::websocket, "") == "websocket");
    CHECK(label_of(P::ipp, "") == "ipp");
    CHECK(label_of(P::websocket, "wss.slack-msgs.com") == "slack");
    // Nothing more is asked of patterns once the head is read.
    CHECK(rules->asked(6, P::http1, false) == PatternsAsked::none);
    CHECK(rules->asked(6, P::websocket, false) == PatternsAsked::none);
}

} // namespace
} // namespace probe::test
