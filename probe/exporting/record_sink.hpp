// SPDX-License-Identifier: BSD-3-Clause
// Where encoded data records go: a collector session, a text output, or a group of them.
//
// Thread: all calls from the exporter's lcore. Nothing blocks on a socket and nothing allocates
// after construction (text sinks reuse their buffers). Time is the probe's timeline, an argument.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "probe/exporting/session_ledger.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class OptionsRecords;

/// One line for the operator, without a newline; called on changes of state only, never per
/// message.
using LogLine = std::function<void(const std::string&)>;

/// One data record, encoded in the layout of templates[template_index].
struct DataRecord {
    std::size_t template_index = 0;
    Bytes octets;
    RecordWeight weight;
    std::uint64_t flow_hash = 0; ///< see probe/metering/flow_hash.hpp; 0 where no sink wants it
};

class RecordSink {
  public:
    virtual ~RecordSink() = default;

    /// The octets are copied. A record that cannot be taken is in ledger().lost at once.
    virtual void append(const DataRecord& record, TimeNs now) noexcept = 0;

    /// Connects, repeats templates, sends what is due. Bounded work: call it often.
    virtual void step(TimeNs now) noexcept = 0;

    /// Templates go again at the front of the next message (an operator's SIGUSR1), where there are
    /// any.
    virtual void repeat_templates() noexcept {}

    /// A reload: records may come of all these templates from now on, those that were there have
    /// the same index. `options`: told in place of the options records before, where those were
    /// told; nullptr: none are. Allocates; what finds no memory for them loses the records of new
    /// templates by name.
    virtual void change_templates(const TemplateView& /*templates*/, OptionsRecords* /*options*/,
                                  TimeNs /*now*/) noexcept {}
    /// The last record of an absent template has come.
    virtual void retire_templates() noexcept {}

    /// From here on everything queued is due at once. Call step() until idle() or the shutdown
    /// deadline, then abandon().
    virtual void close(TimeNs now) noexcept = 0;

    /// Ends the session; what is still queued, over TCP also what is not acknowledged, is
    /// lost[shutdown]. After it idle() is true.
    virtual void abandon() noexcept = 0;

    /// Nothing queued. After close() also: the output is ended, over TCP acknowledged to the last
    /// octet.
    [[nodiscard]] virtual bool idle() const noexcept = 0;

    /// More than half of the queue is used. A capture being read waits for it, stepping, as long as
    /// the operator's patience (a collector may be away for good); live metering never looks.
    [[nodiscard]] virtual bool backlogged() const noexcept = 0;

    /// It wants every value in the record itself, since it cannot tell common properties (RFC 5473)
    /// apart from the records.
    [[nodiscard]] virtual bool wants_whole_records() const noexcept { return true; }

    /// The collector as the operator wrote it.
    [[nodiscard]] virtual const std::string& name() const noexcept = 0;

    [[nodiscard]] virtual const SessionLedger& ledger() const noexcept = 0;

    // For groups, which deal records out:

    [[nodiscard]] virtual bool wants_flow_hash() const noexcept { return false; }

    /// Records given to it now can go on their way.
    [[nodiscard]] virtual bool available() const noexcept { return true; }

    /// Octets of records that fill a message.
    [[nodiscard]] virtual std::size_t message_octets() const noexcept { return kTextPieceOctets; }

    /// Gives queued records of which nothing is under way to `other`, while that one has room:
    /// handed_over here, offered there.
    virtual void hand_over(RecordSink& /*other*/, TimeNs /*now*/) noexcept {}

    /// The sinks of a group; none for any other.
    [[nodiscard]] virtual std::span<const std::unique_ptr<RecordSink>> members() const noexcept {
        return {};
    }

  private:
    /// Text has no messages; this is what it is dealt at a time.
    static constexpr std::size_t kTextPieceOctets = std::size_t{16} * 1024;
};

} // namespace probe
