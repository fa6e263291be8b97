// SPDX-License-Identifier: BSD-3-Clause
// Who runs where: roles on lcores and receive queues on workers. A pure function, so that a map for
// forty lcores is tested on a laptop.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace probe {

/// What an operator says about lcores.
/// Lcore ids by role; empty: by default (1: all; 2: worker, rest; 3 and more: exporter,
/// housekeeping, workers).
struct LcoreOptions {
    int exporter = -1;
    int housekeeping = -1;
    std::vector<int> workers;
    friend bool operator==(const LcoreOptions&, const LcoreOptions&) = default;
};

/// A map that cannot be: one sentence with the remedy (exit code 2).
class LcorePlanError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

struct PlannedQueue {
    std::uint16_t point; ///< 0-based position in observation.points
    std::uint16_t queue;
};

inline constexpr int kNoWorker = -1;

/// The roles of one lcore, run in turn: worker, then housekeeping, then exporter.
struct LcoreRoles {
    unsigned lcore;
    int worker = kNoWorker; ///< index into LcorePlan::workers
    bool housekeeping = false;
    bool exporter = false;
};

struct WorkerPlan {
    unsigned lcore;
    std::vector<PlannedQueue> queues; ///< polled in turn
};

struct LcorePlan {
    std::vector<LcoreRoles> lcores; ///< only those with a role, the main lcore first if it has one
    std::vector<WorkerPlan> workers;
    std::vector<unsigned> unused; ///< enabled in the EAL, but nothing is left to do
    std::vector<std::string> warnings;
};

/// `eal_lcores`: enabled, main first (EalSession::lcores). `queues_per_point`: receive queues of
/// each observation point. By default 1 lcore runs all roles; 2: worker | housekeeping and
/// exporter; 3 and more: exporter | housekeeping | workers, at most one a queue. Roles named in
/// `options` are placed as written, and may share an lcore. Where every point has as many queues as
/// there are workers or more, queue n of every point goes to the same worker, so that the two ports
/// of a tap meet; otherwise the queues are dealt out in turn.
[[nodiscard]] LcorePlan plan_lcores(std::span<const unsigned> eal_lcores,
                                    const LcoreOptions& options,
                                    std::span<const std::uint16_t> queues_per_point);

/// A table for the operator, one line an lcore. `point_names` as in observation.points.
[[nodiscard]] std::string to_table(const LcorePlan& plan, std::span<const std::string> point_names);

} // namespace probe
