// SPDX-License-Identifier: BSD-3-Clause
// The whole probe in one thread: workers, housekeeping and exporter take their steps in an order,
// at times and under misfortunes that come from a seed. run() returns what was promised and not
// kept; empty: all is well.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "probe/exporting/collector_session.hpp"
#include "probe/lcores/metering_report.hpp"
#include "tests/simulation/flaky_transport.hpp"
#include "tests/simulation/layer7_truth.hpp"
#include "tests/support/flow_truth.hpp"
#include "tests/support/metering_bench.hpp"

namespace probe::test {

/// What a seed stands for.
struct Scenario {
    std::uint64_t seed = 0;
    bool biflow = true;
    bool ample = true; ///< tables and record queues have room: every packet must be in a record
    bool steady =
        false; ///< no jump of the clock and no role that gets stuck: records must be out in time
    std::uint32_t workers = 1;
    std::uint32_t collectors = 1;
    std::optional<Distribution> distribute; ///< the collectors are one group
    bool spool = false;                     ///< every collector has one, of spool_octets
    std::uint64_t spool_octets = 1 << 20;
    std::uint32_t flows = 50;
    std::uint32_t steps = 4000;
    TimeNs late_max = 0;
    TimeoutOptions timeouts;
    TimeNs sweep = kNsPerSecond;
    WhenFull when_full = WhenFull::evict;
    std::uint64_t flows_max = 4096;
    std::uint32_t record_queue = 8192;
    std::uint32_t queue_octets = 1 << 20;
    Tamper tamper = Tamper::nothing;
    bool layer7 = false;                  ///< templates ask for names and labels
    std::uint32_t inspected_max = 16'384; ///< flows, of each worker
    std::uint64_t result_octets = 1 << 20;
    bool common = false;          ///< some values are told once for many records (RFC 5473)
    bool reloads = false;         ///< other templates, while the flows of those before leave
    bool forget_a_packet = false; ///< canary: the truth does not hear of one packet

    [[nodiscard]] static Scenario of(std::uint64_t seed);
    [[nodiscard]] std::string text() const;
};

class Simulation {
  public:
    explicit Simulation(const Scenario& scenario);
    ~Simulation();

    [[nodiscard]] std::vector<std::string> run();
    /// How much happened, so that a run in which nothing does is noticed.
    [[nodiscard]] std::uint64_t records() const { return truth_.records(); }
    [[nodiscard]] std::uint64_t tampered() const;
    [[nodiscard]] LedgerSnapshot ledger() const;
    /// Told to collector `c`.
    [[nodiscard]] std::uint64_t withdrawals(std::size_t c) const {
        return wires_[c]->decoder.withdrawals();
    }
    [[nodiscard]] const Layer7Truth& layer7() const { return layer7_; }
    [[nodiscard]] std::uint64_t reloads() const { return generations_.size() - 1; }

  private:
    class RememberingSource;
    struct Role {
        TimeNs last_step = kStart;
        TimeNs longest_pause = 0;
        std::uint32_t stalled_for = 0; ///< turns
    };
    /// All that follows from templates.
    struct Generation {
        std::unique_ptr<RecordBinding> binding;
        std::unique_ptr<OptionsRecords> options_records;
        std::unique_ptr<TemplateList> list;
    };
    [[nodiscard]] Generation make_generation(unsigned variant, const TemplateList* known) const;
    [[nodiscard]] const TemplateList& list() const { return *generations_.back().list; }
    void reload();
    void take_reload(std::uint32_t worker);
    void end_reload(bool all_left);

    void turn();
    void pass_time();
    void make_packets();
    void make_packet();
    void step_worker(std::uint32_t w);
    void step_housekeeping();
    void step_exporter();
    void step_disk();
    [[nodiscard]] std::unique_ptr<RecordSink> make_session(std::uint32_t c);
    void check_what_is_left_on_disk();
    [[nodiscard]] TimeNs pause_of(const Role& role) const;
    [[nodiscard]] bool may_step(Role& role);
    void read_records(bool metering);
    void check_in_between();
    void finish();
    void check_collectors();
    void check_layer7();
    void check_returned(ApplicationMeter& meter);
    void complain(const std::string& what);

    Scenario scenario_;
    std::mt19937_64 random_;
    TimeNs now_ = kStart;
    std::vector<Generation> generations_;
    MeteringOptions metering_;
    // of a reload under way
    bool reloading_ = false;
    std::vector<std::unique_ptr<FlowLanes>> next_lanes_; ///< by worker, until it takes them
    std::vector<FlowLanes*> leaving_lanes_;              ///< by worker
    std::vector<FlowLane*> next_tables_;                 ///< until housekeeping takes them
    bool swept_ = false;                                 ///< it did
    std::unique_ptr<WorkersReport> report_;
    FlowTruth truth_;
    std::shared_ptr<const ApplicationRules> rules_;
    Layer7Truth layer7_;
    std::vector<std::uint64_t> numbers_; ///< by tag: of what the packet says
    std::vector<TruePacket> packets_;    ///< by tag
    std::vector<std::unique_ptr<RememberingSource>> sources_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<Housekeeping> housekeeping_;
    CapturingSink* capture_ = nullptr; // the exporter owns it
    std::vector<std::shared_ptr<Wire>> wires_;
    std::vector<CollectorSession*> sessions_; // by wire; the exporter owns them
    std::string spool_directory_;
    std::unique_ptr<Exporter> exporter_;
    std::vector<Role> worker_roles_;
    Role housekeeping_role_;
    Role exporter_role_;
    std::vector<std::string> complaints_;
};

} // namespace probe::test
