// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/packed_fields.hpp"

#include <cstring>

namespace probe {

namespace {

using Length = std::uint16_t;

bool is_number(ApplicationField field) noexcept {
    const FieldKind kind = field_info(field).kind;
    return kind == FieldKind::number || kind == FieldKind::label;
}

// ApplicationId as one number: enterprise, engine, selector.
constexpr unsigned kEnterpriseShift = 32;
constexpr unsigned kEngineShift = 24;
constexpr std::uint32_t kSelectorMask = 0xFF'FFFF;

} // namespace

void FieldPacker::put(const void* octets, std::size_t count) noexcept {
    if (count != 0) {
        std::memcpy(out_.data() + used_, octets, count);
        used_ += count;
    }
}

void FieldPacker::add_number(ApplicationField field, std::uint64_t value) noexcept {
    put(&field, sizeof field);
    put(&value, sizeof value);
}

void FieldPacker::add_octets(ApplicationField field, Bytes octets) noexcept {
    const auto length = static_cast<Length>(octets.size());
    put(&field, sizeof field);
    put(&length, sizeof length);
    put(octets.data(), octets.size());
}

void FieldPacker::add_label(const ApplicationId& id) noexcept {
    add_number(ApplicationField::application_id,
               std::uint64_t{id.enterprise} << kEnterpriseShift |
                   std::uint64_t{static_cast<std::uint8_t>(id.engine)} << kEngineShift |
                   id.selector);
}

void FieldPacker::add(const ApplicationFields& fields, const FieldMask& wanted) noexcept {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ApplicationFields::Value value = fields.at(i);
        if (!wanted.has(value.field)) {
            continue;
        }
        if (is_number(value.field)) {
            add_number(value.field, value.number);
        } else {
            add_octets(value.field, {reinterpret_cast<const std::uint8_t*>(value.text.data()),
                                     value.text.size()});
        }
    }
}

Bytes PackedFields::find(ApplicationField field) const noexcept {
    for (std::size_t at = 0; at < octets_.size();) {
        const auto here = static_cast<ApplicationField>(octets_[at]);
        ++at;
        std::size_t octets = sizeof(std::uint64_t);
        if (!is_number(here)) {
            Length length = 0;
            std::memcpy(&length, octets_.data() + at, sizeof length);
            at += sizeof length;
            octets = length;
        }
        if (here == field) {
            return octets_.subspan(at, octets);
        }
        at += octets;
    }
    return {};
}

std::string_view PackedFields::text(ApplicationField field) const noexcept {
    const Bytes octets = find(field);
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

std::optional<std::uint64_t> PackedFields::number(ApplicationField field) const noexcept {
    const Bytes octets = find(field);
    if (octets.data() == nullptr) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, octets.data(), sizeof value);
    return value;
}

std::optional<ApplicationId> PackedFields::label() const noexcept {
    const std::optional<std::uint64_t> packed = number(ApplicationField::application_id);
    if (!packed) {
        return std::nullopt;
    }
    return ApplicationId{
        .enterprise = static_cast<std::uint32_t>(*packed >> kEnterpriseShift),
        .selector = static_cast<std::uint32_t>(*packed) & kSelectorMask,
        .engine = static_cast<ClassificationEngine>(*packed >> kEngineShift & 0xFF)};
}

} // namespace probe
