// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/template_record.hpp"

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace ipfix {

namespace {

template <typename Unsigned>
void push_be(std::vector<std::uint8_t>& out, Unsigned value) {
    out.resize(out.size() + sizeof(value));
    store_be(out.data() + out.size() - sizeof(value), value);
}

std::uint32_t enterprise_of(const FieldSpecifier& field) noexcept {
    return field.reverse ? kReversePen : field.element->enterprise;
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
    throw std::invalid_argument("template " + name + ": " + why);
}

} // namespace

std::string FieldSpecifier::name() const {
    std::string name = reverse ? reverse_name(*element) : std::string(element->name);
    if (list_of != nullptr) name += "(" + std::string(list_of->name) + ")";
    return name;
}

bool canonically_before(const FieldSpecifier& a, const FieldSpecifier& b) noexcept {
    const auto rank = [](const FieldSpecifier& field) {
        const unsigned length = field.length == kVariableLength ? 0 : field.length;
        return std::tuple(~natural_alignment(length), ~length, field.element->enterprise,
                          field.element->id, field.reverse,
                          field.list_of == nullptr ? 0 : field.list_of->id);
    };
    return rank(a) < rank(b);
}

TemplateRecord::TemplateRecord(std::uint16_t id, std::string name,
                               std::vector<FieldSpecifier> fields, std::size_t scope_count)
    : id_(id), name_(std::move(name)), fields_(std::move(fields)), scope_count_(scope_count) {
    if (id_ < kFirstDataSetId) refuse(name_, "the id is below 256; leave ids 0 to 255 to Sets");
    if (fields_.empty()) refuse(name_, "there are no fields; name at least one");
    if (scope_count_ > fields_.size()) refuse(name_, "there are fewer fields than scope fields");

    std::size_t record = 0;
    push_be(octets_, id_);
    push_be(octets_, static_cast<std::uint16_t>(fields_.size()));
    if (scope_count_ > 0) push_be(octets_, static_cast<std::uint16_t>(scope_count_));
    for (const FieldSpecifier& field : fields_) {
        if (field.element == nullptr) refuse(name_, "a field has no element");
        if (!allows_length(field.element->type, field.length)) {
            refuse(name_, field.name() + " takes " + allowed_lengths(field.element->type));
        }
        offsets_.push_back(static_cast<std::uint16_t>(record));
        const bool variable = field.length == kVariableLength;
        fixed_length_ = fixed_length_ && !variable;
        record += variable ? 1 : field.length;
        if (record > kRecordOctetsMax) refuse(name_, "a record does not fit any message");

        const std::uint32_t enterprise = enterprise_of(field);
        const std::uint16_t bit = enterprise != 0 ? kEnterpriseBit : std::uint16_t{0};
        push_be(octets_, static_cast<std::uint16_t>(field.element->id | bit));
        push_be(octets_, field.length);
        if (enterprise != 0) push_be(octets_, enterprise);
    }
    if (octets_.size() > kRecordOctetsMax) refuse(name_, "it does not fit any message");
    record_octets_ = static_cast<std::uint16_t>(record);
}

std::size_t TemplateRecord::misaligned_fields() const noexcept {
    std::size_t misaligned = 0;
    for (std::size_t i = 0; i < fields_.size() && fields_[i].length != kVariableLength; ++i) {
        misaligned += offsets_[i] % natural_alignment(fields_[i].length) != 0 ? 1 : 0;
    }
    return misaligned;
}

std::size_t TemplateRecord::key_count() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(fields_.begin(), fields_.end(), [](const auto& field) { return field.key; }));
}

} // namespace ipfix
