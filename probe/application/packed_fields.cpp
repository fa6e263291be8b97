// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/packed_fields.hpp"

#include <cstring>

namespace probe {

namespace {

using Length = std::uint16_t;

template <class T>
T load(const std::uint8_t* at) noexcept {
    T value{};
    std::memcpy(&value, at, sizeof value);
    return value;
}

// ApplicationId as one number: enterprise, engine, selector.
constexpr unsigned kEnterpriseShift = 32;
constexpr unsigned kEngineShift = 24;
constexpr std::uint32_t kSelectorMask = 0xFF'FFFF;

} // namespace

void FieldPacker::add_number(ApplicationField field, std::uint64_t value) noexcept {
    std::uint8_t* const at = out_.data() + used_;
    at[0] = static_cast<std::uint8_t>(field);
    std::memcpy(at + 1, &value, sizeof value);
    used_ += 1 + sizeof value;
}

void FieldPacker::add_octets(ApplicationField field, Bytes octets) noexcept {
    std::uint8_t* const at = out_.data() + used_;
    const auto length = static_cast<Length>(octets.size());
    at[0] = static_cast<std::uint8_t>(field);
    std::memcpy(at + 1, &length, sizeof length);
    if (length != 0) {
        std::memcpy(at + 1 + sizeof length, octets.data(), length);
    }
    used_ += 1 + sizeof length + length;
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
        if (kNumberFields.has(value.field)) {
            add_number(value.field, value.number);
        } else {
            add_octets(value.field, {reinterpret_cast<const std::uint8_t*>(value.text.data()),
                                     value.text.size()});
        }
    }
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): places_ of present_ are read
PackedFields::PackedFields(Bytes octets) noexcept : octets_(octets) {
    for (std::size_t at = 0; at < octets.size();) {
        const auto field = static_cast<ApplicationField>(octets[at]);
        ++at;
        present_.add(field);
        places_[static_cast<std::size_t>(field)] = static_cast<std::uint16_t>(at);
        at += kNumberFields.has(field) ? sizeof(std::uint64_t)
                                       : sizeof(Length) + load<Length>(octets.data() + at);
    }
}

std::string_view PackedFields::text(ApplicationField field) const noexcept {
    if (!present_.has(field)) {
        return {};
    }
    const std::uint8_t* const at = octets_.data() + places_[static_cast<std::size_t>(field)];
    return {reinterpret_cast<const char*>(at + sizeof(Length)), load<Length>(at)};
}

std::optional<std::uint64_t> PackedFields::number(ApplicationField field) const noexcept {
    if (!present_.has(field)) {
        return std::nullopt;
    }
    return load<std::uint64_t>(octets_.data() + places_[static_cast<std::size_t>(field)]);
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
