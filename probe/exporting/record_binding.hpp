// SPDX-License-Identifier: BSD-3-Clause
// The only place where a flow record meets Information Elements: which elements can be metered
// (meterable_elements.hpp), what each asks of the meter (template_request.hpp), and how its octets
// are made from a record (encoding_steps.hpp). Used once, at start.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "encoder/template_description.hpp"
#include "encoder/template_record.hpp"
#include "probe/exporting/binding_context.hpp"
#include "probe/exporting/common_properties.hpp"
#include "probe/exporting/encoding_plan.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/metering/metering_plan.hpp"

namespace probe {

/// Whether a receiver wants every value in the record itself: it cannot tell common properties.
enum class WholeRecords : std::uint8_t { no, yes };

/// What a record became.
enum class EncodedForm : std::uint8_t {
    listed, ///< the template as it was written
    wide,   ///< a number needs more octets than its field there
    whole,  ///< its common properties have no id (the table is full), or nobody wants one
};
struct EncodedRecord {
    std::size_t template_index = 0; ///< in templates(), or in the list of place_in()
    Bytes octets;
    EncodedForm form = EncodedForm::listed;
};

/// The templates of a configuration, bound to the meter.
///
/// A template with shortened numbers or with common properties has a wider companion, NAME.wide,
/// with all values in their full length: records that do not fit the one go out by the other, so
/// that none is truncated (RFC 7011 section 6.2).
class RecordBinding {
  public:
    /// Throws ipfix::ConfigError (file, line, column) for an element that cannot be metered, or not
    /// there (key, reverse, family), and for a length the meter cannot keep.
    RecordBinding(const std::vector<ipfix::TemplateDescription>& descriptions,
                  const BindingContext& context);

    /// In the order of the descriptions, then the wider companions; ids assigned from 256 where the
    /// YAML has none.
    [[nodiscard]] std::span<const ipfix::TemplateRecord> templates() const noexcept {
        return templates_;
    }
    [[nodiscard]] const MeteringPlan& metering_plan() const noexcept { return *plan_; }

    /// How many of templates() are those of the descriptions.
    [[nodiscard]] std::size_t listed_templates() const noexcept { return wide_index_.size(); }
    /// The plan for a record of this family as its template is listed, by the number in its key.
    [[nodiscard]] const EncodingPlan& encoding_plan(IpFamily family,
                                                    unsigned template_number) const noexcept {
        return plans_[static_cast<std::size_t>(family)][template_number].listed;
    }
    /// Writes the data record to `out`, which has room for record_octets_max(). By one thread at a
    /// time: new common properties get their ids here.
    [[nodiscard]] EncodedRecord encode(IpFamily family, unsigned template_number,
                                       const std::uint8_t* record, RecordNames& names,
                                       WholeRecords whole, std::uint8_t* out) const noexcept;
    /// What sessions tell besides: the one table of the process, also where no template has any.
    [[nodiscard]] const std::shared_ptr<CommonProperties>& common_properties() const noexcept {
        return common_;
    }
    [[nodiscard]] bool has_common_properties() const noexcept;
    /// Its template's place in templates(), or in the list of place_in().
    [[nodiscard]] std::size_t template_index(IpFamily family,
                                             unsigned template_number) const noexcept {
        return places_[plan_->lane(family).templates()[template_number].request];
    }
    /// A template's place among templates() is its place in this list from now on. Once, before
    /// records are encoded.
    void place_in(const TemplateList& list);

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
    struct Plans {
        EncodingPlan listed;
        std::unique_ptr<EncodingPlan> common{}; ///< of the common properties alone
        std::unique_ptr<EncodingPlan> wide{};
        std::size_t common_template = 0; ///< in common_'s templates
        std::size_t wide_index = kNone;  ///< in templates_
    };
    static constexpr std::size_t kNone = SIZE_MAX;

    void add_plans(const ipfix::TemplateDescription& description, std::size_t request,
                   IpFamily family, const BindingContext& context);
    [[nodiscard]] std::uint16_t free_id(const BindingContext& context) const;
    [[nodiscard]] std::uint16_t companion_id(const std::string& name,
                                             const std::vector<ipfix::FieldSpecifier>& fields,
                                             const BindingContext& context) const;
    [[nodiscard]] std::size_t common_template(const std::string& name,
                                              std::vector<ipfix::FieldSpecifier> properties,
                                              const BindingContext& context);

    std::shared_ptr<const ApplicationRules> rules_;
    std::vector<ipfix::TemplateRecord> templates_;
    std::vector<std::size_t> places_;
    std::unique_ptr<MeteringPlan> plan_;
    std::array<std::vector<Plans>, 2> plans_;
    std::vector<std::size_t> wide_index_;      ///< by request; kNone: it has no companion
    std::vector<std::size_t> common_index_;    ///< by request, in common_'s templates
    std::shared_ptr<CommonProperties> common_; ///< encode() adds to it
    std::array<std::size_t, 2> template_number_offset_{};
    std::size_t record_octets_max_ = 0;
};

} // namespace probe
