// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/abstract_data_type.hpp"

#include <array>

namespace ipfix {

std::string_view type_name(AbstractDataType type) noexcept {
    static constexpr std::array<std::string_view, 24> kNames = {
        "octetArray",
        "unsigned8",
        "unsigned16",
        "unsigned32",
        "unsigned64",
        "signed8",
        "signed16",
        "signed32",
        "signed64",
        "float32",
        "float64",
        "boolean",
        "macAddress",
        "string",
        "dateTimeSeconds",
        "dateTimeMilliseconds",
        "dateTimeMicroseconds",
        "dateTimeNanoseconds",
        "ipv4Address",
        "ipv6Address",
        "basicList",
        "subTemplateList",
        "subTemplateMultiList",
        "unsigned256",
    };
    const auto index = static_cast<std::size_t>(type);
    return index < kNames.size() ? kNames[index] : std::string_view("unknown");
}

std::string allowed_lengths(AbstractDataType type) {
    const std::uint16_t full = default_length(type);
    if (full == kVariableLength) return "1 to 65534 octets, or none for variable length";
    if (type == AbstractDataType::float64) return "4 or 8 octets";
    if (is_integer(type) && full > 1) return "1 to " + std::to_string(full) + " octets";
    return "exactly " + std::to_string(full) + (full == 1 ? " octet" : " octets");
}

} // namespace ipfix
