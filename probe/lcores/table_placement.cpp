// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/table_placement.hpp"

#include <fmt/format.h>

#include <map>

namespace probe {

namespace {

[[nodiscard]] int common_node(const WorkerPlan& worker, std::span<const int> point_nodes,
                              bool& differ) {
    int node = kAnyNode;
    for (const PlannedQueue& queue : worker.queues) {
        const int its = point_nodes[queue.point];
        differ = differ || (node != kAnyNode && its != kAnyNode && its != node);
        node = its != kAnyNode ? its : node;
    }
    return differ ? kAnyNode : node;
}

[[nodiscard]] std::string joined(const std::vector<std::size_t>& workers) {
    std::string text;
    for (std::size_t i = 0; i < workers.size(); ++i) {
        text += i == 0 ? "" : i + 1 == workers.size() ? " and " : ", ";
        text += std::to_string(workers[i]);
    }
    return text;
}

} // namespace

TablePlacement place_tables(const LcorePlan& plan, std::span<const int> point_nodes,
                            std::span<const int> worker_nodes) {
    TablePlacement placement;
    for (std::size_t w = 0; w < plan.workers.size(); ++w) {
        bool differ = false;
        const int ports = common_node(plan.workers[w], point_nodes, differ);
        const int own = worker_nodes[w];
        placement.nodes.push_back(ports != kAnyNode ? ports : own);
        if (differ) {
            placement.warnings.push_back(fmt::format(
                "worker {} reads ports of different NUMA nodes, so that some of its packets cross "
                "between sockets; give each node's ports a worker of that node",
                w));
        } else if (ports != kAnyNode && own != kAnyNode && ports != own) {
            placement.warnings.push_back(fmt::format(
                "worker {} runs on lcore {} of NUMA node {}, but its port and its flow table are "
                "on node {}: every packet crosses between sockets; take an lcore of node {} (-l, "
                "lcores.workers)",
                w, plan.workers[w].lcore, own, ports, ports));
        }
    }
    return placement;
}

std::string to_line(const TablePlacement& placement, const std::string& pages) {
    std::map<int, std::vector<std::size_t>> workers_by_node;
    for (std::size_t w = 0; w < placement.nodes.size(); ++w) {
        workers_by_node[placement.nodes[w]].push_back(w);
    }
    std::string line;
    for (const auto& [node, workers] : workers_by_node) {
        line += fmt::format("{} {} on {}", line.empty() ? "flow tables: worker" : ", worker",
                            joined(workers),
                            node == kAnyNode ? "any NUMA node" : fmt::format("NUMA node {}", node));
    }
    return line + "; " + pages;
}

} // namespace probe
