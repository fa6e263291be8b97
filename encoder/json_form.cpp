// SPDX-License-Identifier: BSD-3-Clause
#include <bit>
#include <cmath>

#include "encoder/list_form.hpp"
#include "encoder/text_form.hpp"
#include "encoder/utf8.hpp"

namespace ipfix {

namespace {

using Value = std::span<const std::uint8_t>;

double floating_number(Value value) {
    if (value.size() == 4)
        return static_cast<double>(std::bit_cast<float>(load_be<std::uint32_t>(value.data())));
    return std::bit_cast<double>(load_be<std::uint64_t>(value.data()));
}

bool is_number(AbstractDataType type, Value value) {
    if (value.size() > 8 || !allows_length(type, static_cast<std::uint16_t>(value.size())))
        return false;
    if (type == AbstractDataType::float32 || type == AbstractDataType::float64) {
        return std::isfinite(floating_number(value));
    }
    return is_integer(type);
}

void append_hex_octet(std::string& out, std::uint8_t octet) {
    constexpr std::string_view kHexDigits = "0123456789abcdef";
    out += kHexDigits[octet >> 4U];
    out += kHexDigits[octet & 0xFU];
}

void append_field_name(std::string& out, const FieldSpecifier& field) {
    const std::size_t start = out.size();
    if (field.reverse) out += "reverse";
    const std::size_t first = out.size();
    out += field.element->name;
    if (first != start && out[first] >= 'a' && out[first] <= 'z') {
        out[first] = static_cast<char>(out[first] - 'a' + 'A');
    }
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const std::size_t octets = utf8_octets(text);
        const char c = text[0];
        if (octets == 0) {
            out += "\xEF\xBF\xBD";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            out += "\\u00";
            append_hex_octet(out, static_cast<std::uint8_t>(c));
        } else {
            out.append(text.substr(0, octets));
        }
        text.remove_prefix(octets == 0 ? 1 : octets);
    }
    out += '"';
}

void append_json_value(std::string& out, AbstractDataType type,
                       std::span<const std::uint8_t> value) {
    if (is_number(type, value)) {
        append_text(out, type, value);
    } else if (type == AbstractDataType::string) {
        const std::string text(value.begin(), value.end());
        append_json_string(out, text);
    } else {
        // No other text form has a character that JSON escapes.
        out += '"';
        append_text(out, type, value);
        out += '"';
    }
}

void append_json_value(std::string& out, const InformationElement& element,
                       std::span<const std::uint8_t> value) {
    append_json_value(out, element.type, value);
}

bool take_field(std::uint16_t length, std::span<const std::uint8_t>& record,
                std::span<const std::uint8_t>& value) noexcept {
    std::size_t octets = length;
    std::size_t prefix = 0;
    if (length == kVariableLength) {
        // RFC 7011 section 7: one octet, or 255 and two.
        if (record.empty()) return false;
        prefix = record[0] == kLongVariableLength ? 3 : 1;
        if (record.size() < prefix) return false;
        octets = prefix == 3 ? load_be<std::uint16_t>(record.data() + 1) : record[0];
    }
    if (record.size() - prefix < octets) return false;
    value = record.subspan(prefix, octets);
    record = record.subspan(prefix + octets);
    return true;
}

void append_json_record(std::string& out, const TemplateRecord& description,
                        std::span<const std::uint8_t> record) {
    out += '{';
    bool first = true;
    for (const FieldSpecifier& field : description.fields()) {
        std::span<const std::uint8_t> value;
        if (!take_field(field.length, record, value)) break;
        if (!first) out += ',';
        first = false;
        if (is_list(field.element->type)) {
            append_list_name(out, field.element->name, field.element->type, value);
            out += ':';
            if (append_json_list(out, field.element->type, value, nullptr, 0)) continue;
        } else {
            out += '"';
            append_field_name(out, field);
            out += "\":";
        }
        append_json_value(out, field.element->type, value);
    }
    out += '}';
}

} // namespace ipfix
