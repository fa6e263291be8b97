// SPDX-License-Identifier: BSD-3-Clause
// Full tables and full queues: what is lost is counted, and the ledger closes.
#include <random>
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

constexpr std::uint64_t kFlows = 100;

PacketBuilder flow(std::uint16_t number) {
    return PacketBuilder().ethernet().ipv4().udp(number, 53);
}

BenchOptions small(WhenFull when_full, std::uint32_t record_queue = 4096) {
    BenchOptions options;
    options.flows_max = kFlows;
    options.metering.when_full = when_full;
    options.metering.record_queue = record_queue;
    return options;
}

std::uint64_t dropped(const MeterBench& bench) {
    return bench.worker.ledger()
        .meter[static_cast<std::size_t>(MeterVerdict::dropped_table_full)]
        .packets.get();
}

} // namespace

TEST_CASE("one flow too many makes another one leave, with flowEndReason 5", "[metering][full]") {
    MeterBench bench(kBiflow4, small(WhenFull::evict));
    for (std::uint16_t n = 0; n < kFlows; ++n) {
        bench.packet(kStart + n, flow(n));
    }
    CHECK(bench.records().empty());
    bench.packet(kStart + 1000, flow(5000));
    auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(reason_of(records[0].record) == 5);
    CHECK(records[0].record.number(7) < 5); // the oldest of the next four
    CHECK(bench.ledger().live.flows == kFlows);
    bench.check();
    for (std::uint16_t n = 0; n < 10 * kFlows; ++n) {
        bench.packet(kStart + 2000 + n, flow(static_cast<std::uint16_t>(6000 + n)));
    }
    records = bench.records();
    CHECK(records.size() == 10 * kFlows);
    CHECK(dropped(bench) == 0);
    bench.flush();
    CHECK(bench.records().size() == kFlows);
    bench.check();
}

TEST_CASE("an eviction picks the flow that was seen longest ago of its candidates",
          "[metering][full]") {
    MeterBench bench(kBiflow4, small(WhenFull::evict));
    for (std::uint16_t n = 0; n < kFlows; ++n) {
        bench.packet(kStart, flow(n));
    }
    for (std::uint16_t n = 0; n < kFlows; ++n) { // in each group of four, one is old
        if (n % 4 != 1) {
            bench.packet(kStart + kSecond, flow(n));
        }
    }
    for (std::uint16_t n = 0; n < 12; ++n) {
        bench.packet(kStart + kSecond, flow(static_cast<std::uint16_t>(1000 + n)));
    }
    const auto records = bench.records();
    REQUIRE(records.size() == 12);
    for (const SeenRecord& seen : records) {
        CHECK(seen.record.number(7) % 4 == 1);
    }
}

TEST_CASE("evictions within one burst leave every packet with its own flow", "[metering][full]") {
    std::mt19937 random(17);
    MeterBench bench(kUniflow4, small(WhenFull::evict));
    std::map<std::uint64_t, std::uint64_t> sent;
    for (int burst = 0; burst < 500; ++burst) {
        for (int n = 0; n < 64; ++n) {
            const auto number =
                static_cast<std::uint16_t>(random() % 130); // more than fit, often repeated
            ++sent[number];
            bench.queue(kStart + static_cast<TimeNs>(burst), flow(number));
        }
        bench.burst();
        if (burst % 50 == 0) {
            bench.check();
        }
        bench.drain();
    }
    bench.flush();
    std::map<std::uint64_t, std::uint64_t> reported;
    for (const SeenRecord& seen : bench.records()) {
        reported[seen.record.number(7)] += seen.record.number(2);
    }
    CHECK(reported == sent);
    CHECK(dropped(bench) == 0);
    bench.check();
}

TEST_CASE("a table that refuses drops the new flow's packets and counts them", "[metering][full]") {
    MeterBench bench(kBiflow4, small(WhenFull::refuse));
    for (std::uint16_t n = 0; n < kFlows; ++n) {
        bench.packet(kStart, flow(n));
    }
    bench.packet(kStart, flow(5000));
    bench.packet(kStart, flow(5000));
    bench.packet(kStart, flow(7)); // a flow that is there goes on
    CHECK(dropped(bench) == 2);
    CHECK(bench.worker.ledger().metered.packets.get() == kFlows + 1);
    bench.check();
    bench.sweep(kStart + 15 * kSecond);
    CHECK(bench.records().size() == kFlows);
    bench.packet(kStart + 15 * kSecond, flow(5000));
    CHECK(dropped(bench) == 2);
    bench.check();
}

TEST_CASE("a small table that evicts never drops, however sparse its slots are",
          "[metering][full]") {
    BenchOptions options = small(WhenFull::evict);
    options.flows_max = 3; // rte_hash has 64 slots at least
    MeterBench bench(kBiflow4, options);
    for (std::uint16_t n = 0; n < 1000; ++n) {
        bench.packet(kStart + n, flow(n));
    }
    CHECK(dropped(bench) == 0);
    bench.flush();
    CHECK(bench.records().size() == 1000);
    bench.check();
}

TEST_CASE("a record queue that is full loses evicted records, counted", "[metering][full]") {
    MeterBench bench(kBiflow4, small(WhenFull::evict, 4));
    for (std::uint16_t n = 0; n < kFlows + 10; ++n) {
        bench.packet(kStart + n, flow(n));
    }
    CHECK(bench.waiting() == 4);
    CHECK(bench.worker.ledger().records_lost_queue_full.records.get() == 6);
    CHECK(bench.worker.ledger().records_lost_queue_full.packets.get() == 6);
    bench.check();
    CHECK(bench.records().size() == 4);
    bench.check();
}

TEST_CASE("the sweep and the flush wait for room in the record queue and lose nothing",
          "[metering][full]") {
    MeterBench bench(kBiflow4, small(WhenFull::evict, 4));
    for (std::uint16_t n = 0; n < kFlows; ++n) {
        bench.packet(kStart, flow(n));
    }
    FlowLane& lane = *bench.worker.lane(IpFamily::ipv4);
    const TimeNs later = kStart + 15 * kSecond;
    REQUIRE(lane.sweep(0, lane.slots_used(), later) == lane.slots_used());
    CHECK(lane.expire(later, 1000) == 4); // as many as the queue takes
    CHECK(lane.expire(later, 1000) == 0);
    CHECK(bench.records().size() == 4);
    CHECK(lane.expire(later, 3) == 3); // as many as asked for
    bench.check();
    CHECK_FALSE(bench.worker.flush());
    CHECK(bench.waiting() == 4);
    bench.flush();
    CHECK(bench.worker.ledger().records_lost_queue_full.records.get() == 0);
    CHECK(bench.worker.ledger().records_made[4].records.get() == kFlows - 7);
    bench.check();
}

TEST_CASE("the owner looks again at what the sweep found", "[metering][full]") {
    MeterBench bench(kBiflow4, small(WhenFull::evict));
    bench.packet(kStart, flow(1));
    bench.packet(kStart, flow(2));
    FlowLane& lane = *bench.worker.lane(IpFamily::ipv4);
    const TimeNs later = kStart + 15 * kSecond;
    REQUIRE(lane.sweep(0, lane.slots_used(), later) == 2);
    REQUIRE(lane.sweep(0, lane.slots_used(), later) == 2); // told twice
    bench.queue(later - 1, flow(1));                       // in time, so this one lives
    (void)bench.worker.step(later);
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.number(7) == 2);
    CHECK(bench.ledger().live.flows == 1);
    bench.check();
}

TEST_CASE("the sweep stops where the owner has not kept up, and goes on from there",
          "[metering][full]") {
    BenchOptions options = small(WhenFull::evict, 65'536);
    options.flows_max = 20'000;
    MeterBench bench(kUniflow4, options);
    for (std::uint32_t n = 0; n < 20'000; ++n) {
        bench.queue(kStart, flow(static_cast<std::uint16_t>(n)));
    }
    bench.burst();
    FlowLane& lane = *bench.worker.lane(IpFamily::ipv4);
    const TimeNs later = kStart + 15 * kSecond;
    const std::size_t stopped = lane.sweep(0, lane.slots_used(), later);
    CHECK(stopped == 8192);
    CHECK(lane.sweep(stopped, lane.slots_used(), later) == stopped);
    CHECK(lane.expire(later, 100'000) == 8192);
    CHECK(lane.sweep(stopped, lane.slots_used(), later) == 2 * 8192);
    bench.sweep(later);
    CHECK(bench.records().size() == 20'000);
    CHECK(bench.ledger().live.flows == 0);
    bench.check();
}
