// SPDX-License-Identifier: BSD-3-Clause
// The program's own collector as a process of its own, for bench/collector_process: prints the port
// it listens on, follows what comes with all rules checked, and when its standard input ends, tells
// what came: messages, records, records missing by sequence number, rules broken.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>
#include <vector>

#include "bench/certificates.hpp"
#include "bench/sinks.hpp"
#include "probe/collecting/message_source.hpp"
#include "probe/collecting/verdict_report.hpp"
#include "probe/lcores/clock.hpp"

namespace bench {
namespace {

/// How long it waits for the end of sessions that were under way when it was told to end.
constexpr probe::TimeNs kPatience = 2 * probe::kNsPerSecond;
constexpr int kPollMs = 20; // libusrsctp's threads wake the poll up, but for its timers

class Sums final : public probe::SessionBook {
  public:
    [[nodiscard]] std::unique_ptr<probe::ReceivedSession> begin(const std::string& name,
                                                                ipfix::SessionKind kind) override {
        ++live;
        return std::make_unique<probe::ReceivedSession>(
            name, ipfix::CheckOptions{.kind = kind}, nullptr,
            [](ipfix::Rule rule, const ipfix::Finding& finding) {
                if (ipfix::rule_text(rule).violation) {
                    fmt::print(stderr, "bench_collector: {}\n", probe::finding_text(finding));
                }
            });
    }
    void end(probe::ReceivedSession& session, const std::string& /*why*/) override {
        session.end();
        --live;
        const ipfix::SessionTotals& totals = session.checker().totals();
        messages += totals.messages;
        records += totals.flow_records;
        missing += totals.records_missing;
        violations += session.checker().findings().violations();
    }
    [[nodiscard]] bool enough() const noexcept override { return false; }

    int live = 0;
    std::uint64_t messages = 0;
    std::uint64_t records = 0;
    std::uint64_t missing = 0;
    std::uint64_t violations = 0;
};

void collect(const probe::CollectorOptions& where) {
    const auto source = probe::open_message_source(where, [](const std::string&) {});
    fmt::print("{}\n", source->port());
    std::fflush(stdout);
    Sums sums;
    std::vector<pollfd> polls;
    std::optional<probe::TimeNs> told_to_end;
    while (!told_to_end || (sums.live != 0 && probe::monotonic_ns() - *told_to_end < kPatience)) {
        polls.assign(1, {.fd = told_to_end ? -1 : STDIN_FILENO, .events = POLLIN, .revents = 0});
        source->append_polls(polls);
        (void)poll(polls.data(), polls.size(), kPollMs);
        if (polls[0].revents != 0) {
            told_to_end = probe::monotonic_ns();
        }
        source->take(sums, probe::wall_clock_ns());
    }
    source->close(sums);
    fmt::print("{} {} {} {}\n", sums.messages, sums.records, sums.missing, sums.violations);
}

int run(int argc, char** argv) {
    const std::map<std::string, probe::TransportKind> kinds = {
        {"tls", probe::TransportKind::tls},
        {"dtls", probe::TransportKind::dtls},
        {"sctp", probe::TransportKind::sctp}};
    probe::CollectorOptions where;
    where.host = "127.0.0.1";
    where.port = 0;
    std::string certificates;
    int cpu = -1;
    CLI::App app{"bench_collector: what bench/line_rate sends to"};
    app.add_option("transport", where.transport)
        ->required()
        ->transform(CLI::CheckedTransformer(kinds));
    app.add_option("--certificates", certificates, "folder of certificate.pem and key.pem");
    app.add_option("--port", where.port);
    app.add_option("--encapsulation", where.sctp.encapsulation, "SCTP: the UDP port to listen at");
    app.add_option("--cpu", cpu);
    CLI11_PARSE(app, argc, argv);
    where.tls = Certificates::options(certificates);
    pin_thread(cpu);
    collect(where);
    return 0;
}

} // namespace
} // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_collector: {}\n", error.what());
        return 1;
    }
}
