// SPDX-License-Identifier: BSD-3-Clause
// The only place where a flow record meets Information Elements: which elements can be metered,
// what each asks of the meter, and how its octets are made from a record. Used once, at start.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "encoder/template_description.hpp"
#include "encoder/template_record.hpp"
#include "probe/exporting/encoding_plan.hpp"
#include "probe/metering/metering_plan.hpp"

namespace probe {

/// What the encoder must know besides the templates.
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
};

/// The templates of a configuration, bound to the meter.
class RecordBinding {
  public:
    /// Throws ipfix::ConfigError (file, line, column) for an element that cannot be metered, or not
    /// there (key, reverse, family), and for a length the meter cannot keep.
    RecordBinding(const std::vector<ipfix::TemplateDescription>& descriptions,
                  const BindingContext& context);

    /// In the order of the descriptions; ids assigned from 256 where the YAML has none.
    [[nodiscard]] std::span<const ipfix::TemplateRecord> templates() const noexcept {
        return templates_;
    }
    [[nodiscard]] const MeteringPlan& metering_plan() const noexcept { return *plan_; }

    /// The plan for a record of this family, by the template number in its key.
    [[nodiscard]] const EncodingPlan& encoding_plan(IpFamily family,
                                                    unsigned template_number) const noexcept {
        return plans_[static_cast<std::size_t>(family)][template_number];
    }
    /// Its template's place in templates().
    [[nodiscard]] std::size_t template_index(IpFamily family,
                                             unsigned template_number) const noexcept {
        return plan_->lane(family).templates()[template_number].request;
    }
    /// Offset of vlan_and_template in a record of this family.
    [[nodiscard]] std::size_t template_number_offset(IpFamily family) const noexcept {
        return template_number_offset_[static_cast<std::size_t>(family)];
    }
    [[nodiscard]] const std::shared_ptr<const ApplicationRules>& rules() const noexcept {
        return rules_;
    }
    /// Offset of the ApplicationBlock in a record of this family; 0: there is none.
    [[nodiscard]] std::size_t application_offset(IpFamily family) const noexcept {
        return plan_->lane(family).layout().application;
    }
    /// The largest data record of all templates.
    [[nodiscard]] std::size_t record_octets_max() const noexcept { return record_octets_max_; }

  private:
    std::shared_ptr<const ApplicationRules> rules_;
    std::vector<ipfix::TemplateRecord> templates_;
    std::unique_ptr<MeteringPlan> plan_;
    std::array<std::vector<EncodingPlan>, 2> plans_;
    std::array<std::size_t, 2> template_number_offset_{};
    std::size_t record_octets_max_ = 0;
};

} // namespace probe
