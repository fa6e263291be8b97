// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/record_facts.hpp"

#include <string_view>

#include "encoder/ntp_time.hpp"
#include "encoder/text_form.hpp"
#include "encoder/utf8.hpp"

namespace ipfix {

namespace {

constexpr std::uint64_t kNsPerMillisecond = 1'000'000;

FieldRole role_of_time(std::uint16_t id, bool reverse) {
    // 150 flowStartSeconds, 151 flowEndSeconds, and so on to 157 flowEndNanoseconds
    if (id < ie::flowStartSeconds || id > ie::flowEndNanoseconds) return FieldRole::none;
    const bool start = (id - ie::flowStartSeconds) % 2 == 0;
    if (reverse) return start ? FieldRole::reverse_start : FieldRole::reverse_end;
    return start ? FieldRole::flow_start : FieldRole::flow_end;
}

FieldRole role_of(const ReadField& field) {
    const bool reverse = field.enterprise == kReversePen;
    if (field.enterprise == 0 || reverse) {
        if (const FieldRole time = role_of_time(field.id, reverse); time != FieldRole::none) {
            return time;
        }
    }
    if (field.type == AbstractDataType::boolean) return FieldRole::boolean;
    if (field.type == AbstractDataType::string) return FieldRole::text;
    if (field.enterprise != 0) return FieldRole::none;
    switch (field.id) {
        case ie::templateId:
            return FieldRole::template_id;
        case ie::flowKeyIndicator:
            return FieldRole::flow_keys;
        case ie::exportedOctetTotalCount:
            return FieldRole::total_octets;
        case ie::exportedMessageTotalCount:
            return FieldRole::total_messages;
        case ie::exportedFlowRecordTotalCount:
            return FieldRole::total_records;
        case ie::informationElementId:
            return FieldRole::element_id;
        case ie::privateEnterpriseNumber:
            return FieldRole::element_enterprise;
        case ie::commonPropertiesId:
            return FieldRole::common_properties;
        default:
            return FieldRole::none;
    }
}

bool is_utf8(std::span<const std::uint8_t> value) {
    std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
    while (!text.empty()) {
        const std::size_t octets = utf8_octets(text);
        if (octets == 0) return false;
        text.remove_prefix(octets);
    }
    return true;
}

/// Nothing when the length is none that a number can have.
std::optional<std::uint64_t> number(AbstractDataType type, std::span<const std::uint8_t> value) {
    if (value.empty() || value.size() > sizeof(std::uint64_t)) return std::nullopt;
    const std::uint64_t plain = load_be(value.data(), value.size());
    switch (type) {
        case AbstractDataType::dateTimeSeconds:
            return plain * kNsPerSecond;
        case AbstractDataType::dateTimeMilliseconds:
            // what no clock shows is not multiplied
            return plain > UINT64_MAX / kNsPerMillisecond ? UINT64_MAX : plain * kNsPerMillisecond;
        case AbstractDataType::dateTimeMicroseconds:
        case AbstractDataType::dateTimeNanoseconds:
            return unix_ns_from_ntp(plain);
        default:
            return plain;
    }
}

} // namespace

RecordFactsReader::RecordFactsReader(const ReadTemplate& description) {
    fields_.reserve(description.fields.size());
    for (const ReadField& field : description.fields) {
        fields_.push_back({field.length, field.type, role_of(field)});
        interested_ = interested_ || fields_.back().role != FieldRole::none;
    }
}

RecordFacts RecordFactsReader::read(std::span<const std::uint8_t> record) const noexcept {
    RecordFacts facts;
    std::span<const std::uint8_t> value;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        const Field& field = fields_[i];
        if (!take_field(field.length, record, value)) break;
        switch (field.role) {
            case FieldRole::none:
                break;
            case FieldRole::boolean:
                if (value.size() != 1 || value[0] < 1 || value[0] > 2) facts.wrong_boolean = i;
                break;
            case FieldRole::text:
                if (!is_utf8(value)) facts.wrong_text = i;
                break;
            default:
                facts.values[static_cast<std::size_t>(field.role)] = number(field.type, value);
        }
    }
    return facts;
}

} // namespace ipfix
