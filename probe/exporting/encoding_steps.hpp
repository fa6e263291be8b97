// SPDX-License-Identifier: BSD-3-Clause
// How the fields of a template are made from a flow record: where a record of one layout has what,
// and a step of the encoding plan for each field. Used at start and on a reload.
#pragma once

#include <cstdint>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/binding_context.hpp"
#include "probe/exporting/encoding_plan.hpp"
#include "probe/metering/metering_plan.hpp"

namespace probe {

/// Offsets of one key layout's record.
struct RecordOffsets {
    RecordBase base;
    std::uint16_t source, destination, source_port, destination_port, vlan, protocol, traffic_class;
    std::uint16_t source_mac = 0, destination_mac = 0, ingress_interface = 0, flow_label = 0,
                  inner_vlan = 0, ether_type = 0;
};
[[nodiscard]] RecordOffsets offsets_of(IpFamily family, bool wide);

/// Of fields that template_request() has accepted, and commonPropertiesId.
[[nodiscard]] std::vector<EncodingStep> encoding_steps(
    const std::vector<ipfix::FieldSpecifier>& fields, IpFamily family, const RecordOffsets& offsets,
    const RecordLayout& layout, const BindingContext& context);

} // namespace probe
