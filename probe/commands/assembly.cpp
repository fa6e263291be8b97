// SPDX-License-Identifier: BSD-3-Clause
#include "probe/commands/assembly.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "probe/config/collector_url.hpp"
#include "probe/exporting/collector_group.hpp"
#include "probe/exporting/meterable_elements.hpp"
#include "probe/exporting/open_sink.hpp"
#include "probe/metering/siphash.hpp"

namespace probe {

ProbeConfig assemble_config(const CommandLine& words) {
    ProbeConfig config =
        words.config.empty() ? default_probe_config() : load_probe_config(words.config);
    if (!words.outputs.empty()) {
        config.exporting.collectors.clear();
        config.exporting.groups.clear();
        for (const std::string& output : words.outputs) {
            config.exporting.collectors.push_back(parse_collector_url(output));
        }
    }
    if (!words.templates.empty()) {
        config.metering.template_files.clear();
        for (const std::string& written : words.templates) {
            config.metering.template_files.push_back(find_template_file(written, "."));
        }
    }
    config.metering.timeouts.idle = words.idle.value_or(config.metering.timeouts.idle);
    config.metering.timeouts.active = words.active.value_or(config.metering.timeouts.active);
    config.metering.timeouts.tcp_end = words.tcp_end.value_or(config.metering.timeouts.tcp_end);
    config.metering.flows_max = words.flows_max.value_or(config.metering.flows_max);
    config.observation.domain_id = words.domain_id.value_or(config.observation.domain_id);
    if (const std::string complaint = timeout_complaint(config.metering); !complaint.empty()) {
        throw std::invalid_argument(complaint);
    }
    return config;
}

namespace {

/// The ingressInterface of observation point number `i`.
std::uint32_t interface_index(const ProbeConfig& config, std::size_t i) {
    const std::uint32_t written = config.observation.points[i].interface_index;
    return written != 0 ? written : static_cast<std::uint32_t>(i + 1);
}

/// Whether some template lists a field of this kind.
bool lists(const std::vector<ipfix::TemplateDescription>& descriptions, FieldKind kind) {
    return std::any_of(descriptions.begin(), descriptions.end(), [&](const auto& one) {
        return std::any_of(one.values.begin(), one.values.end(), [&](const auto& field) {
            const MeterableEntry* entry =
                find_meterable(field.element->enterprise, field.element->id);
            return entry != nullptr && entry->source == ValueSource::application &&
                   field_info(entry->field).kind == kind;
        });
    });
}

/// RFC 7011 section 11: payload is not for everybody on the way to see.
void refuse_cleartext_payload(const ProbeConfig& config) {
    for (const CollectorOptions& collector : config.exporting.collectors) {
        if (to_network(collector.transport) && !has_certificates(collector.transport)) {
            throw std::invalid_argument(fmt::format(
                "a template exports payload, and nothing protects it on its way to {} (RFC 7011 "
                "section 11); send it over tls:// or dtls://, or say metering: {{application: "
                "{{allow_cleartext_payload: true}}}}",
                collector.url));
        }
    }
}

/// Where compiled patterns are kept unless the configuration says: what systemd made for the
/// service, or the user's own cache (XDG Base Directory Specification). Empty: nowhere.
std::string usual_cache() {
    const auto folder = [](const char* variable, const char* below) {
        const char* const value = std::getenv(variable);
        return value != nullptr && *value == '/' ? value + std::string(below) : std::string();
    };
    for (const std::string& one :
         {folder("CACHE_DIRECTORY", ""), folder("XDG_CACHE_HOME", "/parshall"),
          folder("HOME", "/.cache/parshall")}) {
        if (!one.empty()) {
            return one.substr(0, one.find(':'));
        }
    }
    return geteuid() == 0 ? "/var/cache/parshall" : "";
}

ApplicationOptions rule_options(const ProbeConfig& config) {
    ApplicationOptions options = config.metering.labels;
    if (!options.cache) {
        options.cache = usual_cache();
    }
    if (options.rule_files.empty()) {
        options.rule_files = {find_rule_file("applications", "")};
    }
    return options;
}

/// What is in the rule files, to see later whether they changed.
std::string read_rule_texts(const ProbeConfig& config) {
    std::string texts;
    for (const std::string& path : rule_options(config).rule_files) {
        std::ifstream file(path, std::ios::binary);
        texts += path + '\0';
        texts.append(std::istreambuf_iterator<char>(file), {});
        texts += '\0';
    }
    return texts;
}

std::shared_ptr<const ApplicationRules> load_rules(const ProbeConfig& config) {
    const ApplicationOptions options = rule_options(config);
    auto rules = ApplicationRules::load(options);
    for (const std::string& remark : rules->report().remarks) {
        tell_operator(remark);
    }
    return rules;
}

} // namespace

/// A record that fits no datagram whatever the path is the configuration's mistake (RFC 7011
/// section 10.3.3); of variable lengths the shortest counts.
void refuse_oversize_records(const RecordBinding& binding, const ExportOptions& options) {
    const bool datagrams = std::any_of(
        options.collectors.begin(), options.collectors.end(), [](const CollectorOptions& one) {
            return one.transport == TransportKind::udp || one.transport == TransportKind::dtls;
        });
    constexpr std::size_t kEthernetPayload = 1500 - 20 - 8; // the limit when none is said
    const std::size_t payload = options.udp_payload != 0 ? options.udp_payload : kEthernetPayload;
    constexpr std::size_t kHeaders = ipfix::kMessageHeaderOctets + ipfix::kSetHeaderOctets;
    for (const ipfix::TemplateRecord& one : binding.templates()) {
        const std::size_t octets =
            kHeaders + std::max<std::size_t>(one.record_octets(), one.octets().size());
        if (!datagrams || octets <= payload) continue;
        throw std::invalid_argument(
            fmt::format("template {} {} needs messages of {} octets, and datagrams have {}; "
                        "raise exporting: {{udp_payload: ...}} or list fewer elements",
                        one.id(), one.name(), octets, payload));
    }
}

RecordBinding bind_templates(const ProbeConfig& config, const TemplateGeneration* before,
                             std::string* rule_texts) {
    std::vector<ipfix::TemplateDescription> descriptions;
    for (const std::string& file : config.metering.template_files) {
        for (ipfix::TemplateDescription& one : ipfix::load_template_descriptions(file)) {
            descriptions.push_back(std::move(one));
        }
    }
    BindingContext context;
    if (before != nullptr) {
        context.known = before->templates.get();
        context.common = before->binding->common_properties();
    }
    context.domain_id = config.observation.domain_id;
    context.sampling_interval = config.metering.sampling.interval();
    context.active_timeout = config.metering.timeouts.active;
    if (config.exporting.udp_payload != 0) {
        context.record_octets_max = std::max<std::size_t>(
            config.exporting.udp_payload, ipfix::kMessageHeaderOctets + ipfix::kSetHeaderOctets);
        context.record_octets_max -= ipfix::kMessageHeaderOctets + ipfix::kSetHeaderOctets;
    }
    for (std::size_t i = 0; i < config.observation.points.size(); ++i) {
        context.interfaces.push_back(
            {interface_index(config, i),
             static_cast<std::uint8_t>(config.observation.points[i].direction)});
    }
    if (lists(descriptions, FieldKind::octets) &&
        !config.metering.application.allow_cleartext_payload) {
        refuse_cleartext_payload(config);
    }
    if (lists(descriptions, FieldKind::label)) {
        if (rule_texts != nullptr) {
            *rule_texts = read_rule_texts(config); // before: a change in between is seen later
        }
        context.rules = load_rules(config);
    }
    RecordBinding binding(descriptions, context);
    refuse_oversize_records(binding, config.exporting);
    return binding;
}

namespace {

std::unique_ptr<OptionsRecords> make_options_records(const ProbeConfig& config,
                                                     const RecordBinding& binding, bool by_default,
                                                     const TemplateList* known) {
    if (!config.exporting.options_records.value_or(by_default)) {
        return nullptr;
    }
    OptionsContext context{.domain_id = config.observation.domain_id,
                           .domain_name = config.observation.domain_name,
                           .interfaces = {},
                           .rules = binding.rules().get(),
                           .sampling = config.metering.sampling,
                           .common = binding.common_properties().get(),
                           .known = known};
    for (std::size_t i = 0; i < config.observation.points.size(); ++i) {
        const std::string& port = config.observation.points[i].port;
        context.interfaces.push_back(
            {interface_index(config, i), port.substr(0, port.find(',')), port});
    }
    return std::make_unique<OptionsRecords>(binding.templates(), context);
}

} // namespace

TemplateGeneration make_generation(const ProbeConfig& config, bool options_by_default,
                                   const TemplateGeneration* before) {
    TemplateGeneration made;
    const TemplateList* const known = before == nullptr ? nullptr : before->templates.get();
    auto binding =
        std::make_unique<RecordBinding>(bind_templates(config, before, &made.rule_texts));
    made.options_records = make_options_records(config, *binding, options_by_default, known);
    const std::span<const ipfix::TemplateRecord> options_templates =
        made.options_records != nullptr ? made.options_records->templates()
                                        : std::span<const ipfix::TemplateRecord>();
    const TemplateList::Templates templates = {
        binding->templates(), binding->common_properties()->templates(), options_templates};
    made.templates = known == nullptr ? std::make_unique<TemplateList>(templates)
                                      : std::make_unique<TemplateList>(*known, templates);
    binding->place_in(*made.templates);
    made.binding = std::move(binding);
    return made;
}

std::unique_ptr<RecordSink> open_collector(const ProbeConfig& config,
                                           const TemplateGeneration& generation,
                                           const CollectorOptions& collector) {
    return open_sink(collector, config.exporting, config.observation.domain_id,
                     *generation.templates, generation.options_records.get(), tell_operator,
                     SipKey::random().k0, generation.binding->common_properties().get());
}

std::unique_ptr<RecordSink> open_group(const ProbeConfig& config,
                                       const TemplateGeneration& generation, std::size_t group) {
    std::vector<std::unique_ptr<RecordSink>> members;
    for (const CollectorOptions& collector : config.exporting.of_group(group)) {
        members.push_back(open_collector(config, generation, collector));
    }
    return std::make_unique<CollectorGroup>(config.exporting.groups.at(group), std::move(members));
}

std::vector<std::unique_ptr<RecordSink>> open_sinks(const ProbeConfig& config,
                                                    const TemplateGeneration& generation) {
    std::vector<std::unique_ptr<RecordSink>> sinks;
    for (const CollectorOptions& collector : config.exporting.of_group(kNoGroup)) {
        sinks.push_back(open_collector(config, generation, collector));
    }
    for (std::size_t group = 0; group < config.exporting.groups.size(); ++group) {
        sinks.push_back(open_group(config, generation, group));
    }
    return sinks;
}

void tell_operator(const std::string& line) {
    fmt::print(stderr, "parshall: {}\n", line);
}

void print_ledger(const LedgerSnapshot& ledger, const CommandLine& words) {
    if (!words.quiet && words.statistics != StatisticsForm::none) {
        const bool json = words.statistics == StatisticsForm::json;
        fmt::print(stderr, "{}{}", json ? ledger.to_json() : "\n" + ledger.to_text(),
                   json ? "\n" : "");
    }
    if (ledger.settled) {
        for (const std::string& wrong : ledger.proof()) {
            tell_operator("the ledger does not close: " + wrong + "; please report this");
        }
    }
}

} // namespace probe
