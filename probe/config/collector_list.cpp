// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/collector_list.hpp"

#include <fmt/core.h>

#include <stdexcept>

#include "probe/config/collector_mapping.hpp"
#include "probe/config/yaml_values.hpp"

namespace probe {
namespace {

using ipfix::YamlNode;

void add_collector(const YamlNode& item, std::size_t group, ExportOptions& options) {
    try {
        CollectorOptions collector = read_collector(item);
        collector.group = group;
        for (const CollectorOptions& other : options.collectors) {
            if (other.url == collector.url) {
                throw std::invalid_argument(fmt::format(
                    "'{}' is in the list already; a collector gets one copy", collector.url));
            }
            if (collector.path == "-" && other.path == "-") {
                throw std::invalid_argument(fmt::format(
                    "'{}' and '{}' would mix on standard output; write one of them to a file",
                    other.url, collector.url));
            }
        }
        options.collectors.push_back(std::move(collector));
    } catch (const std::invalid_argument& refused) {
        throw item.error(refused.what());
    }
}

void add_group(const YamlNode& item, ExportOptions& options) {
    item.check_keys({"distribute", "failover_after", "collectors"});
    CollectorGroupOptions group;
    group.distribute = static_cast<Distribution>(
        item.at("distribute").as_one_of({"round_robin", "flow_hash", "failover"}));
    if (item.has("failover_after") && group.distribute == Distribution::flow_hash) {
        throw item.key_error("failover_after",
                             "with flow_hash a collector keeps its flows; leave the key out");
    }
    take_duration(item, "failover_after", group.failover_after, {0, kNsPerHour});
    const std::vector<YamlNode> list = item.at("collectors").list();
    if (list.size() < 2) {
        throw item.at("collectors")
            .error("a group has two collectors or more; write a single one without a group");
    }
    for (const YamlNode& one : list) {
        if (one.is_map() && one.has("distribute")) {
            throw one.error("a group stands in the list of collectors, not in another group");
        }
        add_collector(one, options.groups.size(), options);
    }
    options.groups.push_back(group);
}

} // namespace

void read_collectors(const YamlNode& list, ExportOptions& options) {
    for (const YamlNode& item : list.list_or_one()) {
        if (item.is_map() && (item.has("distribute") || item.has("collectors"))) {
            add_group(item, options);
        } else {
            add_collector(item, kNoGroup, options);
        }
    }
}

} // namespace probe
