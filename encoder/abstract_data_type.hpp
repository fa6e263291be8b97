// SPDX-License-Identifier: BSD-3-Clause
// The abstract data types of RFC 7012 section 3.1 and the lengths they may have on the wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "encoder/wire_format.hpp"

namespace ipfix {

/// The values are IANA's numbers (informationElementDataType, RFC 5610 section 3.1).
enum class AbstractDataType : std::uint8_t {
    octetArray = 0,
    unsigned8 = 1,
    unsigned16 = 2,
    unsigned32 = 3,
    unsigned64 = 4,
    signed8 = 5,
    signed16 = 6,
    signed32 = 7,
    signed64 = 8,
    float32 = 9,
    float64 = 10,
    boolean = 11,
    macAddress = 12,
    string = 13,
    dateTimeSeconds = 14,
    dateTimeMilliseconds = 15,
    dateTimeMicroseconds = 16,
    dateTimeNanoseconds = 17,
    ipv4Address = 18,
    ipv6Address = 19,
    basicList = 20,
    subTemplateList = 21,
    subTemplateMultiList = 22,
    unsigned256 = 23,
};

/// IANA's name of the type.
[[nodiscard]] std::string_view type_name(AbstractDataType type) noexcept;

/// The length a field of this type has when nobody says otherwise; kVariableLength for octetArray,
/// string and the lists (RFC 7011 section 6.1).
[[nodiscard]] constexpr std::uint16_t default_length(AbstractDataType type) noexcept {
    switch (type) {
        case AbstractDataType::unsigned8:
        case AbstractDataType::signed8:
        case AbstractDataType::boolean:
            return 1;
        case AbstractDataType::unsigned16:
        case AbstractDataType::signed16:
            return 2;
        case AbstractDataType::unsigned32:
        case AbstractDataType::signed32:
        case AbstractDataType::float32:
        case AbstractDataType::dateTimeSeconds:
        case AbstractDataType::ipv4Address:
            return 4;
        case AbstractDataType::macAddress:
            return 6;
        case AbstractDataType::unsigned64:
        case AbstractDataType::signed64:
        case AbstractDataType::float64:
        case AbstractDataType::dateTimeMilliseconds:
        case AbstractDataType::dateTimeMicroseconds:
        case AbstractDataType::dateTimeNanoseconds:
            return 8;
        case AbstractDataType::ipv6Address:
            return 16;
        case AbstractDataType::unsigned256:
            return 32;
        case AbstractDataType::octetArray:
        case AbstractDataType::string:
        case AbstractDataType::basicList:
        case AbstractDataType::subTemplateList:
        case AbstractDataType::subTemplateMultiList:
            break;
    }
    return kVariableLength;
}

[[nodiscard]] constexpr bool is_integer(AbstractDataType type) noexcept {
    switch (type) {
        case AbstractDataType::unsigned8:
        case AbstractDataType::unsigned16:
        case AbstractDataType::unsigned32:
        case AbstractDataType::unsigned64:
        case AbstractDataType::unsigned256:
        case AbstractDataType::signed8:
        case AbstractDataType::signed16:
        case AbstractDataType::signed32:
        case AbstractDataType::signed64:
            return true;
        default:
            return false;
    }
}

/// Whether a field of this type may have this length in a Template: its own length, a reduced size
/// (integers any shorter one, float64 as float32; RFC 7011 section 6.2), or for octetArray, string
/// and the lists any length from 1 and kVariableLength.
[[nodiscard]] constexpr bool allows_length(AbstractDataType type, std::uint16_t length) noexcept {
    const std::uint16_t full = default_length(type);
    if (length == 0) return false;
    if (full == kVariableLength || length == full) return true;
    if (type == AbstractDataType::float64) return length == 4;
    return is_integer(type) && length < full;
}

/// "1 to 8 octets", "exactly 4 octets": for messages about a wrong length.
[[nodiscard]] std::string allowed_lengths(AbstractDataType type);

} // namespace ipfix
