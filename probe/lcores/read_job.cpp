// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/read_job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "probe/lcores/capture_dispatch.hpp"
#include "probe/lcores/clock.hpp"
#include "probe/lcores/exporter.hpp"
#include "probe/lcores/housekeeping.hpp"
#include "probe/lcores/metering_report.hpp"
#include "probe/lcores/progress_bar.hpp"
#include "probe/lcores/worker.hpp"

namespace probe {

namespace {

constexpr std::size_t kWholeTables = SIZE_MAX / 2; // offline, a sweep takes as long as it takes
constexpr std::uint32_t kBurstsPerLook = 1024;     // between two looks at the clock for the bar
constexpr std::uint32_t kExpiriesAtOnce = 4096;
constexpr auto kCollectorNap = std::chrono::microseconds(200);

class ReadJob {
  public:
    ReadJob(const ReadJobOptions& options, const RecordBinding& binding,
            std::vector<std::unique_ptr<RecordSink>> sinks)
        : options_(options), dispatch_(options.workers), progress_(options.progress) {
        const SipKey hash_key = SipKey::random();
        for (std::uint32_t w = 0; w < options.workers; ++w) {
            workers_.push_back(std::make_unique<Worker>(
                binding.metering_plan(), options.metering,
                WorkerOptions{.name = fmt::format("worker{}", w),
                              .flows_max = std::max<std::uint64_t>(
                                  options.metering.flows_max / options.workers, 1),
                              .workers = options.workers,
                              .socket = -1,
                              .hash_key = hash_key,
                              .filter = options.filter,
                              .rules = binding.rules(),
                              .start_dpdk = options.start_dpdk},
                std::vector<PacketSource*>{&dispatch_.source(w)}));
            roles_.push_back(workers_.back().get());
        }
        housekeeping_ =
            std::make_unique<Housekeeping>(roles_, options.metering.sweep, kWholeTables);
        report_ = std::make_unique<WorkersReport>(roles_);
        if (options.options_records != nullptr) {
            options.options_records->set_reporter(report_.get());
        }
        exporter_ = std::make_unique<Exporter>(binding, roles_, std::move(sinks));
    }

    ReadJobResult run() {
        for (const std::string& file : options_.files) {
            if (stopped()) {
                tell(file + " is not read: stopped");
            } else {
                read(file);
            }
        }
        finish();
        return std::move(result_);
    }

  private:
    void read(const std::string& path) {
        try {
            CaptureFile capture(path, options_.stop);
            meter(capture);
            if (!capture.finished()) {
                tell(fmt::format("{}: stopped at octet {}", capture.name(), capture.octets_done()));
            }
            ++result_.files_read;
            if (const std::string why = capture.broken(); !why.empty()) {
                tell(why + "; what came before it is metered");
                result_.broken_input = true;
            }
        } catch (const CaptureError& error) {
            tell(error.what());
            result_.broken_input = true;
        }
    }

    void meter(CaptureFile& capture) {
        dispatch_.open(&capture);
        std::uint32_t bursts = 0;
        while (!capture.finished() && !stopped()) {
            step();
            if (++bursts % kBurstsPerLook == 0) {
                progress_.update(capture.name(), capture.octets_done(), capture.octets_total(),
                                 capture.packets(), monotonic_ns());
            }
        }
        progress_.clear();
        dispatch_.open(nullptr);
    }

    [[nodiscard]] bool stopped() const noexcept {
        return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed);
    }

    /// One round of all roles.
    void step() {
        dispatch_.deal();
        for (Worker* worker : roles_) {
            worker->step(dispatch_.latest());
        }
        housekeeping_->step(dispatch_.latest());
        exporter_->step(export_time());
        while (exporter_->backlogged() && wait_for_collectors()) {
        }
    }

    /// What is past its time at the last packet ends for that reason and not by force, so that no
    /// record depends on when the sweep came by, and so on the number of workers.
    void expire_all() {
        for (const Worker* worker : roles_) {
            for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
                if (FlowLane* lane = worker->lane(family); lane != nullptr) {
                    expire_lane(*lane);
                }
            }
        }
    }

    void expire_lane(FlowLane& lane) {
        std::size_t next = 0;
        std::uint32_t expired = 0;
        do {
            next = lane.sweep(next, lane.slots_used(), dispatch_.latest());
            expired = lane.expire(dispatch_.latest(), kExpiriesAtOnce);
            exporter_->step(export_time());
            while (exporter_->backlogged() && wait_for_collectors()) {
            }
        } while (next < lane.slots_used() || expired != 0);
    }

    void finish() {
        expire_all();
        bool drained = false;
        while (!drained) {
            drained = true;
            for (Worker* worker : roles_) {
                drained = worker->flush() && drained;
            }
            drained = exporter_->step(export_time()) == 0 && drained;
            while (exporter_->backlogged() && wait_for_collectors()) {
            }
        }
        exporter_->close(export_time());
        exporter_->step(export_time());
        while (!exporter_->idle() && wait_for_collectors()) {
        }
        exporter_->abandon();
        LedgerSnapshot& ledger = result_.ledger;
        for (const Worker* worker : roles_) {
            ledger.add(worker->ledger(), worker->live_totals());
        }
        exporter_->add_to(ledger);
        ledger.settled = true;
    }

    /// One step of the collectors; false when none of them took a record for the time of
    /// `shutdown`.
    bool wait_for_collectors() {
        const std::uint64_t sent_before = records_sent();
        exporter_->step(export_time(), 0); // they have enough: no more records meanwhile
        const TimeNs now = monotonic_ns();
        if (records_sent() != sent_before || waiting_since_ == 0) {
            waiting_since_ = now;
            return true;
        }
        std::this_thread::sleep_for(kCollectorNap); // a collector works at its own pace
        return now - waiting_since_ < options_.shutdown;
    }

    [[nodiscard]] std::uint64_t records_sent() const {
        std::uint64_t records = 0;
        for (const auto& sink : exporter_->sinks()) {
            records += sink->ledger().sent.records;
        }
        return records;
    }

    [[nodiscard]] TimeNs export_time() const {
        return options_.wall_clock_export ? wall_clock_ns() : dispatch_.latest();
    }

    void tell(const std::string& sentence) {
        progress_.clear();
        if (options_.log) {
            options_.log(sentence);
        }
    }

    const ReadJobOptions& options_;
    CaptureDispatch dispatch_;
    ProgressBar progress_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Worker*> roles_;
    std::unique_ptr<Housekeeping> housekeeping_;
    std::unique_ptr<WorkersReport> report_;
    std::unique_ptr<Exporter> exporter_;
    ReadJobResult result_;
    TimeNs waiting_since_ = 0;
};

} // namespace

ReadJobResult run_read_job(const ReadJobOptions& options, const RecordBinding& binding,
                           std::vector<std::unique_ptr<RecordSink>> sinks) {
    return ReadJob(options, binding, std::move(sinks)).run();
}

} // namespace probe
