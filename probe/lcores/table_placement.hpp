// SPDX-License-Identifier: BSD-3-Clause
// On which NUMA node each worker's flow table lies, and what of that costs packets. A pure
// function, like the lcore plan, so that a server with two sockets is tested on a laptop.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "probe/lcores/lcore_plan.hpp"

namespace probe {

inline constexpr int kAnyNode = -1; ///< as DPDK says it (SOCKET_ID_ANY)

/// The table lies where the NIC writes its packets: on the node of the worker's ports, or where
/// these differ or have none (a virtual device), on the worker's own.
struct TablePlacement {
    std::vector<int> nodes;            ///< by worker
    std::vector<std::string> warnings; ///< a worker far from its port or its table, with the remedy
};

/// `point_nodes`: NUMA node of each observation point's port. `worker_nodes`: of each worker's
/// lcore.
[[nodiscard]] TablePlacement place_tables(const LcorePlan& plan, std::span<const int> point_nodes,
                                          std::span<const int> worker_nodes);

/// For the operator, e.g. "flow tables: worker 0 and 1 on NUMA node 0, 2 on node 1; 2 MB pages".
[[nodiscard]] std::string to_line(const TablePlacement& placement, const std::string& pages);

} // namespace probe
