// SPDX-License-Identifier: BSD-3-Clause
// What an exporter tells of itself in records of Options Templates:
//
//   metering process statistics        RFC 7011 section 4.1   what this session was sent
//   metering process reliability       section 4.2            packets that were not metered
//   exporting process reliability      section 4.3            flow records that were not sent
//   flow keys                          section 4.4            which fields of a template are keys
//   selectors                          RFC 5477, 5476        how packets are sampled
//   selection sequences                RFC 5477, 5476        whose packets pass which selector
//   selection statistics               RFC 5477, 5476        packets observed and selected
//   interfaces                         interfaceName, interfaceDescription by ingressInterface
//   observation domain                 observationDomainName
//   applications                       applicationName, applicationCategoryName by applicationId
//   information element types          RFC 5610, of enterprise-specific elements in use
//
// Every cycle is all of them, in this order. The first three are made of counters at the moment
// they are packed; the others were encoded at start. Sums of the metering side are of the whole
// probe, those of the session are its own.
//
// Thread: made at start; encode() by the exporter's lcore, no allocation. It must outlive the
// sessions, as must the reporter.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/exporting/common_properties.hpp"
#include "probe/exporting/session_ledger.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/metering/packet_sampler.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// The metering side at one instant. Octets of packets are frame octets. Times: 0 for never.
struct MeteringReport {
    std::uint64_t observed_packets = 0; ///< that reached the probe
    std::uint64_t selected_packets = 0; ///< of these, those that sampling did not leave out
    std::uint64_t ignored_packets = 0;  ///< should have been metered and were not
    std::uint64_t ignored_octets = 0;
    TimeNs first_ignored_ns = 0;
    TimeNs last_ignored_ns = 0;
    RecordTally not_taken; ///< records that the exporter was too slow to take
    TimeNs first_not_taken_ns = 0;
    TimeNs last_not_taken_ns = 0;
};

class MeteringReporter {
  public:
    virtual ~MeteringReporter() = default;
    /// Called by the exporter's lcore.
    [[nodiscard]] virtual MeteringReport report() const noexcept = 0;
};

struct NamedInterface {
    std::uint32_t index = 0; ///< as in ingressInterface
    std::string name;
    std::string description;
};

struct OptionsContext {
    std::uint32_t domain_id = 1;
    std::string domain_name; ///< empty: no record of it
    std::vector<NamedInterface> interfaces;
    /// What labels flows, when a template has applicationId; nullptr: no records of it.
    const ApplicationRules* rules = nullptr;
    SamplingOptions sampling{}; ///< none: no records of it
    /// Whose templates have their ids already; nullptr: there are none.
    const CommonProperties* common = nullptr;
    /// Of a reload: what collectors know keeps its ids. nullptr: of the start.
    const TemplateList* known = nullptr;
};

/// Records of Options Templates for a session. Thread: the exporter's lcore.
class OptionsSource {
  public:
    virtual ~OptionsSource() = default;
    [[nodiscard]] virtual std::span<const ipfix::TemplateRecord> templates() const noexcept = 0;
    /// Records in a cycle.
    [[nodiscard]] virtual std::size_t count() const noexcept = 0;

    struct Encoded {
        std::size_t template_index = 0; ///< in templates()
        Bytes octets;                   ///< valid until the next call
    };
    /// Record `number` of the cycle, for the session with this ledger.
    [[nodiscard]] virtual Encoded encode(std::size_t number,
                                         const SessionLedger& session) noexcept = 0;
};

class OptionsRecords final : public OptionsSource {
  public:
    OptionsRecords(std::span<const ipfix::TemplateRecord> data_templates,
                   const OptionsContext& context);

    /// Without one, what the metering side tells is zero.
    void set_reporter(const MeteringReporter* reporter) noexcept { reporter_ = reporter; }

    /// Their ids follow those of the data templates.
    [[nodiscard]] std::span<const ipfix::TemplateRecord> templates() const noexcept override {
        return templates_;
    }
    [[nodiscard]] std::size_t count() const noexcept override { return records_.size(); }
    /// The template of a record, in templates().
    [[nodiscard]] std::size_t template_of(std::size_t number) const noexcept {
        return records_[number].template_index;
    }
    [[nodiscard]] Encoded encode(std::size_t number,
                                 const SessionLedger& session) noexcept override;

  private:
    enum class Kind : std::uint8_t {
        statistics,
        metering_reliability,
        exporting_reliability,
        selection_statistics,
        fixed
    };
    struct Record {
        Kind kind = Kind::fixed;
        std::size_t template_index = 0;
        std::vector<std::uint8_t> octets; ///< encoded at start, or room for it
    };

    [[nodiscard]] std::uint16_t next_id(const char* name,
                                        const std::vector<ipfix::FieldSpecifier>& fields,
                                        std::size_t scope_count);
    std::size_t add_template(const char* name, std::size_t scope_count,
                             std::span<const std::string_view> elements,
                             std::uint16_t scope_octets = 0);
    void add_flow_keys(std::span<const ipfix::TemplateRecord> data_templates);
    void add_sampling(const SamplingOptions& sampling);
    void add_names(const OptionsContext& context);
    void add_applications(const ApplicationRules& rules);
    void add_element_types(std::span<const ipfix::TemplateRecord> data_templates);

    std::uint32_t domain_id_;
    std::uint32_t next_id_;          ///< at the start
    std::optional<TemplateIds> ids_; ///< of a reload
    std::vector<ipfix::TemplateRecord> templates_;
    std::vector<Record> records_;
    const MeteringReporter* reporter_ = nullptr;
};

} // namespace probe
