// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/options_records.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "encoder/ntp_time.hpp"
#include "encoder/wire_format.hpp"

namespace probe {

namespace {

/// One of each in this program: the numbers tell processes apart within a device.
constexpr std::uint32_t kMeteringProcess = 1;
constexpr std::uint32_t kExportingProcess = 1;
constexpr std::uint64_t kSelector = 1;
constexpr std::uint64_t kSelectionSequenceOfAll = 1;

/// RFC 7011 section 4.4: flowKeyIndicator has a bit for each of the first 64 fields.
constexpr std::size_t kFlowKeyBits = 64;

/// Longer names are cut, so that every record fits the smallest message.
constexpr std::size_t kNameOctetsMax = 40;

constexpr std::array<std::string_view, 5> kStatistics = {
    "observationDomainId", "meteringProcessId", "exportedMessageTotalCount",
    "exportedFlowRecordTotalCount", "exportedOctetTotalCount"};
// RFC 7011 sections 4.2 and 4.3 let each time be any observationTime element; two different ones,
// since there are collectors that stumble over an element that a template repeats (Logstash's
// codec, programs on libfixbuf that copy templates). Milliseconds: the first; microseconds: the
// last.
constexpr std::array<std::string_view, 6> kMeteringReliability = {
    "observationDomainId",    "meteringProcessId",           "ignoredPacketTotalCount",
    "ignoredOctetTotalCount", "observationTimeMilliseconds", "observationTimeMicroseconds"};
constexpr std::array<std::string_view, 6> kExportingReliability = {
    "exportingProcessId",     "notSentFlowTotalCount",       "notSentPacketTotalCount",
    "notSentOctetTotalCount", "observationTimeMilliseconds", "observationTimeMicroseconds"};
constexpr std::array<std::string_view, 2> kFlowKeys = {"templateId", "flowKeyIndicator"};
// RFC 5477 section 8.2. The deprecated elements 34 and 35 are what older collectors know a rate by.
constexpr std::array<std::string_view, 6> kSystematicSelector = {
    "selectorId",          "selectorAlgorithm", "samplingPacketInterval",
    "samplingPacketSpace", "samplingInterval",  "samplingAlgorithm"};
constexpr std::array<std::string_view, 6> kRandomSelector = {
    "selectorId",         "selectorAlgorithm", "samplingSize",
    "samplingPopulation", "samplingInterval",  "samplingAlgorithm"};
constexpr std::array<std::string_view, 3> kSelectionSequence = {
    "selectionSequenceId", "observationDomainId", "selectorId"};
constexpr std::array<std::string_view, 3> kSelectionStatistics = {
    "selectionSequenceId", "selectorIdTotalPktsObserved", "selectorIdTotalPktsSelected"};
constexpr std::array<std::string_view, 3> kInterface = {"ingressInterface", "interfaceName",
                                                        "interfaceDescription"};
constexpr std::array<std::string_view, 2> kDomain = {"observationDomainId",
                                                     "observationDomainName"};
// RFC 6759 section 5: "a mapping of the Application ID to its name".
constexpr std::array<std::string_view, 3> kApplication = {"applicationId", "applicationName",
                                                          "applicationCategoryName"};
constexpr std::array<std::string_view, 8> kElementType = {
    "privateEnterpriseNumber",     "informationElementId",    "informationElementDataType",
    "informationElementSemantics", "informationElementUnits", "informationElementRangeBegin",
    "informationElementRangeEnd",  "informationElementName"};

/// Appends fields in network byte order.
class FieldWriter {
  public:
    explicit FieldWriter(std::vector<std::uint8_t>& out) : out_(out) { out_.clear(); }

    template <class Unsigned>
    FieldWriter& number(Unsigned value) {
        out_.resize(out_.size() + sizeof value);
        ipfix::store_be(out_.data() + out_.size() - sizeof value, value);
        return *this;
    }
    FieldWriter& milliseconds(TimeNs time) { return number(std::uint64_t{time / kNsPerMs}); }
    FieldWriter& microseconds(TimeNs time) {
        return number(std::uint64_t{ipfix::ntp_from_unix_us(time / kNsPerUs)});
    }
    FieldWriter& application(const ApplicationId& id, std::size_t octets) {
        out_.resize(out_.size() + octets);
        id.write({out_.data() + out_.size() - octets, octets});
        return *this;
    }
    /// Of variable length, cut between characters where it is too long.
    FieldWriter& text(std::string_view value) {
        std::size_t octets = std::min(value.size(), kNameOctetsMax);
        while (octets > 0 && octets < value.size() &&
               (static_cast<unsigned char>(value[octets]) & 0xC0) == 0x80) {
            --octets;
        }
        out_.push_back(static_cast<std::uint8_t>(octets));
        out_.insert(out_.end(), value.begin(), value.begin() + static_cast<std::ptrdiff_t>(octets));
        return *this;
    }

  private:
    std::vector<std::uint8_t>& out_;
};

/// IANA's numbers of informationElementUnits; 0 for none and for units it has no number for.
std::uint16_t units_number(std::string_view units) {
    constexpr std::array<std::string_view, 16> kUnits = {
        "",         "bits",         "octets",       "packets",     "flows",
        "seconds",  "milliseconds", "microseconds", "nanoseconds", "4-octet words",
        "messages", "hops",         "entries",      "frames",      "ports",
        "inferred"};
    const auto found = std::find(kUnits.begin(), kUnits.end(), units);
    return found == kUnits.end() ? std::uint16_t{0}
                                 : static_cast<std::uint16_t>(found - kUnits.begin());
}

/// "0-63" as the registry writes it; both 0 where the whole type is meant (RFC 5610 section 3.7).
std::pair<std::uint64_t, std::uint64_t> range_of(std::string_view written) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    const std::size_t dash = written.find('-');
    if (dash == std::string_view::npos) {
        return {0, 0};
    }
    const char* const last = written.data() + written.size();
    const auto first = std::from_chars(written.data(), written.data() + dash, begin);
    const auto second = std::from_chars(written.data() + dash + 1, last, end);
    const bool whole = first.ec == std::errc{} && second.ec == std::errc{};
    return whole ? std::pair{begin, end} : std::pair{std::uint64_t{0}, std::uint64_t{0}};
}

TimeNs earlier(TimeNs a, TimeNs b) noexcept {
    return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

} // namespace

OptionsRecords::OptionsRecords(std::span<const ipfix::TemplateRecord> data_templates,
                               const OptionsContext& context)
    : domain_id_(context.domain_id), next_id_(ipfix::kFirstDataSetId) {
    const TemplateList::Templates others = {
        data_templates, context.common == nullptr ? std::span<const ipfix::TemplateRecord>()
                                                  : context.common->templates()};
    for (const std::span<const ipfix::TemplateRecord> some : others) {
        for (const ipfix::TemplateRecord& t : some) {
            next_id_ = std::max<std::uint32_t>(next_id_, t.id() + 1U);
        }
    }
    if (context.known != nullptr) {
        ids_.emplace(*context.known, others);
    }
    constexpr std::size_t kCountersMax = 64;
    const auto counters = [this](Kind kind, std::size_t template_index) {
        records_.push_back({kind, template_index, {}});
        records_.back().octets.reserve(kCountersMax);
    };
    counters(Kind::statistics, add_template("metering_process_statistics", 2, kStatistics));
    counters(Kind::metering_reliability,
             add_template("metering_process_reliability", 2, kMeteringReliability));
    counters(Kind::exporting_reliability,
             add_template("exporting_process_reliability", 1, kExportingReliability));
    add_flow_keys(data_templates);
    if (context.sampling.method != SamplingMethod::none) {
        add_sampling(context.sampling);
        counters(Kind::selection_statistics,
                 add_template("selection_statistics", 1, kSelectionStatistics));
    }
    add_names(context);
    if (context.rules != nullptr) {
        add_applications(*context.rules);
    }
    add_element_types(data_templates);
}

std::size_t OptionsRecords::add_template(const char* name, std::size_t scope_count,
                                         std::span<const std::string_view> elements,
                                         std::uint16_t scope_octets) {
    std::vector<ipfix::FieldSpecifier> fields;
    for (const std::string_view element_name : elements) {
        const ipfix::InformationElement* element = ipfix::find_element(element_name);
        if (element == nullptr) {
            throw std::logic_error("the registry has no " + std::string(element_name));
        }
        const bool shortened = scope_octets != 0 && fields.size() < scope_count;
        fields.push_back(
            {element, shortened ? scope_octets : ipfix::default_length(element->type)});
    }
    const std::uint16_t id = next_id(name, fields, scope_count);
    templates_.emplace_back(id, name, std::move(fields), scope_count);
    return templates_.size() - 1;
}

std::uint16_t OptionsRecords::next_id(const char* name,
                                      const std::vector<ipfix::FieldSpecifier>& fields,
                                      std::size_t scope_count) {
    if (ids_) {
        const auto known = ids_->known_as({ipfix::kFirstDataSetId, name, fields, scope_count});
        return known ? *known : ids_->fresh();
    }
    if (next_id_ > UINT16_MAX) {
        throw std::runtime_error(
            "no template ids are left above those of the templates; give them lower ids");
    }
    return static_cast<std::uint16_t>(next_id_++);
}

void OptionsRecords::add_flow_keys(std::span<const ipfix::TemplateRecord> data_templates) {
    const std::size_t index = add_template("flow_keys", 1, kFlowKeys);
    for (const ipfix::TemplateRecord& t : data_templates) {
        if (t.fields().size() > kFlowKeyBits) {
            continue; // the indicator cannot say it
        }
        std::uint64_t keys = 0;
        for (std::size_t i = 0; i < t.fields().size(); ++i) {
            keys |= std::uint64_t{t.fields()[i].key} << i;
        }
        records_.push_back({Kind::fixed, index, {}});
        FieldWriter(records_.back().octets).number(t.id()).number(keys);
    }
}

// Every packet of every interface passes one selector: a single selection sequence, of the whole
// Observation Domain.
void OptionsRecords::add_sampling(const SamplingOptions& sampling) {
    // IANA's psamp-parameters: 1 systematic count-based, 3 random n-out-of-N; element 35: 1
    // deterministic, 2 random.
    const bool random = sampling.method == SamplingMethod::random;
    const std::size_t selector = random ? add_template("selectors", 1, kRandomSelector)
                                        : add_template("selectors", 1, kSystematicSelector);
    records_.push_back({Kind::fixed, selector, {}});
    FieldWriter(records_.back().octets)
        .number(kSelector)
        .number(static_cast<std::uint16_t>(random ? 3 : 1))
        .number(std::uint32_t{1})
        .number(random ? sampling.population : sampling.population - 1)
        .number(sampling.population)
        .number(static_cast<std::uint8_t>(random ? 2 : 1));
    records_.push_back(
        {Kind::fixed, add_template("selection_sequences", 1, kSelectionSequence), {}});
    FieldWriter(records_.back().octets)
        .number(kSelectionSequenceOfAll)
        .number(domain_id_)
        .number(kSelector);
}

void OptionsRecords::add_names(const OptionsContext& context) {
    if (!context.interfaces.empty()) {
        const std::size_t index = add_template("interfaces", 1, kInterface);
        for (const NamedInterface& interface : context.interfaces) {
            records_.push_back({Kind::fixed, index, {}});
            FieldWriter(records_.back().octets)
                .number(interface.index)
                .text(interface.name)
                .text(interface.description);
        }
    }
    if (!context.domain_name.empty()) {
        records_.push_back({Kind::fixed, add_template("observation_domain", 1, kDomain), {}});
        FieldWriter(records_.back().octets).number(domain_id_).text(context.domain_name);
    }
}

void OptionsRecords::add_applications(const ApplicationRules& rules) {
    const auto id_octets = static_cast<std::uint16_t>(rules.id_octets());
    const std::size_t index = add_template("applications", 1, kApplication, id_octets);
    for (const ApplicationEntry& entry : rules.entries()) {
        records_.push_back({Kind::fixed, index, {}});
        FieldWriter(records_.back().octets)
            .application(entry.id, id_octets)
            .text(entry.name)
            .text(entry.category);
    }
}

void OptionsRecords::add_element_types(std::span<const ipfix::TemplateRecord> data_templates) {
    std::set<std::pair<std::uint32_t, std::uint16_t>> known;
    std::size_t index = 0;
    for (const ipfix::TemplateRecord& t : data_templates) {
        for (const ipfix::FieldSpecifier& field : t.fields()) {
            const ipfix::InformationElement& element = *field.element;
            if (element.enterprise == 0 || !known.emplace(element.enterprise, element.id).second) {
                continue;
            }
            if (known.size() == 1) {
                index = add_template("information_element_types", 2, kElementType);
            }
            const auto [begin, end] = range_of(element.range);
            records_.push_back({Kind::fixed, index, {}});
            FieldWriter(records_.back().octets)
                .number(element.enterprise)
                .number(element.id)
                .number(static_cast<std::uint8_t>(element.type))
                .number(static_cast<std::uint8_t>(element.semantics))
                .number(units_number(element.units))
                .number(begin)
                .number(end)
                .text(element.name);
        }
    }
}

OptionsSource::Encoded OptionsRecords::encode(std::size_t number,
                                              const SessionLedger& session) noexcept {
    Record& record = records_[number];
    const MeteringReport metering =
        reporter_ != nullptr && record.kind != Kind::fixed ? reporter_->report() : MeteringReport{};
    switch (record.kind) {
        case Kind::statistics:
            FieldWriter(record.octets)
                .number(domain_id_)
                .number(kMeteringProcess)
                .number(session.messages_sent)
                .number(session.sent.records)
                .number(session.message_octets_sent);
            break;
        case Kind::metering_reliability:
            FieldWriter(record.octets)
                .number(domain_id_)
                .number(kMeteringProcess)
                .number(metering.ignored_packets)
                .number(metering.ignored_octets)
                .milliseconds(metering.first_ignored_ns)
                .microseconds(metering.last_ignored_ns);
            break;
        case Kind::exporting_reliability: {
            RecordTally lost = session.lost_total();
            lost.add(metering.not_taken);
            FieldWriter(record.octets)
                .number(kExportingProcess)
                .number(lost.records)
                .number(lost.packets)
                .number(lost.octets)
                .milliseconds(earlier(session.first_lost_ns, metering.first_not_taken_ns))
                .microseconds(std::max(session.last_lost_ns, metering.last_not_taken_ns));
            break;
        }
        case Kind::selection_statistics:
            FieldWriter(record.octets)
                .number(kSelectionSequenceOfAll)
                .number(metering.observed_packets)
                .number(metering.selected_packets);
            break;
        case Kind::fixed:
            break;
    }
    return {record.template_index, record.octets};
}

} // namespace probe
