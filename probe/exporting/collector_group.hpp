// SPDX-License-Identifier: BSD-3-Clause
// Collectors that share records: each record goes to one of them.
//
//  - round_robin: in turn, switching after a message's worth of records. One that is away is left
//    out.
//  - flow_hash: all records of a flow to one collector, chosen by rendezvous hashing over the
//    collectors' names: the same in every run and every probe, and another list of collectors moves
//    only the flows of those that came or went. One that is away keeps its flows: they wait in its
//    queue, then in its spool, then they are lost by name. Nobody else gets half a flow.
//  - failover: all to the first of the list that is there. One that is away for failover_after is
//    left for the next; an earlier one that is back gets the records at once.
//
// Records queued at a collector that is away for failover_after (but for flow_hash) go to another:
// none of them was sent, so none arrives twice. When nobody is there, they wait where they are. At
// the end the wait is not kept: what is queued at one that is away goes to one that is there.
//
// The group's ledger is the sum of its collectors'; what they handed over to each other is not in
// it. Thread: the exporter's lcore.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_sink.hpp"

namespace probe {

class CollectorGroup final : public RecordSink {
  public:
    /// `collectors`: at least one.
    CollectorGroup(const CollectorGroupOptions& options,
                   std::vector<std::unique_ptr<RecordSink>> collectors);

    void append(const DataRecord& record, TimeNs now) noexcept override;
    void step(TimeNs now) noexcept override;
    void repeat_templates() noexcept override;
    void change_templates(const TemplateView& templates, OptionsRecords* options,
                          TimeNs now) noexcept override;
    void retire_templates() noexcept override;
    void close(TimeNs now) noexcept override;
    void abandon() noexcept override;
    [[nodiscard]] bool idle() const noexcept override;
    [[nodiscard]] bool backlogged() const noexcept override;
    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] const SessionLedger& ledger() const noexcept override;
    [[nodiscard]] bool wants_flow_hash() const noexcept override {
        return options_.distribute == Distribution::flow_hash;
    }
    /// A record may go to any of them.
    [[nodiscard]] bool wants_whole_records() const noexcept override;
    [[nodiscard]] std::span<const std::unique_ptr<RecordSink>> members() const noexcept override {
        return collectors_;
    }

  private:
    [[nodiscard]] std::size_t choose(const DataRecord& record) noexcept;
    [[nodiscard]] std::size_t in_turn(std::size_t record_octets) noexcept;
    [[nodiscard]] std::size_t by_flow(std::uint64_t flow_hash) const noexcept;
    [[nodiscard]] bool away_for(std::size_t collector, TimeNs time, TimeNs now) const noexcept;
    /// The first from `start` on that is there, round the list; `start` itself when none is.
    [[nodiscard]] std::size_t available_from(std::size_t start) const noexcept;
    void fail_over(TimeNs patience, TimeNs now) noexcept;
    void hand_over_where_away(TimeNs patience, TimeNs now) noexcept;
    void close_when_handed_over(TimeNs now) noexcept;

    const CollectorGroupOptions options_;
    std::vector<std::unique_ptr<RecordSink>> collectors_;
    std::string name_;
    std::vector<std::uint64_t> seeds_; ///< by collector, from its name
    std::vector<TimeNs> there_at_;     ///< by collector: when it was last seen there
    bool stepped_ = false;             ///< there_at_ has begun
    std::size_t current_ = 0;          ///< round_robin: whose turn; failover: who is used
    std::size_t dealt_octets_ = 0;     ///< round_robin: in this turn
    RecordTally offered_;
    bool closing_ = false;
    bool closed_ = false;          ///< the collectors are closed
    mutable SessionLedger ledger_; ///< made by ledger()
};

} // namespace probe
