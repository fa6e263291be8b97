// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/lcore_plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <string_view>

namespace probe {
namespace {

constexpr std::size_t kLcoresForAllRoles = 3;

/// fmt::join does this too, but g++ 12 warns about fmt 9's own code when it is optimized for speed.
template <class Items>
std::string joined(const Items& items, std::string_view separator) {
    std::string out;
    for (const auto& item : items) {
        out += out.empty() ? "" : separator;
        out += fmt::format("{}", item);
    }
    return out;
}

struct Placement {
    unsigned exporter;
    unsigned housekeeping;
    std::vector<unsigned> workers;
};

unsigned checked(int lcore, const char* role, std::span<const unsigned> enabled) {
    const auto id = static_cast<unsigned>(lcore);
    if (std::find(enabled.begin(), enabled.end(), id) != enabled.end()) {
        return id;
    }
    std::vector<unsigned> sorted(enabled.begin(), enabled.end());
    std::sort(sorted.begin(), sorted.end());
    throw LcorePlanError(
        fmt::format("lcores.{}: lcore {} is not one of the EAL's ({}); name one of these, or start "
                    "with `-l {},{}`",
                    role, id, joined(sorted, ", "), joined(sorted, ","), id));
}

/// The first lcore that none of the written roles takes; else `otherwise`.
unsigned first_free(std::span<const unsigned> enabled, const std::vector<unsigned>& taken,
                    unsigned otherwise) {
    for (const unsigned lcore : enabled) {
        if (std::find(taken.begin(), taken.end(), lcore) == taken.end()) {
            return lcore;
        }
    }
    return otherwise;
}

Placement place(std::span<const unsigned> enabled, const LcoreOptions& options,
                std::size_t queues) {
    Placement placement{};
    std::vector<unsigned> taken;
    for (const int lcore : options.workers) {
        placement.workers.push_back(checked(lcore, "workers", enabled));
    }
    taken = placement.workers;
    const bool has_exporter = options.exporter >= 0;
    const bool has_housekeeping = options.housekeeping >= 0;
    if (has_exporter) {
        taken.push_back(placement.exporter = checked(options.exporter, "exporter", enabled));
    }
    if (has_housekeeping) {
        taken.push_back(placement.housekeeping =
                            checked(options.housekeeping, "housekeeping", enabled));
    }
    // With one or two lcores the first is the worker's. With more, the exporter and housekeeping
    // take at most two, so that one is left for a worker below.
    if (placement.workers.empty() && enabled.size() < kLcoresForAllRoles) {
        placement.workers.push_back(first_free(enabled, taken, enabled.front()));
        taken.push_back(placement.workers.front());
    }
    if (!has_exporter) {
        placement.exporter =
            first_free(enabled, taken, has_housekeeping ? placement.housekeeping : enabled.front());
        taken.push_back(placement.exporter);
    }
    if (!has_housekeeping) {
        placement.housekeeping = first_free(enabled, taken, placement.exporter);
        taken.push_back(placement.housekeeping);
    }
    for (const unsigned lcore : enabled) {
        const bool wanted = options.workers.empty() && placement.workers.size() < queues;
        if (wanted && std::find(taken.begin(), taken.end(), lcore) == taken.end()) {
            placement.workers.push_back(lcore);
        }
    }
    return placement;
}

void deal_queues(LcorePlan& plan, std::span<const std::uint16_t> queues_per_point) {
    const std::size_t workers = plan.workers.size();
    const bool by_number = std::all_of(queues_per_point.begin(), queues_per_point.end(),
                                       [workers](std::uint16_t n) { return n >= workers; });
    std::size_t dealt = 0;
    for (std::size_t point = 0; point < queues_per_point.size(); ++point) {
        for (std::uint16_t queue = 0; queue < queues_per_point[point]; ++queue, ++dealt) {
            plan.workers[(by_number ? queue : dealt) % workers].queues.push_back(
                {static_cast<std::uint16_t>(point), queue});
        }
    }
    if (!by_number && queues_per_point.size() > 1) {
        plan.warnings.emplace_back(
            "the points have fewer queues than there are workers: the two directions of a flow "
            "that "
            "arrive on different points are metered apart; give every point as many queues as "
            "workers "
            "where that matters");
    }
}

} // namespace

LcorePlan plan_lcores(std::span<const unsigned> eal_lcores, const LcoreOptions& options,
                      std::span<const std::uint16_t> queues_per_point) {
    const std::size_t queues =
        std::accumulate(queues_per_point.begin(), queues_per_point.end(), std::size_t{0});
    if (eal_lcores.empty() || queues == 0) {
        throw LcorePlanError(
            "there is no receive queue to read: name a port in observation.points");
    }
    if (options.workers.size() > queues) {
        throw LcorePlanError(
            fmt::format("lcores.workers: {} workers, but only {} receive queue{}; name fewer "
                        "workers, or give the "
                        "points more `queues`",
                        options.workers.size(), queues, queues == 1 ? "" : "s"));
    }
    const Placement placement = place(eal_lcores, options, queues);

    LcorePlan plan;
    for (const unsigned lcore : eal_lcores) {
        LcoreRoles roles{.lcore = lcore};
        const auto worker = std::find(placement.workers.begin(), placement.workers.end(), lcore);
        if (worker != placement.workers.end()) {
            roles.worker = static_cast<int>(worker - placement.workers.begin());
        }
        roles.housekeeping = placement.housekeeping == lcore;
        roles.exporter = placement.exporter == lcore;
        if (roles.worker != kNoWorker || roles.housekeeping || roles.exporter) {
            plan.lcores.push_back(roles);
        } else {
            plan.unused.push_back(lcore);
        }
    }
    for (const unsigned lcore : placement.workers) {
        plan.workers.push_back({lcore, {}});
    }
    deal_queues(plan, queues_per_point);
    return plan;
}

std::string to_table(const LcorePlan& plan, std::span<const std::string> point_names) {
    std::string table = "lcore  roles                             queues\n";
    for (const LcoreRoles& roles : plan.lcores) {
        std::vector<std::string> names;
        std::vector<std::string> queues;
        if (roles.worker != kNoWorker) {
            names.push_back(fmt::format("worker {}", roles.worker));
            for (const PlannedQueue& queue :
                 plan.workers[static_cast<std::size_t>(roles.worker)].queues) {
                queues.push_back(fmt::format("{}/{}", point_names[queue.point], queue.queue));
            }
        }
        if (roles.housekeeping) {
            names.emplace_back("housekeeping");
        }
        if (roles.exporter) {
            names.emplace_back("exporter");
        }
        std::string line =
            fmt::format("{:>5}  {:<32}  {}", roles.lcore, joined(names, ", "), joined(queues, " "));
        line.erase(line.find_last_not_of(' ') + 1);
        table += line + '\n';
    }
    if (!plan.unused.empty()) {
        table += fmt::format("unused: {} (no queue is left for {})\n", joined(plan.unused, ", "),
                             plan.unused.size() == 1 ? "it" : "them");
    }
    return table;
}

} // namespace probe
