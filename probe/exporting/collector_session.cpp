// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/collector_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "encoder/wire_format.hpp"

namespace probe {
namespace {

/// Bounds a step: 64 messages of 1,472 octets take some 100 us, less than a receive ring holds.
constexpr int kMessagesPerStep = 64;

/// How long ICMP's answer to the message that tries a path may take before records follow.
constexpr TimeNs kAnswerWait = 100 * kNsPerMs;

/// Pacing over UDP, see the header.
constexpr std::size_t kPaceBurstOctets = std::size_t{32} * 1024;
constexpr std::size_t kPaceMinOctetsPerMs = std::size_t{4} * 1024;
constexpr TimeNs kPaceBurstTime = kNsPerMs / 2;
constexpr std::size_t kPaceSpreadMs = 200;
constexpr std::size_t kPaceSpreadMinMs = 10;
constexpr TimeNs kArrivalWindow = 400 * kNsPerMs;

/// Rounded up: a flow that ended in this second must not end after its message's Export Time.
constexpr std::uint32_t export_time_of(TimeNs now) noexcept {
    return static_cast<std::uint32_t>((now + kNsPerSecond - 1) / kNsPerSecond);
}

} // namespace

CollectorSession::CollectorSession(CollectorOptions collector, const ExportOptions& options,
                                   std::uint32_t domain_id,
                                   std::span<const ipfix::TemplateRecord> templates,
                                   std::unique_ptr<Transport> transport,
                                   OptionsRecords* options_records, std::uint32_t first_sequence)
    : collector_(std::move(collector)),
      templates_(templates),
      options_records_(options_records),
      options_count_(options_records != nullptr ? options_records->count() : 0),
      transport_(std::move(transport)),
      template_refresh_(options.template_refresh),
      template_refresh_messages_(options.template_refresh_messages),
      message_delay_(options.message_delay),
      options_interval_(options.options_interval),
      pace_max_octets_per_ms_(std::max(options.udp_octets_per_ms_max, kPaceMinOctetsPerMs)),
      retry_delay_(options.reconnect_min),
      first_sequence_(first_sequence),
      backlog_(options.queue_octets),
      sequence_(first_sequence),
      next_option_(options_count_),
      builder_(domain_id, static_cast<std::uint16_t>(ipfix::kMessageOctetsMax)) {
    for (const ipfix::TemplateRecord& t : templates_) {
        announcing_.push_back(&t);
    }
    if (options_records_ != nullptr) {
        for (const ipfix::TemplateRecord& t : options_records_->templates()) {
            announcing_.push_back(&t);
        }
    }
    announced_.assign(announcing_.size(), false);
}

void CollectorSession::append(std::size_t template_index, Bytes data_record, RecordWeight weight,
                              TimeNs now) noexcept {
    assert(template_index < templates_.size());
    ledger_.offered.add(weight);
    const auto refuse = [&](LossReason reason) {
        ledger_.lost[static_cast<std::size_t>(reason)].add(weight);
        ledger_.note_lost(now);
    };
    if (closed_) return refuse(LossReason::shutdown);
    if (data_record.size() > ipfix::kRecordOctetsMax) return refuse(LossReason::record_too_large);
    QueuedRecord record;
    record.queued_at = now;
    record.weight = weight;
    record.template_index = static_cast<std::uint16_t>(template_index);
    if (backlog_.push(record, data_record)) {
        arrived_octets_ += data_record.size();
        return ledger_.queued.add(weight);
    }
    if (!connected_) return refuse(LossReason::not_connected);
    refuse(failing_ ? LossReason::send_error : LossReason::queue_full);
}

void CollectorSession::step(TimeNs now) noexcept {
    if (closed_) return;
    now_ = now;
    follow_transport(transport_->step(now));
    measure_arrival(now);
    start_options_when_due(now);
    if (connected_ && now >= retry_at_) {
        for (int sent = 0; sent < kMessagesPerStep; ++sent) {
            if (message_.empty() && message_due(now)) pack_message(now);
            const TimeNs ahead = std::max(drain_time(kPaceBurstOctets), kPaceBurstTime);
            if (message_.empty() || pace_ > now + ahead || !send_message(now)) break;
        }
    }
    ledger_.send_errors = transport_->errors();
    finish_if_done();
}

void CollectorSession::close(TimeNs now) noexcept {
    closing_ = true;
    step(now);
}

void CollectorSession::abandon() noexcept {
    if (closed_) return;
    unsend_unacknowledged(LossReason::shutdown);
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
    if (!transport_->reliable()) next_template_ = 0;
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
    next_template_ = 0;
    next_option_ = 0;
    options_begun_at_ = now_;
    announced_.assign(announcing_.size(), false);
    sent_messages_.clear();
    retry_at_ = 0;
    failing_ = trying_ = false;
}

void CollectorSession::end_session() noexcept {
    connected_ = false;
    unpack_message();
    unsend_unacknowledged(LossReason::connection_lost);
}

bool CollectorSession::message_due(TimeNs now) const noexcept {
    if (templates_due() || (options_due() && !trying_)) return true;
    if (!transport_->reliable()) {
        if (now >= templates_sent_at_ + template_refresh_) return true;
        const bool by_count = template_refresh_messages_ > 0 &&
                              messages_since_templates_ >= template_refresh_messages_;
        if (by_count && !backlog_.all_read()) return true;
    }
    QueuedRecord oldest;
    Bytes octets;
    if (!backlog_.peek(oldest, octets)) return false;
    if (closing_ || now >= oldest.queued_at + message_delay_) return true;
    constexpr std::size_t kHeaders = ipfix::kMessageHeaderOctets + ipfix::kSetHeaderOctets;
    return backlog_.unread_octets() + kHeaders >= transport_->max_message_octets();
}

TimeNs CollectorSession::drain_time(std::size_t octets) const noexcept {
    const std::size_t used = backlog_.percent_used();
    const std::size_t spread_ms = used < 50   ? kPaceSpreadMs
                                  : used < 75 ? kPaceSpreadMs / 4
                                              : kPaceSpreadMinMs;
    const std::size_t octets_per_ms = std::max(
        {kPaceMinOctetsPerMs, 2 * arrival_octets_per_ms_, backlog_.held_octets() / spread_ms});
    return octets * kNsPerMs / std::min(octets_per_ms, pace_max_octets_per_ms_);
}

/// A mean that forgets: what arrives at once counts no more than what arrives over the window.
void CollectorSession::measure_arrival(TimeNs now) noexcept {
    const TimeNs passed = now - arrival_measured_at_;
    if (passed < kNsPerMs) return;
    arrival_measured_at_ = now;
    const TimeNs weight = std::min(passed, kArrivalWindow);
    const std::size_t mean = arrived_octets_ * kNsPerMs / std::max(passed, kNsPerMs);
    arrival_octets_per_ms_ =
        (arrival_octets_per_ms_ * (kArrivalWindow - weight) + mean * weight) / kArrivalWindow;
    arrived_octets_ = 0;
}

void CollectorSession::pack_message(TimeNs now) noexcept {
    builder_.reset();
    builder_.limit(transport_->max_message_octets());
    message_records_ = {};
    message_templates_ = 0;
    message_options_ = 0;
    if (!transport_->reliable() && !templates_due()) {
        const bool by_count = template_refresh_messages_ > 0 &&
                              messages_since_templates_ >= template_refresh_messages_;
        if (by_count || now >= templates_sent_at_ + template_refresh_) next_template_ = 0;
    }
    message_next_template_ = next_template_;
    message_next_option_ = next_option_;
    if (templates_due()) pack_templates(now);
    if (message_next_template_ == announcing_.size() && !trying_) {
        pack_options();
        if (message_next_option_ == options_count_) pack_records(now);
    }
    if (builder_.empty()) return;
    export_time_s_ = std::max(export_time_s_, export_time_of(now));
    message_ = builder_.finish(export_time_s_, sequence_);
}

void CollectorSession::pack_templates(TimeNs now) noexcept {
    for (; message_next_template_ < announcing_.size(); ++message_next_template_) {
        const auto verdict = builder_.append_template(*announcing_[message_next_template_]);
        if (verdict == ipfix::AppendVerdict::message_full) return;
        // One that fits no message stays unannounced, and its records are lost by that name.
        if (verdict == ipfix::AppendVerdict::record_too_large) continue;
        announced_[message_next_template_] = true;
        ++message_templates_;
    }
    if (message_templates_ > 0) return;
    next_template_ = message_next_template_;
    templates_sent_at_ = now;
}

// At the end once more: the last figures that a collector has are then the last there were.
void CollectorSession::start_options_when_due(TimeNs now) noexcept {
    if (options_count_ == 0 || !connected_ || options_due()) return;
    const bool last = closing_ && !last_options_begun_ && backlog_.empty() && message_.empty();
    const bool again = now - options_begun_at_ >= options_interval_;
    if (!last && !again) return;
    last_options_begun_ = last_options_begun_ || last;
    next_option_ = 0;
    options_begun_at_ = now;
}

void CollectorSession::pack_options() noexcept {
    for (; message_next_option_ < options_count_; ++message_next_option_) {
        const OptionsRecords::Encoded record =
            options_records_->encode(message_next_option_, ledger_);
        const std::size_t announcement = templates_.size() + record.template_index;
        const auto verdict =
            announced_[announcement]
                ? builder_.append_data(announcing_[announcement]->id(), record.octets)
                : ipfix::AppendVerdict::record_too_large;
        if (verdict == ipfix::AppendVerdict::message_full) return;
        if (verdict == ipfix::AppendVerdict::appended) {
            ++message_options_;
        } else {
            ++ledger_.options_too_large;
        }
    }
    if (message_options_ == 0) next_option_ = options_count_; // nothing of the cycle goes out
}

// A record that fits no message is given up when it is the oldest, so that what the message holds
// is always the front of the queue.
void CollectorSession::pack_records(TimeNs now) noexcept {
    QueuedRecord record;
    Bytes octets;
    while (backlog_.peek(record, octets)) {
        const bool announced = announced_[record.template_index];
        const auto verdict =
            announced ? builder_.append_data(templates_[record.template_index].id(), octets)
                      : ipfix::AppendVerdict::record_too_large;
        if (verdict == ipfix::AppendVerdict::message_full) return;
        if (verdict == ipfix::AppendVerdict::appended) {
            backlog_.advance();
            message_records_.add(record.weight);
            continue;
        }
        if (builder_.data_records() > message_options_) return;
        backlog_.advance();
        backlog_.release();
        RecordTally one;
        one.add(record.weight);
        lose_queued(one, announced ? LossReason::record_too_large : LossReason::template_too_large,
                    now);
    }
}

bool CollectorSession::send_message(TimeNs now) noexcept {
    switch (transport_->send(message_, now)) {
        case SendVerdict::sent:
            message_left(now);
            return now >= retry_at_;
        case SendVerdict::would_block:
            return false;
        case SendVerdict::too_large:
            unpack_message();
            return true;
        case SendVerdict::transient_error:
            wait_and_try_again(now);
            return false;
        case SendVerdict::session_lost:
            end_session();
            return false;
    }
    return false;
}

void CollectorSession::message_left(TimeNs now) noexcept {
    const auto octets = static_cast<std::uint32_t>(message_.size());
    if (!transport_->reliable()) pace_ = std::max(pace_, now) + drain_time(octets);
    sequence_ += builder_.data_records(); // modulo 2^32, as RFC 7011 section 3.1 has it
    ledger_.queued.subtract(message_records_);
    ledger_.sent.add(message_records_);
    ledger_.messages_sent += 1;
    ledger_.message_octets_sent += octets;
    ledger_.templates_sent += message_templates_;
    ledger_.options_sent += message_options_;
    next_option_ = message_next_option_;
    sent_messages_.add(octets, message_records_);
    backlog_.release();
    message_ = {};
    ++messages_since_templates_;
    if (message_templates_ > 0) {
        next_template_ = message_next_template_;
        templates_sent_at_ = now;
        messages_since_templates_ = 0;
    }
    failing_ = false;
    if (trying_) retry_at_ = now + kAnswerWait;
    trying_ = false;
}

void CollectorSession::unpack_message() noexcept {
    backlog_.rewind();
    message_ = {};
}

void CollectorSession::wait_and_try_again(TimeNs now) noexcept {
    unpack_message();
    failing_ = true;
    retry_at_ = now + retry_delay_;
    if (transport_->reliable()) return;
    trying_ = true;
    next_template_ = 0;
}

void CollectorSession::finish_if_done() noexcept {
    if (!closing_ || !backlog_.empty() || !message_.empty()) return;
    if (connected_ && options_count_ != 0 && (options_due() || !last_options_begun_)) return;
    if (connected_ && transport_->unacknowledged_octets() > 0) return;
    transport_->close();
    closed_ = true;
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
    const RecordTally unknown = sent_messages_.newest(transport_->unacknowledged_octets());
    sent_messages_.clear();
    if (unknown.records == 0) return;
    ledger_.note_lost(now_);
    ledger_.sent.subtract(unknown);
    ledger_.lost[static_cast<std::size_t>(reason)].add(unknown);
}

} // namespace probe
