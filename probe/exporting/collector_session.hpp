// SPDX-License-Identifier: BSD-3-Clause
// One collector's side of exporting: its own templates, sequence numbers, queue and counters.
//
// Records wait in a queue of fixed size and become a message only at the moment it can leave. So the
// Export Time, the sequence number (RFC 7011 section 3.1: data records sent before in this transport
// session, modulo 2^32), the templates at its front and its size always fit the session it leaves on,
// and a lost session or a smaller path MTU means packing the same records again, nothing else. A
// record that is lost never had a sequence number; a sequence gap at the collector is loss on the way.
//
// The rules:
//  - No data before its template: every transport session starts with all templates. Over UDP they
//    are repeated by time and by message count, whichever is first (section 8.4), and after a send error.
//  - A message leaves when it is full, when its oldest record waited message_delay, when templates
//    are due, or when the session is closing.
//  - A full queue refuses the newest record, counted by why the queue is full.
//  - A broken TCP connection: a message not completely given to the kernel was never complete at the
//    collector and goes again, whole, on the next connection. Whole messages that the collector's kernel
//    had not acknowledged are not repeated (they may have arrived: a duplicate is worse than a
//    counted loss) and move from sent to lost[connection_lost].
//  - ECONNREFUSED over UDP is ICMP about an earlier datagram: that one stays counted as sent (the
//    network took it), the error is counted, and the message at hand goes again with templates in front.
//
// Thread: the exporter's lcore. `templates` must outlive the session.
#pragma once

#include "encoder/message_builder.hpp"
#include "encoder/template_record.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_backlog.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/sent_messages.hpp"
#include "probe/exporting/transport.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace probe {

class CollectorSession final : public RecordSink {
  public:
    CollectorSession(CollectorOptions collector, const ExportOptions& options,
                     std::uint32_t domain_id, std::span<const ipfix::TemplateRecord> templates,
                     std::unique_ptr<Transport> transport, std::uint32_t first_sequence = 0);

    void append(std::size_t template_index, Bytes data_record, RecordWeight weight,
                TimeNs now) noexcept override;
    void step(TimeNs now) noexcept override;
    void close(TimeNs now) noexcept override;
    void abandon() noexcept override;
    [[nodiscard]] bool idle() const noexcept override;
    [[nodiscard]] bool backlogged() const noexcept override { return backlog_.over_half(); }
    [[nodiscard]] const std::string& name() const noexcept override { return collector_.url; }
    [[nodiscard]] const SessionLedger& ledger() const noexcept override { return ledger_; }

    /// The sequence number that the next message will carry.
    [[nodiscard]] std::uint32_t next_sequence() const noexcept { return sequence_; }

    /// Templates go again at the front of the next message (an operator's SIGUSR1, over UDP).
    void repeat_templates() noexcept;

  private:
    void start_session() noexcept;
    [[nodiscard]] bool message_due(TimeNs now) const noexcept;
    [[nodiscard]] bool templates_expired(TimeNs now) const noexcept;
    void pack_message(TimeNs now) noexcept;
    void pack_templates() noexcept;
    void pack_records() noexcept;
    /// False: no more sending in this step.
    [[nodiscard]] bool send_message(TimeNs now) noexcept;
    void message_left(TimeNs now) noexcept;
    void unpack_message() noexcept;
    void give_up_record(const QueuedRecord& record, LossReason reason) noexcept;
    void count_unacknowledged() noexcept;
    void lose(const RecordTally& tally, LossReason reason) noexcept;

    CollectorOptions collector_;
    std::span<const ipfix::TemplateRecord> templates_;
    std::unique_ptr<Transport> transport_;
    ipfix::MessageBuilder builder_;
    RecordBacklog backlog_;
    SentMessages sent_messages_;
    SessionLedger ledger_;

    const TimeNs template_refresh_;
    const std::uint32_t template_refresh_messages_;
    const TimeNs message_delay_;
    const std::uint32_t first_sequence_;

    std::uint64_t session_ = 0;       ///< the transport session that the state below belongs to
    std::uint32_t sequence_;
    std::size_t next_template_ = 0;   ///< templates from here on are due; templates_.size(): none is
    std::vector<bool> announced_;     ///< by template: sent in this session
    TimeNs templates_sent_at_ = 0;
    std::uint32_t messages_since_templates_ = 0;

    Bytes message_;                   ///< packed and not yet gone; empty: none
    RecordTally message_records_;     ///< what is in it
    std::size_t message_templates_end_ = 0;  ///< next_template_ once it has left
    std::uint64_t message_template_records_ = 0;

    TimeNs retry_at_ = 0;
    LossReason refusal_ = LossReason::not_connected;  ///< why a full queue would be full now
    bool connected_ = false;
    bool closing_ = false;
    bool closed_ = false;
};

}  // namespace probe
