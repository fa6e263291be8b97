// SPDX-License-Identifier: BSD-3-Clause
// What the fuzz targets of layer 7 share: ports to choose from, and what every reader of
// ApplicationFields may rely on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "encoder/utf8.hpp"
#include "probe/application/application_fields.hpp"

namespace probe::fuzz {

/// The server's; an input's second octet chooses.
inline constexpr std::array<std::uint16_t, 16> kPorts = {
    443, 53, 80, 22, 25, 21, 143, 110, 123, 67, 5353, 5355, 1812, 1194, 4500, 137};
inline constexpr std::uint16_t kClientPort = 50'000;

inline void require(bool held) {
    if (!held) {
        std::abort();
    }
}

/// Texts are no longer than the field is kept, and UTF-8.
inline void check(const ApplicationFields& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ApplicationFields::Value value = fields.at(i);
        const ApplicationFieldInfo& info = field_info(value.field);
        if (info.kind != FieldKind::text) {
            continue;
        }
        std::string_view text = value.text;
        require(text.size() <= info.octets_max);
        while (!text.empty()) {
            const std::size_t octets = ipfix::utf8_octets(text);
            require(octets > 0);
            text.remove_prefix(octets);
        }
    }
}

} // namespace probe::fuzz
