// SPDX-License-Identifier: BSD-3-Clause
#include "tests/simulation/simulation.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "encoder/template_description.hpp"
#include "probe/exporting/collector_group.hpp"
#include "tests/support/eal_fixture.hpp"

namespace probe::test {

namespace {

constexpr std::uint32_t kDomain = 7;

const char* const kUniflow6 = R"(templates:
  - name: uniflow6
    keys: [sourceIPv6Address, destinationIPv6Address, protocolIdentifier, sourceTransportPort,
           destinationTransportPort]
    values: [flowStartNanoseconds, flowEndNanoseconds, packetDeltaCount, octetDeltaCount,
        flowEndReason]
)";

std::shared_ptr<const ApplicationRules> layer7_rules() {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("layer7_" + std::to_string(::getpid())))
            .string();
    std::ofstream(path) << Layer7Truth::kRules;
    ApplicationOptions options;
    options.rule_files = {path};
    auto rules = ApplicationRules::load(options);
    std::filesystem::remove(path);
    return rules;
}

std::string with(std::string text, const std::string& before, const std::string& inserted) {
    return text.insert(text.find(before), inserted);
}

/// What a reload may make of them; 0: those of the start.
constexpr unsigned kVariants = 64;

std::vector<ipfix::TemplateDescription> templates(const Scenario& scenario, unsigned variant) {
    std::string four = scenario.biflow ? kBiflow4 : kUniflow4;
    std::string six = scenario.biflow ? kBiflow6 : kUniflow6;
    if ((variant & 1U) != 0) { // larger records
        four = with(four, "flowEndReason", "minimumTTL, maximumTTL, ");
    }
    if ((variant & 2U) != 0) { // larger keys
        four = with(four, "sourceIPv4Address", "ingressInterface, ");
    }
    if ((variant & 4U) != 0) {
        six = with(six, "flowEndReason", "ipClassOfService, ");
    }
    if (scenario.common && (variant & 16U) == 0) {
        four += "    common: [flowEndReason, protocolIdentifier]\n";
    }
    if (scenario.common && (variant & 32U) != 0) {
        four += (variant & 16U) != 0 ? "    common: [protocolIdentifier]\n" : "";
        six += "    common: [destinationIPv6Address, flowEndReason]\n";
    }
    if (scenario.layer7) {
        four = with(four, "flowEndReason", Layer7Truth::kValues);
        six = with(six, "flowEndReason", Layer7Truth::kValues);
    }
    auto both = ipfix::parse_template_descriptions(four, "4.yaml");
    for (auto& one : ipfix::parse_template_descriptions(six, "6.yaml")) {
        both.push_back(std::move(one));
    }
    if ((variant & 8U) != 0) {
        std::swap(both.front(), both.back());
    }
    return both;
}

} // namespace

/// Tells the truth about each packet at the moment a worker takes it.
class Simulation::RememberingSource final : public PacketSource {
  public:
    explicit RememberingSource(Simulation& simulation) : simulation_(simulation) {}

    std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept override {
        const std::size_t before = source.polled().size();
        const std::uint32_t count = source.poll(batch, now);
        for (std::size_t i = before; i < source.polled().size(); ++i) {
            const std::uint64_t tag = source.polled()[i];
            TruePacket packet = simulation_.packets_[tag];
            packet.polled_at = now;
            if (!(simulation_.scenario_.forget_a_packet && tag == 40)) {
                simulation_.truth_.packet(packet);
                simulation_.layer7_.packet(packet, simulation_.numbers_[tag]);
            }
        }
        return count;
    }
    void release() noexcept override { source.release(); }

    ScriptedSource source;

  private:
    Simulation& simulation_;
};

Scenario Scenario::of(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&](std::uint64_t from, std::uint64_t to) {
        return from + random() % (to - from + 1);
    };
    Scenario s;
    s.seed = seed;
    s.biflow = pick(0, 2) != 0;
    s.steady = pick(0, 2) == 0;
    s.ample = s.steady || pick(0, 1) != 0;
    s.workers = static_cast<std::uint32_t>(pick(1, 3));
    s.collectors = static_cast<std::uint32_t>(pick(1, 3));
    s.flows = static_cast<std::uint32_t>(pick(3, 400));
    if (const std::uint64_t kind = pick(0, 5); kind < kDistributionNames.size()) {
        s.distribute = static_cast<Distribution>(kind);
    }
    s.spool = pick(0, 2) == 0;
    s.reloads = pick(0, 2) == 0;
    s.spool_octets = pick(0, 1) == 0 ? std::uint64_t{1} << 30 : pick(4, 40) * 1024;
    s.steps = static_cast<std::uint32_t>(pick(500, 6000));
    s.late_max = pick(0, 1) == 0 ? 0 : pick(1, 3000) * kMs;
    s.timeouts.idle = pick(1, 15) * kSecond;
    s.timeouts.active = pick(2, 40) * kSecond;
    s.timeouts.tcp_end = pick(0, 4) == 0 ? kNever : pick(0, 3000) * kMs;
    s.sweep = pick(50, 1000) * kMs;
    s.when_full = pick(0, 1) == 0 ? WhenFull::evict : WhenFull::refuse;
    if (!s.ample) {
        s.flows_max = pick(1, 3) * 128 * s.workers;
        s.record_queue = static_cast<std::uint32_t>(pick(1, 64));
        s.queue_octets = static_cast<std::uint32_t>(pick(3000, 30'000));
    }
    s.layer7 = pick(0, 2) == 0;
    s.common = pick(0, 2) == 0;
    if (!s.ample) {
        s.inspected_max = static_cast<std::uint32_t>(pick(1, 64)) * s.workers;
        s.result_octets = pick(2, 64) * 128 * s.workers;
    }
    return s;
}

std::string Scenario::text() const {
    const auto seconds = [](TimeNs ns) {
        return ns == kNever ? std::string("off") : std::to_string(ns / kMs) + " ms";
    };
    return std::string(biflow ? "biflows" : "uniflows") +
           (steady  ? ", steady"
            : ample ? ", ample"
                    : ", scarce") +
           ", " + std::to_string(workers) + " workers, " + std::to_string(collectors) +
           " collectors" +
           (distribute
                ? " in " + std::string(kDistributionNames[static_cast<std::size_t>(*distribute)])
                : std::string()) +
           (reloads ? ", reloads" : "") + (common ? ", common properties" : "") +
           (layer7 ? ", layer 7 of " + std::to_string(inspected_max) + " flows" : std::string()) +
           (spool ? " with a spool of " + std::to_string(spool_octets) + " octets"
                  : std::string()) +
           ", " + std::to_string(flows) + " flows (at most " + std::to_string(flows_max) + "), " +
           std::to_string(steps) + " steps, late up to " + seconds(late_max) + ", idle " +
           seconds(timeouts.idle) + ", active " + seconds(timeouts.active) + ", tcp_end " +
           seconds(timeouts.tcp_end) + ", sweep " + seconds(sweep) +
           (when_full == WhenFull::evict ? ", evict" : ", refuse") + ", record queue " +
           std::to_string(record_queue);
}

Simulation::Simulation(const Scenario& scenario)
    : scenario_(scenario),
      random_(scenario.seed ^ 0x9e3779b97f4a7c15ULL),
      // beside a reload, records of a key may change places
      truth_(scenario.timeouts, scenario.biflow, scenario.ample && !scenario.reloads),
      rules_(scenario.layer7 ? layer7_rules() : nullptr),
      layer7_(scenario.biflow, scenario.ample,
              scenario.reloads ? RecordOrder::any
              : scenario.ample ? RecordOrder::all
                               : RecordOrder::some_lost,
              scenario.steady && scenario.timeouts.idle > scenario.late_max
                  ? scenario.timeouts.idle - scenario.late_max
                  : 0),
      worker_roles_(scenario.workers) {
    start_eal();
    generations_.push_back(make_generation(0, nullptr));
    metering_.timeouts = scenario.timeouts;
    metering_.sweep = scenario.sweep;
    metering_.when_full = scenario.when_full;
    metering_.record_queue = scenario.record_queue;
    metering_.ipv6_share = 0.5;
    metering_.application.flows_max = scenario.inspected_max;
    metering_.application.result_octets = scenario.result_octets;
    const RecordBinding& binding = *generations_.front().binding;
    std::vector<Worker*> workers;
    for (std::uint32_t w = 0; w < scenario.workers; ++w) {
        sources_.push_back(std::make_unique<RememberingSource>(*this));
        workers_.push_back(std::make_unique<Worker>(
            binding.metering_plan(), metering_,
            WorkerOptions{.name = unique_name(),
                          .flows_max = scenario.flows_max / scenario.workers,
                          .socket = -1,
                          .hash_key = {random_(), random_()},
                          .filter = nullptr,
                          .rules = rules_},
            std::vector<PacketSource*>{sources_.back().get()}));
        workers.push_back(workers_.back().get());
    }
    housekeeping_ = std::make_unique<Housekeeping>(workers, scenario.sweep);
    report_ = std::make_unique<WorkersReport>(workers);
    generations_.front().options_records->set_reporter(report_.get());
    std::vector<std::unique_ptr<RecordSink>> sinks;
    auto capture = std::make_unique<CapturingSink>(list().all(), kDomain);
    capture_ = capture.get();
    sinks.push_back(std::move(capture));
    std::vector<std::unique_ptr<RecordSink>> collectors;
    for (std::uint32_t c = 0; c < scenario.collectors; ++c) {
        collectors.push_back(make_session(c));
    }
    if (scenario.distribute) {
        sinks.push_back(std::make_unique<CollectorGroup>(
            CollectorGroupOptions{.distribute = *scenario.distribute,
                                  .failover_after = random_() % 20 * kSecond},
            std::move(collectors)));
    } else {
        std::move(collectors.begin(), collectors.end(), std::back_inserter(sinks));
    }
    exporter_ = std::make_unique<Exporter>(binding, workers, std::move(sinks));
    next_lanes_.resize(scenario.workers);
    leaving_lanes_.resize(scenario.workers);
}

Simulation::Generation Simulation::make_generation(unsigned variant,
                                                   const TemplateList* known) const {
    Generation made;
    BindingContext context{.domain_id = kDomain, .interfaces = {}};
    context.known = known;
    context.rules = rules_;
    if (known != nullptr) {
        context.common = generations_.front().binding->common_properties();
    }
    made.binding = std::make_unique<RecordBinding>(templates(scenario_, variant), context);
    made.options_records = std::make_unique<OptionsRecords>(
        made.binding->templates(), OptionsContext{.domain_id = kDomain,
                                                  .domain_name = "simulation",
                                                  .interfaces = {},
                                                  .common = made.binding->common_properties().get(),
                                                  .known = known});
    const auto data = made.binding->templates();
    const auto options = made.options_records->templates();
    const TemplateList::Templates told = {data, made.binding->common_properties()->templates(),
                                          options};
    made.list = known == nullptr ? std::make_unique<TemplateList>(told)
                                 : std::make_unique<TemplateList>(*known, told);
    made.binding->place_in(*made.list);
    return made;
}

/// The exporter is first, as in a live job; the other roles take what is theirs at their next step.
void Simulation::reload() {
    if (reloading_) {
        return;
    }
    generations_.push_back(make_generation(static_cast<unsigned>(random_() % kVariants), &list()));
    const Generation& next = generations_.back();
    next.options_records->set_reporter(report_.get());
    BindingChange meter{.binding = next.binding.get(),
                        .lanes = {},
                        .templates = next.list.get(),
                        .options_records = next.options_records.get()};
    for (std::uint32_t w = 0; w < scenario_.workers; ++w) {
        next_lanes_[w] = workers_[w]->make_lanes(next.binding->metering_plan(), metering_, rules_,
                                                 unique_name());
        meter.lanes.push_back(next_lanes_[w].get());
        leaving_lanes_[w] = workers_[w]->lanes();
    }
    next_tables_ = tables_of(meter.lanes);
    swept_ = false;
    SinkChange same;
    for (std::size_t i = 0; i < exporter_->sinks().size(); ++i) {
        same.places.push_back({nullptr, i});
    }
    exporter_->exchange(same, &meter, now_);
    reloading_ = true;
}

void Simulation::take_reload(std::uint32_t worker) {
    if (next_lanes_[worker] != nullptr) {
        workers_[worker]->exchange(std::move(next_lanes_[worker]));
    }
}

/// `all_left`: before the exporter's step.
void Simulation::end_reload(bool all_left) {
    if (!reloading_ || !all_left || !swept_ || !exporter_->leaving_lanes_empty()) {
        return;
    }
    exporter_->retire_lanes();
    for (std::uint32_t w = 0; w < scenario_.workers; ++w) {
        const std::unique_ptr<FlowLanes> left = workers_[w]->take_left();
        if (left != nullptr && left->application != nullptr) {
            check_returned(*left->application);
        }
        leaving_lanes_[w] = nullptr;
    }
    reloading_ = false;
}

Simulation::~Simulation() {
    exporter_.reset(); // its spools' files go with it
    if (!spool_directory_.empty()) {
        std::filesystem::remove_all(spool_directory_);
    }
}

std::unique_ptr<RecordSink> Simulation::make_session(std::uint32_t c) {
    wires_.push_back(std::make_shared<Wire>(random_()));
    wires_.back()->options = {.reliable = c % 2 == 1,
                              .failures_percent = static_cast<unsigned>(random_() % 30),
                              .tamper = c == 0 ? scenario_.tamper : Tamper::nothing};
    wires_.back()->decoder =
        strict::Decoder(strict::Rules{.withdrawals = wires_.back()->options.reliable});
    ExportOptions options;
    options.queue_octets = scenario_.queue_octets;
    options.message_delay = random_() % 1000 * kMs;
    options.template_refresh = (1 + random_() % 60) * kSecond;
    options.template_refresh_messages = static_cast<std::uint32_t>(random_() % 20);
    options.options_interval = (1 + random_() % 60) * kSecond;
    CollectorOptions collector;
    collector.url = (c % 2 == 1 ? "tcp://" : "udp://") + std::to_string(c);
    if (scenario_.spool) {
        spool_directory_ = (std::filesystem::temp_directory_path() /
                            ("parshall_simulation_" + std::to_string(::getpid())))
                               .string();
        collector.spool = {spool_directory_, scenario_.spool_octets};
    }
    auto session = std::make_unique<CollectorSession>(
        collector, options, kDomain, list(), std::make_unique<FlakyTransport>(wires_.back()),
        generations_.front().options_records.get(), 0,
        scenario_.spool ? nullptr : generations_.front().binding->common_properties().get());
    if (scenario_.spool) {
        session->open_spool(kDomain, list().all(), {}, SpoolThread::callers);
    }
    sessions_.push_back(session.get());
    return session;
}

void Simulation::step_disk() {
    for (CollectorSession* session : sessions_) {
        if (session->spool() != nullptr && random_() % 3 == 0) {
            session->spool()->work();
        }
    }
}

/// What the ledger says is on disk, another process finds there.
void Simulation::check_what_is_left_on_disk() {
    if (!scenario_.spool) {
        return;
    }
    const std::string copy = spool_directory_ + "_copy"; // the files themselves are in use
    std::filesystem::copy(spool_directory_, copy);
    for (const CollectorSession* session : sessions_) {
        const SpoolStore store({copy, scenario_.spool_octets}, session->name());
        const RecordTally& spooled = session->ledger().spooled;
        if (!(store.recovered() == spooled) || store.damaged().records != 0) {
            complain(session->name() + ": " + std::to_string(store.recovered().records) +
                     " records are on disk, the ledger says " + std::to_string(spooled.records));
        }
    }
    std::filesystem::remove_all(copy);
}

void Simulation::complain(const std::string& what) {
    if (complaints_.size() < 20) {
        complaints_.push_back(what);
    }
}

std::vector<std::string> Simulation::run() {
    for (std::uint32_t step = 0; step < scenario_.steps && complaints_.empty(); ++step) {
        turn();
        if (step % 512 == 0) {
            check_in_between();
        }
    }
    finish();
    return complaints_;
}

void Simulation::turn() {
    pass_time();
    if (scenario_.reloads && random_() % 150 == 0) {
        reload();
    }
    if (scenario_.steady) {
        if (random_() % 2 == 0) {
            make_packets();
        }
        for (std::uint32_t w = 0; w < scenario_.workers; ++w) {
            step_worker(w);
        }
        step_housekeeping();
        step_exporter();
        return;
    }
    switch (random_() % 8) {
        case 0:
        case 1:
        case 2:
            make_packets();
            break;
        case 3:
        case 4:
            step_worker(static_cast<std::uint32_t>(random_() % scenario_.workers));
            break;
        case 5:
            step_housekeeping();
            break;
        case 6:
            step_exporter();
            break;
        default:
            if (random_() % 200 == 0) { // one role gets stuck for a while
                const std::uint64_t role = random_() % (scenario_.workers + 2);
                Role& stuck = role < scenario_.workers    ? worker_roles_[role]
                              : role == scenario_.workers ? housekeeping_role_
                                                          : exporter_role_;
                stuck.stalled_for = static_cast<std::uint32_t>(random_() % 50);
            } else if (random_() % 100 == 0) {
                exporter_->repeat_templates();
            }
    }
}

void Simulation::pass_time() {
    const std::uint64_t luck = random_() % 1000;
    if (luck < 500) {
        now_ += random_() % (2 * kMs);
    } else if (luck < 990 || scenario_.steady) {
        now_ += random_() % (50 * kMs);
    } else {
        now_ += random_() % (luck < 998 ? 2 * kSecond : 20 * kSecond);
    }
}

void Simulation::make_packets() {
    const std::uint64_t count = random_() % 10 == 0 ? random_() % 150 : random_() % 6;
    for (std::uint64_t n = 0; n < count; ++n) {
        make_packet();
    }
}

void Simulation::make_packet() {
    const auto flow = static_cast<std::uint32_t>(random_() % scenario_.flows *
                                                 (random_() % 2)); // half are of flow 0
    const bool back = random_() % 3 == 0;
    const bool ipv6 = flow % 3 == 2;
    const bool tcp = flow % 2 == 1;
    const std::string octet = std::to_string(flow % 200 + 1);
    const std::string a = (ipv6 ? "2001:db8::" : "10.0.0.") + octet;
    const std::string b = ipv6 ? "2001:db8::64" : "10.0.0.100";
    const auto port_a = static_cast<std::uint16_t>(1024 + flow);
    constexpr std::uint16_t kPortB = 443;
    constexpr std::uint16_t kBits[] = {kAck, kAck, kAck,        kAck,        kAck,
                                       kAck, kSyn, kSyn | kAck, kFin | kAck, kRst};
    const std::uint16_t bits = kBits[random_() % std::size(kBits)];
    const std::vector<std::uint8_t> payload =
        scenario_.layer7 ? Layer7Truth::payload(tcp, packets_.size() + 1, back)
                         : std::vector<std::uint8_t>(random_() % 200, 0xA5);
    PacketBuilder builder = PacketBuilder().ethernet();
    if (ipv6) {
        builder.ipv6({.source = back ? b : a, .destination = back ? a : b});
    } else {
        builder.ipv4({.source = back ? b : a, .destination = back ? a : b});
    }
    const std::uint16_t from = back ? kPortB : port_a;
    const std::uint16_t to = back ? port_a : kPortB;
    (tcp ? builder.tcp(from, to, bits) : builder.udp(from, to)).payload(payload);
    const TimeNs late =
        scenario_.late_max != 0 && random_() % 5 == 0 ? random_() % scenario_.late_max : 0;
    if (random_() % 50 == 0) {
        return; // lost before the port: nobody will ever know
    }
    const std::string end_a = a + " " + std::to_string(port_a);
    const std::string end_b = b + " " + std::to_string(kPortB);
    const std::uint64_t number = packets_.size() + 1;
    for (int copies = random_() % 100 == 0 ? 2 : 1; copies > 0;
         --copies) { // duplicates count twice
        const std::uint64_t tag = packets_.size();
        packets_.push_back({.source = back ? end_b : end_a,
                            .destination = back ? end_a : end_b,
                            .protocol = static_cast<std::uint8_t>(tcp ? 6 : 17),
                            .time = now_ - late,
                            .polled_at = 0,
                            .ip_octets = (ipv6 ? 40U : 20U) + (tcp ? 20U : 8U) + payload.size()});
        numbers_.push_back(number);
        sources_[flow % scenario_.workers]->source.push(
            {.frame = builder.build(), .time_ns = now_ - late, .deliver_at = now_, .tag = tag});
    }
}

/// The longest one so far, that at hand included.
TimeNs Simulation::pause_of(const Role& role) const {
    return std::max(role.longest_pause, now_ - role.last_step);
}

bool Simulation::may_step(Role& role) {
    if (role.stalled_for != 0) {
        --role.stalled_for;
        return false;
    }
    role.longest_pause = pause_of(role);
    role.last_step = now_;
    return true;
}

void Simulation::step_worker(std::uint32_t w) {
    if (may_step(worker_roles_[w])) {
        take_reload(w);
        (void)workers_[w]->step(now_);
    }
}

void Simulation::step_housekeeping() {
    if (may_step(housekeeping_role_)) {
        if (reloading_ && !swept_) {
            housekeeping_->exchange(next_tables_);
            swept_ = true;
        }
        (void)housekeeping_->step(now_);
    }
}

void Simulation::step_exporter() {
    if (may_step(exporter_role_)) {
        step_disk();
        const bool all_left =
            std::all_of(workers_.begin(), workers_.end(),
                        [this](const auto& worker) { return worker->left() == reloads(); });
        (void)exporter_->step(
            now_, scenario_.steady ? 256 : static_cast<std::uint32_t>(1 + random_() % 256));
        end_reload(all_left);
        read_records(true);
    }
}

/// Records are out within the idle timeout and one sweep, as far as the roles were let to work.
void Simulation::read_records(bool metering) {
    TimeNs worker_pause = 0;
    for (const Role& role : worker_roles_) {
        worker_pause = std::max(worker_pause, pause_of(role));
    }
    // A sweep begins and passes each slot up to a step of housekeeping late; a worker may still
    // have to poll the packet, and looks at 128 findings a step; the exporter may take one record a
    // step.
    const TimeNs slack = 4 * pause_of(housekeeping_role_) + 10 * worker_pause +
                         4 * pause_of(exporter_role_) + scenario_.late_max;
    const TimeNs deadline = scenario_.timeouts.idle + scenario_.sweep + slack;
    for (const SeenRecord& seen : capture_->take()) {
        truth_.record(seen.record, seen.at);
        if (scenario_.layer7) {
            layer7_.record(seen.record);
        }
        const TimeNs end = end_of(seen.record);
        if (metering && scenario_.ample && seen.at - end > deadline) {
            complain("a record came out " + std::to_string((seen.at - end) / kMs) +
                     " ms after its end, " + std::to_string(deadline / kMs) + " ms are allowed");
        }
    }
    for (const std::string& complaint : truth_.complaints()) {
        complain(complaint);
    }
}

void Simulation::check_in_between() {
    std::uint64_t waiting = 0;
    for (std::uint32_t w = 0; w < scenario_.workers; ++w) {
        const auto& worker = workers_[w];
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            waiting += worker->lane(family)->records().size();
            if (leaving_lanes_[w] != nullptr && leaving_lanes_[w] != worker->lanes()) {
                waiting +=
                    leaving_lanes_[w]->lanes[static_cast<std::size_t>(family)]->records().size();
            }
        }
        if (!worker->selfcheck()) {
            complain("a flow table is not sound");
        }
    }
    for (const std::string& wrong : ledger().proof(waiting)) {
        complain("ledger: " + wrong);
    }
}

LedgerSnapshot Simulation::ledger() const {
    LedgerSnapshot snapshot;
    for (const auto& worker : workers_) {
        snapshot.add(worker->ledger(), worker->live_totals());
    }
    snapshot.encoded = exporter_->encoded();
    for (const auto& sink : exporter_->sinks()) {
        snapshot.sinks.push_back(SinkSum::of(*sink));
    }
    snapshot.settled = true;
    return snapshot;
}

/// Stops wherever it is: no more packets, every flow out, the collectors get some time, then are
/// given up.
void Simulation::finish() {
    for (int round = 0; round < 100'000; ++round) {
        bool done = true;
        for (const auto& worker : workers_) {
            done = worker->flush() && done;
        }
        now_ += random_() % kMs;
        done = exporter_->step(now_) == 0 && done;
        read_records(false);
        if (done) {
            break;
        }
    }
    for (const auto& wire : wires_) {
        wire->calm = random_() % 4 != 0; // some collectors stay difficult
    }
    exporter_->close(now_);
    for (int round = 0; round < 200 && !exporter_->idle(); ++round) {
        now_ += random_() % (200 * kMs);
        step_disk();
        (void)exporter_->step(now_);
    }
    exporter_->abandon();
    read_records(false);
    truth_.close();
    for (const std::string& complaint : truth_.complaints()) {
        complain(complaint);
    }
    if (!capture_->complaint().empty()) {
        complain("capture: " + capture_->complaint());
    }
    check_in_between();
    const LedgerSnapshot last = ledger();
    if (last.live.flows != 0 || last.live.packets != 0) {
        complain("flows are left behind the flush");
    }
    const auto lost =
        last.records_lost_queue_full.records +
        last.meter[static_cast<std::size_t>(MeterVerdict::dropped_table_full)].packets +
        last.meter[static_cast<std::size_t>(MeterVerdict::dropped_index_full)].packets;
    if (scenario_.ample && lost != 0) {
        complain("packets or records were lost although there was room");
    }
    check_collectors();
    check_layer7();
    check_what_is_left_on_disk();
}

/// No flow of this meter is left, and no record of one.
void Simulation::check_returned(ApplicationMeter& meter) {
    meter.take_returns();
    if (meter.results().chunks_free() != meter.results().chunks()) {
        complain("results stay behind: " + std::to_string(meter.results().chunks_free()) +
                 " chunks of " + std::to_string(meter.results().chunks()) + " are free");
    }
}

/// Nothing wrong was said, nothing is missing without a reason, and all that was lent is back.
void Simulation::check_layer7() {
    if (!scenario_.layer7) {
        return;
    }
    for (const std::string& complaint : layer7_.complaints()) {
        complain(complaint);
    }
    std::uint64_t refused = 0;
    for (const auto& worker : workers_) {
        const auto count = [&](ApplicationCount what) {
            return worker->ledger().application.counts[static_cast<std::size_t>(what)].get();
        };
        refused += count(ApplicationCount::flows_refused) +
                   count(ApplicationCount::results_refused) +
                   count(ApplicationCount::interim_results_refused);
        check_returned(*worker->application());
        if (count(ApplicationCount::flows_inspecting) != 0) {
            complain("flows stay under inspection behind the flush");
        }
    }
    if (layer7_.missing() != 0 && refused == 0) {
        complain(std::to_string(layer7_.missing()) +
                 " names and labels are missing, and nothing was refused");
    }
}

void Simulation::check_collectors() {
    for (std::size_t c = 0; c < wires_.size(); ++c) {
        const Wire& wire = *wires_[c];
        const SessionLedger& ledger = sessions_[c]->ledger();
        const std::string who = sessions_[c]->name() + ": ";
        for (const std::string& complaint : wire.complaints) {
            complain(who + complaint);
        }
        for (const std::string& violation : wire.decoder.violations()) {
            complain(who + violation);
        }
        std::uint64_t packets = 0;
        for (const strict::Record& record : wire.records) {
            packets += record.number(2) + record.number_or(strict::kReverse, 2, 0);
            if (end_of(record) > record.export_time_s * kNsPerSecond) {
                complain(who + "a record ends after its Export Time");
            }
        }
        if (ledger.lost[static_cast<std::size_t>(LossReason::template_too_large)].records != 0 ||
            ledger.lost[static_cast<std::size_t>(LossReason::record_too_large)].records != 0) {
            complain(who + "records were lost as too large, but none is");
        }
        if (wire.options_records < ledger.options_sent) {
            complain(who + "options records counted as sent did not arrive");
        }
        // What was not acknowledged when a connection broke may have arrived, but is never counted
        // as sent.
        const auto& lost = ledger.lost;
        const RecordTally& broken = lost[static_cast<std::size_t>(LossReason::connection_lost)];
        const RecordTally& shutdown = lost[static_cast<std::size_t>(LossReason::shutdown)];
        const bool exact = !wire.options.reliable;
        const std::uint64_t records_most =
            ledger.sent.records + (exact ? 0 : broken.records + shutdown.records);
        const std::uint64_t packets_most =
            ledger.sent.packets + (exact ? 0 : broken.packets + shutdown.packets);
        if (wire.records.size() < ledger.sent.records || wire.records.size() > records_most) {
            complain(who + std::to_string(wire.records.size()) + " records arrived, " +
                     std::to_string(ledger.sent.records) + " were sent");
        }
        if (packets < ledger.sent.packets || packets > packets_most) {
            complain(who + std::to_string(packets) + " packets arrived in records, " +
                     std::to_string(ledger.sent.packets) + " were sent");
        }
    }
}

std::uint64_t Simulation::tampered() const {
    std::uint64_t sum = 0;
    for (const auto& wire : wires_) {
        sum += wire->tampered;
    }
    return sum;
}

} // namespace probe::test
