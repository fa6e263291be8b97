// SPDX-License-Identifier: BSD-3-Clause
// What an application label costs: a payload scanned with the shipped rules, with a thousand rules
// of an operator before them, and with none. Payloads are of flows' first packets, all scanned:
// hellos, requests and answers of common protocols, and octets of no protocol. Or those of a
// capture, of which a flow's are scanned until it is known, as in the probe.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "bench/measure.hpp"
#include "bench/payloads.hpp"
#include "bench/results.hpp"
#include "probe/application/application_classifier.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/observation/capture_file.hpp"
#include "probe/packet/packet_parser.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace bench {
namespace {

constexpr std::size_t kBurst = 64;

/// Every payload of the capture, up to what one pass may hold.
Payloads of_capture(const std::string& path) {
    constexpr std::size_t kPayloadsMax = 60'000;
    constexpr std::size_t kUdpHeader = 8;
    constexpr std::size_t kTcpOffsetAt = 12;
    using End = std::pair<std::string, std::uint16_t>;
    std::map<std::tuple<std::uint8_t, End, End>, std::pair<std::size_t, End>> flows;
    Payloads payloads;
    probe::CaptureFile file(path);
    probe::PacketBatch batch;
    while (payloads.size() < kPayloadsMax && file.poll(batch, UINT64_MAX) > 0) {
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            const probe::PacketView& view = batch.packets[i];
            probe::PacketHeaders headers{};
            if (parse_packet(view, headers) != probe::ParseVerdict::metered ||
                headers.transport_offset == 0 || headers.is_fragment || headers.transport_cut) {
                continue;
            }
            const bool tcp = headers.protocol == probe::kProtocolTcp;
            const std::size_t end = std::min<std::size_t>(
                view.captured_octets, headers.network_offset + headers.ip_octets);
            const std::size_t begin =
                headers.transport_offset +
                (tcp ? std::size_t{view.octets[headers.transport_offset + kTcpOffsetAt]} / 16 * 4
                     : kUdpHeader);
            if ((tcp || headers.protocol == probe::kProtocolUdp) && begin < end) {
                const auto* first = reinterpret_cast<const char*>(view.octets);
                const bool v4 = headers.family == probe::IpFamily::ipv4;
                const std::size_t octets = v4 ? 4 : 16;
                const char* source = first + headers.network_offset + (v4 ? 12 : 8);
                const End from{std::string(source, octets), headers.source_port};
                const End to{std::string(source + octets, octets), headers.destination_port};
                const auto [flow, fresh] = flows.emplace(
                    std::make_tuple(headers.protocol, std::min(from, to), std::max(from, to)),
                    std::make_pair(flows.size(), from));
                payloads.push_back(
                    {std::string(first + begin, first + end), headers.protocol,
                     headers.destination_port, flow->second.first,
                     flow->second.second == from ? std::uint8_t{0} : std::uint8_t{1}});
            }
        }
        file.release();
    }
    return payloads;
}

struct Engine {
    Engine(std::vector<std::string> files, const Payloads& all)
        : payloads(all), states(all.size()) {
        probe::ApplicationOptions options;
        options.rule_files = std::move(files);
        rules = probe::ApplicationRules::load(options);
        classifier = std::make_unique<probe::ApplicationClassifier>(rules);
        requests.reserve(kBurst);
    }

    /// Flows that are known are not offered again; after the last payload all are new.
    std::uint64_t classify(std::uint64_t bursts) {
        for (std::uint64_t b = 0; b < bursts; ++b) {
            requests.clear();
            for (std::size_t i = 0; i < kBurst; ++i) {
                const OnePayload& payload = payloads[next];
                probe::LabelState& state = states[payload.flow];
                if (state.done == 0) {
                    const auto* octets =
                        reinterpret_cast<const std::uint8_t*>(payload.octets.data());
                    requests.push_back({{octets, payload.octets.size()},
                                        &state,
                                        payload.protocol,
                                        payload.direction,
                                        50'000,
                                        payload.port});
                }
                if (++next == payloads.size()) {
                    break; // a burst has states of one pass only
                }
            }
            classifier->classify_burst(requests);
            if (next == payloads.size()) {
                next = 0;
                std::fill(states.begin(), states.end(), probe::LabelState{});
            }
        }
        return bursts * kBurst;
    }

    const Payloads& payloads;
    std::vector<probe::LabelState> states;
    std::vector<probe::ClassifyRequest> requests;
    std::shared_ptr<const probe::ApplicationRules> rules;
    std::unique_ptr<probe::ApplicationClassifier> classifier;
    std::size_t next = 0;
};

int run(int argc, char** argv) {
    MeasureOptions measuring;
    std::string folder;
    std::string capture;
    bool quick = false;
    bool smoke = false;
    CLI::App app{"label_bench: the cost of application labels (bench/README.md)"};
    app.add_option("--runs", measuring.runs, "runs of each set of rules");
    app.add_option("--seconds", measuring.seconds, "length of one run");
    app.add_option("--capture", capture, "payloads of this file instead of made ones");
    app.add_option("--results", folder, "folder for the CSV file; without it, none");
    app.add_flag("--quick", quick, "shorter runs");
    app.add_flag("--smoke", smoke, "does it work: the figures mean nothing");
    CLI11_PARSE(app, argc, argv);
    if (smoke || quick) {
        measuring = {.runs = smoke ? 1 : 3, .seconds = smoke ? 0.002 : 0.1};
    }
    RunIdentity identity{.command = "bench/label_bench", .pages = ""};
    for (int i = 1; i < argc; ++i) {
        identity.command += std::string(" ") + argv[i];
    }
    const Payloads payloads = capture.empty() ? common_payloads() : of_capture(capture);
    const OwnRules own;
    const std::string shipped = BENCH_TEMPLATES "/applications.yaml";
    Engine without({}, payloads);
    Engine with_shipped({shipped}, payloads);
    Engine with_own({own.path(), shipped}, payloads);
    std::vector<Contestant> contestants;
    const auto add = [&](const std::string& name, Engine& engine) {
        contestants.push_back({name,
                               [&engine](std::uint64_t bursts) { return engine.classify(bursts); },
                               {},
                               {},
                               {}});
    };
    add("no rules", without);
    add("shipped rules", with_shipped);
    add("1,000 rules and the shipped", with_own);
    measure(contestants, measuring);
    ResultFile results(folder, "labels", identity);
    const std::array engines = {&without, &with_shipped, &with_own};
    for (std::size_t i = 0; i < contestants.size(); ++i) {
        const Figure figure = figure_of(contestants[i].ns_per_packet);
        const probe::ClassifyTally& tally = engines[i]->classifier->tally();
        const probe::CompileReport& report = engines[i]->rules->report();
        const double octets = tally.payloads == 0 ? 0
                                                  : static_cast<double>(tally.octets) /
                                                        static_cast<double>(tally.payloads);
        results.add({{"ns_per_payload", number(figure.median)},
                     {"spread_ns", number(figure.spread, 3)},
                     {"octets_scanned", number(octets, 0)},
                     {"patterns", number(std::uint64_t{report.patterns})},
                     {"database_octets", number(std::uint64_t{report.database_octets})},
                     {"rules", contestants[i].name}});
    }
    return 0;
}

} // namespace
} // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "label_bench: {}\n", error.what());
        return 1;
    }
}
