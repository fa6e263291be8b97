// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/packed_fields.hpp"

#include <cstring>

namespace probe {

namespace {

using Length = std::uint16_t;

bool is_number(ApplicationField field) noexcept {
    return field_info(field).kind == FieldKind::number;
}

} // namespace

std::size_t pack_fields(const ApplicationFields& fields, const FieldMask& wanted,
                        std::span<std::uint8_t> out) noexcept {
    std::size_t used = 0;
    const auto put = [&](const void* octets, std::size_t count) {
        std::memcpy(out.data() + used, octets, count);
        used += count;
    };
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ApplicationFields::Value value = fields.at(i);
        if (!wanted.has(value.field)) {
            continue;
        }
        put(&value.field, sizeof value.field);
        if (is_number(value.field)) {
            put(&value.number, sizeof value.number);
        } else {
            const auto length = static_cast<Length>(value.text.size());
            put(&length, sizeof length);
            put(value.text.data(), value.text.size());
        }
    }
    return used;
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

} // namespace probe
