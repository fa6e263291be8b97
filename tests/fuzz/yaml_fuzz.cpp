// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer target of the YAML loader and the template descriptions. Whatever the octets are, the
// answer is a document or a ConfigError; what loads must also make Template Records that encode.
#include <cstdlib>
#include <string>
#include <string_view>

#include "encoder/message_builder.hpp"
#include "encoder/template_description.hpp"
#include "encoder/yaml_document.hpp"

namespace {

// Every typed access on every node, so that values are fuzzed and not only shapes.
void visit(const ipfix::YamlNode& node) {
    const auto quietly = [](const auto& access) {
        try {
            static_cast<void>(access());
        } catch (const ipfix::ConfigError& error) {
            if (std::string_view(error.what()).empty()) std::abort();
        }
    };
    quietly([&] { return node.as_string(); });
    quietly([&] { return node.as_bool(); });
    quietly([&] { return node.as_uint(0, 65535); });
    quietly([&] { return node.as_int(-5, 5); });
    quietly([&] { return node.as_double(0.0, 1.0); });
    quietly([&] { return node.as_duration(1, 3'600'000'000'000, true); });
    quietly([&] { return node.as_size(1, 1ULL << 40U); });
    quietly([&] { return node.as_one_of({"evict", "refuse"}); });
    if (node.line() < 1 || node.column() < 1) std::abort();
    if (node.is_list()) {
        for (const ipfix::YamlNode& item : node.list())
            visit(item);
    }
    if (!node.is_map()) return;
    quietly([&] {
        node.check_keys({"name", "templates"});
        return 0;
    });
    for (const std::string& key : node.keys())
        visit(node.at(key));
}

void encode(std::string_view text) {
    auto templates = ipfix::parse_template_descriptions(text, "fuzz.yaml");
    ipfix::assign_template_ids(templates);
    ipfix::MessageBuilder builder(1, 65535);
    for (const ipfix::TemplateDescription& one : templates) {
        const ipfix::TemplateRecord record = ipfix::make_template_record(one);
        if (record.record_octets() > ipfix::kRecordOctetsMax) std::abort();
        const auto verdict = builder.append_template(record);
        if (verdict == ipfix::AppendVerdict::record_too_large) std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    try {
        visit(ipfix::YamlNode::load_text(text, "fuzz.yaml"));
    } catch (const ipfix::ConfigError&) {
    }
    try {
        encode(text);
    } catch (const ipfix::ConfigError&) {
    }
    return 0;
}
