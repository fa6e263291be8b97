// SPDX-License-Identifier: BSD-3-Clause
// Structured data (RFC 6313) as JSON:
//
//   basicList             {"semantic":"ordered","element":"ipTotalLength","values":[60,52]}
//   subTemplateList       {"semantic":"allOf","template":257,"records":[{...},{...}]}
//   subTemplateMultiList  {"semantic":"allOf","lists":[{"template":257,"records":[{...}]}]}
//
// Lists within lists as deep as kListDepthMax. Nothing is assumed of the octets.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "encoder/abstract_data_type.hpp"

namespace ipfix {

struct ReadTemplate;

/// Knows the Templates that lists refer to.
class TemplateFinder {
  public:
    virtual ~TemplateFinder() = default;
    /// nullptr: not known.
    [[nodiscard]] virtual const ReadTemplate* find_template(std::uint32_t domain_id,
                                                            std::uint16_t id) const noexcept = 0;
};

[[nodiscard]] constexpr bool is_list(AbstractDataType type) noexcept {
    return type == AbstractDataType::basicList || type == AbstractDataType::subTemplateList ||
           type == AbstractDataType::subTemplateMultiList;
}

/// False, with nothing appended, when the list cannot be read or its template is not known: it is
/// octets then. `finder`: nullptr for none.
[[nodiscard]] bool append_json_list(std::string& out, AbstractDataType type,
                                    std::span<const std::uint8_t> value,
                                    const TemplateFinder* finder, std::uint32_t domain_id,
                                    unsigned depth = 0);

/// `name`, and of a basicList what it is of: "basicList(ipTotalLength)". So the lists of a record,
/// which are all of one element, have names of their own.
void append_list_name(std::string& out, std::string_view name, AbstractDataType type,
                      std::span<const std::uint8_t> value);

} // namespace ipfix
