// SPDX-License-Identifier: BSD-3-Clause
// What binding templates to the meter must know besides them; filled from the configuration.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "encoder/message_builder.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/exporting/encoding_plan.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class CommonProperties;

struct BindingContext {
    std::uint32_t domain_id = 1;
    std::vector<InterfaceDirection> interfaces;
    /// What labels flows; nullptr: nothing does.
    std::shared_ptr<const ApplicationRules> rules = nullptr;
    /// What a data record may have, so that it fits a message: texts are cut to this. The default
    /// fits UDP over the least MTU of IPv6.
    std::size_t record_octets_max =
        1'280 - 48 - ipfix::kMessageHeaderOctets - ipfix::kSetHeaderOctets;
    std::uint32_t sampling_interval = 1;       ///< one packet in so many is metered
    TimeNs active_timeout = 60 * kNsPerSecond; ///< no record is longer
    /// Of a reload: what collectors know keeps its ids. nullptr: of the start.
    const TemplateList* known = nullptr;
    /// Of a reload: what was told of common properties. nullptr: nothing yet.
    std::shared_ptr<CommonProperties> common = nullptr;
};

} // namespace probe
