// SPDX-License-Identifier: BSD-3-Clause
// Seeds until the time is up; a failing one is printed and replays with PARSHALL_SEED=n.
#include "tests/simulation/simulation.hpp"

#include <chrono>
#include <cstdlib>

#include "tests/support/catch.hpp"

using namespace probe;
using namespace probe::test;

namespace {

constexpr double kSecondsDefault = 15;
constexpr std::uint64_t kSeedsMin = 30;
constexpr std::uint64_t kSeedsMax = 100'000;

std::uint64_t run_and_report(const Scenario& scenario) {
    Simulation simulation(scenario);
    const std::vector<std::string> complaints = simulation.run();
    if (!complaints.empty()) {
        std::string all;
        for (const std::string& complaint : complaints) {
            all += "\n  " + complaint;
        }
        FAIL_CHECK("seed " << scenario.seed << " fails (PARSHALL_SEED=" << scenario.seed
                           << " replays it)\n  " << scenario.text() << all);
    }
    return simulation.records();
}

double seconds_allowed() {
    const char* said = std::getenv("PARSHALL_SIMULATION_SECONDS");
    return said != nullptr ? std::atof(said) : kSecondsDefault;
}

/// A seed whose run is certainly noticed when something is wrong with it.
Scenario canary() {
    Scenario scenario;
    scenario.seed = 4711;
    scenario.steps = 3000;
    scenario.timeouts = {.idle = 2 * kSecond, .active = 5 * kSecond, .tcp_end = kSecond};
    return scenario;
}

} // namespace

TEST_CASE("the promises hold for whatever a seed does to the probe", "[simulation]") {
    if (const char* seed = std::getenv("PARSHALL_SEED"); seed != nullptr) {
        const Scenario scenario = Scenario::of(std::strtoull(seed, nullptr, 10));
        WARN("seed " << scenario.seed << ": " << scenario.text());
        (void)run_and_report(scenario);
        return;
    }
    const auto began = std::chrono::steady_clock::now();
    const auto spent = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    std::uint64_t seed = 1;
    std::uint64_t records = 0;
    for (; seed <= kSeedsMax && (seed <= kSeedsMin || spent() < seconds_allowed()); ++seed) {
        records += run_and_report(Scenario::of(seed));
    }
    WARN(seed - 1 << " seeds, " << records << " records");
    CHECK(records > 50 * kSeedsMin);
}

TEST_CASE("the same seed is the same run", "[simulation]") {
    const auto told = [](std::uint64_t seed) {
        Simulation simulation(Scenario::of(seed));
        (void)simulation.run();
        return simulation.ledger().to_json();
    };
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        CHECK(told(seed) == told(seed));
    }
    CHECK(told(1) != told(2));
}

TEST_CASE("the canary lives while nobody does it harm", "[simulation][canary]") {
    CHECK(run_and_report(canary()) > 100);
}

TEST_CASE("records have their flows' names and labels", "[simulation][layer7]") {
    Scenario scenario = canary();
    scenario.layer7 = true;
    Simulation ample(scenario);
    CHECK(ample.run().empty());
    CHECK(ample.layer7().named() > 100);
    CHECK(ample.layer7().missing() == 0);
    scenario.ample = false;
    scenario.inspected_max = 2;
    scenario.result_octets = 1024;
    Simulation scarce(scenario);
    CHECK(scarce.run().empty());
    CHECK(scarce.layer7().named() > 10);
    CHECK(scarce.layer7().missing() > 100);
}

TEST_CASE("templates come and go while packets are metered", "[simulation][reload]") {
    Scenario scenario = canary();
    scenario.reloads = true;
    scenario.collectors = 2; // UDP, TCP
    Simulation simulation(scenario);
    CHECK(simulation.run().empty());
    CHECK(simulation.reloads() > 5);
    CHECK(simulation.withdrawals(0) == 0);
    CHECK(simulation.withdrawals(1) > 5);
}

TEST_CASE("the checks notice what happens to a message on its way", "[simulation][canary]") {
    for (const Tamper tamper :
         {Tamper::alter_octet, Tamper::lose_message, Tamper::repeat_message}) {
        INFO("tamper " << static_cast<int>(tamper));
        Scenario scenario = canary();
        scenario.tamper = tamper;
        Simulation simulation(scenario);
        CHECK_FALSE(simulation.run().empty());
        CHECK(simulation.tampered() > 0);
    }
}

TEST_CASE("the checks notice a packet that is in a record and was never metered",
          "[simulation][canary]") {
    Scenario scenario = canary();
    scenario.forget_a_packet = true;
    CHECK_FALSE(Simulation(scenario).run().empty());
}
