// SPDX-License-Identifier: BSD-3-Clause
// The highest rate without loss: packets arrive at a fixed pace, from a thread on a core of its
// own, in a ring of 2,048 descriptors; the other core runs worker, sweep and exporter in turn. What
// finds the ring full is missed.
#include <atomic>
#include <thread>

#include "bench/context.hpp"
#include "bench/sinks.hpp"
#include "bench/worker_path.hpp"

namespace bench {
namespace {

using probe::TimeNs;

struct Trial {
    double offered = 0;
    double missed = 0;
    double mpps = 0;          ///< that the source kept up with
    std::uint64_t stalls = 0; ///< times the source itself was off its core for 100 us and more
};

/// Lets packets arrive at `mpps` for `seconds`. What a stalled source could not offer in time is
/// left out, not offered in one go: no wire does that.
Trial offer(MemoryPort& port, double mpps, double seconds, const std::atomic<bool>& ready) {
    while (!ready.load()) {
        std::this_thread::yield();
    }
    constexpr double kStallNs = 100'000;
    Trial trial;
    const TimeNs began = probe::monotonic_ns();
    double due = 0;
    TimeNs last = began;
    for (TimeNs now = began; static_cast<double>(now - began) < seconds * 1e9;
         now = probe::monotonic_ns()) {
        const auto passed = static_cast<double>(now - last);
        last = now;
        if (passed > kStallNs) {
            ++trial.stalls;
            continue;
        }
        due += passed * mpps / 1e3;
        const auto count = static_cast<std::uint32_t>(due);
        if (count != 0) {
            due -= count;
            trial.offered += count;
            trial.missed += port.arrive(count);
        }
    }
    trial.mpps = trial.offered / static_cast<double>(probe::monotonic_ns() - began) * 1e3;
    return trial;
}

Trial one_trial(Context& context, WorkerPath& path, probe::Exporter& exporter, double mpps) {
    std::atomic<bool> stop{false};
    std::atomic<bool> ready{false};
    Trial trial;
    context.port->pace(true);
    std::thread source([&] {
        pin_thread(context.helper_cpu);
        trial = offer(*context.port, mpps, context.measuring.seconds, ready);
        stop.store(true);
    });
    ready.store(true);
    (void)path.run_paced(stop, exporter);
    source.join();
    context.port->pace(false);
    return trial;
}

/// The best of a few tries: on a machine that is shared, loss by an interrupted core says nothing
/// of the path.
Trial best_of(Context& context, WorkerPath& path, probe::Exporter& exporter, double mpps,
              double loss_max) {
    Trial best;
    for (int i = 0; i < 3; ++i) {
        const Trial trial = one_trial(context, path, exporter, mpps);
        if (i == 0 || trial.missed < best.missed) {
            best = trial;
        }
        if (best.missed <= loss_max * best.offered) {
            break;
        }
    }
    return best;
}

} // namespace

void run_loss_search(Context& context) {
    if (context.helper_cpu < 0) {
        return; // source and worker need a core each
    }
    ResultFile results = context.results("loss_free_rate");
    const probe::RecordBinding binding = context.bind("default");
    for (const std::uint64_t wanted : {1'000U, 100'000U, 1'000'000U}) {
        const std::uint64_t flows = context.cap(wanted);
        TrafficOptions traffic_options;
        traffic_options.flows = flows;
        traffic_options.frames_min = context.options.smoke ? 4'096U : 1U << 20;
        const Traffic traffic(traffic_options);
        PathOptions options{.name = "loss"};
        options.flows_max = flows + flows / 500 + 256;
        options.ipv6_share = 0.001;
        options.timeouts.idle = 3 * options.timeouts.active;
        WorkerPath path(binding, options, *context.queue);
        std::vector<std::unique_ptr<probe::RecordSink>> sinks;
        sinks.push_back(std::make_unique<NullSink>());
        const auto exporter = path.make_exporter(std::move(sinks));
        context.port->pace(false);
        context.port->play(traffic);
        path.fill(traffic.frames().size(), 59 * probe::kNsPerSecond);
        for (const double loss_max : {0.0, 1e-4}) {
            double low = 0;
            double high = 100;
            Trial at_low;
            const int halvings = context.options.smoke ? 2 : 9; // to 0.2 Mpps
            for (int i = 0; i < halvings; ++i) {
                const double middle = (low + high) / 2;
                const Trial trial = best_of(context, path, *exporter, middle, loss_max);
                if (trial.missed <= loss_max * trial.offered) {
                    low = middle;
                    at_low = trial;
                } else {
                    high = middle;
                }
            }
            results.add({{"flows", number(flows)},
                         {"loss_allowed", number(loss_max, 4)},
                         {"mpps", number(at_low.mpps)},
                         {"offered", number(at_low.offered, 0)},
                         {"missed", number(at_low.missed, 0)},
                         {"source_stalls", number(at_low.stalls)},
                         {"pct_10g_64", number(100 * at_low.mpps * 1e6 / line_rate_pps(10, 64), 1)},
                         {"lost_packets", number(path.loss().packets)},
                         {"lost_records", number(path.loss().records)}});
        }
        if (flows < wanted) {
            break;
        }
    }
}

} // namespace bench
