// SPDX-License-Identifier: BSD-3-Clause
// A tool for people: what the inspector finds in captures, a line a flow.
//   print_names FILE ...
#include <cstdio>

#include "tests/probe/application/capture_flows.hpp"

int main(int arguments, char** argument) {
    probe::InspectorOptions options;
    options.fingerprints.ja3 = true;
    probe::ApplicationInspector inspector(options);
    for (int i = 1; i < arguments; ++i) {
        for (const auto& flow : probe::test::inspect_capture(argument[i], inspector)) {
            std::printf("%s %u %s %u %u %s", flow.source.c_str(), flow.source_port,
                        flow.destination.c_str(), flow.destination_port, flow.protocol,
                        std::string(protocol_name(flow.found->protocol)).c_str());
            for (std::size_t f = 0; f < probe::kApplicationFields; ++f) {
                const auto& info = field_info(static_cast<probe::ApplicationField>(f));
                if (!flow.found->fields.has(info.field)) {
                    continue;
                }
                if (info.kind == probe::FieldKind::number) {
                    std::printf("; %.*s: %llu", static_cast<int>(info.name.size()),
                                info.name.data(),
                                static_cast<unsigned long long>(
                                    flow.found->fields.number(info.field).value_or(0)));
                } else {
                    const std::string_view text = flow.found->fields.text(info.field);
                    std::printf("; %.*s: %.*s", static_cast<int>(info.name.size()),
                                info.name.data(), static_cast<int>(text.size()), text.data());
                }
            }
            std::printf("\n");
        }
    }
    return 0;
}
