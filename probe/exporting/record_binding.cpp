// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/record_binding.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <utility>

#include "probe/exporting/encoding_steps.hpp"
#include "probe/exporting/template_request.hpp"

namespace probe {

namespace {

using Fields = std::vector<ipfix::FieldSpecifier>;

/// The fields that a template has on the wire: where the first of its common properties would be,
/// the id of all of them (RFC 5473).
Fields fields_on_wire(const Fields& listed) {
    Fields fields;
    const auto is_common = [](const ipfix::FieldSpecifier& field) { return field.common; };
    const bool key = std::any_of(listed.begin(), listed.end(),
                                 [](const auto& field) { return field.common && field.key; });
    for (const ipfix::FieldSpecifier& field : listed) {
        if (!field.common) {
            fields.push_back(field);
        } else if (std::none_of(fields.begin(), fields.end(), is_common)) {
            fields.push_back({ipfix::find_element("commonPropertiesId"), kCommonPropertiesIdOctets,
                              false, key, nullptr, true});
        }
    }
    return fields;
}

/// The same record with all its values, each in the length that holds any: for one that does not
/// fit the template as it was listed.
Fields wide_fields(const Fields& listed) {
    Fields fields = listed;
    for (ipfix::FieldSpecifier& field : fields) {
        field.common = false;
        if (ipfix::is_integer(field.element->type)) {
            field.length = ipfix::default_length(field.element->type);
        }
    }
    return fields;
}

/// Whether some number may need more octets than its field has.
bool may_be_too_short(const Fields& fields, const std::vector<EncodingStep>& steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::size_t full = ipfix::default_length(fields[i].element->type);
        if (std::min(octets_needed(steps[i]), full) > steps[i].width) return true;
    }
    return false;
}

ipfix::TemplateRecord content_of(const ipfix::TemplateDescription& description) {
    return {ipfix::kFirstDataSetId, description.name, // any id
            fields_on_wire(ipfix::ordered_fields(description))};
}

/// Numbers the templates of a reload: those that are known keep their ids, others have the one that
/// is written when nobody had it, else a new one.
void assign_template_ids(std::span<ipfix::TemplateDescription> templates,
                         const TemplateList& known) {
    std::vector<ipfix::TemplateDescription> as_written(templates.begin(), templates.end());
    ipfix::assign_template_ids(as_written); // says what is used twice
    TemplateIds ids(known);
    std::vector<ipfix::TemplateDescription*> unknown;
    for (ipfix::TemplateDescription& one : templates) {
        const std::optional<std::uint16_t> id = ids.known_as(content_of(one));
        if (id) {
            const bool renumbered = one.id != 0 && one.id != *id && ids.take(one.id);
            one.id = renumbered ? one.id : *id;
        } else {
            unknown.push_back(&one);
        }
    }
    std::stable_partition(unknown.begin(), unknown.end(), [](const auto* one) {
        return one->id != 0; // what is written goes before what may be anything
    });
    for (ipfix::TemplateDescription* one : unknown) {
        if (one->id == 0 || !ids.take(one->id)) {
            one->id = ids.fresh();
        }
    }
}

} // namespace

RecordBinding::RecordBinding(const std::vector<ipfix::TemplateDescription>& descriptions,
                             const BindingContext& context)
    : rules_(context.rules),
      common_(context.common != nullptr ? context.common
                                        : std::make_shared<CommonProperties>(SipKey::random())) {
    std::vector<ipfix::TemplateDescription> numbered = descriptions;
    if (context.known != nullptr) {
        assign_template_ids(numbered, *context.known);
    } else {
        ipfix::assign_template_ids(numbered);
    }
    std::vector<TemplateRequest> requests;
    for (const ipfix::TemplateDescription& description : numbered) {
        requests.push_back(template_request(description, context));
        templates_.emplace_back(description.id, description.name,
                                fields_on_wire(ipfix::ordered_fields(description)));
        places_.push_back(places_.size());
    }
    try {
        plan_ = std::make_unique<MeteringPlan>(std::move(requests));
    } catch (const std::runtime_error& error) { // too many templates of a family
        const ipfix::TemplateDescription& last = numbered.back();
        throw ipfix::ConfigError(last.file, last.line, last.column, error.what());
    }
    wide_index_.assign(numbered.size(), kNone);
    common_index_.assign(numbered.size(), kNone);
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        const auto f = static_cast<std::size_t>(family);
        const LanePlan& lane = plan_->lane(family);
        const RecordOffsets offsets = offsets_of(family, lane.wide());
        template_number_offset_[f] = offsets.vlan;
        for (const LaneTemplate& t : lane.templates()) {
            add_plans(numbered[t.request], t.request, family, context);
        }
    }
}

std::uint16_t RecordBinding::free_id(const BindingContext& context) const {
    if (context.known != nullptr) {
        return TemplateIds(*context.known, {templates_, common_->templates()}).fresh();
    }
    std::uint32_t id = ipfix::kFirstDataSetId;
    const auto taken = [&](const ipfix::TemplateRecord& one) { return one.id() == id; };
    const std::span<const ipfix::TemplateRecord> common = common_->templates();
    while (std::any_of(templates_.begin(), templates_.end(), taken) ||
           std::any_of(common.begin(), common.end(), taken)) {
        ++id;
    }
    if (id > UINT16_MAX) throw std::runtime_error("no template id is left; use fewer templates");
    return static_cast<std::uint16_t>(id);
}

/// Of a wider template: the one that collectors know it by, or a free one.
std::uint16_t RecordBinding::companion_id(const std::string& name,
                                          const std::vector<ipfix::FieldSpecifier>& fields,
                                          const BindingContext& context) const {
    if (context.known != nullptr) {
        TemplateIds ids(*context.known, {templates_, common_->templates()});
        if (const auto known = ids.known_as({ipfix::kFirstDataSetId, name, fields})) return *known;
    }
    return free_id(context);
}

/// The Options Template that tells them, by its place in the table.
std::size_t RecordBinding::common_template(const std::string& name, Fields properties,
                                           const BindingContext& context) {
    properties.insert(properties.begin(),
                      {ipfix::find_element("commonPropertiesId"), kCommonPropertiesIdOctets, false,
                       false, nullptr, false});
    const ipfix::TemplateRecord content(ipfix::kFirstDataSetId, name, properties, 1); // any id
    if (const auto known = common_->find_template(content)) return *known;
    return common_->add_template({free_id(context), name, std::move(properties), 1});
}

bool RecordBinding::has_common_properties() const noexcept {
    return std::any_of(common_index_.begin(), common_index_.end(),
                       [](std::size_t index) { return index != kNone; });
}

/// The plans of one template for the records of one family, and what they need besides: once for
/// both families.
void RecordBinding::add_plans(const ipfix::TemplateDescription& description, std::size_t request,
                              IpFamily family, const BindingContext& context) {
    const auto f = static_cast<std::size_t>(family);
    const LanePlan& lane = plan_->lane(family);
    const RecordOffsets offsets = offsets_of(family, lane.wide());
    const Fields listed = ipfix::ordered_fields(description);
    const auto steps_of = [&](const Fields& fields) {
        return encoding_steps(fields, family, offsets, lane.layout(), context);
    };
    const auto plan_of = [&](const Fields& fields, EncodingPlan::LargeNumbers large) {
        EncodingPlan plan(offsets.base, steps_of(fields), context.interfaces,
                          context.record_octets_max, large);
        record_octets_max_ = std::max(record_octets_max_, plan.octets_max());
        return plan;
    };
    Fields common;
    std::copy_if(listed.begin(), listed.end(), std::back_inserter(common),
                 [](const ipfix::FieldSpecifier& field) { return field.common; });
    const Fields on_wire = fields_on_wire(listed);
    const bool may_be_refused = !common.empty() || may_be_too_short(on_wire, steps_of(on_wire));
    Plans plans{.listed = plan_of(on_wire, may_be_refused ? EncodingPlan::LargeNumbers::refused
                                                          : EncodingPlan::LargeNumbers::none)};
    if (may_be_refused) {
        const Fields wide = wide_fields(listed);
        plans.wide =
            std::make_unique<EncodingPlan>(plan_of(wide, EncodingPlan::LargeNumbers::none));
        if (wide_index_[request] == kNone) {
            wide_index_[request] = templates_.size();
            templates_.emplace_back(companion_id(description.name + ".wide", wide, context),
                                    description.name + ".wide", wide);
            places_.push_back(places_.size());
        }
    }
    if (!common.empty()) {
        // A shortened common property that does not fit is no reason for other records to be whole.
        plans.common =
            std::make_unique<EncodingPlan>(plan_of(common, EncodingPlan::LargeNumbers::refused));
        if (common_index_[request] == kNone) {
            common_index_[request] =
                common_template(description.name + ".common", std::move(common), context);
        }
        plans.common_template = common_index_[request];
    }
    plans.wide_index = wide_index_[request];
    plans_[f].push_back(std::move(plans));
}

EncodedRecord RecordBinding::encode(IpFamily family, unsigned template_number,
                                    const std::uint8_t* record, RecordNames& names,
                                    WholeRecords whole, std::uint8_t* out) const noexcept {
    const Plans& plans = plans_[static_cast<std::size_t>(family)][template_number];
    EncodedForm form = EncodedForm::wide;
    if (plans.common != nullptr) {
        names.common_id = 0;
        if (whole == WholeRecords::no) {
            const std::uint32_t texts_cut = names.texts_cut;
            const std::size_t octets = plans.common->encode(record, names, out);
            names.texts_cut = texts_cut; // it is told once
            if (octets != 0) names.common_id = common_->id_of(plans.common_template, {out, octets});
            if (octets != 0 && names.common_id == 0) form = EncodedForm::whole;
        } else {
            form = EncodedForm::whole;
        }
    }
    if (form == EncodedForm::wide) {
        const std::size_t octets = plans.listed.encode(record, names, out);
        if (octets != 0) {
            return {template_index(family, template_number), {out, octets}, EncodedForm::listed};
        }
    }
    return {places_[plans.wide_index], {out, plans.wide->encode(record, names, out)}, form};
}

void RecordBinding::place_in(const TemplateList& list) {
    for (std::size_t i = 0; i < templates_.size(); ++i) {
        places_[i] = list.place_of(templates_[i].id());
    }
}

} // namespace probe
