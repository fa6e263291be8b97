// SPDX-License-Identifier: BSD-3-Clause
// `parshall check FILE`: validates a configuration or a template file, and prints what would go on
// the wire and what memory it would take. Needs no EAL, no root, no hugepages.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "encoder/message_builder.hpp"
#include "encoder/yaml_document.hpp"
#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/exporting/netflow_messages.hpp"
#include "probe/lcores/worker.hpp"
#include "probe/metering/flow_index.hpp"

namespace probe {

namespace {

constexpr std::size_t kUdpPayloadAt1500 = 1500 - 28; // IPv4; 20 octets less over IPv6

/// The longest record of a template.
std::size_t octets_max(const RecordBinding& binding, std::size_t template_index) {
    std::size_t most = 0;
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        const auto& templates = binding.metering_plan().lane(family).templates();
        for (unsigned number = 0; number < templates.size(); ++number) {
            if (templates[number].request == template_index) {
                most = std::max(most, binding.encoding_plan(family, number).octets_max());
            }
        }
    }
    return most;
}

/// What a collector gains that copies records into structs.
void print_alignment(const ipfix::TemplateRecord& record) {
    const std::size_t off = record.misaligned_fields();
    if (off == 0) {
        fmt::print("  alignment: every field of fixed length lies on its own boundary\n\n");
        return;
    }
    std::vector<ipfix::FieldSpecifier> fields(record.fields().begin(), record.fields().end());
    std::sort(fields.begin(), fields.end(), ipfix::canonically_before);
    const ipfix::TemplateRecord canonical(record.id(), record.name(), std::move(fields));
    fmt::print(
        "  alignment: {} of {} fields do not lie on their own boundary; with "
        "`order: canonical`, {}\n\n",
        off, record.fields().size(), canonical.misaligned_fields());
}

void print_template(const ipfix::TemplateRecord& record, const TemplateRequest& request,
                    std::size_t octets_max) {
    fmt::print("template {} {} ({}, {}{})\n", record.id(), record.name(),
               request.biflow ? "biflow" : "uniflow",
               request.for_ipv4 ? (request.for_ipv6 ? "IPv4 and IPv6" : "IPv4") : "IPv6",
               request.filter.empty() ? std::string() : ", filter \"" + request.filter + "\"");
    fmt::print("  {:>6} {:>6}  {:>6} {:>5}  {:<36} {:<22} {}\n", "offset", "octets", "pen", "id",
               "name", "type", "");
    bool offsets_known = true;
    for (std::size_t i = 0; i < record.fields().size(); ++i) {
        const ipfix::FieldSpecifier& field = record.fields()[i];
        const bool variable = field.length == ipfix::kVariableLength;
        fmt::print("  {:>6} {:>6}  {:>6} {:>5}  {:<36} {:<22} {}\n",
                   offsets_known ? std::to_string(record.offset(i)) : "-",
                   variable ? "var" : std::to_string(field.length),
                   field.reverse ? ipfix::kReversePen : field.element->enterprise,
                   field.element->id, field.name(), ipfix::type_name(field.element->type),
                   field.key ? "key" : "");
        offsets_known = offsets_known && !variable;
    }
    const std::size_t overhead = ipfix::kMessageHeaderOctets + ipfix::kSetHeaderOctets;
    const std::size_t record_octets = record.record_octets();
    fmt::print(
        "  {}{} octets a record{}; {} records a message of {} octets (UDP over an MTU of 1500), {} "
        "of 512\n",
        record.fixed_length() ? "" : "at least ", record_octets,
        record.fixed_length() ? std::string() : fmt::format(" and at most {}", octets_max),
        (kUdpPayloadAt1500 - overhead) / record_octets, kUdpPayloadAt1500,
        (512 - overhead) / record_octets);
    print_alignment(record);
}

/// What goes on the wire besides the templates that were listed.
void print_companions(const RecordBinding& binding) {
    for (const ipfix::TemplateRecord& one :
         binding.templates().subspan(binding.listed_templates())) {
        fmt::print(
            "template {} {}: for records that do not fit, every value in full length; {}{} octets "
            "a record\n\n",
            one.id(), one.name(), one.fixed_length() ? "" : "at least ", one.record_octets());
    }
    for (const ipfix::TemplateRecord& one : binding.common_properties()->templates()) {
        std::string names;
        for (const ipfix::FieldSpecifier& field : one.fields().subspan(1)) {
            names += (names.empty() ? "" : ", ") + field.name();
        }
        fmt::print("options template {} {}: {} by commonPropertiesId\n\n", one.id(), one.name(),
                   names);
    }
}

void print_memory(const RecordBinding& binding, const MeteringOptions& metering) {
    const MeteringPlan& plan = binding.metering_plan();
    const auto shares = lane_shares(plan, metering, metering.flows_max);
    fmt::print("memory for {} flows, fixed at start\n", metering.flows_max);
    fmt::print("  {:<6} {:>12} {:>12} {:>14} {:>12} {:>12}\n", "family", "flows", "key octets",
               "record octets", "a flow", "in all");
    std::size_t total = 0;
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        const LanePlan& lane = plan.lane(family);
        if (!lane.used()) {
            continue;
        }
        const std::size_t flows = shares[static_cast<std::size_t>(family)];
        const std::size_t octets = lane_memory_octets(lane, flows, 0);
        const std::size_t queue = std::size_t{metering.record_queue} * lane.layout().record_octets;
        total += octets + queue;
        fmt::print("  {:<6} {:>12} {:>12} {:>14} {:>12.1f} {:>9.1f} MB\n",
                   family == IpFamily::ipv4 ? "IPv4" : "IPv6", flows, lane.key_octets(),
                   lane.layout().stride, static_cast<double>(octets) / static_cast<double>(flows),
                   static_cast<double>(octets) / 1048576.0);
        fmt::print(
            "  {:<6} {:>12} records of {} octets on the way to the exporter, a worker {:>11.1f} "
            "MB\n",
            "", metering.record_queue, lane.layout().record_octets,
            static_cast<double>(queue) / 1048576.0);
    }
    if (!plan.application_fields().empty()) {
        const ApplicationMeterOptions share = application_share(plan, metering, 1);
        const std::size_t octets = ApplicationMeter::memory_octets(share);
        total += octets;
        fmt::print("  layer 7: {} flows under inspection, {:.1f} MB for results {:>27.1f} MB\n",
                   share.flows_max, static_cast<double>(share.result_octets) / 1048576.0,
                   static_cast<double>(octets) / 1048576.0);
    }
    fmt::print("  {:.1f} MB with one worker\n", static_cast<double>(total) / 1048576.0);
}

void print_collector(const CollectorOptions& collector, const char* before) {
    fmt::print("{}collector {}", before, collector.url);
    if (collector.records_per_second != 0) {
        fmt::print(", at most {} records a second", collector.records_per_second);
    }
    if (collector.bits_per_second != 0) {
        fmt::print(", at most {} bits a second", collector.bits_per_second);
    }
    if (!collector.spool.directory.empty()) {
        fmt::print(", up to {:.0f} MB wait in {}",
                   static_cast<double>(collector.spool.octets_max) / 1048576.0,
                   collector.spool.directory);
    }
    fmt::print("\n");
}

void print_collectors(const ExportOptions& exporting) {
    for (const CollectorOptions& collector : exporting.of_group(kNoGroup)) {
        print_collector(collector, "");
    }
    for (std::size_t g = 0; g < exporting.groups.size(); ++g) {
        const CollectorGroupOptions& group = exporting.groups[g];
        fmt::print("group, {}{}\n", kDistributionNames[static_cast<std::size_t>(group.distribute)],
                   group.distribute == Distribution::flow_hash
                       ? std::string()
                       : fmt::format(", the queue of one that is away goes to another after {}",
                                     ipfix::duration_text(group.failover_after)));
        for (const CollectorOptions& collector : exporting.of_group(g)) {
            print_collector(collector, "  ");
        }
    }
}

} // namespace

int check_command(const CommandLine& words) {
    ProbeConfig config = default_probe_config();
    // A file of templates alone is as good a thing to check as a whole configuration.
    const ipfix::YamlNode root = ipfix::YamlNode::load_file(words.config);
    if (root.has("templates") && !root.has("metering")) {
        config.metering.template_files = {words.config};
    } else {
        config = assemble_config(words);
    }
    const RecordBinding binding = bind_templates(config);
    for (std::size_t i = 0; i < binding.listed_templates(); ++i) {
        print_template(binding.templates()[i], binding.metering_plan().requests()[i],
                       octets_max(binding, i));
    }
    print_companions(binding);
    print_memory(binding, config.metering);
    for (const CollectorOptions& collector : config.exporting.collectors) {
        static_cast<void>(make_netflow_messages(collector.format, config.observation.domain_id,
                                                binding.templates())); // refuses what it must
    }
    print_collectors(config.exporting);
    for (const ObservationPointOptions& point : config.observation.points) {
        fmt::print("port {}, {} queue{}\n", point.port, point.queues, point.queues == 1 ? "" : "s");
    }
    fmt::print("{}: ok\n", words.config);
    return kExitDone;
}

} // namespace probe
