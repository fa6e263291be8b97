// SPDX-License-Identifier: BSD-3-Clause
// The exporter: finished flow records from every worker, encoded once, to every collector.
//
// A step object: step(now) drains a batch of each queue and lets each collector send what is due.
// It never blocks. One thread calls it; it is the consumer of all record queues and owns all sinks.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/lcores/worker.hpp"
#include "probe/packet/counter.hpp"
#include "probe/telemetry/ledger_snapshot.hpp"

namespace probe {

/// What a reload makes of the collectors, in the order of the new configuration: a new sink, or,
/// where it is null, the one at this place among the present sinks, which goes on as it is. Present
/// sinks that are not named leave.
struct SinkChange {
    struct Place {
        std::unique_ptr<RecordSink> sink;
        std::size_t kept = 0;
    };
    std::vector<Place> places;
    TimeNs patience = 0; ///< how long those that leave may take for what they have queued
};

/// What a reload makes of the meter. All of it must outlive the exporter, or its retire().
struct BindingChange {
    const RecordBinding* binding = nullptr;    ///< of the new lanes
    std::vector<FlowLanes*> lanes;             ///< new, by worker
    const TemplateList* templates = nullptr;   ///< the binding's places are places in it
    OptionsRecords* options_records = nullptr; ///< nullptr: none
};

class Exporter {
  public:
    /// `binding` and the workers must outlive the exporter.
    Exporter(const RecordBinding& binding, const std::vector<Worker*>& workers,
             std::vector<std::unique_ptr<RecordSink>> sinks);

    /// Encodes and hands out up to `records_per_queue` records of each queue. Returns how many.
    std::uint32_t step(TimeNs now, std::uint32_t records_per_queue = 256) noexcept;

    /// Every session sends its templates again where RFC 7011 lets it.
    void repeat_templates() noexcept;

    /// For after the last record: everything queued is due now. step() until idle(), then
    /// abandon().
    void close(TimeNs now) noexcept;
    [[nodiscard]] bool idle() const noexcept;
    /// From the next record on the sinks are others. Allocates, a reload being no matter of
    /// packets; throws std::bad_alloc with nothing changed. `meter`: what else; nullptr: nothing.
    /// Then records come from the lanes before and from the new ones, until retire().
    void exchange(SinkChange& change, const BindingChange* meter, TimeNs now);
    /// Lanes that a reload took away have no record here any more. For after they left.
    [[nodiscard]] bool leaving_lanes_empty() noexcept;
    /// They get none: their templates are withdrawn, and they may be freed.
    void retire_lanes() noexcept;
    void abandon() noexcept;

    /// Some collector is more than half a queue behind; reading a capture waits then.
    [[nodiscard]] bool backlogged() const noexcept;

    [[nodiscard]] const std::vector<std::unique_ptr<RecordSink>>& sinks() const noexcept {
        return sinks_;
    }
    /// Records taken from the queues; each was offered to every sink.
    [[nodiscard]] const RecordTally& encoded() const noexcept { return encoded_; }
    /// Records that went out by a template's wider companion, as EncodedForm has it.
    [[nodiscard]] std::uint64_t wide_records() const noexcept { return wide_records_; }
    /// Texts that did not fit their record.
    [[nodiscard]] std::uint64_t texts_cut() const noexcept { return texts_cut_; }
    /// `encoded`, and every collector there was.
    void add_to(LedgerSnapshot& snapshot) const;

  private:
    struct Source {
        SpscQueue* queue;
        IpFamily family;
        ApplicationResults* results; ///< nullptr: no template asks for layer 7
        const RecordBinding* binding;
        bool leaving; ///< a reload took its lanes away
    };
    static void add_sources(std::vector<Source>& sources, const RecordBinding& binding,
                            const std::vector<FlowLanes*>& lanes);
    void exchange_sinks(SinkChange& change, TimeNs now);

    /// A sink that a reload took away, until it has sent what it had.
    struct Leaving {
        std::unique_ptr<RecordSink> sink; ///< null: it has left
        SinkSum sum;                      ///< of one that has left; `absent` until it left
        RecordTally encoded;              ///< when it was taken away
        TimeNs deadline = 0;
    };
    void step_leaving(TimeNs now) noexcept;

    void export_record(const std::uint8_t* record, const Source& source, TimeNs now) noexcept;
    void look_at_sinks();
    [[nodiscard]] RecordNames take_names(const std::uint8_t* record, const Source& source) noexcept;

    std::vector<Source> sources_;
    std::vector<std::unique_ptr<RecordSink>> sinks_;
    bool common_;                     ///< a template has common properties
    bool hash_flows_ = false;         ///< some sink wants DataRecord::flow_hash
    bool whole_ = false;              ///< some sink wants records whole, and some record is not
    std::vector<bool> wants_whole_;   ///< by sink
    std::vector<RecordTally> absent_; ///< by sink: encoded before it came
    std::vector<Leaving> leaving_;
    std::vector<std::uint8_t> scratch_;
    std::vector<std::uint8_t> whole_scratch_;
    std::array<std::uint8_t, kPackedOctetsMax> names_;
    RecordTally encoded_;
    std::uint64_t texts_cut_ = 0;
    std::uint64_t wide_records_ = 0;
    std::uint64_t without_common_ = 0; ///< the table of common properties is full
};

} // namespace probe
