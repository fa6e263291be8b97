// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/probe_config.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include "encoder/yaml_document.hpp"
#include "probe/application/application_fields.hpp"
#include "probe/application/application_label.hpp"
#include "probe/config/collector_list.hpp"
#include "probe/config/yaml_values.hpp"

namespace probe {
namespace {

using ipfix::YamlNode;

constexpr std::uint32_t kRecordQueueMin = 64;
constexpr std::uint32_t kRecordQueueMax = 16'777'216;
constexpr std::uint16_t kQueuesMax = 1024; // RTE_MAX_QUEUES_PER_PORT
constexpr std::uint16_t kDescriptorsMin = 32;
constexpr std::uint16_t kDescriptorsMax = 32'768;
constexpr std::uint16_t kMtuMin = 68;          // RFC 791
constexpr std::size_t kPortNameOctetsMax = 63; // RTE_ETH_NAME_MAX_LEN less its zero
constexpr std::uint32_t kUdpPayloadMin = 128;  // a message header, a set header, a small record
constexpr std::uint32_t kUdpPayloadMax = 65'507;
constexpr std::uint32_t kTemplateCopiesMax = 10;
constexpr int kLcoresMax = 1024;
constexpr std::uint32_t kApplicationFlowsMax = 4'194'304;
constexpr std::uint16_t kLabelOctetsStep = 32;
constexpr std::uint32_t kHellosMax = 1'048'576;
constexpr std::uint16_t kPayloadPacketsMax = 1'000;
constexpr std::uint32_t kPayloadOctetsMin = 64;
constexpr std::uint32_t kPayloadOctetsMax = 1'048'576;
constexpr std::uint64_t kResultOctetsMin = 65'536;
constexpr std::uint64_t kResultOctetsMax = std::uint64_t{64} << 30;
constexpr std::uint64_t kQueueOctetsMin = 65'536;

/// Without the arguments of a virtual device.
std::string port_name(const std::string& port) {
    return port.substr(0, port.find(','));
}

/// A PCI address, or the name of a virtual device, perhaps with its arguments.
std::string read_port(const YamlNode& node) {
    std::string port = node.as_string();
    const std::string name = port_name(port);
    if (name.size() > kPortNameOctetsMax) {
        throw node.error(
            fmt::format("expected a port's name of at most {} characters", kPortNameOctetsMax));
    }
    if (name.find_first_not_of("0123456789") == std::string::npos) {
        throw node.error(
            fmt::format("ports are named, not numbered; write the PCI address (as "
                        "0000:01:00.0, in quotes) or a virtual device's name, not {}",
                        name));
    }
    if (port.find_first_of(" \t") != std::string::npos) {
        throw node.error(fmt::format("a port's name has no spaces, found '{}'", port));
    }
    const bool is_virtual = name.starts_with("net_") || name.starts_with("eth_");
    if (!is_virtual && name.find_first_of(":.") == std::string::npos) {
        throw node.error(
            fmt::format("'{}' looks like a kernel's interface; write "
                        "net_af_packet0,iface={} to read it through the kernel, or the PCI "
                        "address of the port",
                        name, name));
    }
    return port;
}

ObservationPointOptions read_point(const YamlNode& node) {
    node.check_keys(
        {"port", "queues", "descriptors", "interface_index", "direction", "promiscuous", "mtu"});
    ObservationPointOptions point;
    point.port = read_port(node.at("port"));
    take_uint(node, "queues", point.queues, 1, kQueuesMax);
    take_uint(node, "descriptors", point.descriptors, kDescriptorsMin, kDescriptorsMax);
    take_uint(node, "interface_index", point.interface_index, 1);
    take_uint(node, "mtu", point.mtu, kMtuMin);
    when(node, "direction", [&](const YamlNode& value) {
        point.direction = static_cast<ObservationDirection>(value.as_one_of({"ingress", "egress"}));
    });
    when(node, "promiscuous", [&](const YamlNode& value) { point.promiscuous = value.as_bool(); });
    return point;
}

void read_observation(const YamlNode& node, ObservationOptions& options) {
    node.check_keys({"domain_id", "domain_name", "eal", "points"});
    take_uint(node, "domain_id", options.domain_id, 0);
    when(node, "domain_name",
         [&](const YamlNode& name) { options.domain_name = name.as_string(); });
    when(node, "eal", [&](const YamlNode& list) {
        for (const YamlNode& word : list.list()) {
            if (word.as_string() == "--") {
                throw word.error("the list ends with the EAL's last argument; leave out '--'");
            }
            options.eal.push_back(word.as_string());
        }
    });
    when(node, "points", [&](const YamlNode& list) {
        for (const YamlNode& item : list.list()) {
            ObservationPointOptions point = read_point(item);
            for (const ObservationPointOptions& other : options.points) {
                if (port_name(other.port) == port_name(point.port)) {
                    throw item.at("port").error(
                        fmt::format("{} is observed already; a port is one observation point, give "
                                    "it more `queues`",
                                    port_name(point.port)));
                }
            }
            options.points.push_back(std::move(point));
        }
    });
}

void read_application(const YamlNode& node, MeteringOptions& options,
                      const std::string& directory) {
    node.check_keys({"flows_max", "result_octets", "hellos", "payload_packets", "payload_octets",
                     "head_octets", "allow_cleartext_payload", "rules", "cache", "pattern_packets",
                     "pattern_octets", "enterprise_number"});
    InspectionOptions& inspection = options.application;
    take_uint(node, "flows_max", inspection.flows_max, 1, kApplicationFlowsMax);
    take_uint(node, "hellos", inspection.hellos, 1, kHellosMax);
    take_uint(node, "payload_packets", inspection.payload_packets, 1, kPayloadPacketsMax);
    take_uint(node, "payload_octets", inspection.payload_octets, kPayloadOctetsMin,
              kPayloadOctetsMax);
    take_uint(node, "head_octets", inspection.head_octets, 1, kPayloadHeadMax);
    when(node, "allow_cleartext_payload",
         [&](const YamlNode& value) { inspection.allow_cleartext_payload = value.as_bool(); });
    when(node, "result_octets", [&](const YamlNode& value) {
        inspection.result_octets = value.as_size(kResultOctetsMin, kResultOctetsMax);
    });
    ApplicationOptions& labels = options.labels;
    take_uint(node, "pattern_packets", labels.payload_packets_max, 1, kLabelPacketsMax);
    take_uint(node, "pattern_octets", labels.payload_octets_max, kLabelOctetsStep, kLabelOctetsMax);
    take_uint(node, "enterprise_number", labels.enterprise_number, 1);
    when(node, "cache", [&](const YamlNode& value) { labels.cache = value.as_string(); });
    when(node, "rules", [&](const YamlNode& list) {
        for (const YamlNode& item : list.list_or_one()) {
            try {
                labels.rule_files.push_back(find_rule_file(item.as_string(), directory));
            } catch (const std::invalid_argument& refused) {
                throw item.error(refused.what());
            }
        }
        if (labels.rule_files.empty()) {
            throw list.error(
                "at least one file of rules is needed; write [applications], or leave "
                "the key out");
        }
    });
}

/// {every: 100}, or {one_of: 100, seed: 1}.
SamplingOptions read_sampling(const YamlNode& node) {
    node.check_keys({"every", "one_of", "seed"});
    SamplingOptions sampling;
    if (node.has("every") == node.has("one_of")) {
        throw node.error(
            "expected `every: N` (the first of each N packets) or `one_of: N` (one of each N, by "
            "chance)");
    }
    const char* const key = node.has("every") ? "every" : "one_of";
    sampling.method = node.has("every") ? SamplingMethod::systematic : SamplingMethod::random;
    take_uint(node, key, sampling.population, 2);
    take_uint(node, "seed", sampling.seed, 1);
    if (node.has("seed") && sampling.method != SamplingMethod::random) {
        throw node.key_error("seed",
                             "only `one_of` leaves something to chance; leave out the seed");
    }
    return sampling;
}

void read_metering(const YamlNode& node, MeteringOptions& options, const std::string& directory) {
    node.check_keys({"flows_max", "ipv6_share", "timeouts", "sweep", "when_full", "templates",
                     "application", "sampling", "record_queue"});
    when(node, "application",
         [&](const YamlNode& value) { read_application(value, options, directory); });
    take_uint(node, "flows_max", options.flows_max, kFlowsMin, kFlowsMax);
    take_uint(node, "record_queue", options.record_queue, kRecordQueueMin, kRecordQueueMax);
    take_duration(node, "sweep", options.sweep, {10 * kNsPerMs, 60 * kNsPerSecond});
    when(node, "ipv6_share",
         [&](const YamlNode& value) { options.ipv6_share = value.as_double(0, 1); });
    when(node, "sampling",
         [&](const YamlNode& sampling) { options.sampling = read_sampling(sampling); });
    when(node, "when_full", [&](const YamlNode& value) {
        options.when_full = static_cast<WhenFull>(value.as_one_of({"evict", "refuse"}));
    });
    when(node, "timeouts", [&](const YamlNode& timeouts) {
        timeouts.check_keys({"idle", "active", "tcp_end"});
        take_duration(timeouts, "idle", options.timeouts.idle, kIdleLimits);
        take_duration(timeouts, "active", options.timeouts.active, kActiveLimits);
        take_duration(timeouts, "tcp_end", options.timeouts.tcp_end, kTcpEndLimits, true);
    });
    if (const std::string complaint = timeout_complaint(options); !complaint.empty()) {
        throw node.error(complaint);
    }
    when(node, "templates", [&](const YamlNode& list) {
        options.template_files.clear();
        for (const YamlNode& item : list.list_or_one()) {
            try {
                const std::string file = find_template_file(item.as_string(), directory);
                auto& files = options.template_files;
                if (std::find(files.begin(), files.end(), file) != files.end()) {
                    throw std::invalid_argument(
                        fmt::format("'{}' is in the list already; leave it out", item.as_string()));
                }
                files.push_back(file);
            } catch (const std::invalid_argument& refused) {
                throw item.error(refused.what());
            }
        }
        if (options.template_files.empty()) {
            throw list.error(
                "at least one template is needed; write [default], or leave the key out");
        }
    });
}

void read_exporting(const YamlNode& node, ExportOptions& options) {
    node.check_keys({"collectors", "template_refresh", "template_refresh_messages",
                     "template_copies", "set_padding", "message_delay", "options_records",
                     "options_interval", "queue_octets", "reconnect_min", "reconnect_max",
                     "peer_timeout", "udp_payload", "shutdown"});
    when(node, "options_records",
         [&](const YamlNode& value) { options.options_records = value.as_bool(); });
    take_duration(node, "options_interval", options.options_interval,
                  {kNsPerSecond, 24 * kNsPerHour}, true);
    when(node, "collectors", [&](const YamlNode& list) { read_collectors(list, options); });
    take_duration(node, "template_refresh", options.template_refresh,
                  {kNsPerSecond, 24 * kNsPerHour});
    take_uint(node, "template_refresh_messages", options.template_refresh_messages, 0);
    take_uint(node, "template_copies", options.template_copies, 1, kTemplateCopiesMax);
    when(node, "set_padding", [&](const YamlNode& value) {
        options.set_padding =
            static_cast<std::uint16_t>(1U << value.as_one_of({"1", "2", "4", "8"}));
    });
    take_duration(node, "message_delay", options.message_delay, {kNsPerMs, 60 * kNsPerSecond});
    take_duration(node, "reconnect_min", options.reconnect_min, {10 * kNsPerMs, kNsPerHour});
    take_duration(node, "reconnect_max", options.reconnect_max, {10 * kNsPerMs, 24 * kNsPerHour});
    take_duration(node, "peer_timeout", options.peer_timeout, {3 * kNsPerSecond, kNsPerHour});
    take_duration(node, "shutdown", options.shutdown, {0, 300 * kNsPerSecond});
    when(node, "queue_octets", [&](const YamlNode& value) {
        options.queue_octets = static_cast<std::uint32_t>(
            value.as_size(kQueueOctetsMin, std::numeric_limits<std::uint32_t>::max()));
    });
    when(node, "udp_payload", [&](const YamlNode& value) {
        options.udp_payload = static_cast<std::uint32_t>(value.as_uint(0, kUdpPayloadMax));
        if (options.udp_payload != 0 && options.udp_payload < kUdpPayloadMin) {
            throw value.error(
                fmt::format("expected 0 (by the route's MTU) or {} to {} octets, found {}",
                            kUdpPayloadMin, kUdpPayloadMax, options.udp_payload));
        }
    });
    // one of the two alone moves the other along
    if (node.find("reconnect_min") && !node.find("reconnect_max")) {
        options.reconnect_max = std::max(options.reconnect_min, options.reconnect_max);
    }
    if (!node.find("reconnect_min") && node.find("reconnect_max")) {
        options.reconnect_min = std::min(options.reconnect_min, options.reconnect_max);
    }
    if (options.reconnect_max < options.reconnect_min) {
        throw node.error(
            fmt::format("reconnect_max ({}) is less than reconnect_min ({}); write it at "
                        "least as long",
                        ipfix::duration_text(options.reconnect_max),
                        ipfix::duration_text(options.reconnect_min)));
    }
}

void read_lcores(const YamlNode& node, LcoreOptions& options) {
    node.check_keys({"exporter", "housekeeping", "workers"});
    take_uint(node, "exporter", options.exporter, 0, kLcoresMax - 1);
    take_uint(node, "housekeeping", options.housekeeping, 0, kLcoresMax - 1);
    when(node, "workers", [&](const YamlNode& list) {
        for (const YamlNode& item : list.list_or_one()) {
            const int lcore = static_cast<int>(item.as_uint(0, kLcoresMax - 1));
            if (std::find(options.workers.begin(), options.workers.end(), lcore) !=
                options.workers.end()) {
                throw item.error(
                    fmt::format("lcore {} is a worker already; name each lcore once", lcore));
            }
            options.workers.push_back(lcore);
        }
        if (options.workers.empty()) {
            throw list.error("at least one worker is needed; write [2], or leave the key out");
        }
    });
}

} // namespace

ProbeConfig default_probe_config() {
    ProbeConfig config;
    config.metering.template_files = {find_template_file("default", "")};
    return config;
}

ProbeConfig load_probe_config(const std::string& path) {
    const YamlNode root = YamlNode::load_file(path);
    root.check_keys({"observation", "metering", "exporting", "lcores"});
    ProbeConfig config;
    config.file = path;
    const std::string directory = std::filesystem::path(path).parent_path();
    when(root, "observation",
         [&](const YamlNode& node) { read_observation(node, config.observation); });
    when(root, "metering",
         [&](const YamlNode& node) { read_metering(node, config.metering, directory); });
    when(root, "exporting", [&](const YamlNode& node) { read_exporting(node, config.exporting); });
    when(root, "lcores", [&](const YamlNode& node) { read_lcores(node, config.lcores); });
    if (config.metering.template_files.empty()) {
        config.metering.template_files = {find_template_file("default", "")};
    }
    return config;
}

std::string timeout_complaint(const MeteringOptions& options) {
    const TimeNs shortest = std::min(options.timeouts.idle, options.timeouts.active);
    if (options.sweep > shortest) {
        return fmt::format(
            "the sweep ({}) is longer than the {} timeout ({}), which it could not keep; "
            "write sweep: {} or less",
            ipfix::duration_text(options.sweep),
            options.timeouts.idle <= options.timeouts.active ? "idle" : "active",
            ipfix::duration_text(shortest), ipfix::duration_text(shortest));
    }
    return {};
}

} // namespace probe
