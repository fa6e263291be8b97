// SPDX-License-Identifier: BSD-3-Clause
// Values as text: the forms of RFC 7373, and JSON made of them. Appends to a string that the caller
// reuses; never fails: a value whose length its type cannot have is shown as octets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "encoder/template_record.hpp"

namespace ipfix {

/// Integers in decimal, addresses and MAC addresses as usual, times as 2026-11-22T01:02:03.456
/// (UTC, with as many decimals as the type has), octetArray as 0x0a0b, strings as they are.
void append_text(std::string& out, AbstractDataType type, std::span<const std::uint8_t> value);

/// Numbers as JSON numbers, everything else as the quoted text form.
void append_json_value(std::string& out, const InformationElement& element,
                       std::span<const std::uint8_t> value);
void append_json_value(std::string& out, AbstractDataType type,
                       std::span<const std::uint8_t> value);
/// Quoted and escaped; what is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// {"sourceIPv4Address":"192.0.2.1",...} in template order, without a newline. `record` is one
/// encoded Data Record; fields that it is too short for are left out.
void append_json_record(std::string& out, const TemplateRecord& description,
                        std::span<const std::uint8_t> record);

/// Takes the next field's value off the front of a record; false when the record is too short.
[[nodiscard]] bool take_field(std::uint16_t length, std::span<const std::uint8_t>& record,
                              std::span<const std::uint8_t>& value) noexcept;

} // namespace ipfix
