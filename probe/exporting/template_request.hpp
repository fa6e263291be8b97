// SPDX-License-Identifier: BSD-3-Clause
// What a template description asks of the meter: key parts, and the blocks that its values need in
// a record. What cannot be metered, or not so, is found here. Used at start and on a reload.
#pragma once

#include <cstdint>

#include "encoder/template_description.hpp"
#include "probe/exporting/binding_context.hpp"
#include "probe/metering/metering_plan.hpp"

namespace probe {

/// Throws ipfix::ConfigError (file, line, column).
[[nodiscard]] TemplateRequest template_request(const ipfix::TemplateDescription& description,
                                               const BindingContext& context);

/// Octets of one value of a list of packets, the largest there is included; 0: there is no such
/// list.
[[nodiscard]] std::uint8_t listed_octets(const ipfix::InformationElement* element) noexcept;

} // namespace probe
