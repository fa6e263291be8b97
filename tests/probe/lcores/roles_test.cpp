// SPDX-License-Identifier: BSD-3-Clause
// The worker's and the exporter's steps, and the clock they are given.
#include <algorithm>
#include <optional>

#include "encoder/template_description.hpp"
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

namespace {

/// Takes a while to leave.
class SlowSink final : public RecordSink {
  public:
    explicit SlowSink(std::string name) : name_(std::move(name)) {}
    void append(const DataRecord& record, TimeNs) noexcept override {
        flow_hash_ = record.flow_hash;
        ledger_.offered.add(record.weight);
        ledger_.queued.add(record.weight);
    }
    void step(TimeNs now) noexcept override {
        if (closing_ && now >= kStart + sends_at_) settle(ledger_.sent);
    }
    void close(TimeNs) noexcept override { closing_ = true; }
    void abandon() noexcept override {
        settle(ledger_.lost[static_cast<std::size_t>(LossReason::shutdown)]);
    }
    bool idle() const noexcept override { return ledger_.queued.records == 0; }
    bool backlogged() const noexcept override { return false; }
    const std::string& name() const noexcept override { return name_; }
    const SessionLedger& ledger() const noexcept override { return ledger_; }

    bool wants_flow_hash() const noexcept override { return wants_flow_hash_; }
    void retire_templates() noexcept override { ++retired_; }

    TimeNs sends_at_ = 0; ///< after kStart
    bool wants_flow_hash_ = false;
    std::uint64_t flow_hash_ = 0; ///< of the last record
    int retired_ = 0;             ///< how often it was told that absent templates have no more

  private:
    void settle(RecordTally& where) noexcept {
        where.add(ledger_.queued);
        ledger_.queued = {};
    }
    std::string name_;
    SessionLedger ledger_;
    bool closing_ = false;
};

} // namespace

TEST_CASE("a reload exchanges collectors between two records, and each record has its place",
          "[lcores][exporter][reload]") {
    MeterBench bench(kBiflow4);
    std::uint16_t port = 0;
    const auto records = [&](int count) {
        for (int n = 0; n < count; ++n)
            bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(++port, 1));
        bench.flush();
    };
    const auto sum = [&](const std::string& name) {
        const LedgerSnapshot ledger = bench.ledger();
        const auto found = std::find_if(ledger.sinks.begin(), ledger.sinks.end(),
                                        [&](const SinkSum& one) { return one.name == name; });
        REQUIRE(found != ledger.sinks.end());
        return *found;
    };
    const auto exchange = [&](std::vector<SinkChange::Place> places) {
        SinkChange change{.places = std::move(places), .patience = 2 * kSecond};
        bench.exporter.exchange(change, nullptr, kStart);
    };
    records(10);
    // The bench's own sink stays, "a" comes.
    std::vector<SinkChange::Place> places(2);
    places[1].sink = std::make_unique<SlowSink>("a");
    exchange(std::move(places));
    records(5);
    CHECK(sum("a").absent.records == 10);
    CHECK(sum("a").ledger.offered.records == 5);
    CHECK(sum("capture").absent.records == 0);
    bench.check();
    // "a" leaves with five records queued, "b" comes and is named first.
    places = std::vector<SinkChange::Place>(2);
    auto slow = std::make_unique<SlowSink>("b");
    places[0].sink = std::move(slow);
    places[1].kept = 0;
    exchange(std::move(places));
    CHECK(bench.exporter.sinks()[0]->name() == "b");
    records(3);
    CHECK(sum("a").ledger.offered.records == 5);
    CHECK(sum("a").absent.records == 13);
    CHECK(sum("a").ledger.sent.records == 5);
    CHECK(sum("b").absent.records == 15);
    bench.check();
    SECTION("one that cannot send is waited for as long as it was said, then counted") {
        places = std::vector<SinkChange::Place>(1);
        places[0].kept = 1;
        static_cast<SlowSink&>(*bench.exporter.sinks()[0]).sends_at_ = 60 * kSecond;
        exchange(std::move(places));
        (void)bench.exporter.step(kStart + kSecond);
        CHECK(sum("b").ledger.queued.records == 3);
        CHECK_FALSE(bench.exporter.idle());
        (void)bench.exporter.step(kStart + 2 * kSecond);
        CHECK(sum("b").ledger.lost_total().records == 3);
        CHECK(bench.exporter.idle());
        records(1);
        CHECK(sum("b").absent.records == 16);
        bench.check();
    }
}

TEST_CASE("a collector that a reload brings gets what it asks for", "[lcores][exporter][reload]") {
    MeterBench bench(kBiflow4);
    auto record = [&bench, port = std::uint16_t{0}]() mutable {
        bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(++port, 1));
        bench.flush();
    };
    std::vector<SinkChange::Place> places(2);
    auto made = std::make_unique<SlowSink>("a");
    SlowSink& first = *made;
    places[1].sink = std::move(made);
    SinkChange change{.places = std::move(places), .patience = kSecond};
    bench.exporter.exchange(change, nullptr, kStart);
    // Of the templates that it was made with, those that are absent have left already.
    CHECK(first.retired_ == 1);
    record();
    CHECK(first.ledger().offered.records == 1);
    CHECK(first.flow_hash_ == 0);
    made = std::make_unique<SlowSink>("b");
    made->wants_flow_hash_ = true;
    SlowSink& second = *made;
    places = std::vector<SinkChange::Place>(2);
    places[1].sink = std::move(made);
    change = {.places = std::move(places), .patience = kSecond};
    bench.exporter.exchange(change, nullptr, kStart);
    record();
    CHECK(second.flow_hash_ != 0);
    bench.check();
}

TEST_CASE("a reload may bring larger records than there were", "[lcores][exporter][reload]") {
    std::optional<TemplateList> before; // they outlive the bench
    std::optional<TemplateList> after;
    std::optional<RecordBinding> binding;
    MeterBench bench(kBiflow4);
    std::string wide = kBiflow4;
    wide.insert(wide.rfind(']'), ", 'paddingOctets[255]'");
    before.emplace(TemplateList::Templates{bench.binding.templates()});
    BindingContext context{.domain_id = 7, .interfaces = {}};
    context.known = &*before;
    binding.emplace(ipfix::parse_template_descriptions(wide, "wide.yaml"), context);
    after.emplace(*before, TemplateList::Templates{binding->templates()});
    binding->place_in(*after);
    auto lanes = bench.worker.make_lanes(binding->metering_plan(), {}, nullptr, unique_name());
    const BindingChange meter{.binding = &*binding,
                              .lanes = {lanes.get()},
                              .templates = &*after,
                              .options_records = nullptr};
    SinkChange same;
    same.places.resize(1);
    bench.exporter.exchange(same, &meter, kStart);
    bench.worker.exchange(std::move(lanes));
    bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(1, 1));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.number(2) == 1);
    bench.check();
}

TEST_CASE("new timeouts hold for the flows that are there", "[lcores][worker][reload]") {
    BenchOptions options;
    options.metering.timeouts = {.idle = 60 * kSecond, .active = 600 * kSecond, .tcp_end = kNever};
    MeterBench bench(kBiflow4, options);
    bench.packet(kStart, PacketBuilder().ethernet().ipv4().udp(1, 2));
    bench.sweep(kStart + 20 * kSecond);
    CHECK(bench.records().empty());
    const TimeoutOptions shorter{.idle = 15 * kSecond, .active = 60 * kSecond, .tcp_end = kNever};
    SECTION("the sweep knows first") {
        bench.worker.lane(IpFamily::ipv4)->set_sweep_timeouts(shorter);
        bench.sweep(kStart + 21 * kSecond);
        CHECK(bench.records().empty()); // the owner decides
        bench.worker.set_timeouts(shorter);
    }
    SECTION("the owner knows first") {
        bench.worker.set_timeouts(shorter);
        bench.sweep(kStart + 21 * kSecond);
        CHECK(bench.records().empty()); // nobody told it of a flow
        bench.worker.lane(IpFamily::ipv4)->set_sweep_timeouts(shorter);
    }
    bench.sweep(kStart + 25 * kSecond);
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.number(136) == static_cast<std::uint64_t>(FlowEndReason::idle_timeout));
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
