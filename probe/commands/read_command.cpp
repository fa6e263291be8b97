// SPDX-License-Identifier: BSD-3-Clause
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/commands/signal_thread.hpp"
#include "probe/config/collector_url.hpp"
#include "probe/lcores/read_job.hpp"
#include "probe/lcores/worker.hpp"
#include "probe/observation/eal_session.hpp"

namespace probe {

int read_command(const CommandLine& words, SignalThread& signals) {
    ProbeConfig config = assemble_config(words);
    if (config.exporting.collectors.empty()) {
        config.exporting.collectors.push_back(
            parse_collector_url(isatty(STDOUT_FILENO) == 1 ? "table" : "json"));
    }
    constexpr std::size_t kUnhurriedOctetsPerMs = std::size_t{64} * 1024; // 0.9 M default records/s
    config.exporting.udp_octets_per_ms_max = kUnhurriedOctetsPerMs;
    config.exporting.queues_touched = false;
    // The roles take turns: a queue that stays in the cache is worth more than a long one.
    constexpr std::uint32_t kRecordsBetweenTurns = 4096;
    config.metering.record_queue = std::min(config.metering.record_queue, kRecordsBetweenTurns);
    const TemplateGeneration generation = make_generation(config, false);
    const RecordBinding& binding = *generation.binding;
    const PacketFilter filter(words.filter);
    std::vector<std::unique_ptr<RecordSink>> sinks = open_sinks(config, generation);
    // Starting DPDK takes a tenth of a second, and rte_hash keeps only flows whose bucket of the
    // front index is full: in most captures there are none.
    std::optional<EalSession> eal;
    const auto start_dpdk = [&] {
        if (!eal) {
            try {
                eal.emplace(offline_eal_arguments(
                    flow_index_memory_mb(binding.metering_plan(), config.metering, words.workers)));
            } catch (const EalError& error) {
                tell_operator(error.what());
            }
        }
        return eal.has_value();
    };
    std::atomic<bool> stop{false};
    const OnStop on_stop(signals, [&stop] { stop.store(true, std::memory_order_relaxed); });
    const auto& collectors = config.exporting.collectors;
    const ReadJobOptions options{
        .files = words.files,
        .metering = config.metering,
        .shutdown = config.exporting.shutdown,
        .workers = words.workers,
        .filter = words.filter.empty() ? nullptr : &filter,
        .options_records = generation.options_records.get(),
        .wall_clock_export = std::any_of(
            collectors.begin(), collectors.end(),
            [](const CollectorOptions& collector) { return to_network(collector.transport); }),
        .progress = !words.quiet && isatty(STDERR_FILENO) == 1,
        .stop = &stop,
        .log = tell_operator,
        .start_dpdk = start_dpdk,
    };
    const ReadJobResult result = run_read_job(options, binding, std::move(sinks));
    print_ledger(result.ledger, words);
    return result.broken_input ? kExitBrokenInput : kExitDone;
}

} // namespace probe
