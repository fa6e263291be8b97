// SPDX-License-Identifier: BSD-3-Clause
// How a session's messages leave: one by one, or over UDP several in one system call.
#include <cassert>
#include <utility>

#include "probe/exporting/collector_session.hpp"

namespace probe {
namespace {

/// Bounds a step: 64 messages of 1,472 octets take some 100 us, less than a receive ring holds.
constexpr int kMessagesPerStep = 64;

/// How long ICMP's answer to the message that tries a path may take before records follow.
constexpr TimeNs kAnswerWait = 100 * kNsPerMs;

} // namespace

void CollectorSession::send_due(TimeNs now) noexcept {
    if (tried_ && !transport_->reliable() && backlog_.empty() && message_.empty()) {
        announcements_.repeat();
    }
    for (int packed = 0; packed < kMessagesPerStep; ++packed) {
        if (burst_ends(now) && !send_burst(now)) return;
        if (!rate_limit_.may_send(now) || !pace_.may_send(backlog_, now)) break;
        if (message_.empty() && message_due(now)) pack_message(now);
        if (message_.empty()) break;
        if (may_join_burst()) {
            join_burst(now);
        } else if (!send_message(now)) {
            return;
        }
    }
    if (!burst_.empty()) static_cast<void>(send_burst(now));
}

// What is packed behind a burst joins it, so templates and options records wait until it has left.
bool CollectorSession::burst_ends(TimeNs now) const noexcept {
    if (burst_.empty()) return false;
    return burst_.full(transport_->max_message_octets()) || announcements_.due() ||
           options_.due() || (common_ != nullptr && common_next_ < common_->count()) ||
           announcements_.refresh_due(now, !backlog_.all_read());
}

// A message that tries a path goes alone.
bool CollectorSession::may_join_burst() const noexcept {
    return !failing_ && !trying_ && announcements_.packed() == 0 &&
           announcements_.withdrawn() == 0 && options_.packed() == 0 && common_records_ == 0 &&
           !burst_.full(message_.size());
}

// Pace and rate limit count what is offered: what the kernel refuses of it counts again, later.
void CollectorSession::join_burst(TimeNs now) noexcept {
    pace_.message_left(message_.size(), backlog_, now);
    rate_limit_.message_left(message_records_.records, message_.size(), now);
    announcements_.message_left(now);
    burst_.add({message_, message_records_, builder_.sequence_step()});
    message_ = {};
}

bool CollectorSession::send_burst(TimeNs now) noexcept {
    const SeveralSent sent = transport_->send_several(burst_.messages(), now);
    const auto left = burst_.packed().first(sent.messages);
    std::uint64_t records = 0;
    for (const PackedMessage& message : left) {
        count_sent(message);
        records += message.records.records;
    }
    if (left.size() < burst_.packed().size()) {
        announcements_.messages_back(burst_.packed().size() - left.size());
        backlog_.rewind();
        for (; records > 0; --records)
            backlog_.advance();
    }
    backlog_.release();
    burst_.clear();
    return sent.verdict == SendVerdict::sent || not_sent(sent.verdict, now);
}

bool CollectorSession::send_message(TimeNs now) noexcept {
    assert(burst_.empty()); // what leaves is always the front of the queue
    const SendVerdict verdict = transport_->send(message_, now);
    if (verdict != SendVerdict::sent) return not_sent(verdict, now);
    message_left(now);
    return now >= retry_at_;
}

bool CollectorSession::not_sent(SendVerdict verdict, TimeNs now) noexcept {
    switch (verdict) {
        case SendVerdict::sent:
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
    if (!transport_->reliable()) pace_.message_left(message_.size(), backlog_, now);
    rate_limit_.message_left(message_records_.records, message_.size(), now);
    count_sent({message_, message_records_, builder_.sequence_step()});
    ledger_.templates_sent += announcements_.packed();
    ledger_.options_sent += options_.packed() + common_records_;
    common_next_ = common_packed_;
    builder_.left();
    announcements_.message_left(now);
    options_.message_left();
    backlog_.release();
    message_ = {};
    failing_ = failing_ && trying_;
    if (trying_) retry_at_ = now + kAnswerWait;
    tried_ = std::exchange(trying_, false);
}

void CollectorSession::count_sent(const PackedMessage& message) noexcept {
    const auto octets = static_cast<std::uint32_t>(message.octets.size());
    sequence_ += message.sequence_step; // modulo 2^32, as RFC 7011 section 3.1 has it
    ledger_.queued.subtract(message.records);
    ledger_.sent.add(message.records);
    ledger_.messages_sent += 1;
    ledger_.message_octets_sent += octets;
    sent_messages_.add(octets, message.records);
}

void CollectorSession::unpack_message() noexcept {
    backlog_.rewind();
    message_ = {};
}

void CollectorSession::wait_and_try_again(TimeNs now) noexcept {
    unpack_message();
    failing_ = true;
    tried_ = false;
    retry_at_ = now + retry_delay_;
    if (transport_->reliable()) return;
    trying_ = true;
    announcements_.repeat();
}

} // namespace probe
