// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/collector_group.hpp"

#include <algorithm>
#include <set>

#include "probe/metering/flow_hash.hpp"
#include "probe/telemetry/ledger_snapshot.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::Distribution;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::SendVerdict;

namespace {

/// Collectors over scripted transports, in one group, with a clock.
struct GroupBench {
    explicit GroupBench(Distribution distribute, std::size_t collectors = 3,
                        const std::vector<std::string>& names = {"a", "b", "c", "d"}) {
        std::vector<std::unique_ptr<probe::RecordSink>> sessions;
        for (std::size_t c = 0; c < collectors; ++c) {
            wires.push_back(std::make_shared<ScriptedTransport::State>());
            wires.back()->is_reliable = true;
            probe::CollectorOptions collector;
            collector.url = "tcp://" + names[c];
            sessions.push_back(std::make_unique<probe::CollectorSession>(
                collector, probe::ExportOptions{}, kDomain, templates(),
                std::make_unique<ScriptedTransport>(wires.back())));
        }
        group = std::make_unique<probe::CollectorGroup>(
            probe::CollectorGroupOptions{.distribute = distribute}, std::move(sessions));
        group->step(now);
    }

    void append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            encoded.add(probe::RecordWeight{number, 100 * number});
            group->append({0, ipv4_record(number), {number, 100 * number}, number}, now);
        }
        check_ledger();
    }
    void step(probe::TimeNs later) {
        now += later;
        group->step(now);
        check_ledger();
    }
    void check_ledger() const {
        probe::LedgerSnapshot snapshot;
        snapshot.encoded = encoded;
        snapshot.records_made[1] = encoded;
        snapshot.metered.packets = encoded.packets;
        snapshot.received.packets = encoded.packets;
        snapshot.metered_ip_octets = encoded.octets;
        snapshot.sinks.push_back(probe::SinkSum::of(*group));
        CHECK(snapshot.proof().empty());
    }
    [[nodiscard]] std::vector<std::uint64_t> got(std::size_t collector) const {
        strict::Decoder decoder{strict::Rules{}};
        for (const Octets& message : wires[collector]->messages)
            decoder.message(message);
        CHECK(decoder.violations().empty());
        return numbers(decoder);
    }
    [[nodiscard]] std::vector<std::uint64_t> got_by_all() const {
        std::vector<std::uint64_t> all;
        for (std::size_t c = 0; c < wires.size(); ++c) {
            for (const std::uint64_t number : got(c))
                all.push_back(number);
        }
        std::sort(all.begin(), all.end());
        return all;
    }
    void disconnect(std::size_t collector) const { wires[collector]->connected = false; }
    void connect(std::size_t collector) const {
        wires[collector]->connected = true;
        ++wires[collector]->sessions;
        wires[collector]->messages.clear(); // another transport session, another decoder
    }

    std::vector<std::shared_ptr<ScriptedTransport::State>> wires;
    probe::TimeNs now = kStart;
    probe::RecordTally encoded;
    std::unique_ptr<probe::CollectorGroup> group;
};

constexpr std::uint64_t kPerMessage = (1472 - 16 - 4) / 12;

} // namespace

TEST_CASE("round robin gives each collector as many records, but for a message", "[group]") {
    GroupBench bench(Distribution::round_robin);
    for (std::uint64_t n = 0; n < 50; ++n) {
        bench.append(n * 77, 77);
        bench.step(kNsPerMs);
    }
    bench.step(kNsPerSecond);
    std::vector<std::size_t> counts;
    for (std::size_t c = 0; c < 3; ++c)
        counts.push_back(bench.got(c).size());
    CHECK(*std::max_element(counts.begin(), counts.end()) -
              *std::min_element(counts.begin(), counts.end()) <=
          kPerMessage);
    CHECK(bench.got_by_all() == counting(0, 50 * 77));
}

TEST_CASE("round robin deals out whole messages", "[group]") {
    GroupBench bench(Distribution::round_robin);
    bench.append(0, 6 * kPerMessage);
    bench.step(0); // none waits for message_delay
    CHECK(bench.group->ledger().sent.records == 6 * kPerMessage);
    for (std::size_t c = 0; c < 3; ++c)
        CHECK(bench.got(c).size() == 2 * kPerMessage);
}

TEST_CASE("round robin leaves out a collector that is away", "[group]") {
    GroupBench bench(Distribution::round_robin);
    bench.disconnect(1);
    bench.step(kNsPerMs);
    bench.append(0, 10 * kPerMessage);
    bench.step(kNsPerSecond);
    CHECK(bench.got(1).empty());
    CHECK(bench.got_by_all() == counting(0, 10 * kPerMessage));
}

TEST_CASE("what round robin queued at a collector that stays away goes to another", "[group]") {
    GroupBench bench(Distribution::round_robin);
    bench.append(0, 5); // in the first one's queue
    bench.disconnect(0);
    bench.step(kNsPerSecond);
    CHECK(bench.got_by_all().empty());
    bench.step(9 * kNsPerSecond);
    bench.step(kNsPerSecond);
    CHECK(bench.got(0).empty());
    CHECK(bench.got_by_all() == counting(0, 5));
    CHECK(bench.group->members()[0]->ledger().handed_over.records == 5);
}

TEST_CASE("flow hash sends all records of a flow to one collector, also while it is away",
          "[group]") {
    GroupBench bench(Distribution::flow_hash);
    for (int round = 0; round < 4; ++round) {
        if (round == 1) bench.disconnect(1);
        bench.append(0, 300);
        bench.step(60 * kNsPerSecond);
    }
    const auto before = bench.got(1);
    bench.connect(1);
    bench.step(kNsPerSecond);
    CHECK(bench.group->ledger().sent.records == 1200);
    std::vector<std::set<std::uint64_t>> flows(3);
    for (std::size_t c = 0; c < 3; ++c) {
        for (const std::uint64_t flow : bench.got(c))
            flows[c].insert(flow);
    }
    CHECK(std::set<std::uint64_t>(before.begin(), before.end()) == flows[1]);
    CHECK(flows[0].size() + flows[1].size() + flows[2].size() == 300);
    for (const auto& some : flows)
        CHECK(some.size() > 50);
}

TEST_CASE("a collector less moves the flows of that one only", "[group]") {
    GroupBench all(Distribution::flow_hash, 4);
    GroupBench less(Distribution::flow_hash, 3, {"a", "b", "d"});
    all.append(0, 400);
    less.append(0, 400);
    all.step(kNsPerSecond);
    less.step(kNsPerSecond);
    const auto has = [](const std::vector<std::uint64_t>& those, std::uint64_t flow) {
        return std::find(those.begin(), those.end(), flow) != those.end();
    };
    const std::size_t same_name[] = {0, 1, 3};
    for (std::size_t c = 0; c < 3; ++c) {
        for (const std::uint64_t flow : all.got(same_name[c]))
            CHECK(has(less.got(c), flow));
    }
}

TEST_CASE("failover: the next takes over after the time said, with what was queued, and gives back",
          "[group]") {
    GroupBench bench(Distribution::failover);
    bench.append(0, 10);
    bench.step(kNsPerSecond);
    CHECK(bench.got(0) == counting(0, 10));
    bench.disconnect(0);
    bench.append(10, 10); // given to the first while nobody knew
    bench.step(kNsPerSecond);
    bench.append(20, 10);
    bench.step(8 * kNsPerSecond);
    CHECK(bench.got_by_all() == counting(0, 10));
    bench.step(2 * kNsPerSecond);
    bench.append(30, 10);
    bench.step(kNsPerSecond);
    CHECK(bench.got(1) == counting(10, 30));
    CHECK(bench.got(2).empty());
    bench.connect(0);
    bench.step(kNsPerMs);
    bench.append(40, 10);
    bench.step(kNsPerSecond);
    CHECK(bench.got(0) == counting(40, 10));
    CHECK(bench.got(1) == counting(10, 30));
    CHECK(bench.group->ledger().sent.records == 50);
    CHECK(bench.group->ledger().lost_total().records == 0);
}

TEST_CASE("failover: with nobody there, records wait for whoever comes first", "[group]") {
    GroupBench bench(Distribution::failover);
    for (std::size_t c = 0; c < 3; ++c)
        bench.disconnect(c);
    bench.append(0, 100);
    bench.step(60 * kNsPerSecond);
    CHECK(bench.group->ledger().queued.records == 100);
    bench.connect(2);
    bench.step(kNsPerSecond);
    bench.step(kNsPerSecond);
    CHECK(bench.got(2) == counting(0, 100));
}

TEST_CASE("failover: a message that the kernel has a part of does not move", "[group]") {
    GroupBench bench(Distribution::failover);
    bench.append(0, 5);
    bench.wires[0]->answers = {SendVerdict::would_block, SendVerdict::session_lost};
    bench.step(kNsPerSecond);
    bench.append(5, 5);
    bench.step(kNsPerMs); // the connection breaks: of the torn message nothing is at the collector
    bench.step(20 * kNsPerSecond);
    bench.step(kNsPerSecond);
    CHECK(bench.got(1) == counting(0, 10));
}

TEST_CASE("failover: a collector over UDP is back when its path was tried without an error",
          "[group]") {
    GroupBench bench(Distribution::failover, 2);
    bench.wires[0]->is_reliable = false;
    bench.append(0, 5);
    bench.wires[0]->answers = {SendVerdict::transient_error};
    bench.step(kNsPerSecond);
    CHECK_FALSE(bench.group->members()[0]->available());
    // every second message meets the ICMP error that answers the one before
    for (int attempt = 0; attempt < 12; ++attempt) {
        bench.wires[0]->answers = {SendVerdict::sent, SendVerdict::transient_error};
        for (int step = 0; step < 10; ++step) {
            bench.step(150 * kNsPerMs);
            CHECK_FALSE(bench.group->members()[0]->available());
            if (bench.wires[0]->answers.empty()) break;
        }
    }
    bench.step(kNsPerSecond);
    CHECK(bench.got(1) == counting(0, 5));
    bench.wires[0]->answers.clear();
    for (int step = 0; step < 20; ++step)
        bench.step(150 * kNsPerMs);
    CHECK(bench.group->members()[0]->available());
    bench.wires[0]->messages.clear();
    bench.append(5, 5);
    bench.step(kNsPerSecond);
    CHECK(bench.group->members()[0]->ledger().sent.records == 5);
}

TEST_CASE("at the end what is queued at a collector that is away goes to one that is there",
          "[group]") {
    const auto distribute = GENERATE(Distribution::round_robin, Distribution::failover);
    GroupBench bench(distribute);
    bench.append(0, 20'000);
    bench.disconnect(0);
    bench.group->close(bench.now);
    for (int step = 0; step < 50 && !bench.group->idle(); ++step)
        bench.step(10 * kNsPerMs);
    CHECK(bench.group->idle());
    CHECK(bench.group->ledger().lost_total().records == 0);
    CHECK(bench.got_by_all() == counting(0, 20'000));
}

TEST_CASE("at the end with nobody there, what is queued is lost by that name", "[group]") {
    GroupBench bench(Distribution::failover, 2);
    bench.disconnect(0);
    bench.disconnect(1);
    bench.append(0, 7);
    bench.group->close(bench.now);
    bench.step(kNsPerSecond);
    CHECK_FALSE(bench.group->idle());
    bench.group->abandon();
    bench.check_ledger();
    CHECK(bench.group->idle());
    CHECK(lost(bench.group->ledger(), LossReason::shutdown).records == 7);
}

TEST_CASE("a flow has one hash, whichever end sends and whatever layout its key has", "[group]") {
    probe::Ipv4WideKey key{};
    key.source = {10, 0, 0, 1};
    key.destination = {192, 0, 2, 7};
    key.source_port_be = 80;
    key.destination_port_be = 4321;
    key.protocol = 6;
    const auto hash = [](const auto& of) {
        std::array<std::uint8_t, sizeof of> octets;
        std::memcpy(octets.data(), &of, sizeof of);
        return probe::flow_hash(probe::IpFamily::ipv4, octets.data());
    };
    const std::uint64_t one = hash(key);
    std::swap(key.source, key.destination);
    std::swap(key.source_port_be, key.destination_port_be);
    CHECK(hash(key) == one);
    probe::Ipv4Key narrow{};
    narrow.source = key.source;
    narrow.destination = key.destination;
    narrow.source_port_be = key.source_port_be;
    narrow.destination_port_be = key.destination_port_be;
    narrow.protocol = key.protocol;
    narrow.vlan_and_template = 3 << probe::kTemplateShift;
    CHECK(hash(narrow) == one);
    std::swap(narrow.source_port_be, narrow.destination_port_be); // ports at the other ends
    CHECK(hash(narrow) != one);
    narrow.protocol = 17;
    CHECK(hash(narrow) != one);
}
