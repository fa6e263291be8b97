// SPDX-License-Identifier: BSD-3-Clause
// Whether the value of a list field (RFC 6313) is as the RFC wants it, lists within it included.
// Nothing is assumed of the octets; nothing is allocated.
#pragma once

#include <cstdint>
#include <span>

#include "encoder/abstract_data_type.hpp"
#include "encoder/list_form.hpp"

namespace ipfix {

enum class ListFault : std::uint8_t {
    none,
    form,             ///< its lengths and its octets do not go together
    semantic,         ///< a number that IANA has not assigned
    template_unknown, ///< records of a template that was not sent
    element_length,   ///< of a basicList: none that the element's type may have
};

struct ListFinding {
    ListFault fault = ListFault::none;
    std::uint16_t detail = 0; ///< the semantic, the Template ID or the length at fault
};

/// The first fault of a list of this type. `templates`: nullptr for none.
[[nodiscard]] ListFinding check_list(AbstractDataType type, std::span<const std::uint8_t> value,
                                     const TemplateFinder* templates,
                                     std::uint32_t domain_id) noexcept;

} // namespace ipfix
