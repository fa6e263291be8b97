// SPDX-License-Identifier: BSD-3-Clause
// One collector's side of exporting: its own templates, sequence numbers, queue and counters.
//
// Records wait in a queue of fixed size and become a message only at the moment it can leave. So
// the Export Time, the sequence number (RFC 7011 section 3.1: data records sent before in this
// transport session, modulo 2^32), the templates at its front and its size always fit the session
// it leaves on, and a lost session or a smaller path MTU means packing the same records again,
// nothing else. A record that is lost never had a sequence number; a sequence gap at the collector
// is loss on the way.
//
// The rules:
//  - No data before its template (template_announcements.hpp). Over UDP all are repeated after a
//    send error as well.
//  - A reload changes templates in the session; those that went are withdrawn behind their last
//    record, never over UDP (template_announcements.hpp). What waits keeps its template.
//  - Records of Options Templates (options_cycle.hpp) count in sequence numbers, but are no flow
//    records: the ledger keeps them apart.
//  - Common properties (common_properties.hpp) are told before the flow records that refer to them,
//    all of them at the start of each transport session, and with the templates over UDP.
//  - A message leaves when it is full, when its oldest record waited message_delay, when templates
//    are due, or when the session is closing.
//  - Over UDP messages are spread (send_pace.hpp); those of flow records alone that are due in one
//    step leave in one system call. What the kernel did not take of them is packed again.
//  - A rate limit (rate_limit.hpp) holds messages back whatever the transport.
//  - With a spool (record_spool.hpp), records go to disk when the collector was away for a second
//    or the queue is half full, and from then on until the spool is empty: so the queue in memory
//    is older than what is on disk, which is older than what comes, and all leave in order. At the
//    end, what cannot be sent in time is put there for the next process.
//  - A full queue refuses the newest record, counted by why the queue is full.
//  - A broken TCP connection: a message not completely given to the kernel was never complete at
//    the collector and goes again, whole, on the next connection. Whole messages that the
//    collector's kernel had not acknowledged are not repeated (they may have arrived: a duplicate
//    is worse than a counted loss) and move from sent to lost[connection_lost].
//  - An error over UDP (ICMP says that an earlier datagram met a closed port, no route ...): that
//    earlier datagram stays counted as sent, since the network took it. Records then wait: after
//    a second a message with templates only tries the path, and when no new error answers it,
//    records follow. The session is available again when the message after that one met no error
//    either (templates once more, where no records wait). So a collector that restarts misses what
//    left before the first answer (a system call's worth at least: up to 32 messages), and one
//    that is gone costs counted records.
//
// Thread: the exporter's lcore. `templates` and `options_records` must outlive the session.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "encoder/template_record.hpp"
#include "probe/exporting/common_properties.hpp"
#include "probe/exporting/export_message.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/message_burst.hpp"
#include "probe/exporting/options_cycle.hpp"
#include "probe/exporting/rate_limit.hpp"
#include "probe/exporting/record_backlog.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/record_spool.hpp"
#include "probe/exporting/send_pace.hpp"
#include "probe/exporting/sent_messages.hpp"
#include "probe/exporting/template_announcements.hpp"
#include "probe/exporting/transport.hpp"

namespace probe {

class CollectorSession final : public RecordSink {
  public:
    /// `options_records`, `common`: nullptr for none.
    CollectorSession(CollectorOptions collector, const ExportOptions& options,
                     std::uint32_t domain_id, const TemplateView& templates,
                     std::unique_ptr<Transport> transport, OptionsSource* options_records = nullptr,
                     std::uint32_t first_sequence = 0, const CommonProperties* common = nullptr);

    /// Before the first record: opens the spool that the collector's options tell of, and takes
    /// over what is in it. Throws std::runtime_error with the remedy.
    void open_spool(std::uint32_t domain_id, std::span<const ipfix::TemplateRecord> templates,
                    const LogLine& log, SpoolThread thread = SpoolThread::own);
    /// nullptr: it has none.
    [[nodiscard]] RecordSpool* spool() noexcept { return spool_.get(); }

    void append(const DataRecord& record, TimeNs now) noexcept override;
    void step(TimeNs now) noexcept override;
    void close(TimeNs now) noexcept override;
    void abandon() noexcept override;
    [[nodiscard]] bool idle() const noexcept override;
    [[nodiscard]] bool backlogged() const noexcept override {
        return spooling_ ? spool_->behind() : backlog_.over_half();
    }
    [[nodiscard]] const std::string& name() const noexcept override { return collector_.url; }
    [[nodiscard]] const SessionLedger& ledger() const noexcept override { return ledger_; }
    /// Over TCP: connected. Over UDP: no error since the path was last tried and found open.
    [[nodiscard]] bool available() const noexcept override { return connected_ && !failing_; }
    [[nodiscard]] std::size_t message_octets() const noexcept override;
    [[nodiscard]] bool wants_whole_records() const noexcept override { return common_ == nullptr; }
    void hand_over(RecordSink& other, TimeNs now) noexcept override;

    /// The sequence number that the next message will carry.
    [[nodiscard]] std::uint32_t next_sequence() const noexcept { return sequence_; }

    /// Templates go again at the front of the next message (an operator's SIGUSR1). UDP
    /// only: where delivery is sure, RFC 7011 section 8.1 wants each once.
    void repeat_templates() noexcept override;
    void change_templates(const TemplateView& templates, OptionsRecords* options,
                          TimeNs now) noexcept override;
    void retire_templates() noexcept override { announcements_.retire(); }

  private:
    [[nodiscard]] bool queue(const SpooledRecord& record, TimeNs now) noexcept;
    [[nodiscard]] LossReason why_full(TimeNs now) const noexcept;
    [[nodiscard]] bool away(TimeNs now) const noexcept;
    void step_spool(TimeNs now) noexcept;
    void spool_the_rest(TimeNs now) noexcept;
    void follow_transport(bool connected) noexcept;
    void start_session() noexcept;
    /// What belongs at the end of a transport session that the transport ends: options records,
    /// the time window of a file.
    void say_last_words(TimeNs now) noexcept;
    void end_session() noexcept;
    [[nodiscard]] bool message_due(TimeNs now) noexcept;
    void pack_message(TimeNs now) noexcept;
    /// False: the message is full, and flow records must wait for the next one.
    [[nodiscard]] bool pack_common() noexcept;
    void pack_records(TimeNs now) noexcept;
    void send_due(TimeNs now) noexcept;
    [[nodiscard]] bool burst_ends(TimeNs now) const noexcept;
    [[nodiscard]] bool may_join_burst() const noexcept;
    void join_burst(TimeNs now) noexcept;
    /// False, of these three: no more sending in this step.
    [[nodiscard]] bool send_burst(TimeNs now) noexcept;
    [[nodiscard]] bool send_message(TimeNs now) noexcept;
    [[nodiscard]] bool not_sent(SendVerdict verdict, TimeNs now) noexcept;
    void message_left(TimeNs now) noexcept;
    void count_sent(const PackedMessage& message) noexcept;
    void unpack_message() noexcept;
    void wait_and_try_again(TimeNs now) noexcept;
    void finish_if_done() noexcept;
    void lose_queued(const RecordTally& tally, LossReason reason, TimeNs now) noexcept;
    void unsend_unacknowledged(LossReason reason) noexcept;
    void unsend_failed(LossReason reason) noexcept;
    void unsend(const RecordTally& tally, LossReason reason) noexcept;

    const CollectorOptions collector_;
    const CommonProperties* const common_;
    const std::unique_ptr<Transport> transport_;
    const TimeNs message_delay_;
    const TimeNs retry_delay_;
    const std::uint32_t first_sequence_;

    const std::uint32_t template_copies_;
    TemplateAnnouncements announcements_;
    std::size_t common_next_ = 0;      ///< common properties from here on are not told yet
    std::size_t common_packed_ = 0;    ///< common_next_ once the message at hand has left
    std::uint64_t common_records_ = 0; ///< in the message at hand
    OptionsCycle options_;
    SendPace pace_;
    RateLimit rate_limit_;
    RecordBacklog backlog_;
    SentMessages sent_messages_;
    SessionLedger ledger_;

    std::unique_ptr<RecordSpool> spool_;
    bool spooling_ = false; ///< new records go to the spool: older ones are there
    TimeNs there_at_ = 0;   ///< when it was last available; 0: not stepped yet

    // Of the transport session:
    std::uint64_t session_ = 0;
    bool connected_ = false;
    std::uint32_t sequence_;
    std::uint64_t export_time_s_ = 0; ///< never goes back; messages have it modulo 2^32
    TimeNs now_ = 0;                  ///< of the latest step
    TimeNs retry_at_ = 0;
    bool failing_ = false; ///< an attempt to send met an error, and no later one was without
    bool trying_ = false;  ///< the next message shows whether the path works again
    bool tried_ = false;   ///< it has left; an error that answers it comes with the one after it

    // The message at hand:
    ExportMessage builder_;
    Bytes message_; ///< packed and not yet gone; empty: none
    RecordTally message_records_;
    MessageBurst burst_; ///< packed before the message at hand; empty between steps

    bool closing_ = false;
    bool closed_ = false;
};

} // namespace probe
