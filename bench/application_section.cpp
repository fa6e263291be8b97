// SPDX-License-Identifier: BSD-3-Clause
// What layer 7 costs: the worker with housekeeping and exporter on its core, over traffic with
// payload whose flows come and go, and over packets without payload, with templates that ask for
// nothing of layer 7, for names, for names and labels, and with an operator's own rules.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "bench/context.hpp"
#include "bench/mixed_traffic.hpp"
#include "bench/payloads.hpp"
#include "bench/sinks.hpp"
#include "bench/worker_path.hpp"
#include "encoder/template_description.hpp"
#include "probe/application/application_rules.hpp"

namespace bench {
namespace {

using probe::ApplicationCount;
using probe::kNsPerSecond;

constexpr const char* kWithoutLabels = "application without labels";
constexpr const char* kShipped = "application";
constexpr const char* kOwn = "application, 1,000 rules in front";
constexpr const char* kOwnApart = "application, 1,000 rules with nothing in common";

std::shared_ptr<const probe::ApplicationRules> load_rules(std::vector<std::string> files) {
    probe::ApplicationOptions options;
    options.rule_files = std::move(files);
    return probe::ApplicationRules::load(options);
}

/// The shipped set, but for the elements that need rules.
std::vector<ipfix::TemplateDescription> without_labels(const std::string& path) {
    std::ifstream shipped(path);
    std::string text;
    for (std::string line; std::getline(shipped, line);) {
        if (line.find("- applicationName") == std::string::npos &&
            line.find("- applicationCategoryName") == std::string::npos &&
            line.find("applicationId[4]") == std::string::npos) {
            text += line + "\n";
        }
    }
    return ipfix::parse_template_descriptions(text, path);
}

/// One way to meter; owns all of it.
struct Setup {
    Setup(Context& context, std::string called, probe::RecordBinding bound,
          const PathOptions& options)
        : name(std::move(called)),
          binding(std::move(bound)),
          path(binding, options, *context.queue) {
        std::vector<std::unique_ptr<probe::RecordSink>> sinks;
        sinks.push_back(std::make_unique<NullSink>());
        exporter = path.make_exporter(std::move(sinks));
    }

    std::string name;
    probe::RecordBinding binding;
    WorkerPath path;
    std::unique_ptr<probe::Exporter> exporter;
};

/// A thousand rules each.
struct OperatorsRules {
    OwnRules alike;
    OwnRules apart{OwnRules::Anywhere::word};
};

std::vector<std::unique_ptr<Setup>> make_setups(Context& context, const OperatorsRules& own,
                                                const PathOptions& options) {
    const std::string& folder = context.options.templates;
    const std::string set = folder + "/application.yaml";
    const std::string shipped = folder + "/applications.yaml";
    std::vector<std::unique_ptr<Setup>> setups;
    const auto add = [&](const char* name, probe::RecordBinding binding) {
        PathOptions named = options;
        named.name = "layer7_" + std::to_string(setups.size());
        setups.push_back(std::make_unique<Setup>(context, name, std::move(binding), named));
    };
    const auto labelled = [&](std::vector<std::string> files) {
        probe::BindingContext binding;
        binding.rules = load_rules(std::move(files));
        return probe::RecordBinding(ipfix::load_template_descriptions(set), binding);
    };
    add("default", context.bind("default"));
    add(kWithoutLabels, {without_labels(set), {}});
    add(kShipped, labelled({shipped}));
    add(kOwn, labelled({own.alike.path(), shipped}));
    add(kOwnApart, labelled({own.apart.path(), shipped}));
    return setups;
}

/// Over these frames, again and again; a turn takes `turn` of traffic time, so that most flows have
/// ended when they come again.
void measure_traffic(Context& context, ResultFile& results, const std::string& name,
                     const Traffic& traffic, const OperatorsRules& own, probe::TimeNs turn) {
    PathOptions options;
    options.flows_max = std::max<std::uint64_t>(2 * traffic.frames().size(), 1'024);
    options.ns_per_packet = turn / traffic.frames().size();
    context.port->pace(false);
    context.port->play(traffic);
    const auto setups = make_setups(context, own, options);
    std::vector<Contestant> contestants;
    for (const auto& setup : setups) {
        Setup* const one = setup.get();
        contestants.push_back(
            {one->name,
             [one](std::uint64_t bursts) { return one->path.run_export(bursts, *one->exporter); },
             {},
             {},
             {}});
    }
    measure(contestants, context.measuring);
    std::vector<Figure> figures;
    for (const Contestant& contestant : contestants) {
        figures.push_back(figure_of(contestant.ns_per_packet));
    }
    const auto pct_more = [&](std::size_t i) -> std::string {
        // Labels are told against none, own rules against the shipped.
        constexpr std::size_t kOfShipped = 2;
        if (i < kOfShipped) {
            return "";
        }
        const std::size_t base = i == kOfShipped ? i - 1 : kOfShipped;
        return number(100 * (figures[i].median / figures[base].median - 1), 1);
    };
    for (std::size_t i = 0; i < setups.size(); ++i) {
        const probe::MeteringLedger& ledger = setups[i]->path.worker().ledger();
        const auto count = [&ledger](ApplicationCount what) {
            return ledger.application.counts[static_cast<std::size_t>(what)].get();
        };
        if (!setups[i]->path.worker_stands() || setups[i]->path.loss().records != 0 ||
            count(ApplicationCount::flows_refused) != 0) {
            throw std::runtime_error(setups[i]->name + ": something was lost");
        }
        const std::uint64_t labelled = count(ApplicationCount::labelled_by_host) +
                                       count(ApplicationCount::labelled_by_parser) +
                                       count(ApplicationCount::labelled_by_pattern);
        results.add({{"traffic", name},
                     {"templates", setups[i]->name},
                     {"ns", number(figures[i].median)},
                     {"spread_ns", number(figures[i].spread)},
                     {"runs", number(std::uint64_t{contestants[i].ns_per_packet.size()})},
                     {"mpps", number(1e3 / figures[i].median)},
                     {"pct_more", pct_more(i)},
                     {"flows_inspected", number(count(ApplicationCount::flows_taken))},
                     {"labelled_by_content", number(labelled)}});
    }
}

} // namespace

void run_application(Context& context) {
    ResultFile results = context.results("application");
    const OperatorsRules own;
    constexpr probe::TimeNs kTurn = 60 * kNsPerSecond;
    const std::size_t flows = context.options.smoke ? 200 : 10'000;
    const Traffic mixed(mixed_frames(flows));
    measure_traffic(context, results, "mix", mixed, own, kTurn);
    if (!context.options.capture.empty()) {
        const Traffic capture(capture_frames(context.options.capture, 1U << 20));
        measure_traffic(context, results,
                        std::filesystem::path(context.options.capture).filename().string(), capture,
                        own, kTurn);
    }
    const std::uint64_t connections = context.cap(100'000);
    const Traffic small(empty_frames(connections, context.options.smoke ? 4'096 : 1U << 20));
    measure_traffic(context, results, "64 octets, empty", small, own, kNsPerSecond);
}

} // namespace bench
