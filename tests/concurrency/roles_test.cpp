// SPDX-License-Identifier: BSD-3-Clause
// Worker, housekeeping and exporter on threads of their own, as on their lcores; a clock that the
// worker moves.
#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "encoder/template_description.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eal_fixture.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

/// Frames made once, handed out again and again with new times.
class LoopingSource final : public PacketSource {
  public:
    explicit LoopingSource(unsigned flows) {
        const std::string text = "GET / HTTP/1.1\r\nHost: flume\r\n\r\n";
        const std::vector<std::uint8_t> request(text.begin(), text.end());
        for (unsigned n = 0; n < flows; ++n) {
            frames_.push_back(PacketBuilder()
                                  .ethernet()
                                  .ipv4()
                                  .tcp(static_cast<std::uint16_t>(n), 443, kAck)
                                  .payload(request)
                                  .build());
        }
    }
    std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept override {
        batch.size = static_cast<std::uint32_t>(random_() % (kBurstPackets + 1));
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            const auto& frame = frames_[random_() % frames_.size()];
            batch.packets[i] = {.octets = frame.data(),
                                .captured_octets = static_cast<std::uint32_t>(frame.size()),
                                .frame_octets = static_cast<std::uint32_t>(frame.size()),
                                .time_ns = now,
                                .stripped_vlan_tci = 0,
                                .vlan_stripped = false,
                                .link = LinkType::ethernet,
                                .ingress_interface = 1};
        }
        return batch.size;
    }
    void release() noexcept override {}

  private:
    std::vector<std::vector<std::uint8_t>> frames_;
    std::mt19937 random_{99};
};

struct Pressure {
    const char* what;
    std::uint64_t flows_max;
    std::uint32_t record_queue;
    unsigned flows;
};

/// Runs all roles at once; returns the ledger when everything is flushed.
LedgerSnapshot run(const Pressure& pressure, int bursts) {
    start_eal();
    std::string templates = kBiflow4;
    templates.insert(templates.rfind(']'), ", httpRequestHost");
    const RecordBinding binding(ipfix::parse_template_descriptions(templates, "t.yaml"),
                                {.domain_id = 1, .interfaces = {}});
    MeteringOptions metering;
    metering.timeouts = {.idle = 20 * kMs, .active = 60 * kMs, .tcp_end = 5 * kMs};
    metering.sweep = 5 * kMs;
    metering.record_queue = pressure.record_queue;
    LoopingSource source(pressure.flows);
    Worker worker(binding.metering_plan(), metering,
                  {.name = unique_name(),
                   .flows_max = pressure.flows_max,
                   .socket = -1,
                   .hash_key = {1, 2},
                   .filter = nullptr},
                  {&source});
    std::vector<std::unique_ptr<RecordSink>> sinks;
    auto made = std::make_unique<CapturingSink>(binding.templates(), 1);
    CapturingSink& sink = *made;
    sinks.push_back(std::move(made));
    Exporter exporter(binding, {&worker}, std::move(sinks));
    Housekeeping housekeeping({&worker}, metering.sweep);

    std::atomic<TimeNs> clock{kStart}; // a timeline; the queues order what matters
    std::atomic<bool> metered{false};
    std::atomic<bool> flushed{false};
    std::thread sweeper([&] {
        while (!metered.load(std::memory_order_relaxed)) { // a flag to stop by, it orders nothing
            (void)housekeeping.step(clock.load(std::memory_order_relaxed));
        }
    });
    std::thread sender([&] {
        // acquire, pairs with the release below: what was flushed is in the queue before the last
        // look
        for (bool last = false; !last;) {
            last = flushed.load(std::memory_order_acquire);
            while (exporter.step(clock.load(std::memory_order_relaxed)) != 0) {
            }
        }
    });
    std::thread watcher([&] { // statistics are read while everything runs
        while (!metered.load(std::memory_order_relaxed)) { // a flag to stop by, it orders nothing
            LedgerSnapshot snapshot;
            snapshot.add(worker.ledger(), {});
            std::this_thread::yield();
        }
    });
    // as many bursts as asked for, and on until the sweeper has had a turn on the cores
    for (int burst = 0; burst < bursts || housekeeping.passes() == 0; ++burst) {
        const TimeNs now = clock.load(std::memory_order_relaxed) + 10'000;
        clock.store(now, std::memory_order_relaxed);
        (void)worker.step(now);
    }
    metered.store(true, std::memory_order_relaxed); // a flag to stop by, it orders nothing
    while (!worker.flush()) {
        std::this_thread::yield();
    }
    flushed.store(true, std::memory_order_release);
    sweeper.join();
    sender.join();
    watcher.join();

    LedgerSnapshot ledger;
    ledger.add(worker.ledger(), worker.live_totals());
    ledger.encoded = exporter.encoded();
    ledger.sinks.push_back(SinkSum::of(*exporter.sinks()[0]));
    ledger.settled = true;
    CHECK(worker.selfcheck());
    CHECK(housekeeping.passes() > 0);
    CHECK(sink.complaint() == "");
    std::size_t unnamed = 0;
    for (const SeenRecord& seen : sink.seen()) {
        const TimeNs start = start_of(seen.record);
        const TimeNs end = end_of(seen.record);
        // not end <= seen.at: the exporter read the clock before it looked into the queue
        if (start > end || end - start >= metering.timeouts.active) {
            FAIL_CHECK("a record of impossible times");
        }
        constexpr std::uint16_t kHttpRequestHost = 460;
        const std::string name = seen.record.text(0, kHttpRequestHost);
        if (name.empty()) { // evicted in the burst that began it
            ++unnamed;
        } else if (name != "flume") {
            FAIL_CHECK("a record with another's name");
        }
    }
    CHECK(unnamed < sink.seen().size() / 2);
    return ledger;
}

} // namespace

TEST_CASE("the roles on three threads account for every packet", "[concurrency][roles]") {
    const Pressure pressures[] = {
        {"room for all", 4096, 8192, 1500},
        {"a table that is always full", 256, 8192, 600},
        {"a record queue of four", 4096, 4, 1500},
    };
    for (const Pressure& pressure : pressures) {
        INFO(pressure.what);
        const LedgerSnapshot ledger = run(pressure, 6'000);
        for (const std::string& wrong : ledger.proof()) {
            FAIL_CHECK(wrong);
        }
        CHECK(ledger.received.packets > 150'000);
        CHECK(ledger.live.flows == 0);
        CHECK(ledger.records_made_total().records > 1000);
    }
}
