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

/// Templates that come and go while packets are metered, as the signal thread of a live job makes
/// it: to the exporter first, then to the worker and to housekeeping, freed when all have left.
class Reloads {
  public:
    Reloads(Worker& worker, const MeteringOptions& metering, const TemplateList& first)
        : worker_(worker), metering_(metering) {
        lists_.push_back(std::make_unique<TemplateList>(first));
    }

    // --- a thread of its own ---

    /// False: the others have ended meanwhile.
    [[nodiscard]] bool one(const std::vector<ipfix::TemplateDescription>& descriptions) {
        BindingContext context{.domain_id = 1, .interfaces = {}};
        context.known = lists_.back().get();
        bindings_.push_back(std::make_unique<RecordBinding>(descriptions, context));
        RecordBinding& binding = *bindings_.back();
        lists_.push_back(std::make_unique<TemplateList>(
            *context.known, TemplateList::Templates{binding.templates()}));
        binding.place_in(*lists_.back());
        lanes_ = worker_.make_lanes(binding.metering_plan(), metering_, nullptr, unique_name());
        meter_ = {.binding = &binding,
                  .lanes = {lanes_.get()},
                  .templates = lists_.back().get(),
                  .options_records = nullptr};
        tables_ = tables_of(meter_.lanes);
        ++made_;
        for_exporter_.store(made_, std::memory_order_release); // pairs with exporter()
        if (!wait_for(taken_)) {
            return false;
        }
        for_others_.store(made_, std::memory_order_release); // pairs with worker(), housekeeping()
        if (!wait_for(drained_) || !wait_for(swept_)) {
            return false;
        }
        worker_.take_left().reset();
        done_.fetch_add(1, std::memory_order_relaxed); // a count to stop by
        return true;
    }
    void end() { ended_.store(true, std::memory_order_relaxed); } // a flag to stop by
    /// Anyone.
    [[nodiscard]] unsigned done() const { return done_.load(std::memory_order_relaxed); }

    // --- the roles' threads, at each step ---

    void exporter(Exporter& exporter, TimeNs now) {
        if (const unsigned wanted = for_exporter_.load(std::memory_order_acquire);
            wanted != taken_.load(std::memory_order_relaxed)) {
            SinkChange same;
            same.places.push_back({nullptr, 0});
            exporter.exchange(same, &meter_, now);
            taken_.store(wanted, std::memory_order_release);
        }
    }
    /// `left`: what the worker said before the exporter's step.
    void exported(Exporter& exporter, std::uint64_t left) {
        const unsigned taken = taken_.load(std::memory_order_relaxed);
        if (drained_.load(std::memory_order_relaxed) != taken && left == taken &&
            exporter.leaving_lanes_empty()) {
            exporter.retire_lanes();
            drained_.store(taken, std::memory_order_release);
        }
    }
    void worker() {
        if (const unsigned wanted = for_others_.load(std::memory_order_acquire);
            wanted != worker_seen_) {
            worker_seen_ = wanted;
            worker_.exchange(std::move(lanes_));
        }
    }
    void housekeeping(Housekeeping& housekeeping) {
        if (const unsigned wanted = for_others_.load(std::memory_order_acquire);
            wanted != swept_.load(std::memory_order_relaxed)) {
            housekeeping.exchange(tables_);
            swept_.store(wanted, std::memory_order_release);
        }
    }

  private:
    [[nodiscard]] bool wait_for(const std::atomic<unsigned>& number) const {
        while (number.load(std::memory_order_acquire) != made_) {
            if (ended_.load(std::memory_order_relaxed)) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

    Worker& worker_;
    const MeteringOptions metering_;
    std::vector<std::unique_ptr<RecordBinding>> bindings_;
    std::vector<std::unique_ptr<TemplateList>> lists_;
    BindingChange meter_;
    std::unique_ptr<FlowLanes> lanes_;
    std::vector<FlowLane*> tables_;
    unsigned made_ = 0;
    unsigned worker_seen_ = 0;
    std::atomic<unsigned> for_exporter_{0};
    std::atomic<unsigned> for_others_{0};
    std::atomic<unsigned> taken_{0};
    std::atomic<unsigned> drained_{0};
    std::atomic<unsigned> swept_{0};
    std::atomic<bool> ended_{false};
    std::atomic<unsigned> done_{0};
};

struct Pressure {
    const char* what;
    std::uint64_t flows_max;
    std::uint32_t record_queue;
    unsigned flows;
    bool reloads = false; ///< other templates again and again
};

/// Runs all roles at once; returns the ledger when everything is flushed.
LedgerSnapshot run(const Pressure& pressure, int bursts) {
    start_eal();
    std::string templates = kBiflow4;
    templates.insert(templates.rfind(']'), ", httpRequestHost");
    const auto first = ipfix::parse_template_descriptions(templates, "t.yaml");
    std::string wider = templates; // another record layout and another key
    wider.insert(wider.rfind(']'), ", minimumTTL");
    wider.insert(wider.find("sourceIPv4Address"), "ingressInterface, ");
    const auto second = ipfix::parse_template_descriptions(wider, "t.yaml");
    const RecordBinding binding(first, {.domain_id = 1, .interfaces = {}});
    const TemplateList list({binding.templates()});
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
    auto made = std::make_unique<CapturingSink>(list.all(), 1);
    CapturingSink& sink = *made;
    sinks.push_back(std::move(made));
    Exporter exporter(binding, {&worker}, std::move(sinks));
    Housekeeping housekeeping({&worker}, metering.sweep);
    Reloads reloads(worker, metering, list);

    std::atomic<TimeNs> clock{kStart}; // a timeline; the queues order what matters
    std::atomic<bool> metered{false};
    std::atomic<bool> flushed{false};
    std::thread sweeper([&] {
        while (!metered.load(std::memory_order_relaxed)) { // a flag to stop by, it orders nothing
            reloads.housekeeping(housekeeping);
            (void)housekeeping.step(clock.load(std::memory_order_relaxed));
            std::this_thread::yield();
        }
    });
    std::thread reloader([&] {
        for (bool again = pressure.reloads; again;) {
            again = reloads.one(second) && reloads.one(first);
        }
    });
    std::thread sender([&] {
        // acquire, pairs with the release below: what was flushed is in the queue before the last
        // look. A step at a time: a worker that fills the queue as fast must not hold up a reload.
        for (bool last = false; !last;) {
            const bool all = flushed.load(std::memory_order_acquire);
            reloads.exporter(exporter, clock.load(std::memory_order_relaxed));
            const std::uint64_t left = worker.left();
            const std::uint32_t records = exporter.step(clock.load(std::memory_order_relaxed));
            reloads.exported(exporter, left);
            last = all && records == 0;
            if (records == 0) {
                std::this_thread::yield();
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
    // as many bursts as asked for, and on until the others have had their turns on the cores
    const unsigned reloads_least = pressure.reloads ? 6 : 0;
    for (int burst = 0;
         burst < bursts || housekeeping.passes() == 0 || reloads.done() < reloads_least; ++burst) {
        const TimeNs now = clock.load(std::memory_order_relaxed) + 10'000;
        clock.store(now, std::memory_order_relaxed);
        reloads.worker();
        (void)worker.step(now);
    }
    metered.store(true, std::memory_order_relaxed); // a flag to stop by, it orders nothing
    while (!worker.flush()) {
        std::this_thread::yield();
    }
    flushed.store(true, std::memory_order_release);
    sweeper.join();
    sender.join();
    reloads.end();
    reloader.join();
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
        {"templates that change", 4096, 8192, 1500, true},
        {"templates that change, and a table that is always full", 256, 64, 600, true},
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
