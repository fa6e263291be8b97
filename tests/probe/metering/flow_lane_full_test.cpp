// SPDX-License-Identifier: BSD-3-Clause
// Full tables and full queues: what is lost is counted, and the ledger closes.
#include <algorithm>
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
    CHECK(records[0].record.number(7) < kFlows / 2); // one of the older ones
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
    BenchOptions options = small(WhenFull::evict);
    options.flows_max = 4096;
    options.metering.record_queue = 65'536;
    MeterBench bench(kBiflow4, options);
    const auto is_old = [](std::uint64_t number) { return number % 4 == 1; };
    for (std::uint16_t n = 0; n < 4096; ++n) {
        bench.queue(kStart, flow(n));
    }
    bench.burst();
    for (std::uint16_t n = 0; n < 4096; ++n) { // in a table of mostly busy flows, a quarter is old
        if (!is_old(n)) {
            bench.queue(kStart + kSecond, flow(n));
        }
    }
    bench.burst();
    constexpr std::uint16_t kNew = 256;
    for (std::uint16_t n = 0; n < kNew; ++n) {
        bench.queue(kStart + kSecond, flow(static_cast<std::uint16_t>(10'000 + n)));
    }
    bench.burst();
    const auto records = bench.records();
    REQUIRE(records.size() == kNew);
    const auto old = std::count_if(records.begin(), records.end(), [&](const SeenRecord& seen) {
        return is_old(seen.record.number(7));
    });
    // Of some eight candidates one is old nearly always; a blind choice would take 64.
    CHECK(old >= 200);
    bench.check();
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
    options.flows_max = 3; // of two buckets one may be empty
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

TEST_CASE("with a known hash key an attack costs its own packets, counted, and no other flow",
          "[metering][full][attack]") {
    constexpr std::uint64_t kMost = 4000;
    constexpr std::uint64_t kBuckets = 1024; // of eight flows
    constexpr std::size_t kLeftOutMost = 1024;
    BenchOptions options;
    options.flows_max = kMost;
    options.metering.record_queue = 65'536;
    MeterBench bench(kUniflow4, options);
    const auto at = [](std::uint32_t n) {
        return PacketBuilder()
            .ethernet()
            .ipv4({.source = "10.0.0.1", .destination = "10.0.0.2"})
            .udp(static_cast<std::uint16_t>(n), static_cast<std::uint16_t>(n >> 16));
    };
    Ipv4Key key{};
    key.source = {10, 0, 0, 1};
    key.destination = {10, 0, 0, 2};
    key.protocol = 17;
    std::vector<std::uint32_t> aimed;
    for (std::uint32_t n = 0; aimed.size() < 8 + kLeftOutMost + 100; ++n) {
        key.source_port_be = __builtin_bswap16(static_cast<std::uint16_t>(n));
        key.destination_port_be = __builtin_bswap16(static_cast<std::uint16_t>(n >> 16));
        if (siphash24(options.hash_key, &key, sizeof key) % kBuckets == 5) {
            aimed.push_back(n);
        }
    }
    for (const std::uint32_t n : aimed) {
        bench.queue(kStart, at(n));
    }
    bench.burst();
    const MeteringLedger& ledger = bench.worker.ledger();
    const auto refused = [&] {
        return ledger.meter[static_cast<std::size_t>(MeterVerdict::dropped_index_full)]
            .packets.get();
    };
    CHECK(refused() == 100);
    CHECK(ledger.flows_left_out[0].get() == kLeftOutMost);
    bench.check();
    for (const std::uint32_t n : aimed) { // again: those that are in are found
        bench.queue(kStart + kMs, at(n));
    }
    bench.burst();
    CHECK(refused() == 200);
    CHECK(ledger.left_out_lookups.get() > 2 * kLeftOutMost);
    for (std::uint16_t n = 0; n < 2000; ++n) { // everyone else's flows
        bench.queue(kStart + kMs, flow(n));
    }
    bench.burst();
    CHECK(refused() <= 200 + 2 * 2000 / kBuckets + 8); // but those few whose bucket it is
    bench.check();
    bench.flush();
    CHECK(bench.ledger().live.flows == 0);
    CHECK(ledger.flows_left_out[0].get() == 0);
    bench.check();
}

TEST_CASE("the sweep's schedule never makes a flow late", "[metering][sweep]") {
    // Whatever happens between two passes (packets in and out of order, FINs, cuts, slots used
    // again), after a pass and the owner's look no live flow is past its time.
    const TimeNs active = GENERATE(20 * kSecond, 7 * kSecond); // longer and shorter than idle
    std::mt19937 random(29);
    BenchOptions options = small(WhenFull::evict, 65'536);
    options.metering.timeouts = {.idle = 15 * kSecond, .active = active, .tcp_end = 2 * kSecond};
    MeterBench bench(kBiflow4, options);
    FlowLane& lane = *bench.worker.lane(IpFamily::ipv4);
    const auto timed_out = [&] {
        const auto& made = bench.worker.ledger().records_made;
        return made[static_cast<std::size_t>(FlowEndReason::idle_timeout)].records.get() +
               made[static_cast<std::size_t>(FlowEndReason::active_timeout)].records.get() +
               made[static_cast<std::size_t>(FlowEndReason::end_of_flow_detected)].records.get();
    };
    TimeNs now = kStart;
    for (int round = 0; round < 3000; ++round) {
        now += random() % (random() % 20 == 0 ? 8 * kSecond : kSecond / 2);
        for (std::uint64_t n = random() % 12; n != 0; --n) {
            const TimeNs back = random() % 5 == 0 ? random() % (3 * kSecond) : 0;
            const auto bits = static_cast<std::uint16_t>(random() % 6 == 0 ? kFin | kAck : kAck);
            const auto number = static_cast<std::uint16_t>(random() % 140);
            bench.queue(now - back, random() % 2 == 0
                                        ? PacketBuilder().ethernet().ipv4().tcp(number, 443, bits)
                                        : flow(number));
        }
        bench.burst();
        bench.sweep(now);
        bench.sweep(now); // a flow that was cut may have ended as well
        (void)bench.records();
        const std::uint64_t before = timed_out();
        lane.look_at_everything();
        bench.sweep(now);
        (void)bench.records();
        const std::uint64_t after = timed_out();
        REQUIRE(after == before);
    }
    bench.check();
}
