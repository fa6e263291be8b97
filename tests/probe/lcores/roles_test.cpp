// SPDX-License-Identifier: BSD-3-Clause
// The worker's and the exporter's steps, and the clock they are given.
#include "probe/lcores/clock.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

std::string both_families() {
    return std::string(kBiflow4) + std::string(kBiflow6).substr(std::string("templates:\n").size());
}

MeteringOptions with_share(double ipv6) {
    MeteringOptions options;
    options.ipv6_share = ipv6;
    return options;
}

} // namespace

TEST_CASE("flows_max is shared by the families that are metered", "[lcores][worker]") {
    const MeterBench both(both_families());
    const MeterBench only4(kBiflow4);
    const MeterBench only6(kBiflow6);
    using Shares = std::array<std::uint64_t, 2>;
    CHECK(lane_shares(both.binding.metering_plan(), with_share(0.25), 1000) == Shares{750, 250});
    CHECK(lane_shares(both.binding.metering_plan(), with_share(0), 1000) == Shares{936, 64});
    CHECK(lane_shares(both.binding.metering_plan(), with_share(1), 1000) == Shares{64, 1000});
    CHECK(lane_shares(only4.binding.metering_plan(), with_share(0.25), 1000) == Shares{1000, 0});
    CHECK(lane_shares(only6.binding.metering_plan(), with_share(0.25), 1000) == Shares{0, 1000});
}

TEST_CASE("a worker takes one burst a step and sorts it by family", "[lcores][worker]") {
    MeterBench bench(both_families());
    for (std::uint16_t n = 0; n < 100; ++n) {
        bench.queue(kStart, n % 3 == 0 ? PacketBuilder().ethernet().ipv6().udp(n, 1)
                                       : PacketBuilder().ethernet().ipv4().udp(n, 1));
    }
    CHECK(bench.worker.step(kStart) == 64);
    CHECK(bench.worker.step(kStart) == 36);
    CHECK(bench.worker.step(kStart) == 0);
    CHECK(bench.worker.ledger().received.packets.get() == 100);
    CHECK(bench.worker.ledger().flows_live[0].get() == 66);
    CHECK(bench.worker.ledger().flows_live[1].get() == 34);
    CHECK(bench.worker.live_totals().packets == 100);
    bench.check();
    bench.flush();
    CHECK(bench.worker.ledger().flows_live[0].get() == 0);
    CHECK(bench.records().size() == 100);
    bench.check();
}

TEST_CASE("a worker counts fragments and cut packets among what it meters", "[lcores][worker]") {
    MeterBench bench(kBiflow4);
    bench.packet(kStart,
                 PacketBuilder().ethernet().ipv4({.more_fragments = true}).udp(1, 2).payload(1000));
    bench.packet(
        kStart,
        PacketBuilder().ethernet().ipv4({.fragment_offset = 1008}).protocol(17).payload(100));
    CHECK(bench.worker.ledger().later_fragments.get() == 1);
    CHECK(bench.worker.ledger().metered.packets.get() == 2);
    bench.check();
}

TEST_CASE("what sampling leaves out is in the ledger, and nothing else is metered",
          "[lcores][worker][sampling]") {
    BenchOptions options;
    options.metering.sampling = {.method = SamplingMethod::systematic, .population = 10, .seed = 0};
    options.context.sampling_interval = options.metering.sampling.interval();
    MeterBench bench(
        "templates:\n  - {name: t, keys: [sourceIPv4Address],\n"
        "     values: [packetDeltaCount, octetDeltaCount, samplingInterval]}\n",
        options);
    for (std::uint32_t n = 0; n < 1000; ++n) {
        // Every tenth packet is of 500 octets; those are the ones selected.
        bench.queue(kStart, PacketBuilder()
                                .ethernet()
                                .ipv4({.source = "10.0.0.1"})
                                .udp(1, 2)
                                .payload(n % 10 == 0 ? 472 : 72));
    }
    while (!bench.source.empty())
        bench.burst();
    const MeteringLedger& ledger = bench.worker.ledger();
    const auto& left_out =
        ledger.meter[static_cast<std::size_t>(MeterVerdict::ignored_not_sampled)];
    CHECK(ledger.received.packets.get() == 1000);
    CHECK(ledger.metered.packets.get() == 100);
    CHECK(left_out.packets.get() == 900);
    CHECK(left_out.octets.get() == 900 * (14 + 100));
    CHECK(ledger.first_refused_ns.get() == 0); // left out on purpose
    bench.check();
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.number(2) == 100);
    CHECK(records[0].record.number(1) == 100 * 500);
    CHECK(records[0].record.number(34) == 10);
    bench.check();
}

TEST_CASE("the exporter takes as many records a queue as it is told", "[lcores][exporter]") {
    MeterBench bench(both_families());
    for (std::uint16_t n = 0; n < 50; ++n) {
        bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(n, 1));
        bench.packet(kStart, PacketBuilder().ethernet().ipv6().udp(n, 1));
    }
    while (!bench.worker.flush()) {
    }
    CHECK_FALSE(bench.exporter.idle());
    CHECK(bench.exporter.step(kStart, 7) == 14);
    CHECK(bench.exporter.step(kStart, 100) == 86);
    CHECK(bench.exporter.step(kStart, 100) == 0);
    CHECK(bench.exporter.idle());
    CHECK(bench.exporter.encoded().records == 100);
    CHECK(bench.exporter.encoded().packets == 100);
    CHECK(bench.exporter.encoded().octets == 50 * 28 + 50 * 48);
    bench.check();
}

TEST_CASE("the timeline follows a stepped wall clock slowly and never runs backwards",
          "[lcores][clock]") {
    ProbeClock clock(1000 * kSecond, kStart);
    CHECK(clock.at(1000 * kSecond) == kStart);
    CHECK(clock.at(1001 * kSecond) == kStart + kSecond);
    TimeNs before = clock.at(1001 * kSecond);
    // NTP sets the wall clock back by an hour: the timeline goes on, one per cent slower
    for (unsigned second = 1; second <= 100; ++second) {
        const TimeNs monotonic = (1000 + second) * kSecond;
        (void)clock.follow_wall_clock(monotonic, kStart + second * kSecond - 3600 * kSecond);
        const TimeNs now = clock.at(monotonic + kSecond);
        REQUIRE(now > before);
        before = now;
    }
    CHECK(clock.at(1100 * kSecond) == kStart + 99 * kSecond);
    // a small error is gone at once
    ProbeClock fine(0, kStart);
    CHECK(fine.follow_wall_clock(kSecond, kStart + kSecond + 5 * kMs) ==
          static_cast<std::int64_t>(5 * kMs));
    CHECK(fine.at(kSecond) == kStart + kSecond + 5 * kMs);
    CHECK(fine.follow_wall_clock(2 * kSecond, kStart + 2 * kSecond + 5 * kMs) == 0);
}

TEST_CASE("a thread's clock does not go back when another thread moved the offset",
          "[lcores][clock]") {
    const TimeNs monotonic = monotonic_ns();
    ProbeClock clock(monotonic, kStart);
    ThreadClock thread(clock);
    const TimeNs before = thread.now();
    (void)clock.follow_wall_clock(monotonic + 1000 * kSecond,
                                  kStart); // as if a step back had been followed at once
    CHECK(clock.now() < before);
    CHECK(thread.now() >= before);
}
