// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <memory>
#include <stdexcept>

#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/commands/reload.hpp"
#include "probe/commands/signal_thread.hpp"
#include "probe/lcores/lcore_plan.hpp"
#include "probe/lcores/live_job.hpp"
#include "probe/observation/eal_session.hpp"

namespace probe {

namespace {

std::vector<std::string> port_names(const ProbeConfig& config) {
    std::vector<std::string> names;
    for (const ObservationPointOptions& point : config.observation.points) {
        names.push_back(point.port);
    }
    return names;
}

/// MB of DPDK memory with --no-huge, where nobody says -m: flow indexes, packet buffers, and the
/// records, which come from the same heap when there are hugepages and beside it when there are
/// none. The indexes twice, for a reload of templates: what is not touched costs nothing.
std::uint32_t memory_mb(const ProbeConfig& config, const RecordBinding& binding) {
    constexpr std::uint64_t kPacketBufferOctets = 2432; // 2,048 of data, headroom, the mbuf itself
    constexpr std::uint64_t kRings = 3; // descriptors, and as many again on the way and in caches
    std::uint64_t packets = 0;
    std::uint32_t queues = 0;
    for (const ObservationPointOptions& point : config.observation.points) {
        packets += std::uint64_t{point.queues} * point.descriptors * kRings;
        queues += point.queues;
    }
    return 2 * flow_index_memory_mb(binding.metering_plan(), config.metering, queues) +
           static_cast<std::uint32_t>((packets * kPacketBufferOctets) >> 20) + 64;
}

/// Warnings always; what is set up, unless told to be quiet.
void introduce(const ObservationPoint& point, bool quiet) {
    if (!quiet) {
        tell_operator(point.description());
    }
    for (const std::string& warning : point.warnings()) {
        tell_operator("warning: " + warning);
    }
}

void introduce(const EalSession& eal, const LcorePlan& plan, const std::vector<std::string>& names,
               bool quiet) {
    if (!quiet) {
        tell_operator(fmt::format("{}, {} lcores", EalSession::version(), eal.lcores().size()));
        fmt::print(stderr, "{}", to_table(plan, names));
    }
    for (const std::string& warning : plan.warnings) {
        tell_operator("warning: " + warning);
    }
}

void introduce(const TablePlacement& placement, bool quiet) {
    if (!quiet) {
        tell_operator(to_line(placement, EalSession::pages()));
    }
    for (const std::string& warning : placement.warnings) {
        tell_operator("warning: " + warning);
    }
}

void say_how_to_end(bool quiet) {
    if (!quiet) {
        tell_operator(
            "metering; SIGTERM ends, SIGUSR1 prints statistics, SIGHUP reads the file anew");
    }
}

} // namespace

int run_command(const CommandLine& words, SignalThread& signals) {
    const ProbeConfig config = assemble_config(words);
    if (config.observation.points.empty()) {
        throw std::invalid_argument(
            "no port to meter: name one under observation.points in the file given with --config");
    }
    if (config.exporting.collectors.empty()) {
        throw std::invalid_argument(
            "no collector: name one under exporting.collectors, or with -o udp://HOST:4739");
    }
    Reloader reloader(words, config, make_generation(config, true));
    const RecordBinding& binding = *reloader.generation().binding;
    const PacketFilter filter(words.filter);
    const EalSession eal(live_eal_arguments(config.observation.eal, words.eal, port_names(config),
                                            memory_mb(config, binding)));
    std::vector<std::unique_ptr<ObservationPoint>> points;
    std::vector<std::uint16_t> queues;
    for (std::size_t i = 0; i < config.observation.points.size(); ++i) {
        points.push_back(std::make_unique<ObservationPoint>(config.observation.points[i],
                                                            static_cast<std::uint32_t>(i)));
        queues.push_back(points.back()->queues());
    }
    const LcorePlan plan = plan_lcores(eal.lcores(), config.lcores, queues);
    introduce(eal, plan, port_names(config), words.quiet);
    LiveJob job(
        {.metering = config.metering,
         .shutdown = config.exporting.shutdown,
         .filter = words.filter.empty() ? nullptr : &filter,
         .options_records = reloader.generation().options_records.get(),
         .log = tell_operator,
         .started = [&words](const ObservationPoint& point) { introduce(point, words.quiet); },
         .metering_began = [&words] { say_how_to_end(words.quiet); }},
        binding, plan, std::move(points), open_sinks(config, reloader.generation()));
    introduce(job.placement(), words.quiet);
    signals.set([&job] { job.stop(); },
                [&job, &words] {
                    job.repeat_templates();
                    print_ledger(job.snapshot(), words);
                },
                [&job, &reloader] { reload(reloader, job); },
                [&job, &reloader] { reloader.free_left(job); });
    {
        // However it ends: nobody calls the job afterwards, and a second signal still ends the
        // process at once.
        const std::unique_ptr<SignalThread, void (*)(SignalThread*)> until_here(
            &signals, [](SignalThread* set) { set->set([] {}, {}); });
        job.run();
    }
    print_ledger(job.final_ledger(), words);
    return kExitDone;
}

} // namespace probe
