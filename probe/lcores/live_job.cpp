// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/live_job.hpp"

#include <fmt/format.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "probe/lcores/idle_ladder.hpp"
#include "probe/metering/siphash.hpp"

namespace probe {

namespace {

constexpr TimeNs kFollowClockEvery = 10 * kNsPerMs;
constexpr std::int64_t kClockErrorWorthALine = static_cast<std::int64_t>(kNsPerSecond);
constexpr auto kSnapshotPatience = std::chrono::seconds(1);

[[nodiscard]] TablePlacement placement_of(
    const LcorePlan& plan, const std::vector<std::unique_ptr<ObservationPoint>>& points) {
    std::vector<int> point_nodes;
    for (const auto& point : points) {
        point_nodes.push_back(point->socket());
    }
    std::vector<int> worker_nodes;
    for (const WorkerPlan& worker : plan.workers) {
        worker_nodes.push_back(static_cast<int>(rte_lcore_to_socket_id(worker.lcore)));
    }
    return place_tables(plan, point_nodes, worker_nodes);
}

} // namespace

/// A worker, and what its lcore says about it.
struct LiveJob::WorkerState {
    WorkerState(const RecordBinding& binding, const LiveJobOptions& options,
                const WorkerOptions& mine, std::vector<PacketSource*> sources)
        : worker(binding.metering_plan(), options.metering, mine, std::move(sources)) {}

    Worker worker;
    std::size_t number = 0;
    const LiveChange* seen = nullptr;       // its lcore's own
    const LiveChange* seen_lanes = nullptr; // its lcore's own
    std::atomic<bool> done{false};          // its lcore: w, exporter: r. Every flow was handed over
};

/// One lcore's roles and its share of busy time.
struct LiveJob::LcoreState {
    LiveJob* job = nullptr;
    LcoreRoles roles;
    WorkerState* worker = nullptr;
    IdleLadder ladder;
};

LiveJob::LiveJob(LiveJobOptions options, const RecordBinding& binding, const LcorePlan& plan,
                 std::vector<std::unique_ptr<ObservationPoint>> points,
                 std::vector<std::unique_ptr<RecordSink>> sinks)
    : options_(std::move(options)),
      points_(std::move(points)),
      placement_(placement_of(plan, points_)) {
    const std::uint64_t share =
        std::max<std::uint64_t>(options_.metering.flows_max / plan.workers.size(), 1);
    std::vector<Worker*> roles;
    for (std::size_t w = 0; w < plan.workers.size(); ++w) {
        std::vector<PacketSource*> sources;
        for (const PlannedQueue& queue : plan.workers[w].queues) {
            sources.push_back(&points_[queue.point]->queue(queue.queue));
        }
        workers_.push_back(std::make_unique<WorkerState>(
            binding, options_,
            WorkerOptions{.name = fmt::format("worker{}", w),
                          .flows_max = share,
                          .workers = static_cast<std::uint32_t>(plan.workers.size()),
                          .socket = placement_.nodes[w],
                          .hash_key = SipKey::random(),
                          .filter = options_.filter,
                          .rules = binding.rules()},
            std::move(sources)));
        workers_.back()->number = w;
        roles.push_back(&workers_.back()->worker);
    }
    housekeeping_ = std::make_unique<Housekeeping>(roles, options_.metering.sweep);
    report_ = std::make_unique<WorkersReport>(roles);
    if (options_.options_records != nullptr) {
        options_.options_records->set_reporter(report_.get());
    }
    exporter_ = std::make_unique<Exporter>(binding, roles, std::move(sinks));
    for (const LcoreRoles& lcore_roles : plan.lcores) {
        auto state = std::make_unique<LcoreState>();
        state->job = this;
        state->roles = lcore_roles;
        state->ladder.watches_queues(lcore_roles.worker != kNoWorker);
        if (lcore_roles.worker != kNoWorker) {
            state->worker = workers_[static_cast<std::size_t>(lcore_roles.worker)].get();
        }
        lcores_.push_back(std::move(state));
    }
}

LiveJob::~LiveJob() = default;

void LiveJob::run() {
    for (const auto& point : points_) {
        point->start();
        if (options_.started) {
            options_.started(*point);
        }
    }
    const unsigned main_lcore = rte_get_main_lcore();
    LcoreState* mine = nullptr;
    for (const auto& lcore : lcores_) {
        if (lcore->roles.lcore == main_lcore) {
            mine = lcore.get();
            continue;
        }
        const int launched = rte_eal_remote_launch(
            [](void* argument) {
                auto* state = static_cast<LcoreState*>(argument);
                state->job->lcore_loop(*state);
                return 0;
            },
            lcore.get(), lcore->roles.lcore);
        if (launched != 0) {
            stop();
            rte_eal_mp_wait_lcore();
            throw std::runtime_error(
                fmt::format("lcore {} is busy and cannot take its roles", lcore->roles.lcore));
        }
    }
    if (options_.metering_began) {
        options_.metering_began();
    }
    if (mine != nullptr) {
        lcore_loop(*mine);
    }
    rte_eal_mp_wait_lcore();
    for (const auto& point : points_) {
        point->stop();
    }
}

void LiveJob::lcore_loop(LcoreState& lcore) noexcept {
    ThreadClock clock(clock_);
    while (!finished_.load(std::memory_order_acquire)) { // pairs with the release in exporter_step
        if (work(lcore, clock.now())) {
            lcore.ladder.worked();
        } else {
            lcore.ladder.rest();
        }
    }
}

bool LiveJob::work(LcoreState& lcore, TimeNs now) noexcept {
    bool worked = false;
    if (lcore.worker != nullptr) {
        worked = worker_step(*lcore.worker, now);
    }
    if (lcore.roles.housekeeping) {
        housekeeping_step(now);
    }
    if (lcore.roles.exporter) {
        worked = exporter_step(now) || worked;
    }
    return worked;
}

bool LiveJob::worker_step(WorkerState& state, TimeNs now) noexcept {
    if (state.done.load(std::memory_order_relaxed)) { // only this thread writes it
        return false;
    }
    if (!stopping_.load(std::memory_order_acquire)) {                       // S2, pairs with S1
        const LiveChange* wanted = wanted_.load(std::memory_order_acquire); // C2, pairs with C1
        if (wanted != state.seen) {
            state.seen = wanted;
            state.worker.set_timeouts(wanted->timeouts);
        }
        LiveChange* lanes = wanted_lanes_.load(std::memory_order_acquire); // G2, pairs with G1
        if (lanes != state.seen_lanes) {
            state.seen_lanes = lanes;
            state.worker.exchange(std::move(lanes->lanes_[state.number]));
        }
        const bool packets = state.worker.step(now) != 0;
        return packets || state.worker.leaving();
    }
    if (state.worker.flush()) {
        state.done.store(true,
                         std::memory_order_release); // W1: every record is queued; pairs with W2
    }
    return true;
}

void LiveJob::housekeeping_step(TimeNs now) noexcept {
    const LiveChange* wanted = wanted_.load(std::memory_order_acquire); // C2, pairs with C1
    if (wanted != swept_with_) {
        swept_with_ = wanted;
        housekeeping_->set_timeouts(wanted->timeouts, wanted->sweep);
    }
    LiveChange* lanes = wanted_lanes_.load(std::memory_order_acquire); // G2, pairs with G1
    if (lanes != swept_.load(std::memory_order_relaxed)) {
        housekeeping_->exchange(lanes->tables_);
        swept_.store(lanes, std::memory_order_release); // H1, pairs with H2
    }
    housekeeping_->step(now);
    const TimeNs monotonic = monotonic_ns();
    if (monotonic < clock_followed_at_ + kFollowClockEvery) {
        return;
    }
    clock_followed_at_ = monotonic;
    const std::int64_t error = clock_.follow_wall_clock(monotonic, wall_clock_ns());
    const bool far_off = std::abs(error) > kClockErrorWorthALine;
    if (far_off && !clock_warned_ && options_.log) {
        options_.log(fmt::format(
            "the system clock was stepped by {:.1f} s; flow times follow at one per cent",
            static_cast<double>(error) / 1e9));
    }
    clock_warned_ = far_off;
}

bool LiveJob::workers_done() const noexcept {
    return std::all_of(workers_.begin(), workers_.end(), [](const auto& state) {
        return state->done.load(std::memory_order_acquire); // W2, pairs with W1
    });
}

bool LiveJob::exporter_step(TimeNs now) noexcept {
    // before the queues are drained: what the workers queued until then is seen below
    const bool all_queued = workers_done();
    if (repeat_templates_.exchange(false, std::memory_order_acq_rel)) {
        exporter_->repeat_templates();
    }
    take_change(now);
    const bool all_left = std::all_of(workers_.begin(), workers_.end(), [this](const auto& state) {
        return state->worker.left() == lanes_taken_;
    });
    const std::uint32_t records = exporter_->step(now);
    retire_when_left(all_left);
    answer_snapshot();
    if (stopping_.load(std::memory_order_acquire) && deadline_ == kNever) { // S2, pairs with S1
        deadline_ = now + options_.shutdown;
    }
    if (all_queued && records == 0 && !closing_) {
        exporter_->close(now);
        closing_ = true;
    }
    if ((closing_ && exporter_->idle()) || (now >= deadline_ && all_queued && records == 0)) {
        exporter_->abandon();
        finished_.store(true, std::memory_order_release); // pairs with lcore_loop
    }
    return records != 0;
}

void LiveJob::answer_snapshot() noexcept {
    if (!snapshot_wanted_.load(std::memory_order_acquire)) {
        return;
    }
    // A snapshot allocates; it happens on request only, and not on a worker's packets.
    const std::lock_guard lock(snapshot_mutex_);
    try {
        exporter_->add_to(snapshot_);
    } catch (...) { // out of memory: the snapshot stays without collectors
        snapshot_.sinks.clear();
    }
    snapshot_wanted_.store(false, std::memory_order_release);
    snapshot_taken_.notify_all();
}

void LiveJob::apply(LiveChange change) {
    auto kept = std::make_unique<LiveChange>(std::move(change));
    const bool new_lanes = kept->meter.binding != nullptr;
    if (new_lanes) {
        make_lanes(*kept);
    }
    changes_.reserve(changes_.size() + 1);
    {
        std::unique_lock lock(change_mutex_);
        change_ = kept.get();
        change_wanted_.store(true, std::memory_order_release);
        change_taken_.wait_for(lock, kSnapshotPatience, [this] { return change_ == nullptr; });
        if (change_ != nullptr) {
            change_ = nullptr;
            change_wanted_.store(false, std::memory_order_release);
            throw std::runtime_error(
                "the exporter did not take the new collectors within a second");
        }
    }
    changes_.push_back(std::move(kept));
    if (new_lanes) {
        leaving_ = changes_.back().get();
        ++lanes_made_;
        wanted_lanes_.store(leaving_, std::memory_order_release); // G1, pairs with G2
    }
    wanted_.store(changes_.back().get(), std::memory_order_release); // C1, pairs with C2
}

void LiveJob::make_lanes(LiveChange& change) {
    if (draining()) {
        throw std::runtime_error(
            "flows of the templates before the last reload are still leaving; try again");
    }
    for (const auto& state : workers_) {
        change.lanes_.push_back(state->worker.make_lanes(
            change.meter.binding->metering_plan(), change.metering, change.meter.binding->rules(),
            fmt::format("worker{}_{}", state->number, lanes_made_ + 1)));
        change.meter.lanes.push_back(change.lanes_.back().get());
    }
    change.tables_ = tables_of(change.meter.lanes);
    if (change.meter.options_records != nullptr) {
        change.meter.options_records->set_reporter(report_.get());
    }
}

bool LiveJob::free_left() {
    const bool left =
        draining() &&
        drained_.load(std::memory_order_acquire) == lanes_made_ && // R2, pairs with R1
        swept_.load(std::memory_order_acquire) == leaving_;        // H2, pairs with H1
    if (!left) {
        return false;
    }
    for (const auto& state : workers_) {
        state->worker.take_left().reset();
    }
    leaving_ = nullptr;
    return true;
}

void LiveJob::take_change(TimeNs now) noexcept {
    if (!change_wanted_.load(std::memory_order_acquire)) {
        return;
    }
    const std::lock_guard lock(change_mutex_);
    if (change_ == nullptr || closing_) {
        return;
    }
    const bool new_lanes = change_->meter.binding != nullptr;
    try {
        exporter_->exchange(change_->sinks, new_lanes ? &change_->meter : nullptr, now);
    } catch (...) { // out of memory: apply() says that nothing was taken
        return;
    }
    lanes_taken_ += new_lanes ? 1 : 0;
    change_ = nullptr;
    change_wanted_.store(false, std::memory_order_release);
    change_taken_.notify_all();
}

/// `all_left`: the workers had queued every record of lanes that were taken away, before the queues
/// were drained.
void LiveJob::retire_when_left(bool all_left) noexcept {
    if (!all_left || drained_.load(std::memory_order_relaxed) == lanes_taken_ ||
        !exporter_->leaving_lanes_empty()) {
        return;
    }
    exporter_->retire_lanes();
    drained_.store(lanes_taken_, std::memory_order_release); // R1, pairs with R2
}

LedgerSnapshot LiveJob::snapshot() {
    LedgerSnapshot result;
    {
        std::unique_lock lock(snapshot_mutex_);
        snapshot_ = LedgerSnapshot{};
        snapshot_wanted_.store(true, std::memory_order_release);
        snapshot_taken_.wait_for(lock, kSnapshotPatience, [this] {
            return !snapshot_wanted_.load(std::memory_order_acquire);
        });
        snapshot_wanted_.store(false, std::memory_order_release);
        result = std::move(snapshot_);
    }
    for (const auto& state : workers_) {
        const MeteringLedger& ledger = state->worker.ledger();
        result.add(ledger, {.flows = ledger.flows_live[0].get() + ledger.flows_live[1].get(),
                            .packets = 0,
                            .octets = 0});
    }
    add_ports(result);
    add_roles(result);
    return result;
}

LedgerSnapshot LiveJob::final_ledger() {
    LedgerSnapshot result;
    for (const auto& state : workers_) {
        result.add(state->worker.ledger(), state->worker.live_totals());
    }
    exporter_->add_to(result);
    add_ports(result);
    add_roles(result);
    result.settled = true;
    return result;
}

void LiveJob::add_ports(LedgerSnapshot& snapshot) const {
    for (const auto& point : points_) {
        const PortStatistics statistics = point->statistics();
        PortSum sum{.name = point->name(),
                    .driver = point->driver(),
                    .received = 0,
                    .missed = statistics.missed,
                    .errors = statistics.errors,
                    .no_buffer = statistics.no_buffer,
                    .gap = std::string(point->statistics_gap())};
        for (std::uint16_t q = 0; q < point->queues(); ++q) {
            sum.received += point->queue(q).tally().packets;
        }
        snapshot.ports.push_back(std::move(sum));
    }
}

void LiveJob::add_roles(LedgerSnapshot& snapshot) const {
    for (const auto& lcore : lcores_) {
        std::string name = fmt::format("lcore {}:", lcore->roles.lcore);
        if (lcore->roles.worker != kNoWorker) {
            name += fmt::format(" worker {}", lcore->roles.worker);
        }
        name += lcore->roles.housekeeping ? " housekeeping" : "";
        name += lcore->roles.exporter ? " exporter" : "";
        snapshot.roles.push_back({std::move(name), lcore->ladder.busy_share()});
    }
}

} // namespace probe
