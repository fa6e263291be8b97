// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/table_placement.hpp"

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

/// Two points of two queues each, two workers on lcores 4 and 5.
LcorePlan one_point_each() {
    LcorePlan plan;
    plan.workers = {{4, {{0, 0}, {0, 1}}}, {5, {{1, 0}, {1, 1}}}};
    return plan;
}

LcorePlan both_points_each() {
    LcorePlan plan;
    plan.workers = {{4, {{0, 0}, {1, 0}}}, {5, {{0, 1}, {1, 1}}}};
    return plan;
}

TablePlacement place(const LcorePlan& plan, const std::vector<int>& points,
                     const std::vector<int>& workers) {
    return place_tables(plan, points, workers);
}

} // namespace

TEST_CASE("a table lies on the node of its worker's port", "[lcores][numa]") {
    const TablePlacement placement = place(one_point_each(), {0, 1}, {0, 1});
    CHECK(placement.nodes == std::vector<int>{0, 1});
    CHECK(placement.warnings.empty());
    CHECK(to_line(placement, "1 GB pages") ==
          "flow tables: worker 0 on NUMA node 0, worker 1 on NUMA node 1; 1 GB pages");
}

TEST_CASE("a worker far from its port is warned of, with the remedy", "[lcores][numa]") {
    const TablePlacement placement = place(one_point_each(), {0, 1}, {0, 0});
    CHECK(placement.nodes == std::vector<int>{0, 1}); // where the packets are
    REQUIRE(placement.warnings.size() == 1);
    CHECK(placement.warnings[0] ==
          "worker 1 runs on lcore 5 of NUMA node 0, but its port and its flow table are on node 1: "
          "every packet crosses between sockets; take an lcore of node 1 (-l, lcores.workers)");
}

TEST_CASE("ports of two nodes leave the table with the worker", "[lcores][numa]") {
    const TablePlacement placement = place(both_points_each(), {0, 1}, {0, 1});
    CHECK(placement.nodes == std::vector<int>{0, 1});
    REQUIRE(placement.warnings.size() == 2);
    CHECK(placement.warnings[0].find("different NUMA nodes") != std::string::npos);
}

TEST_CASE("a virtual port has no node: the worker's counts", "[lcores][numa]") {
    const TablePlacement placement = place(both_points_each(), {kAnyNode, kAnyNode}, {1, 1});
    CHECK(placement.nodes == std::vector<int>{1, 1});
    CHECK(placement.warnings.empty());
    CHECK(to_line(placement, "2 MB pages") ==
          "flow tables: worker 0 and 1 on NUMA node 1; 2 MB pages");
    CHECK(place(both_points_each(), {kAnyNode, 1}, {1, 1}).warnings.empty());
    CHECK(to_line(place(both_points_each(), {kAnyNode, kAnyNode}, {kAnyNode, kAnyNode}), "x") ==
          "flow tables: worker 0 and 1 on any NUMA node; x");
}
