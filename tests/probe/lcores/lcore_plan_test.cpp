// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/lcore_plan.hpp"

#include <algorithm>
#include <numeric>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

LcorePlan plan(const std::vector<unsigned>& lcores, const std::vector<std::uint16_t>& queues,
               const LcoreOptions& options = {}) {
    return plan_lcores(lcores, options, queues);
}

std::string refusal(const std::vector<unsigned>& lcores, const std::vector<std::uint16_t>& queues,
                    const LcoreOptions& options = {}) {
    try {
        (void)plan_lcores(lcores, options, queues);
    } catch (const LcorePlanError& error) {
        return error.what();
    }
    return "planned";
}

/// "0:w0,h,e 1:w1": who runs where, in one line.
std::string summary(const LcorePlan& plan) {
    std::string text;
    for (const LcoreRoles& roles : plan.lcores) {
        text += (text.empty() ? "" : " ") + std::to_string(roles.lcore) + ":";
        text += roles.worker != kNoWorker ? "w" + std::to_string(roles.worker) : "";
        text += roles.housekeeping ? "h" : "";
        text += roles.exporter ? "e" : "";
    }
    return text;
}

/// "0/0 0/1 | 0/2": point/queue of each worker.
std::string queues_of(const LcorePlan& plan) {
    std::string text;
    for (const WorkerPlan& worker : plan.workers) {
        text += text.empty() ? "" : " | ";
        for (std::size_t i = 0; i < worker.queues.size(); ++i) {
            text += (i == 0 ? "" : " ") + std::to_string(worker.queues[i].point) + "/" +
                    std::to_string(worker.queues[i].queue);
        }
    }
    return text;
}

} // namespace

TEST_CASE("by default roles spread as lcores allow", "[config][lcores]") {
    CHECK(summary(plan({0}, {1})) == "0:w0he");
    CHECK(summary(plan({7}, {4})) == "7:w0he");
    CHECK(summary(plan({0, 1}, {2})) == "0:w0 1:he");
    CHECK(summary(plan({0, 1, 2}, {2})) == "0:e 1:h 2:w0");
    CHECK(summary(plan({0, 1, 2, 3}, {2})) == "0:e 1:h 2:w0 3:w1");
    CHECK(summary(plan({4, 2, 9, 11}, {8})) == "4:e 2:h 9:w0 11:w1");
}

TEST_CASE("lcores without a queue stay unused", "[config][lcores]") {
    const LcorePlan small = plan({0, 1, 2, 3, 4}, {1});
    CHECK(summary(small) == "0:e 1:h 2:w0");
    CHECK(small.unused == std::vector<unsigned>{3, 4});
}

TEST_CASE("what the YAML names is placed there and the rest around it", "[config][lcores]") {
    CHECK(summary(plan({0, 1, 2, 3}, {2}, {.workers = {0, 1}})) == "0:w0 1:w1 2:e 3:h");
    CHECK(summary(plan({0, 1, 2, 3}, {2}, {.exporter = 3, .workers = {}})) == "0:h 1:w0 2:w1 3:e");
    CHECK(summary(plan({0, 1, 2, 3}, {2}, {.housekeeping = 0, .workers = {}})) ==
          "0:h 1:e 2:w0 3:w1");
    CHECK(summary(plan({0, 1, 2, 3}, {3}, {.exporter = 0, .housekeeping = 0, .workers = {}})) ==
          "0:he 1:w0 2:w1 3:w2");
    CHECK(summary(plan({0, 1}, {2}, {.exporter = 0, .workers = {}})) == "0:he 1:w0");
    CHECK(summary(plan({0, 1}, {2}, {.workers = {0, 1}})) == "0:w0he 1:w1");
    CHECK(summary(plan({0, 1, 2}, {1}, {.exporter = 2, .housekeeping = 2, .workers = {2}})) ==
          "2:w0he");
    CHECK(summary(plan({0, 1, 2, 3}, {2}, {.workers = {3, 2}})) == "0:e 1:h 2:w1 3:w0");
}

TEST_CASE("queues of the same number of all points meet on one worker", "[config][lcores]") {
    CHECK(queues_of(plan({0, 1, 2, 3}, {2, 2})) == "0/0 1/0 | 0/1 1/1");
    CHECK(queues_of(plan({0, 1, 2, 3}, {4})) == "0/0 0/2 | 0/1 0/3");
    CHECK(plan({0, 1, 2, 3}, {2, 2}).warnings.empty());
}

TEST_CASE("points with fewer queues than workers are dealt out, with a warning",
          "[config][lcores]") {
    const LcorePlan spread = plan({0, 1, 2, 3}, {1, 1, 1});
    CHECK(queues_of(spread) == "0/0 2/0 | 1/0");
    CHECK(spread.warnings.size() == 1);
    CHECK(plan({0, 1}, {1, 1}).warnings.empty()); // one worker: everything meets
}

TEST_CASE("every queue has exactly one worker and every worker a queue", "[config][lcores]") {
    for (unsigned lcore_count = 1; lcore_count <= 12; ++lcore_count) {
        std::vector<unsigned> lcores(lcore_count);
        std::iota(lcores.begin(), lcores.end(), 0U);
        for (std::uint16_t a = 1; a <= 9; ++a) {
            for (std::uint16_t b = 1; b <= 3; ++b) {
                const LcorePlan made = plan(lcores, {a, b});
                std::vector<std::pair<int, int>> dealt;
                for (const WorkerPlan& worker : made.workers) {
                    CHECK_FALSE(worker.queues.empty());
                    for (const PlannedQueue& queue : worker.queues) {
                        dealt.emplace_back(queue.point, queue.queue);
                    }
                }
                std::sort(dealt.begin(), dealt.end());
                CHECK(std::adjacent_find(dealt.begin(), dealt.end()) == dealt.end());
                CHECK(dealt.size() == static_cast<std::size_t>(a + b));
                CHECK(made.lcores.size() + made.unused.size() == lcores.size());
                const auto exporters =
                    std::count_if(made.lcores.begin(), made.lcores.end(),
                                  [](const LcoreRoles& r) { return r.exporter; });
                const auto sweepers =
                    std::count_if(made.lcores.begin(), made.lcores.end(),
                                  [](const LcoreRoles& r) { return r.housekeeping; });
                CHECK(exporters == 1);
                CHECK(sweepers == 1);
            }
        }
    }
}

TEST_CASE("maps that cannot be are refused with the remedy", "[config][lcores]") {
    CHECK(
        refusal({0, 1}, {2}, {.exporter = 5, .workers = {}}) ==
        "lcores.exporter: lcore 5 is not one of the EAL's (0, 1); name one of these, or start with "
        "`-l 0,1,5`");
    CHECK(
        refusal({0, 1}, {2}, {.workers = {0, 9}}) ==
        "lcores.workers: lcore 9 is not one of the EAL's (0, 1); name one of these, or start with "
        "`-l 0,1,9`");
    CHECK(refusal({0, 1, 2}, {1}, {.workers = {1, 2}}) ==
          "lcores.workers: 2 workers, but only 1 receive queue; name fewer workers, or give the "
          "points "
          "more `queues`");
    CHECK(refusal({0}, {}) ==
          "there is no receive queue to read: name a port in observation.points");
}

TEST_CASE("the plan is printed as a table", "[config][lcores]") {
    const std::vector<std::string> names = {"net_null0", "0000:01:00.0"};
    CHECK(to_table(plan({0, 1, 2, 3, 4}, {2, 1}, {.workers = {2, 3}}), names) ==
          "lcore  roles                             queues\n"
          "    0  exporter\n"
          "    1  housekeeping\n"
          "    2  worker 0                          net_null0/0 0000:01:00.0/0\n"
          "    3  worker 1                          net_null0/1\n"
          "unused: 4 (no queue is left for it)\n");
}
