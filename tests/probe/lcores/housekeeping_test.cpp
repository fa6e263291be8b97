// SPDX-License-Identifier: BSD-3-Clause
// The sweep's pace: every slot once a period, evenly, within its bound.
#include "probe/lcores/housekeeping.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

PacketBuilder flow(std::uint16_t number) {
    return PacketBuilder().ethernet().ipv4().udp(number, 53);
}

void fill(MeterBench& bench, std::uint16_t flows, TimeNs time) {
    for (std::uint16_t n = 0; n < flows; ++n) {
        bench.queue(time, flow(n));
    }
    bench.burst();
}

} // namespace

TEST_CASE("each slot is looked at once a period, spread evenly over it", "[lcores][housekeeping]") {
    MeterBench bench(kBiflow4);
    fill(bench, 640, kStart);
    Housekeeping housekeeping({&bench.worker}, kSecond);
    std::size_t looked_at = 0;
    std::size_t most = 0;
    for (TimeNs ms = 0; ms < 5000; ms += 10) {
        const std::size_t slots = housekeeping.step(kStart + ms * kMs);
        looked_at += slots;
        most = std::max(most, slots);
    }
    CHECK(looked_at == 5 * 640);
    CHECK(housekeeping.passes() == 5);
    CHECK(most <=
          640 / 100 + 640 / 64 + 2); // a hundredth, and at the beginning of a pass its head start
    CHECK(housekeeping.last_pass_ns() <= kSecond);
    CHECK(housekeeping.last_pass_ns() > 900 * kMs);
}

TEST_CASE("every idle flow is found within a period, whichever slot it has",
          "[lcores][housekeeping]") {
    constexpr std::uint16_t kSizes[] = {1, 2, 63, 64, 65, 500};
    for (const std::uint16_t flows : kSizes) {
        INFO(flows << " flows");
        MeterBench bench(kBiflow4);
        fill(bench, flows, kStart);
        Housekeeping housekeeping({&bench.worker}, kSecond);
        const TimeNs due = kStart + 15 * kSecond;
        for (TimeNs now = kStart; now < due + kSecond + 20 * kMs; now += 10 * kMs) {
            (void)housekeeping.step(now);
            (void)bench.worker.step(now);
            if (now < due) {
                REQUIRE(bench.records().empty());
            }
        }
        CHECK(bench.records().size() == flows);
        CHECK(bench.ledger().live.flows == 0);
        bench.check();
    }
}

TEST_CASE("a late step catches up, but only within its bound", "[lcores][housekeeping]") {
    MeterBench bench(kBiflow4);
    fill(bench, 1000, kStart);
    Housekeeping housekeeping({&bench.worker}, kSecond, 100);
    (void)housekeeping.step(kStart);
    std::size_t steps = 0;
    std::size_t looked_at = 0;
    while (housekeeping.passes() == 0) {
        const std::size_t slots = housekeeping.step(kStart + 10 * kSecond);
        REQUIRE(slots <= 100);
        looked_at += slots;
        ++steps;
        REQUIRE(steps < 50);
    }
    CHECK(looked_at >= 900);
    CHECK(steps >= 10);
}

TEST_CASE("the bound is shared by the tables of all workers and families",
          "[lcores][housekeeping]") {
    MeterBench one(std::string(kBiflow4) +
                   (std::string(kBiflow6).substr(std::string("templates:\n").size())));
    MeterBench two(kBiflow4);
    fill(one, 300, kStart);
    for (std::uint16_t n = 0; n < 200; ++n) {
        one.packet(kStart, PacketBuilder().ethernet().ipv6().udp(n, 1));
    }
    fill(two, 400, kStart);
    Housekeeping housekeeping({&one.worker, &two.worker}, kSecond, 64);
    std::size_t looked_at = 0;
    for (int step = 0; step < 100 && housekeeping.passes() == 0; ++step) {
        const std::size_t slots = housekeeping.step(kStart + kSecond * static_cast<unsigned>(step));
        REQUIRE(slots <= 64);
        looked_at += slots;
    }
    CHECK(housekeeping.passes() == 1);
    CHECK(looked_at == 900);
}

TEST_CASE("without flows a pass costs nothing and still counts", "[lcores][housekeeping]") {
    MeterBench bench(kBiflow4);
    Housekeeping housekeeping({&bench.worker}, kSecond);
    for (TimeNs ms = 0; ms < 3000; ms += 10) {
        CHECK(housekeeping.step(kStart + ms * kMs) == 0);
    }
    CHECK(housekeeping.passes() == 3);
}
