// SPDX-License-Identifier: BSD-3-Clause
// How fast the worker path is: see bench/README.md. One command runs all of bench/: scripts/bench.
#include <fmt/format.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "bench/context.hpp"
#include "bench/sinks.hpp"
#include "probe/observation/eal_session.hpp"

namespace bench {
namespace {

constexpr const char* kDevice = "net_null0";

struct Section {
    const char* name;
    void (*run)(Context&);
};

constexpr Section kSections[] = {
    {"memory", run_memory},       {"ladder", run_ladder},         {"axes", run_axes},
    {"new_flows", run_new_flows}, {"full_table", run_full_table}, {"sweep", run_sweep},
    {"lateness", run_lateness},   {"exporter", run_exporter},     {"application", run_application},
    {"loss", run_loss_search},
};

std::vector<int> own_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) {
                cpus.push_back(cpu);
            }
        }
    }
    return cpus;
}

/// Tables of the largest rung: two of the meter's, one bare, each up to 200 octets a flow.
std::uint64_t memory_mb(std::uint64_t flows_max) {
    return flows_max * 640 / (1U << 20) + 256;
}

std::uint64_t free_hugepages_mb() {
    std::ifstream meminfo("/proc/meminfo");
    std::uint64_t pages = 0;
    std::uint64_t kilobytes = 0;
    for (std::string line; std::getline(meminfo, line);) {
        if (line.rfind("HugePages_Free:", 0) == 0) {
            pages = std::stoull(line.substr(15));
        } else if (line.rfind("Hugepagesize:", 0) == 0) {
            kilobytes = std::stoull(line.substr(13));
        }
    }
    return pages * kilobytes / 1024;
}

Options parse(int argc, char** argv) {
    Options options;
    options.templates = BENCH_TEMPLATES;
    CLI::App app{"line_rate: the cost of parshall's worker path, rung by rung (bench/README.md)"};
    std::string sections;
    for (const Section& section : kSections) {
        sections += (sections.empty() ? "" : ", ") + std::string(section.name);
    }
    app.add_flag("--quick", options.quick, "fewer and shorter runs, up to 1 M flows");
    app.add_flag("--smoke", options.smoke, "does it work: a few seconds, the figures mean nothing");
    app.add_option("--only", options.only, "sections to run: " + sections);
    app.add_option("--runs", options.runs, "runs of each contestant");
    app.add_option("--seconds", options.seconds, "length of one run");
    app.add_option("--flows-max", options.flows_max, "largest number of flows");
    app.add_option("--results", options.results, "folder for CSV files; without it, none");
    app.add_option("--capture", options.capture,
                   "a capture whose frames are played, too, in the application section");
    app.add_option("--templates", options.templates, "folder with the shipped template sets");
    app.add_option("--worker-cpu", options.worker_cpu, "CPU of the worker");
    app.add_option("--helper-cpu", options.helper_cpu, "CPU of source, sweep or collector threads");
    app.add_flag("--cpu-time", options.cpu_time,
                 "count the thread's CPU time, not time on the wall: where others use the machine");
    app.add_flag("--no-huge", options.no_huge, "4 KB pages even where hugepages are free");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    for (const std::string& wanted : options.only) {
        if (std::none_of(std::begin(kSections), std::end(kSections),
                         [&](const Section& s) { return wanted == s.name; })) {
            throw std::runtime_error("no section " + wanted + "; there are " + sections);
        }
    }
    const auto choose = [&](auto given, auto full, auto quick, auto smoke) {
        return given != 0 ? given : options.smoke ? smoke : options.quick ? quick : full;
    };
    options.runs = choose(options.runs, 5, 3, 1);
    options.seconds = choose(options.seconds, 0.4, 0.15, 0.005);
    options.flows_max = choose(options.flows_max, std::uint64_t{10'000'000},
                               std::uint64_t{1'000'000}, std::uint64_t{2'000});
    return options;
}

int run(int argc, char** argv) {
    Context context;
    context.options = parse(argc, argv);
    Options& options = context.options;
    measure_cpu_time(options.cpu_time);
    context.measuring = {.runs = options.runs, .seconds = options.seconds};
    for (int i = 0; i < argc; ++i) {
        const std::filesystem::path word = argv[i]; // folders of this machine say nothing elsewhere
        context.identity.command +=
            i == 0 ? "bench/line_rate"
                   : " " + (word.is_absolute() ? word.filename() : word).string();
    }
    const std::vector<int> cpus = own_cpus();
    const int worker_cpu = options.worker_cpu >= 0 ? options.worker_cpu : cpus.back();
    context.helper_cpu = options.helper_cpu >= 0 ? options.helper_cpu
                         : cpus.size() > 1       ? cpus.front()
                                                 : -1;

    const std::uint64_t needed = memory_mb(options.flows_max);
    const bool huge = !options.no_huge && free_hugepages_mb() >= needed;
    context.identity.pages = huge ? "hugepages" : "4 KB pages";
    std::vector<std::string> eal{"--lcores",
                                 fmt::format("0@{}", worker_cpu),
                                 fmt::format("--vdev={}", kDevice),
                                 "--no-pci",
                                 "--no-telemetry",
                                 "--iova-mode=va"};
    if (huge) {
        eal.emplace_back("--in-memory");
    } else {
        eal.insert(eal.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(needed)});
        fmt::print(stderr,
                   "line_rate: {} MB of hugepages are free and {} wanted, so tables lie on 4 KB "
                   "pages and large ones are slower; scripts/bench reserves hugepages\n",
                   free_hugepages_mb(), needed);
    }
    const probe::EalSession session(eal);
    MemoryPort port(kDevice);
    probe::ReceiveQueue queue(port.number(), 0, 1);
    context.port = &port;
    context.queue = &queue;
    for (const Section& section : kSections) {
        if (options.only.empty() || std::find(options.only.begin(), options.only.end(),
                                              section.name) != options.only.end()) {
            section.run(context);
        }
    }
    queue.release();
    return 0;
}

} // namespace

probe::RecordBinding Context::bind(const std::string& set) const {
    return {ipfix::load_template_descriptions(options.templates + "/" + set + ".yaml"), {}};
}

std::uint64_t Context::cap(std::uint64_t flows) const noexcept {
    return std::min(flows, options.flows_max);
}

} // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "line_rate: {}\n", error.what());
        return 1;
    }
}
