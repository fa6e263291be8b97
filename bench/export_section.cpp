// SPDX-License-Identifier: BSD-3-Clause
// The exporter alone: records a second out of a full record queue, encoded only and sent over
// loopback.
#include <fmt/format.h>

#include <cstring>
#include <stdexcept>

#include "bench/collector_process.hpp"
#include "bench/context.hpp"
#include "bench/sinks.hpp"
#include "bench/worker_path.hpp"

namespace bench {
namespace {

using probe::IpFamily;
using probe::TimeNs;

constexpr std::size_t kSamples = 4'096;
constexpr probe::TimeNs kPatience = 5 * probe::kNsPerSecond;

probe::ExportFormat format_of(const std::string& to) noexcept {
    return to == "netflow9"   ? probe::ExportFormat::netflow9
           : to == "netflow5" ? probe::ExportFormat::netflow5
                              : probe::ExportFormat::ipfix;
}

/// Real records of finished IPv4 flows, kept to be queued again and again.
class RecordSupply {
  public:
    RecordSupply(Context& context, WorkerPath& path)
        : queue_(path.worker().lane(IpFamily::ipv4)->records()) {
        TrafficOptions options;
        options.flows = kSamples;
        options.frames_min = kSamples;
        const Traffic traffic(options);
        context.port->pace(false);
        context.port->play(traffic);
        path.fill(traffic.frames().size(), probe::kNsPerSecond);
        while (!path.worker().flush()) {
            take_all();
        }
        take_all();
        if (samples_.empty()) {
            throw std::runtime_error("no records came out of the worker");
        }
    }

    /// Queues up to `count` records; returns how many there was room for.
    std::size_t refill(std::size_t count) noexcept {
        for (std::size_t n = 0; n < count; ++n) {
            std::uint8_t* place = queue_.reserve();
            if (place == nullptr) {
                return n;
            }
            std::memcpy(place, samples_[next_].data(), samples_[next_].size());
            queue_.publish();
            next_ = next_ + 1 == samples_.size() ? 0 : next_ + 1;
        }
        return count;
    }

  private:
    void take_all() {
        while (const std::uint8_t* record = queue_.front()) {
            samples_.emplace_back(record, record + queue_.element_octets());
            queue_.pop();
        }
    }

    probe::SpscQueue& queue_;
    std::vector<std::vector<std::uint8_t>> samples_;
    std::size_t next_ = 0;
};

struct ExportRun {
    double records = 0;
    double ns = 0;          ///< from the first record to the last one given to the kernel
    double exporter_ns = 0; ///< of these, in the exporter
    std::uint64_t octets = 0;
    std::uint64_t lost_here = 0;
    std::uint64_t lost_on_the_way = 0;
};

/// The exporter's time; it goes on where the traffic's, and so the records', ended. Sessions over
/// UDP spread their messages in it, so that a collector with a small socket buffer keeps up; a time
/// that runs `haste` times as fast shows what is possible without that.
class HastyClock {
  public:
    HastyClock(TimeNs begin, std::uint64_t haste) : haste_(haste), began_(begin) {}
    [[nodiscard]] TimeNs now() const noexcept {
        return began_ + (probe::monotonic_ns() - monotonic_began_) * haste_;
    }

  private:
    std::uint64_t haste_;
    TimeNs began_;
    TimeNs monotonic_began_ = probe::monotonic_ns();
};

void drain(probe::Exporter& exporter, const HastyClock& clock) {
    const TimeNs began = probe::monotonic_ns();
    exporter.close(clock.now());
    while (!exporter.idle() && probe::monotonic_ns() - began < kPatience) {
        exporter.step(clock.now());
    }
    exporter.abandon();
}

ExportRun export_for(double seconds, const HastyClock& clock, RecordSupply& supply,
                     probe::Exporter& exporter) {
    const TimeNs began = probe::monotonic_ns();
    const auto wanted = static_cast<TimeNs>(seconds * 1e9);
    while (exporter.sinks()[0]->ledger().sessions == 0 && exporter.sinks()[0]->name() != "null" &&
           probe::monotonic_ns() - began < kPatience) {
        exporter.step(clock.now()); // a TCP connection takes a moment
    }
    ExportRun run;
    const TimeNs first = probe::monotonic_ns();
    TimeNs now = first;
    while (now - first < wanted) {
        if (!exporter.backlogged()) {
            supply.refill(1'024);
        }
        const TimeNs before = probe::monotonic_ns();
        run.records += exporter.step(clock.now(), 1'024);
        now = probe::monotonic_ns();
        run.exporter_ns += static_cast<double>(now - before);
    }
    drain(exporter, clock);
    run.ns = static_cast<double>(probe::monotonic_ns() - first);
    const probe::SessionLedger& ledger = exporter.sinks()[0]->ledger();
    run.lost_here = ledger.lost_total().records;
    run.octets = ledger.message_octets_sent;
    return run;
}

/// To the program's own collector in another process, which counts records.
ExportRun run_to_process(Context& context, const probe::RecordBinding& binding, WorkerPath& path,
                         RecordSupply& supply, probe::TransportKind transport) {
    CollectorProcess collector(transport, context.helper_cpu);
    std::vector<std::unique_ptr<probe::RecordSink>> sinks;
    sinks.push_back(collector.open_sink(binding));
    const auto exporter = path.make_exporter(std::move(sinks));
    ExportRun run =
        export_for(context.measuring.seconds, HastyClock(path.now(), 1), supply, *exporter);
    const std::uint64_t sent = exporter->sinks()[0]->ledger().sent.records;
    const CollectorProcess::Received received = collector.finish();
    if (received.violations != 0 || received.records > sent || sent == 0) {
        throw std::runtime_error(
            fmt::format("{} records were sent; the collector has {}, and {} rules were broken",
                        sent, received.records, received.violations));
    }
    run.lost_on_the_way = sent - received.records;
    return run;
}

ExportRun one_run(Context& context, const probe::RecordBinding& binding, WorkerPath& path,
                  RecordSupply& supply, const std::string& to) {
    std::vector<std::unique_ptr<probe::RecordSink>> sinks;
    if (to == "encode") {
        sinks.push_back(std::make_unique<NullSink>());
        const auto exporter = path.make_exporter(std::move(sinks));
        return export_for(context.measuring.seconds, HastyClock(path.now(), 1), supply, *exporter);
    }
    for (const auto& [name, transport] : {std::pair{"tls", probe::TransportKind::tls},
                                          std::pair{"dtls", probe::TransportKind::dtls},
                                          std::pair{"sctp", probe::TransportKind::sctp}}) {
        if (to == name) {
            return run_to_process(context, binding, path, supply, transport);
        }
    }
    const bool udp = to != "tcp";
    LoopbackCollector collector(udp ? probe::TransportKind::udp : probe::TransportKind::tcp,
                                context.helper_cpu);
    sinks.push_back(collector.open_sink(binding, format_of(to)));
    const auto exporter = path.make_exporter(std::move(sinks));
    constexpr std::uint64_t kHaste = 1'024;
    ExportRun run =
        export_for(context.measuring.seconds,
                   HastyClock(path.now(), to == "udp_not_spread" ? kHaste : 1), supply, *exporter);
    const probe::SessionLedger& ledger = exporter->sinks()[0]->ledger();
    const TimeNs began = probe::monotonic_ns();
    while (collector.octets() < run.octets && probe::monotonic_ns() - began < kPatience / 20) {
        std::this_thread::yield();
    }
    if (udp) { // of messages, so roughly of records
        const double arrived = static_cast<double>(collector.messages());
        const double sent = static_cast<double>(ledger.messages_sent);
        run.lost_on_the_way = static_cast<std::uint64_t>((sent - arrived) / std::max(sent, 1.0) *
                                                         static_cast<double>(ledger.sent.records));
    }
    return run;
}

} // namespace

void run_exporter(Context& context) {
    ResultFile results = context.results("exporter");
    for (const char* set : {"minimal", "default", "wide"}) {
        const probe::RecordBinding binding = context.bind(set);
        WorkerPath path(binding, {.name = "exporting", .flows_max = 4 * kSamples}, *context.queue);
        RecordSupply supply(context, path);
        const std::size_t octets = binding.templates()[0].record_octets();
        for (const char* to : {"encode", "udp", "udp_not_spread", "tcp", "tls", "dtls", "sctp",
                               "netflow9", "netflow5"}) {
            std::vector<double> rates;
            std::vector<double> busy;
            ExportRun sum;
            for (int i = 0; i < context.measuring.runs; ++i) {
                const ExportRun run = one_run(context, binding, path, supply, to);
                const bool encode = std::string(to) == "encode"; // there, the supply is not counted
                rates.push_back(run.records / (encode ? run.exporter_ns : run.ns) * 1e3);
                busy.push_back(run.exporter_ns / run.records);
                sum.lost_here += run.lost_here;
                sum.lost_on_the_way += run.lost_on_the_way;
            }
            const Figure rate = figure_of(rates);
            results.add({{"templates", set},
                         {"to", to},
                         {"record_octets", number(std::uint64_t{octets})},
                         {"mrecords_s", number(rate.median, 3)},
                         {"spread", number(rate.spread, 3)},
                         {"ns_in_exporter", number(figure_of(busy).median, 1)},
                         {"runs", number(std::uint64_t{rates.size()})},
                         {"lost_in_exporter", number(sum.lost_here)},
                         {"lost_on_the_way", number(sum.lost_on_the_way)}});
        }
    }
}

} // namespace bench
