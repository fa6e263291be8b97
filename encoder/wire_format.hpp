// SPDX-License-Identifier: BSD-3-Clause
// The figures of RFC 7011 as numbers, and the only loads and stores in network byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ipfix {

// Message Header, RFC 7011 section 3.1
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    |       Version Number          |            Length             |
//    |                           Export Time                         |
//    |                       Sequence Number                         |
//    |                    Observation Domain ID                      |
inline constexpr std::uint16_t kVersion = 10;
inline constexpr std::size_t kVersionOffset = 0;
inline constexpr std::size_t kMessageLengthOffset = 2;
inline constexpr std::size_t kExportTimeOffset = 4;
inline constexpr std::size_t kSequenceNumberOffset = 8;
inline constexpr std::size_t kDomainIdOffset = 12;
inline constexpr std::size_t kMessageHeaderOctets = 16;
static_assert(kMessageHeaderOctets == kDomainIdOffset + sizeof(std::uint32_t));

// Set Header, RFC 7011 section 3.3.2
//
//    |          Set ID               |          Length               |
inline constexpr std::size_t kSetLengthOffset = 2;
inline constexpr std::size_t kSetHeaderOctets = 4;
inline constexpr std::uint16_t kTemplateSetId = 2;
inline constexpr std::uint16_t kOptionsTemplateSetId = 3;
inline constexpr std::uint16_t kFirstDataSetId = 256; ///< also the first Template ID, section 3.4.1

// Template Record Header, RFC 7011 section 3.4.1, and Options Template Record Header, 3.4.2.2
//
//    |      Template ID (> 255)      |         Field Count           |
//    |      Template ID (> 255)      |         Field Count           |  Scope Field Count (16 bits)
inline constexpr std::size_t kTemplateHeaderOctets = 4;
inline constexpr std::size_t kOptionsTemplateHeaderOctets = 6;

// Field Specifier, RFC 7011 section 3.2; the Enterprise Number is there when E is set
//
//    |E|  Information Element ident. |        Field Length           |
//    |                      Enterprise Number                        |
inline constexpr std::uint16_t kEnterpriseBit = 0x8000;
inline constexpr std::size_t kFieldSpecifierOctets = 4;
inline constexpr std::size_t kEnterpriseNumberOctets = 4;

/// The Enterprise Number that makes an IANA element its reverse (RFC 5103 section 6.1).
inline constexpr std::uint32_t kReversePen = 29305;

/// The Field Length that announces a variable-length field (RFC 7011 section 7).
inline constexpr std::uint16_t kVariableLength = 65535;
/// A variable-length field longer than this takes the three octet form of its length.
inline constexpr std::size_t kShortVariableLengthMax = 254;
inline constexpr std::uint8_t kLongVariableLength = 255;

inline constexpr std::size_t kMessageOctetsMax = 65535; ///< the Length field has 16 bits
/// The longest Data Record that any message can hold.
inline constexpr std::size_t kRecordOctetsMax =
    kMessageOctetsMax - kMessageHeaderOctets - kSetHeaderOctets;
static_assert(kRecordOctetsMax == 65515);

/// What a struct would align a field of this length to: the largest power of two in it, at most 8.
[[nodiscard]] constexpr unsigned natural_alignment(unsigned octets) noexcept {
    const unsigned power = octets & (~octets + 1);
    return power > 8 ? 8 : power;
}

/// Stores the low `octets` octets of a number, most significant octet first.
constexpr void store_be(std::uint8_t* at, std::uint64_t value, std::size_t octets) noexcept {
    for (std::size_t i = octets; i > 0; --i) {
        at[i - 1] = static_cast<std::uint8_t>(value);
        value >>= 8U;
    }
}

template <typename Unsigned>
constexpr void store_be(std::uint8_t* at, Unsigned value) noexcept {
    static_assert(std::is_unsigned_v<Unsigned>);
    store_be(at, value, sizeof(Unsigned));
}

/// Loads up to eight octets, most significant octet first.
[[nodiscard]] constexpr std::uint64_t load_be(const std::uint8_t* at, std::size_t octets) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < octets; ++i)
        value = (value << 8U) | at[i];
    return value;
}

template <typename Unsigned>
[[nodiscard]] constexpr Unsigned load_be(const std::uint8_t* at) noexcept {
    static_assert(std::is_unsigned_v<Unsigned>);
    return static_cast<Unsigned>(load_be(at, sizeof(Unsigned)));
}

} // namespace ipfix
