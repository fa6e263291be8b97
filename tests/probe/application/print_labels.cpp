// SPDX-License-Identifier: BSD-3-Clause
// A tool for people: which application each flow of captures is, and what it is known by.
//   print_labels RULES FILE ...
#include <array>
#include <cstdio>

#include "tests/probe/application/capture_flows.hpp"

int main(int arguments, char** argument) {
    probe::ApplicationOptions options;
    if (arguments > 1) {
        options.rule_files = {argument[1]};
    }
    const auto rules = probe::ApplicationRules::load(options);
    probe::ApplicationInspector inspector{probe::InspectorOptions{}};
    probe::ApplicationClassifier classifier(rules);
    for (int i = 2; i < arguments; ++i) {
        for (const auto& flow : probe::test::inspect_capture(argument[i], inspector, &classifier)) {
            constexpr std::array kSources = {"none",    "port",   "ip_protocol",
                                             "pattern", "parser", "host"};
            const probe::ApplicationLabel label = probe::test::label_of(flow, *rules);
            const probe::ApplicationEntry* entry = rules->find(label.id);
            std::printf("%s: %s %u %s %u %u %s %s %s\n", argument[i], flow.source.c_str(),
                        flow.source_port, flow.destination.c_str(), flow.destination_port,
                        flow.protocol, entry != nullptr ? entry->name.c_str() : "-",
                        kSources[static_cast<std::size_t>(label.source)],
                        std::string(protocol_name(flow.found->protocol)).c_str());
        }
    }
    return 0;
}
