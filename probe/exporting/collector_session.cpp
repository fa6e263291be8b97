// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/collector_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "encoder/wire_format.hpp"

namespace probe {
namespace {

/// Records that a step gives to another session.
constexpr std::uint64_t kHandedOverAtOnce = 4096;

constexpr std::size_t kHeaders = ipfix::kMessageHeaderOctets + ipfix::kSetHeaderOctets;

/// A collector that is away for longer gets its records by way of the disk.
constexpr TimeNs kSpoolAfter = kNsPerSecond;
constexpr int kReplayedPerStep = 2048;
constexpr std::size_t kReplayPercentMax = 25;

/// Rounded up: a flow that ended in this second must not end after its message's Export Time.
constexpr std::uint64_t export_time_of(TimeNs now) noexcept {
    return (now + kNsPerSecond - 1) / kNsPerSecond;
}

template <class Source>
std::span<const ipfix::TemplateRecord> templates_of(const Source* source) noexcept {
    return source == nullptr ? std::span<const ipfix::TemplateRecord>() : source->templates();
}

} // namespace

CollectorSession::CollectorSession(CollectorOptions collector, const ExportOptions& options,
                                   std::uint32_t domain_id, const TemplateView& templates,
                                   std::unique_ptr<Transport> transport,
                                   OptionsSource* options_records, std::uint32_t first_sequence,
                                   const CommonProperties* common)
    : collector_(std::move(collector)),
      common_(common),
      transport_(std::move(transport)),
      message_delay_(options.message_delay),
      retry_delay_(options.retry),
      first_sequence_(first_sequence),
      template_copies_(options.template_copies),
      announcements_(templates, templates_of(common), templates_of(options_records),
                     options.template_refresh, options.template_refresh_messages,
                     transport_->reliable()),
      options_(options_records, options.options_interval),
      pace_(options.udp_octets_per_ms_max),
      rate_limit_(collector_.records_per_second, collector_.bits_per_second),
      backlog_(options.queue_octets, options.queues_touched),
      sequence_(first_sequence),
      builder_(collector_, domain_id, templates, options.set_padding),
      burst_(transport_->messages_at_once()) {}

void CollectorSession::append(const DataRecord& record, TimeNs now) noexcept {
    const RecordWeight& weight = record.weight;
    ledger_.offered.add(weight);
    const auto refuse = [&](LossReason reason) {
        ledger_.lost[static_cast<std::size_t>(reason)].add(weight);
        ledger_.note_lost(now);
    };
    if (closed_) return refuse(LossReason::shutdown);
    if (record.octets.size() > ipfix::kRecordOctetsMax) return refuse(LossReason::record_too_large);
    if (record.template_index >= announcements_.size()) {
        return refuse(LossReason::template_changed); // the reload found no memory for it
    }
    if (!builder_.carries(announcements_[record.template_index])) {
        return refuse(LossReason::not_representable);
    }
    spooling_ = spooling_ || (spool_ && (backlog_.over_half() || away(now)));
    if (spooling_) return spool_->push(record, now);
    if (!queue({record.template_index, record.octets, weight}, now)) refuse(why_full(now));
}

bool CollectorSession::queue(const SpooledRecord& record, TimeNs now) noexcept {
    QueuedRecord entry;
    entry.queued_at = now;
    entry.weight = record.weight;
    entry.template_index = static_cast<std::uint16_t>(record.template_index);
    if (!backlog_.push(entry, record.octets)) return false;
    announcements_.record_queued(record.template_index, backlog_.pushed());
    pace_.record_arrived(record.octets.size());
    ledger_.queued.add(record.weight);
    return true;
}

void CollectorSession::change_templates(const TemplateView& templates, OptionsRecords* options,
                                        TimeNs now) noexcept {
    if (options_.records() == nullptr) options = nullptr;
    try {
        builder_.change(templates);
        announcements_.change(templates, templates_of(common_), templates_of(options));
    } catch (...) { // out of memory: the session goes on with the templates that it has
        return;
    }
    if (options != nullptr) options_.change(options, now);
    if (spool_) spool_->change_templates(templates.all());
}

void CollectorSession::open_spool(std::uint32_t domain_id,
                                  std::span<const ipfix::TemplateRecord> templates,
                                  const LogLine& log, SpoolThread thread) {
    spool_ = std::make_unique<RecordSpool>(collector_.spool, collector_.url, domain_id, templates,
                                           log, ledger_, thread);
    spooling_ = !spool_->empty();
}

bool CollectorSession::away(TimeNs now) const noexcept {
    return !available() && there_at_ != 0 && now >= there_at_ + kSpoolAfter;
}

// The queue in memory stays short while older records are on disk: what is in it is lost to a kill.
void CollectorSession::step_spool(TimeNs now) noexcept {
    if (there_at_ == 0 || available()) there_at_ = now;
    if (!spool_) return;
    const bool replaying = spooling_ && available();
    const auto room = [&] { return backlog_.percent_used() < kReplayPercentMax; };
    spool_->step(replaying && room(), now);
    if (!replaying) return;
    SpooledRecord record;
    for (int n = 0; n < kReplayedPerStep && room() && spool_->peek(record, now); ++n) {
        if (!queue(record, now)) break;
        spool_->pop();
    }
    spooling_ = !spool_->empty();
}

// In the order in which they would have been sent: the queue, what was read from the spool, the
// spool.
void CollectorSession::spool_the_rest(TimeNs now) noexcept {
    if (!spool_) return;
    unpack_message();
    spool_->settle(now);
    if (!spool_->empty()) spool_->push_to_front();
    QueuedRecord entry;
    Bytes octets;
    for (; backlog_.peek(entry, octets); backlog_.advance()) {
        RecordTally one;
        one.add(entry.weight);
        ledger_.queued.subtract(one);
        spool_->wait_for_room(now);
        spool_->push({entry.template_index, octets, entry.weight}, now);
    }
    backlog_.release();
    SpooledRecord record;
    while (spool_->peek(record, now)) {
        spool_->wait_for_room(now);
        spool_->push({record.template_index, record.octets, record.weight}, now);
        spool_->pop();
    }
    spool_->settle(now);
}

LossReason CollectorSession::why_full(TimeNs now) const noexcept {
    if (!connected_) return LossReason::not_connected;
    if (failing_) return LossReason::send_error;
    return rate_limit_.exhausted(now) ? LossReason::rate_limit : LossReason::queue_full;
}

void CollectorSession::step(TimeNs now) noexcept {
    if (closed_) return;
    now_ = now;
    if (connected_ && transport_->ends_now(now)) {
        options_.start_again(now);
        say_last_words(now);
    }
    const bool connected = transport_->step(now);
    unsend_failed(LossReason::connection_lost);
    follow_transport(connected);
    step_spool(now);
    announcements_.records_left(backlog_.left(), !spooling_);
    pace_.measure(now);
    if (connected_) {
        options_.start_when_due(now,
                                closing_ && !spooling_ && backlog_.empty() && message_.empty());
    }
    if (connected_ && now >= retry_at_) send_due(now);
    ledger_.send_errors = transport_->errors();
    finish_if_done();
}

void CollectorSession::close(TimeNs now) noexcept {
    closing_ = true;
    step(now);
}

void CollectorSession::abandon() noexcept {
    if (closed_) return;
    transport_->abort();
    unsend_failed(LossReason::shutdown);
    unsend_unacknowledged(LossReason::shutdown);
    spool_the_rest(now_);
    lose_queued(ledger_.queued, LossReason::shutdown, now_);
    backlog_.clear();
    message_ = {};
    transport_->close();
    closing_ = closed_ = true;
}

bool CollectorSession::idle() const noexcept {
    return closing_ ? closed_ : backlog_.empty() && message_.empty();
}

void CollectorSession::repeat_templates() noexcept {
    if (!transport_->reliable()) announcements_.repeat();
}

std::size_t CollectorSession::message_octets() const noexcept {
    return transport_->max_message_octets() - kHeaders;
}

// Of a message that the kernel may have a part of, nothing moves: it goes again or is counted here.
void CollectorSession::hand_over(RecordSink& other, TimeNs now) noexcept {
    if (closed_ || (!message_.empty() && message_records_.records > 0)) return;
    RecordTally moved;
    QueuedRecord record;
    Bytes octets;
    while (moved.records < kHandedOverAtOnce && !other.backlogged() &&
           backlog_.peek(record, octets)) {
        other.append({record.template_index, octets, record.weight}, now);
        moved.add(record.weight);
        backlog_.advance();
    }
    backlog_.release();
    ledger_.queued.subtract(moved);
    ledger_.handed_over.add(moved);
}

void CollectorSession::follow_transport(bool connected) noexcept {
    const bool renewed = transport_->sessions() != session_;
    if (connected_ && (!connected || renewed)) end_session();
    if (connected && renewed) start_session();
    connected_ = connected;
}

void CollectorSession::start_session() noexcept {
    session_ = transport_->sessions();
    ledger_.sessions = session_;
    sequence_ = first_sequence_;
    announcements_.start_session(transport_->reliable() ? 1 : template_copies_);
    common_next_ = 0;
    options_.start_session(now_);
    builder_.start_session();
    sent_messages_.clear();
    retry_at_ = 0;
    failing_ = trying_ = tried_ = false;
}

// Records that wait are the next session's. What cannot be sent at once is left out.
void CollectorSession::say_last_words(TimeNs now) noexcept {
    unpack_message();
    for (bool more = true; more;) {
        export_time_s_ = std::max(export_time_s_, export_time_of(now));
        builder_.begin(transport_->max_message_octets(),
                       static_cast<std::uint32_t>(export_time_s_));
        message_records_ = {};
        announcements_.begin_message(now, false);
        options_.begin_message();
        common_packed_ = common_next_;
        common_records_ = 0;
        announcements_.pack(builder_, now);
        if (announcements_.all_packed()) options_.pack(builder_, announcements_, ledger_);
        more = !announcements_.all_packed() || !options_.all_packed();
        if (!more) builder_.append_time_window();
        if (builder_.empty()) return;
        message_ = builder_.finish(sequence_);
        if (transport_->send(message_, now) != SendVerdict::sent) return unpack_message();
        message_left(now);
    }
}

void CollectorSession::end_session() noexcept {
    connected_ = false;
    unpack_message();
    unsend_failed(LossReason::connection_lost);
    unsend_unacknowledged(LossReason::connection_lost);
}

bool CollectorSession::message_due(TimeNs now) noexcept {
    announcements_.records_left(backlog_.left(), !spooling_);
    if (announcements_.due() || (options_.due() && !trying_)) return true;
    if (!transport_->reliable() && announcements_.refresh_due(now, !backlog_.all_read())) {
        return true;
    }
    QueuedRecord oldest;
    Bytes octets;
    if (!backlog_.peek(oldest, octets)) return false;
    if (closing_ || now >= oldest.queued_at + message_delay_) return true;
    return backlog_.unread_octets() + kHeaders >= transport_->max_message_octets();
}

void CollectorSession::pack_message(TimeNs now) noexcept {
    announcements_.records_left(backlog_.left(), !spooling_);
    export_time_s_ = std::max(export_time_s_, export_time_of(now));
    builder_.begin(transport_->max_message_octets(), static_cast<std::uint32_t>(export_time_s_));
    message_records_ = {};
    announcements_.begin_message(now, !transport_->reliable());
    options_.begin_message();
    common_packed_ = common_next_;
    common_records_ = 0;
    announcements_.pack(builder_, now);
    // Where there are no templates to try a path with, records are the trial.
    if (announcements_.all_packed() && (!trying_ || !builder_.has_templates())) {
        options_.pack(builder_, announcements_, ledger_);
        if (options_.all_packed() && pack_common()) pack_records(now);
    }
    if (builder_.empty()) return;
    message_ = builder_.finish(sequence_ + burst_.sequence_steps());
}

// RFC 5473: the Data Record with the properties comes before any that refers to it; over UDP it
// comes again and again, here whenever the templates do. A set that fits no message has no records
// that do.
bool CollectorSession::pack_common() noexcept {
    if (common_ == nullptr || !builder_.has_templates()) return true;
    if (announcements_.packed() > 0) common_packed_ = 0;
    for (; common_packed_ < common_->count(); ++common_packed_) {
        const CommonProperties::Record record = common_->record(common_packed_);
        const std::size_t index = announcements_.of_common(record.template_index);
        const auto verdict = announcements_.announced(index)
                                 ? builder_.append_data(announcements_[index], record.octets)
                                 : ipfix::AppendVerdict::record_too_large;
        if (verdict == ipfix::AppendVerdict::message_full) return false;
        if (verdict == ipfix::AppendVerdict::appended) ++common_records_;
    }
    return true;
}

// A record that fits no message is given up when it is the oldest, so that what the message holds
// is always the front of the queue.
void CollectorSession::pack_records(TimeNs now) noexcept {
    QueuedRecord record;
    Bytes octets;
    while (message_records_.records < rate_limit_.records_at_once() &&
           backlog_.peek(record, octets)) {
        const bool announced = announcements_.announced(record.template_index);
        const auto verdict =
            announced ? builder_.append_data(announcements_[record.template_index], octets)
                      : ipfix::AppendVerdict::record_too_large;
        if (verdict == ipfix::AppendVerdict::message_full) return;
        if (verdict == ipfix::AppendVerdict::appended) {
            backlog_.advance();
            message_records_.add(record.weight);
            continue;
        }
        if (builder_.data_records() > options_.packed() + common_records_ || !burst_.empty())
            return;
        backlog_.advance();
        backlog_.release();
        RecordTally one;
        one.add(record.weight);
        lose_queued(one, announced ? LossReason::record_too_large : LossReason::template_too_large,
                    now);
    }
}

void CollectorSession::finish_if_done() noexcept {
    if (!closing_) return;
    const bool to_spool = spool_ && away(now_);
    if (!to_spool && (!backlog_.empty() || !message_.empty() || spooling_)) return;
    if (connected_ && !options_.finished()) return;
    if (connected_ && transport_->unacknowledged_octets() > 0) return;
    spool_the_rest(now_);
    if (connected_ && builder_.time_window_due()) say_last_words(now_);
    closed_ = transport_->finish(now_);
}

void CollectorSession::lose_queued(const RecordTally& tally, LossReason reason,
                                   TimeNs now) noexcept {
    const RecordTally lost = tally; // may be ledger_.queued itself
    if (lost.records == 0) return;
    ledger_.note_lost(now);
    ledger_.queued.subtract(lost);
    ledger_.lost[static_cast<std::size_t>(reason)].add(lost);
}

void CollectorSession::unsend_unacknowledged(LossReason reason) noexcept {
    unsend(sent_messages_.newest(transport_->unacknowledged_octets()), reason);
    sent_messages_.clear();
}

void CollectorSession::unsend_failed(LossReason reason) noexcept {
    while (const std::optional<FailedMessage> failed = transport_->take_failed()) {
        unsend(sent_messages_.take(failed->number),
               failed->expired ? LossReason::abandoned : reason);
    }
}

void CollectorSession::unsend(const RecordTally& tally, LossReason reason) noexcept {
    if (tally.records == 0) return;
    ledger_.note_lost(now_);
    ledger_.sent.subtract(tally);
    ledger_.lost[static_cast<std::size_t>(reason)].add(tally);
}

} // namespace probe
