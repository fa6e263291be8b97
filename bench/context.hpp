// SPDX-License-Identifier: BSD-3-Clause
// What the sections of bench/line_rate share: options, the port, bound templates.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/measure.hpp"
#include "bench/memory_port.hpp"
#include "bench/results.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/observation/receive_queue.hpp"

namespace bench {

struct Options {
    bool quick = false;            ///< fewer and shorter runs, up to 1 M flows
    bool smoke = false;            ///< does everything work: seconds, and no figure means anything
    std::vector<std::string> only; ///< sections; empty: all
    int runs = 0;                  ///< 0: 5, with quick 3, with smoke 1
    double seconds = 0;            ///< of one run; 0: 0.4, quick 0.15, smoke 0.005
    std::uint64_t flows_max = 0;   ///< largest number of flows; 0: 10 M, quick 1 M, smoke 2,000
    std::string results;           ///< folder; empty: no CSV
    std::string capture;           ///< its frames, too, in the application section; empty: none
    std::string templates;         ///< folder of the shipped template sets
    int worker_cpu = -1;           ///< -1: the last CPU of the process
    int helper_cpu = -1;           ///< -1: the first one
    bool cpu_time = false;         ///< count the thread's CPU time instead of time on the wall
    bool no_huge = false;          ///< 4 KB pages even where there are hugepages
};

struct Context {
    Options options;
    MeasureOptions measuring;
    RunIdentity identity;
    int helper_cpu = -1; ///< -1: there is one CPU only, and what needs two is left out
    MemoryPort* port = nullptr;
    probe::ReceiveQueue* queue = nullptr;

    /// "minimal", "default", "application", "wide": a shipped set, bound. Throws
    /// ipfix::ConfigError.
    [[nodiscard]] probe::RecordBinding bind(const std::string& set) const;
    /// `flows`, or less where the options say so.
    [[nodiscard]] std::uint64_t cap(std::uint64_t flows) const noexcept;
    [[nodiscard]] ResultFile results(const std::string& section) const {
        return {options.results, "line_rate_" + section, identity};
    }
};

/// A section fails by throwing std::runtime_error: something was not counted, or not found.
void run_ladder(Context& context);    ///< rungs over numbers of flows, with the bare loops
void run_axes(Context& context);      ///< frame size, family, order, new flows, templates
void run_new_flows(Context& context); ///< every packet a new flow, records encoded
void run_full_table(Context& context);
void run_sweep(Context& context);
void run_lateness(Context& context);
void run_exporter(Context& context);
void run_application(Context& context); ///< layer 7, over traffic with payload
void run_loss_search(Context& context);
void run_memory(Context& context);

} // namespace bench
