// SPDX-License-Identifier: BSD-3-Clause
// The ladder: what each step of a packet's way costs, and the same for one axis of the traffic at a
// time.
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>

#include "bench/bare_loop.hpp"
#include "bench/context.hpp"
#include "bench/path_rungs.hpp"
#include "bench/sinks.hpp"
#include "bench/worker_path.hpp"

namespace bench {
namespace {

using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::TimeNs;

struct Scenario {
    std::string axis; ///< what this row varies
    TrafficOptions traffic{};
    double new_share = 0;
    std::string templates = "default";
    bool all_rungs = true;
};

/// One-packet flows alive at a time: with 100 % new flows the table holds nothing else.
constexpr double kNewFlowsAlive = 200'000;

/// The driver alone: a burst taken and given back, nobody looks at it.
std::uint64_t run_source(std::uint16_t port, std::uint64_t bursts) {
    std::array<rte_mbuf*, probe::kBurstPackets> mbufs{};
    std::uint64_t packets = 0;
    for (std::uint64_t b = 0; b < bursts; ++b) {
        const std::uint16_t got = rte_eth_rx_burst(port, 0, mbufs.data(), mbufs.size());
        rte_pktmbuf_free_bulk(mbufs.data(), got);
        packets += got;
    }
    return packets;
}

PathOptions path_options(const Scenario& scenario, double alive) {
    PathOptions options;
    options.name = "ladder";
    // a uniflow set makes two flows of packets that go both ways
    const auto directions = scenario.traffic.order == FlowOrder::both_ways ? 2U : 1U;
    options.flows_max = scenario.traffic.flows * directions + static_cast<std::uint64_t>(3 * alive);
    options.flows_max = std::max<std::uint64_t>(options.flows_max, 1'024);
    if (scenario.traffic.family == TrafficFamily::ipv4) {
        options.ipv6_share = 0.001;
    } else if (scenario.traffic.family == TrafficFamily::ipv6) {
        options.ipv6_share = 0.999;
    }
    options.flows_max += options.flows_max / 256 + 128; // the other family's least share
    if (alive != 0) {
        options.timeouts.idle =
            static_cast<TimeNs>(alive / scenario.new_share) * options.ns_per_packet;
        options.sweep = std::max<TimeNs>(options.timeouts.idle / 4, kNsPerMs);
    } else {
        options.timeouts.idle = 3 * options.timeouts.active; // flows that live on: cut, never idle
    }
    return options;
}

/// One scenario's way up the ladder; owns everything that is measured.
class Climb {
  public:
    Climb(Context& context, const Scenario& scenario)
        : context_(context),
          scenario_(scenario),
          traffic_(scenario.traffic),
          binding_(context.bind(scenario.templates)),
          alive_(scenario.new_share > 0
                     ? std::min(kNewFlowsAlive, static_cast<double>(context.cap(200'000)))
                     : 0),
          path_(binding_, path_options(scenario, alive_), *context.queue) {
        context.port->pace(false);
        context.port->play(traffic_);
        if (scenario.all_rungs && scenario.new_share == 0) {
            rungs_ = std::make_unique<PathRungs>(binding_, *context.queue, traffic_);
        }
        const bool bare = scenario.new_share == 0 && scenario.traffic.order != FlowOrder::both_ways;
        if (bare) {
            bare_hash_ = make_bare_hash_loop(traffic_);
            bare_tag_ = make_bare_tag_loop(traffic_);
        }
        fill();
        null_exporter_ = path_.make_exporter(one_sink(std::make_unique<NullSink>()));
        if (scenario.all_rungs && context.helper_cpu >= 0) {
            collector_ =
                std::make_unique<LoopbackCollector>(probe::TransportKind::udp, context.helper_cpu);
            udp_exporter_ = path_.make_exporter(one_sink(collector_->open_sink(binding_)));
        }
        line_up();
    }

    void measure_and_report(ResultFile& results) {
        measure(contestants_, context_.measuring);
        check();
        std::map<std::string, Figure> figures;
        for (const Contestant& c : contestants_) {
            figures[c.name] = figure_of(c.ns_per_packet);
        }
        for (const Contestant& c : contestants_) {
            results.add(row(c, figures));
            if (c.name == "expiry") { // the same runs, with the sweep on the worker's own core
                Contestant on_one_core{"expiry_and_sweep", {}, {}, c.with_excluded, {}};
                figures[on_one_core.name] = figure_of(on_one_core.ns_per_packet);
                results.add(row(on_one_core, figures));
            }
        }
    }

  private:
    static std::vector<std::unique_ptr<probe::RecordSink>> one_sink(
        std::unique_ptr<probe::RecordSink> sink) {
        std::vector<std::unique_ptr<probe::RecordSink>> sinks;
        sinks.push_back(std::move(sink));
        return sinks;
    }

    /// Every flow of the traffic, and then new ones until as many end as begin.
    void fill() {
        // kept clear of the active timeout, so that the flows of the fill end evenly after it
        path_.fill(traffic_.frames().size(), 59 * kNsPerSecond);
        context_.port->play(traffic_, scenario_.new_share);
        if (scenario_.new_share > 0) {
            const double packets = 2.5 * alive_ / scenario_.new_share;
            (void)path_.run_expiry(static_cast<std::uint64_t>(packets) / probe::kBurstPackets);
        }
        loss_before_ = path_.loss();
    }

    void line_up() {
        add("source", [this](std::uint64_t b) { return run_source(context_.port->number(), b); });
        if (rungs_) {
            for (const auto& [name, rung] :
                 {std::pair{"receive", Rung::receive}, std::pair{"parse", Rung::parse},
                  std::pair{"hash", Rung::hash}, std::pair{"lookup", Rung::lookup}}) {
                add(name, [this, rung = rung](std::uint64_t b) { return rungs_->run(rung, b); });
            }
        } else {
            add("receive", [this](std::uint64_t bursts) {
                std::uint64_t packets = 0;
                for (std::uint64_t b = 0; b < bursts; ++b) {
                    packets += context_.queue->poll(batch_, b);
                    context_.queue->release();
                }
                return packets;
            });
        }
        if (scenario_.new_share == 0) { // without the sweep, new flows would only fill the table
            add("account", [this](std::uint64_t b) { return path_.run_account(b); });
        }
        add("expiry", [this](std::uint64_t b) { return path_.run_expiry(b); });
        contestants_.back().excluded_ns = [this] { return path_.sweep_ns(); };
        add("export_null",
            [this](std::uint64_t b) { return path_.run_export(b, *null_exporter_); });
        if (udp_exporter_) {
            add("export_udp",
                [this](std::uint64_t b) { return path_.run_export(b, *udp_exporter_); });
        }
        if (bare_hash_) {
            add("bare_hash", [this](std::uint64_t b) { return bare_hash_->run(b); });
            add("bare_tags", [this](std::uint64_t b) { return bare_tag_->run(b); });
        }
    }

    void add(const std::string& name, std::function<std::uint64_t(std::uint64_t)> run) {
        contestants_.push_back({name, std::move(run), {}, {}, {}});
    }

    void check() const {
        if (context_.port->without_mbuf() != 0) {
            throw std::runtime_error("the source ran out of mbufs: its figures are void");
        }
        if (rungs_ && rungs_->not_found() != 0) {
            throw std::runtime_error("the lookup rung did not find every flow");
        }
        if (!path_.worker_stands()) {
            throw std::runtime_error("the worker's flow table failed its self-check");
        }
    }

    [[nodiscard]] Row row(const Contestant& c, const std::map<std::string, Figure>& figures) const {
        const auto median_of = [&](const char* name) {
            const auto found = figures.find(name);
            return found == figures.end() ? 0.0 : found->second.median;
        };
        const Figure mine = figures.at(c.name);
        const bool of_the_path = c.name == "account" || c.name.rfind("exp", 0) == 0;
        const double hash = median_of("bare_hash") + median_of("receive");
        const double tags = median_of("bare_tags") + median_of("receive");
        const auto ratio = [&](double yardstick) {
            return of_the_path && bare_hash_ ? number(mine.median / yardstick) : std::string();
        };
        const double pps = 1e9 / mine.median;
        const auto share = [&](double gigabits) {
            const double wire = line_rate_pps(gigabits, traffic_.mean_frame_octets());
            return of_the_path ? number(100 * pps / wire, 1) : std::string();
        };
        const Loss loss = path_.loss();
        std::uint64_t records_lost = loss.records - loss_before_.records;
        if (c.name == "export_udp") {
            records_lost += udp_exporter_->sinks()[0]->ledger().lost_total().records;
        }
        const TrafficOptions& t = scenario_.traffic;
        return {{"axis", scenario_.axis},
                {"flows", number(t.flows)},
                {"frame", t.frame_octets == kImix ? "imix" : number(std::uint64_t{t.frame_octets})},
                {"family", std::string(name_of(t.family))},
                {"order", std::string(name_of(t.order))},
                {"udp", number(t.udp_share, 1)},
                {"new_flows", number(scenario_.new_share, 2)},
                {"templates", scenario_.templates},
                {"rung", c.name},
                {"ns", number(mine.median)},
                {"spread_ns", number(mine.spread)},
                {"runs", number(std::uint64_t{c.ns_per_packet.size()})},
                {"mpps", number(pps / 1e6)},
                {"to_bare_hash", ratio(hash)},
                {"to_bare_tags", ratio(tags)},
                {"pct_10g", share(10)},
                {"pct_25g", share(25)},
                {"pct_40g", share(40)},
                {"pct_100g", share(100)},
                {"lost_packets", of_the_path ? number(loss.packets - loss_before_.packets) : ""},
                {"lost_records", of_the_path ? number(records_lost) : ""}};
    }

    Context& context_;
    Scenario scenario_;
    Traffic traffic_;
    probe::RecordBinding binding_;
    double alive_;
    WorkerPath path_;
    Loss loss_before_;
    probe::PacketBatch batch_;
    std::unique_ptr<PathRungs> rungs_;
    std::unique_ptr<BareLoop> bare_hash_;
    std::unique_ptr<BareLoop> bare_tag_;
    std::unique_ptr<LoopbackCollector> collector_;
    std::unique_ptr<probe::Exporter> null_exporter_;
    std::unique_ptr<probe::Exporter> udp_exporter_;
    std::vector<Contestant> contestants_;
};

TrafficOptions traffic_of(const Context& context, std::uint64_t flows) {
    TrafficOptions traffic{};
    traffic.flows = context.cap(flows);
    if (context.options.smoke) {
        traffic.frames_min = 4'096;
    }
    return traffic;
}

} // namespace

void run_ladder(Context& context) {
    ResultFile results = context.results("ladder");
    std::uint64_t before = 0;
    for (const std::uint64_t flows : {1'000U, 100'000U, 1'000'000U, 4'000'000U, 10'000'000U}) {
        const TrafficOptions traffic = traffic_of(context, flows);
        if (traffic.flows == before) {
            break; // the cap was reached
        }
        before = traffic.flows;
        Climb(context, {.axis = "flows", .traffic = traffic}).measure_and_report(results);
    }
}

void run_axes(Context& context) {
    ResultFile results = context.results("axes");
    const TrafficOptions base = traffic_of(context, 100'000);
    std::vector<Scenario> scenarios;
    for (const std::uint32_t octets : {64U, 128U, 256U, 512U, 1518U, kImix}) {
        scenarios.push_back({.axis = "frame", .traffic = base, .all_rungs = false});
        scenarios.back().traffic.frame_octets = octets;
    }
    for (const TrafficFamily family : {TrafficFamily::ipv6, TrafficFamily::mixed}) {
        scenarios.push_back({.axis = "family", .traffic = base});
        scenarios.back().traffic.family = family;
    }
    for (const FlowOrder order : {FlowOrder::zipf, FlowOrder::bursts, FlowOrder::both_ways}) {
        scenarios.push_back({.axis = "order", .traffic = base, .all_rungs = false});
        scenarios.back().traffic.order = order;
    }
    scenarios.push_back({.axis = "udp", .traffic = base, .all_rungs = false});
    scenarios.back().traffic.udp_share = 0.3;
    for (const double share : {0.01, 0.1, 1.0}) {
        scenarios.push_back({.axis = "new_flows", .traffic = base, .new_share = share});
    }
    for (const char* templates : {"minimal", "wide", "application"}) {
        scenarios.push_back(
            {.axis = "templates", .traffic = base, .templates = templates, .all_rungs = false});
    }
    for (const Scenario& scenario : scenarios) {
        Climb(context, scenario).measure_and_report(results);
    }
}

} // namespace bench
