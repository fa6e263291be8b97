// SPDX-License-Identifier: BSD-3-Clause
// The flow table under stress: every packet a new flow, more flows than it holds, the sweep and its
// cost to the worker, how late flows end, and memory.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "bench/context.hpp"
#include "bench/sinks.hpp"
#include "bench/worker_path.hpp"
#include "probe/metering/flow_record.hpp"

namespace bench {
namespace {

using probe::IpFamily;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::TimeNs;

constexpr double kIpv4Only = 0.001;

TrafficOptions flows_of(const Context& context, std::uint64_t flows) {
    TrafficOptions traffic;
    traffic.flows = flows;
    if (context.options.smoke) {
        traffic.frames_min = 4'096;
    }
    return traffic;
}

std::unique_ptr<probe::Exporter> null_exporter(WorkerPath& path) {
    std::vector<std::unique_ptr<probe::RecordSink>> sinks;
    sinks.push_back(std::make_unique<NullSink>());
    return path.make_exporter(std::move(sinks));
}

/// Room for `flows` IPv4 flows and the least share of the other family.
std::uint64_t with_other_family(std::uint64_t flows) {
    return flows + flows / 500 + 256;
}

Contestant contestant(const std::string& name, std::function<std::uint64_t(std::uint64_t)> run) {
    return {name, std::move(run), {}, {}, {}};
}

} // namespace

void run_new_flows(Context& context) {
    ResultFile results = context.results("new_flows");
    const auto alive = static_cast<double>(context.cap(1'000'000));
    const probe::RecordBinding binding = context.bind("default");
    const Traffic traffic(flows_of(context, 1'000));
    PathOptions options{.name = "new_flows"};
    options.flows_max = with_other_family(static_cast<std::uint64_t>(2 * alive));
    options.ipv6_share = kIpv4Only;
    options.timeouts.idle = static_cast<TimeNs>(alive) * options.ns_per_packet;
    options.sweep = std::max<TimeNs>(options.timeouts.idle / 4, kNsPerMs);
    WorkerPath path(binding, options, *context.queue);
    const auto exporter = null_exporter(path);
    context.port->pace(false);
    context.port->play(traffic, 1.0);
    (void)path.run_export(static_cast<std::uint64_t>(2.5 * alive) / probe::kBurstPackets,
                          *exporter); // until as many flows end as begin
    std::vector<Contestant> contestants;
    contestants.push_back(
        contestant("worker, sweep and exporter on one core",
                   [&](std::uint64_t b) { return path.run_export(b, *exporter); }));
    contestants.back().excluded_ns = [] { return 0.0; };
    const std::uint64_t records_before = path.records();
    measure(contestants, context.measuring);
    const Figure figure = figure_of(contestants[0].ns_per_packet);
    const Loss loss = path.loss();
    const probe::MeteringLedger& ledger = path.worker().ledger();
    const std::uint64_t made = ledger.flows_made.get();
    const std::uint64_t accounted = path.records() + path.worker().live_totals().flows;
    results.add({{"path", contestants[0].name},
                 {"flows_alive", number(path.worker().live_totals().flows)},
                 {"ns_per_flow", number(figure.median)},
                 {"spread_ns", number(figure.spread)},
                 {"mflows_s", number(1e3 / figure.median)},
                 {"records", number(path.records() - records_before)},
                 {"flows_unaccounted", number(made - std::min(made, accounted))},
                 {"lost_packets", number(loss.packets)},
                 {"lost_records", number(loss.records)}});
}

void run_full_table(Context& context) {
    ResultFile results = context.results("full_table");
    const std::uint64_t capacity = context.cap(1'000'000);
    const probe::RecordBinding binding = context.bind("default");
    std::array<double, 2> fits_ns{}; // by path
    for (const std::uint64_t offered : {capacity, 2 * capacity}) {
        for (const probe::WhenFull when_full : {probe::WhenFull::evict, probe::WhenFull::refuse}) {
            if (offered == capacity && when_full == probe::WhenFull::refuse) {
                continue; // nothing is refused
            }
            const Traffic traffic(flows_of(context, offered));
            PathOptions options{.name = "full_table"};
            options.flows_max = with_other_family(capacity);
            options.ipv6_share = kIpv4Only;
            options.when_full = when_full;
            options.timeouts.idle = 3 * options.timeouts.active;
            WorkerPath path(binding, options, *context.queue);
            const auto exporter = null_exporter(path);
            context.port->pace(false);
            context.port->play(traffic);
            path.fill(traffic.frames().size(), kNsPerSecond);
            const Loss before = path.loss();
            std::vector<Contestant> contestants;
            contestants.push_back(
                contestant("worker", [&](std::uint64_t b) { return path.run_account(b); }));
            contestants.push_back(
                contestant("worker and exporter on one core",
                           [&](std::uint64_t b) { return path.run_export(b, *exporter); }));
            measure(contestants, context.measuring);
            const auto evicted = static_cast<std::size_t>(probe::FlowEndReason::lack_of_resources);
            for (std::size_t c = 0; c < contestants.size(); ++c) {
                const Figure figure = figure_of(contestants[c].ns_per_packet);
                fits_ns[c] = offered == capacity ? figure.median : fits_ns[c];
                results.add(
                    {{"path", contestants[c].name},
                     {"capacity", number(capacity)},
                     {"offered_flows", number(offered)},
                     {"when_full", when_full == probe::WhenFull::evict ? "evict" : "refuse"},
                     {"ns", number(figure.median)},
                     {"spread_ns", number(figure.spread)},
                     {"mpps", number(1e3 / figure.median)},
                     {"pct_of_fitting", number(100 * fits_ns[c] / figure.median, 1)},
                     {"evicted",
                      number(path.worker().ledger().records_made[evicted].records.get())},
                     {"refused_packets", number(path.loss().packets - before.packets)},
                     {"lost_records", number(path.loss().records)}});
            }
        }
    }
}

void run_sweep(Context& context) {
    ResultFile results = context.results("sweep");
    const std::uint64_t flows = context.cap(10'000'000);
    const probe::RecordBinding binding = context.bind("default");
    const Traffic traffic(flows_of(context, flows));
    PathOptions options{.name = "sweep"};
    options.flows_max = with_other_family(flows);
    options.ipv6_share = kIpv4Only;
    options.timeouts.idle = options.timeouts.active = probe::kNever / 4; // nothing ends
    WorkerPath path(binding, options, *context.queue);
    context.port->pace(false);
    context.port->play(traffic);
    path.fill(traffic.frames().size(), kNsPerSecond);
    probe::FlowLane& lane = *path.worker().lane(IpFamily::ipv4);

    std::vector<double> pass_ms;
    for (int i = 0; i < std::max(context.measuring.runs, 3); ++i) {
        const TimeNs began = probe::monotonic_ns();
        const std::size_t stopped = lane.sweep(0, lane.slots_used(), path.now());
        pass_ms.push_back(static_cast<double>(probe::monotonic_ns() - began) / 1e6);
        if (stopped != lane.slots_used()) {
            throw std::runtime_error("the sweep found flows to end where none should");
        }
    }

    // 0: no sweep; 1: once a second, as live; 2: without a pause
    std::atomic<int> mode{0};
    std::thread sweeper;
    std::vector<Contestant> contestants;
    for (const auto& [name, wanted] :
         {std::pair{"none", 0}, std::pair{"once a second", 1}, std::pair{"without a pause", 2}}) {
        contestants.push_back(contestant(name, [&, wanted = wanted](std::uint64_t b) {
            mode.store(wanted);
            return path.run_account(b);
        }));
    }
    if (context.helper_cpu >= 0) {
        sweeper = std::thread([&] {
            pin_thread(context.helper_cpu);
            constexpr std::size_t kSlots = 16'384; // of a step, as Housekeeping's default
            std::size_t cursor = 0;
            TimeNs pass_began = probe::monotonic_ns();
            for (int now_mode = 0; (now_mode = mode.load()) >= 0;) {
                const double share = static_cast<double>(probe::monotonic_ns() - pass_began) / 1e9;
                const auto due =
                    static_cast<std::size_t>(share * static_cast<double>(lane.slots_used()));
                if (now_mode == 0 || (now_mode == 1 && cursor > due)) {
                    std::this_thread::yield();
                    continue;
                }
                const std::size_t to = std::min(cursor + kSlots, lane.slots_used());
                cursor = lane.sweep(cursor, to, path.now());
                if (cursor == lane.slots_used()) {
                    cursor = 0;
                    pass_began = probe::monotonic_ns() - (now_mode == 1 ? 0 : kNsPerSecond);
                }
            }
        });
        measure(contestants, context.measuring);
        mode.store(-1);
        sweeper.join();
    }
    const Figure pass = figure_of(pass_ms);
    const double alone = figure_of(contestants[0].ns_per_packet).median;
    for (const Contestant& c : contestants) {
        const Figure figure = figure_of(c.ns_per_packet);
        results.add(
            {{"slots", number(std::uint64_t{lane.slots_used()})},
             {"pass_ms", number(pass.median)},
             {"spread_ms", number(pass.spread)},
             {"sweep_beside_worker", c.name},
             {"worker_ns", number(figure.median)},
             {"spread_ns", number(figure.spread)},
             {"slower_pct", alone > 0 ? number(100 * (figure.median / alone - 1), 1) : ""}});
    }
}

namespace {

/// How long after its deadline each record was made, in traffic time.
struct Lateness {
    std::vector<double> idle_ms;
    std::vector<double> active_ms;
};

void take_lateness(WorkerPath& path, const probe::TimeoutOptions& timeouts, Lateness& lateness) {
    probe::SpscQueue& queue = path.worker().lane(IpFamily::ipv4)->records();
    while (const std::uint8_t* octets = queue.front()) {
        probe::FlowRecord<probe::Ipv4Key> record;
        std::memcpy(&record, octets, sizeof record);
        queue.pop();
        const auto reason = static_cast<probe::FlowEndReason>(record.end_reason);
        const auto after = [&](TimeNs deadline) {
            return static_cast<double>(path.now() - std::min(path.now(), deadline)) / 1e6;
        };
        if (reason == probe::FlowEndReason::idle_timeout) {
            lateness.idle_ms.push_back(after(record.last_ns + timeouts.idle));
        } else if (reason == probe::FlowEndReason::active_timeout) {
            lateness.active_ms.push_back(after(record.first_ns + timeouts.active));
        }
    }
}

std::string percentile(std::vector<double>& values, double share) {
    if (values.empty()) {
        return "";
    }
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + at, values.end());
    return number(values[static_cast<std::size_t>(at)], 1);
}

} // namespace

void run_lateness(Context& context) {
    ResultFile results = context.results("lateness");
    const std::uint64_t flows = context.cap(1'000'000);
    const probe::RecordBinding binding = context.bind("default");
    const Traffic traffic(flows_of(context, flows));
    PathOptions options{.name = "lateness"};
    // in traffic time, 10 Mpps: 5 % new flows, idle after 1 s, so 500,000 of them are alive
    const double new_share = 0.05;
    options.ns_per_packet = context.options.smoke ? 10'000 : 100;
    const double new_alive = new_share * 1e9 / static_cast<double>(options.ns_per_packet);
    options.flows_max = with_other_family(flows + static_cast<std::uint64_t>(4 * new_alive));
    options.ipv6_share = kIpv4Only;
    options.timeouts.idle = kNsPerSecond;
    options.timeouts.active = 2 * kNsPerSecond;
    WorkerPath path(binding, options, *context.queue);
    context.port->pace(false);
    context.port->play(traffic, new_share);
    Lateness lateness;
    const TimeNs warm = path.now() + 3 * kNsPerSecond;
    const TimeNs end = warm + (context.options.quick ? 2 : 4) * kNsPerSecond;
    while (path.now() < end) {
        Lateness ignored;
        (void)path.run_worker_and_sweep(16);
        take_lateness(path, options.timeouts, path.now() < warm ? ignored : lateness);
    }
    for (auto* values : {&lateness.idle_ms, &lateness.active_ms}) {
        results.add({{"flows", number(flows)},
                     {"timeout", values == &lateness.idle_ms ? "idle" : "active"},
                     {"sweep_ms", number(options.sweep / kNsPerMs)},
                     {"records", number(std::uint64_t{values->size()})},
                     {"p50_ms", percentile(*values, 0.5)},
                     {"p99_ms", percentile(*values, 0.99)},
                     {"max_ms", percentile(*values, 1.0)},
                     {"lost_packets", number(path.loss().packets)},
                     {"lost_records", number(path.loss().records)}});
    }
}

void run_memory(Context& context) {
    ResultFile results = context.results("memory");
    for (const char* set : {"minimal", "default", "wide"}) {
        const probe::RecordBinding binding = context.bind(set);
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            const probe::LanePlan& lane = binding.metering_plan().lane(family);
            for (const std::uint64_t flows : {1'000'000U, 4'194'304U, 10'000'000U}) {
                const auto octets = static_cast<double>(probe::lane_memory_octets(lane, flows, 0));
                results.add(
                    {{"templates", set},
                     {"family", family == IpFamily::ipv4 ? "ipv4" : "ipv6"},
                     {"flows", number(flows)},
                     {"record_octets", number(std::uint64_t{lane.layout().stride})},
                     {"index_octets",
                      number(octets / static_cast<double>(flows) - lane.layout().stride, 1)},
                     {"octets_per_flow", number(octets / static_cast<double>(flows), 1)}});
            }
        }
    }
}

} // namespace bench
