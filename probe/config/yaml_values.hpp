// SPDX-License-Identifier: BSD-3-Clause
// Values of an operator's YAML that may be left out. Thread: main, at start. Errors: as YamlNode's.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "encoder/yaml_document.hpp"
#include "probe/config/probe_config.hpp"

namespace probe {

/// Reads map[key] with `read` when it is there and not empty.
template <typename Read>
void when(const ipfix::YamlNode& map, std::string_view key, Read read) {
    const std::optional<ipfix::YamlNode> node = map.find(key);
    if (node && !node->is_null()) {
        read(*node);
    }
}

template <typename Number>
void take_uint(const ipfix::YamlNode& map, std::string_view key, Number& value, std::uint64_t min,
               std::uint64_t max = std::numeric_limits<Number>::max()) {
    when(map, key,
         [&](const ipfix::YamlNode& node) { value = static_cast<Number>(node.as_uint(min, max)); });
}

inline void take_duration(const ipfix::YamlNode& map, std::string_view key, TimeNs& value,
                          DurationLimits limits, bool off_allowed = false) {
    static_assert(kNever == ipfix::kDurationOff);
    when(map, key, [&](const ipfix::YamlNode& node) {
        value = node.as_duration(limits.min, limits.max, off_allowed);
    });
}

} // namespace probe
