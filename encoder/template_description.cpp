// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/template_description.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "encoder/yaml_document.hpp"

namespace ipfix {

namespace {

std::string directed_name(const TemplateField& field) {
    return FieldSpecifier{field.element, 0, field.reverse, false, field.list_of, false}.name();
}

// "name", "name[4]" or "name[v]" (RFC 7013 section 10.1); the length with its brackets is split
// off.
struct Specifier {
    std::string_view name;
    std::optional<std::string_view> length;
};

Specifier split(std::string_view text) {
    const std::size_t open = text.find('[');
    if (open == std::string_view::npos || text.back() != ']') return {text, std::nullopt};
    return {text.substr(0, open), text.substr(open + 1, text.size() - open - 2)};
}

std::uint16_t parse_length(const YamlNode& node, const Specifier& specifier,
                           const InformationElement& element) {
    std::uint16_t length = 0;
    const std::string_view text = *specifier.length;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
    bool right = failure == std::errc() && stop == text.data() + text.size() &&
                 length != kVariableLength && allows_length(element.type, length);
    if (text == "v" && default_length(element.type) == kVariableLength) {
        length = kVariableLength;
        right = true;
    }
    if (!right) {
        throw node.error("'[" + std::string(text) + "]' is no length for " +
                         std::string(specifier.name) + ": " + std::string(type_name(element.type)) +
                         " takes " + allowed_lengths(element.type));
    }
    return length;
}

// "basicList(ipTotalLength)": the element in brackets, which is taken off; nullptr when there is
// none.
const InformationElement* take_list_element(const YamlNode& node, std::string& text) {
    const std::size_t open = text.find('(');
    if (open == std::string::npos || text.back() != ')') return nullptr;
    const std::string listed = text.substr(open + 1, text.size() - open - 2);
    text.resize(open);
    const InformationElement* const element = find_element(listed);
    if (element == nullptr) {
        throw node.error("unknown element '" + listed + "'; did you mean '" +
                         nearest_element_name(listed) + "'? ('parshall elements' lists them)");
    }
    if (text != "basicList") {
        throw node.error("only basicList has an element in brackets; write basicList(" + listed +
                         ")");
    }
    return element;
}

TemplateField parse_field(const YamlNode& node, bool is_key) {
    std::string text = node.as_string();
    const InformationElement* const list_of = take_list_element(node, text);
    const Specifier specifier = split(text);
    const DirectedElement found = find_directed_element(specifier.name);
    if (found.element == nullptr) {
        constexpr std::size_t kShown = 60;
        throw node.error("unknown element '" + std::string(specifier.name.substr(0, kShown)) +
                         "'; did you mean '" + nearest_element_name(specifier.name) +
                         "'? ('parshall elements' lists them)");
    }
    TemplateField field{found.element, found.reverse, 0, node.line(), node.column(), list_of};
    const std::string forward(found.element->name);
    if (found.reverse && !is_reversible(*found.element)) {
        throw node.error("'" + std::string(specifier.name) + "' does not exist: " + forward +
                         " has no reverse (RFC 5103 section 6.1); use '" + forward + "'");
    }
    if (found.reverse && is_key) {
        throw node.error("'" + std::string(specifier.name) +
                         "' cannot be a key: reverse elements are values of a Biflow; move it to "
                         "'values' or use '" +
                         forward + "'");
    }
    if (specifier.length) field.length = parse_length(node, specifier, *found.element);
    return field;
}

std::vector<TemplateField> parse_fields(const YamlNode& description, const char* key,
                                        std::vector<TemplateField>& seen) {
    const bool is_key = std::string_view(key) == "keys";
    const YamlNode list = description.at(key);
    if (list.is_null() || (list.is_list() && list.list().empty())) {
        throw list.error(std::string("there are no elements here; name at least one, such as ") +
                         (is_key ? "sourceIPv4Address" : "packetDeltaCount"));
    }
    std::vector<TemplateField> fields;
    for (const YamlNode& item : list.list()) {
        if (item.is_map() || item.is_list()) {
            throw item.error(
                "expected an element's name; put a name with a length in quotes, such as "
                "\"octetDeltaCount[4]\"");
        }
        const TemplateField field = parse_field(item, is_key);
        const auto before = std::find_if(seen.begin(), seen.end(), [&](const TemplateField& f) {
            return f.element == field.element && f.reverse == field.reverse &&
                   f.list_of == field.list_of;
        });
        if (before != seen.end()) {
            throw item.error("'" + directed_name(field) +
                             "' is in this template twice, first in line " +
                             std::to_string(before->line) + "; remove one of them");
        }
        seen.push_back(field);
        fields.push_back(field);
    }
    return fields;
}

/// What changes with every record is in no common properties.
bool may_be_common(const TemplateField& field) {
    switch (field.element->type) {
        case AbstractDataType::dateTimeSeconds:
        case AbstractDataType::dateTimeMilliseconds:
        case AbstractDataType::dateTimeMicroseconds:
        case AbstractDataType::dateTimeNanoseconds:
        case AbstractDataType::basicList:
        case AbstractDataType::subTemplateList:
        case AbstractDataType::subTemplateMultiList:
            return false;
        default:
            return field.element->semantics != DataTypeSemantics::deltaCounter &&
                   field.element->semantics != DataTypeSemantics::totalCounter;
    }
}

/// Marks what `common` names among the keys and values.
void mark_common(const YamlNode& list, TemplateDescription& description) {
    const auto find = [&](const DirectedElement& named) -> TemplateField* {
        for (auto* fields : {&description.keys, &description.values}) {
            for (TemplateField& field : *fields) {
                if (field.element == named.element && field.reverse == named.reverse) return &field;
            }
        }
        return nullptr;
    };
    for (const YamlNode& item : list.list()) {
        const std::string name = item.as_string();
        const DirectedElement named = find_directed_element(name);
        TemplateField* const field = named.element == nullptr ? nullptr : find(named);
        if (field == nullptr) {
            throw item.error("'" + name +
                             "' is not among the keys and values of this template; list it there, "
                             "with its length if it has one, and name it here");
        }
        if (!may_be_common(*field)) {
            throw item.error("'" + name +
                             "' differs from record to record, so nothing is gained by telling it "
                             "once; leave it out here");
        }
        field->common = true;
    }
    const auto is_common = [](const TemplateField& field) { return field.common; };
    if (std::all_of(description.keys.begin(), description.keys.end(), is_common) &&
        std::all_of(description.values.begin(), description.values.end(), is_common)) {
        throw list.error(
            "a record needs a field besides its common properties; leave one out here");
    }
}

void check_record_fits(const YamlNode& at, const std::vector<TemplateField>& fields,
                       std::size_t record_octets_max) {
    std::size_t octets = 0;
    for (const TemplateField& field : fields) {
        const std::uint16_t length = field.wire_length();
        octets += length == kVariableLength ? 1 : length;
    }
    if (octets <= record_octets_max) return;
    throw at.error("a record of this template has " + std::to_string(octets) +
                   " octets, more than the " + std::to_string(record_octets_max) +
                   " that fit a message; remove elements or shorten them");
}

TemplateDescription parse_description(const YamlNode& node, std::size_t record_octets_max) {
    node.check_keys({"name", "id", "filter", "order", "keys", "values", "common"});
    TemplateDescription description;
    description.file = node.file();
    const YamlNode name = node.at("name");
    description.name = name.as_string();
    description.line = name.line();
    description.column = name.column();
    constexpr std::size_t kNameMax = 64;
    if (description.name.size() > kNameMax) {
        throw name.error("this name is longer than 64 octets; shorten it");
    }
    if (const auto id = node.find("id")) {
        description.id = static_cast<std::uint16_t>(id->as_uint(kFirstDataSetId, UINT16_MAX));
        description.id_line = id->line();
        description.id_column = id->column();
    }
    if (const auto filter = node.find("filter")) {
        description.filter = filter->as_string();
        description.filter_line = filter->line();
        description.filter_column = filter->column();
    }
    if (const auto order = node.find("order")) {
        description.order =
            static_cast<ElementOrder>(order->as_one_of({"as_written", "canonical"}));
    }
    std::vector<TemplateField> seen;
    description.keys = parse_fields(node, "keys", seen);
    description.values = parse_fields(node, "values", seen);
    if (const auto common = node.find("common")) mark_common(*common, description);
    check_record_fits(name, seen, record_octets_max);
    return description;
}

[[noreturn]] void refuse_repeated(const TemplateDescription& again, bool id,
                                  const TemplateDescription& first) {
    const bool same_file = again.file == first.file;
    const int first_line = id ? first.id_line : first.line;
    const std::string what = id ? "id " + std::to_string(again.id) : "name '" + again.name + "'";
    throw ConfigError(
        again.file, id ? again.id_line : again.line, id ? again.id_column : again.column,
        "the template " + what + " is taken by the one in " +
            (same_file ? "line " : first.file + ":") + std::to_string(first_line) +
            (id ? "; choose another, or leave it out to have one assigned" : "; choose another"));
}

void check_unique(std::span<const TemplateDescription> templates) {
    std::map<std::string_view, const TemplateDescription*> names;
    std::map<std::uint16_t, const TemplateDescription*> ids;
    for (const TemplateDescription& one : templates) {
        const auto [name, new_name] = names.emplace(one.name, &one);
        if (!new_name) refuse_repeated(one, false, *name->second);
        if (one.id == 0) continue;
        const auto [id, new_id] = ids.emplace(one.id, &one);
        if (!new_id) refuse_repeated(one, true, *id->second);
    }
}

std::vector<TemplateDescription> parse_root(const YamlNode& root, std::size_t record_octets_max) {
    root.check_keys({"templates"});
    const YamlNode list = root.at("templates");
    std::vector<TemplateDescription> templates;
    for (const YamlNode& node : list.list()) {
        templates.push_back(parse_description(node, record_octets_max));
    }
    if (templates.empty()) throw list.error("there is no template here; describe at least one");
    check_unique(templates);
    return templates;
}

} // namespace

bool TemplateDescription::biflow() const noexcept {
    return std::any_of(values.begin(), values.end(),
                       [](const TemplateField& field) { return field.reverse; });
}

std::vector<TemplateDescription> load_template_descriptions(const std::string& path,
                                                            std::size_t record_octets_max) {
    return parse_root(YamlNode::load_file(path), record_octets_max);
}

std::vector<TemplateDescription> parse_template_descriptions(std::string_view text,
                                                             const std::string& name,
                                                             std::size_t record_octets_max) {
    return parse_root(YamlNode::load_text(text, name), record_octets_max);
}

void assign_template_ids(std::span<TemplateDescription> templates) {
    check_unique(templates);
    std::uint32_t next = kFirstDataSetId;
    const auto taken = [templates](std::uint32_t id) {
        return std::any_of(templates.begin(), templates.end(),
                           [id](const TemplateDescription& one) { return one.id == id; });
    };
    for (TemplateDescription& one : templates) {
        if (one.id != 0) continue;
        while (taken(next))
            ++next;
        if (next > UINT16_MAX) {
            throw ConfigError(one.file, one.line, one.column,
                              "there is no template id left; use fewer templates");
        }
        one.id = static_cast<std::uint16_t>(next);
    }
}

std::vector<FieldSpecifier> ordered_fields(const TemplateDescription& description) {
    std::vector<FieldSpecifier> fields;
    const auto add = [&](const std::vector<TemplateField>& list, bool key) {
        for (const TemplateField& field : list) {
            fields.push_back({field.element, field.wire_length(), field.reverse, key, field.list_of,
                              field.common});
        }
    };
    add(description.keys, true);
    add(description.values, false);
    if (description.order == ElementOrder::canonical) {
        std::sort(fields.begin(), fields.end(), canonically_before);
    }
    return fields;
}

TemplateRecord make_template_record(const TemplateDescription& description) {
    return {description.id, description.name, ordered_fields(description)};
}

} // namespace ipfix
