// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/sctp_transport.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "encoder/wire_format.hpp"
#include "probe/metering/metering_options.hpp"

namespace probe {
namespace {

/// As over TCP: large enough that a message costs little, small enough for small buffers.
constexpr std::size_t kMessageOctetsMax = 16'384;
/// Until the association says more: an Ethernet frame over IPv6 in UDP, less SCTP's 12 + 16 octets.
constexpr std::uint16_t kMessageOctetsUnknown = 1500 - 40 - 8 - 12 - 16;

/// Less cannot hold a template of two fields.
constexpr std::uint16_t kMessageOctetsMin = 64;

/// The ring that knows what messages held goes no further back.
constexpr std::size_t kFailedMax = 1024;

/// Only data sets, so that losing it costs its records and nothing else.
bool only_data_sets(Bytes message) noexcept {
    std::size_t at = ipfix::kMessageHeaderOctets;
    while (at + ipfix::kSetHeaderOctets <= message.size()) {
        const unsigned id = message[at] * 256U + message[at + 1];
        const std::size_t length = message[at + 2] * 256U + message[at + 3];
        constexpr unsigned kFirstDataSetId = 256; // RFC 7011 section 3.3.2
        if (id < kFirstDataSetId || length < ipfix::kSetHeaderOctets) return false;
        at += length;
    }
    return at == message.size();
}

} // namespace

SctpTransport::SctpTransport(const std::string& name, std::unique_ptr<SctpAssociation> association,
                             TimeNs lifetime, const ConnectionTimes& times, LogLine log)
    : log_(name, std::move(log)),
      association_(std::move(association)),
      lifetime_ms_(lifetime == kNever ? 0 : static_cast<std::uint32_t>(lifetime / kNsPerMs)),
      delay_(times.delay),
      peer_timeout_(times.peer_timeout),
      connected_line_(std::string("connected over SCTP (") + association_->description() + ")"),
      octets_max_(kMessageOctetsUnknown) {
    failed_.reserve(kFailedMax);
}

SctpTransport::~SctpTransport() {
    close();
}

bool SctpTransport::step(TimeNs now) noexcept {
    if (state_ == State::closed) return false;
    if (state_ == State::waiting && now >= due_at_) connect(now);
    if (state_ != State::waiting && now >= look_at_) look(now);
    return state_ == State::up;
}

void SctpTransport::connect(TimeNs now) noexcept {
    attempted_at_ = now;
    if (const int error = association_->open(now); error < 0) {
        error_ = -error;
        return association_over(now);
    }
    state_ = State::connecting;
    due_at_ = now + peer_timeout_;
    look_at_ = now;
}

// A look takes all events at once: what failed with an association is told before what follows it.
void SctpTransport::look(TimeNs now) noexcept {
    look_at_ = now + association_->look_interval();
    became_up_ = restarted_ = over_ = dry_ = false;
    error_ = 0;
    const bool sent_since_look = std::exchange(sent_since_look_, false);
    const std::size_t failed_before = failed_.size();
    association_->step(now);
    for (SctpEvent event = association_->next_event(); event.kind != SctpEvent::Kind::none;
         event = association_->next_event()) {
        take(event);
    }
    const bool expired = !over_ && !restarted_;
    for (std::size_t i = failed_before; i < failed_.size(); ++i) {
        failed_[i].expired = expired;
    }
    // One that was told before the latest message says nothing of that.
    if (dry_ && sent_since_look) association_->ask_dry();
    if (dry_ && !sent_since_look) in_flight_octets_ = 0;
    const bool shutting_down = state_ == State::shutting_down;
    if ((became_up_ && state_ == State::connecting) || (restarted_ && !shutting_down)) {
        association_up(now);
    }
    if (!over_ && state_ == State::connecting && now >= due_at_) {
        over_ = true;
        error_ = ETIMEDOUT;
        association_->abort();
    }
    if (over_) association_over(now);
}

void SctpTransport::take(const SctpEvent& event) noexcept {
    switch (event.kind) {
        case SctpEvent::Kind::none:
            break;
        case SctpEvent::Kind::up:
            became_up_ = true;
            break;
        case SctpEvent::Kind::restarted:
            restarted_ = true;
            break;
        case SctpEvent::Kind::peer_closes:
            peer_closes_ = true;
            break;
        case SctpEvent::Kind::lost:
            over_ = true;
            error_ = event.error;
            break;
        case SctpEvent::Kind::dry:
            dry_ = true;
            break;
        case SctpEvent::Kind::message_failed:
            if (failed_.size() < kFailedMax) {
                failed_.push_back({.number = event.context, .expired = false});
            }
            break;
    }
}

void SctpTransport::association_up(TimeNs now) noexcept {
    state_ = State::up;
    up_at_ = now;
    messages_ = 0;
    in_flight_octets_ = 0;
    peer_closes_ = false;
    const std::size_t octets = association_->packet_octets();
    octets_max_ = octets == 0 ? kMessageOctetsUnknown
                              : static_cast<std::uint16_t>(std::min(octets, kMessageOctetsMax));
    streams_ = std::max<std::uint16_t>(association_->streams(), 1);
    ++sessions_;
    log_.works(connected_line_.c_str());
}

void SctpTransport::association_over(TimeNs now) noexcept {
    association_->close();
    if (state_ == State::shutting_down) {
        state_ = State::closed;
        return;
    }
    const bool was_up = state_ == State::up;
    const bool lasted = was_up && now >= up_at_ + delay_.longest();
    const bool in_order = was_up && peer_closes_ && error_ == 0;
    state_ = State::waiting;
    if (lasted) delay_.reset();
    due_at_ = std::max(now, attempted_at_ + delay_.next());
    const int error = error_ != 0 ? error_ : ECONNRESET;
    if (!was_up) return log_.failed("cannot connect", error, "trying again");
    log_.failed(in_order ? "the collector shut the association down" : "association lost", error,
                "connecting again");
}

SendVerdict SctpTransport::send_on(std::uint16_t stream, Bytes message, TimeNs now) noexcept {
    if (state_ != State::up) return SendVerdict::session_lost;
    if (peer_closes_) return SendVerdict::would_block; // until that is over
    const bool may_expire = lifetime_ms_ != 0 && only_data_sets(message);
    const int error = association_->send({.octets = message,
                                          .stream = stream,
                                          .context = messages_,
                                          .lifetime_ms = may_expire ? lifetime_ms_ : 0});
    if (error == 0) {
        ++messages_;
        in_flight_octets_ += message.size();
        sent_since_look_ = true;
        return SendVerdict::sent;
    }
    switch (-error) {
        case EAGAIN:
        case ENOBUFS:
        case ENOMEM:
        case EINTR:
            log_.count(-error);
            return SendVerdict::would_block;
        case EMSGSIZE: {
            log_.count(EMSGSIZE);
            const auto half = static_cast<std::uint16_t>(message.size() / 2);
            const std::size_t octets = association_->packet_octets();
            octets_max_ = octets > 0 && octets < message.size() ? static_cast<std::uint16_t>(octets)
                                                                : std::max(half, kMessageOctetsMin);
            return SendVerdict::too_large;
        }
        default:
            break;
    }
    // The next look finds out what became of the association, and of the messages before.
    log_.count(-error);
    look_at_ = now;
    return SendVerdict::would_block;
}

std::optional<FailedMessage> SctpTransport::take_failed() noexcept {
    if (failed_taken_ == failed_.size()) {
        failed_.clear();
        failed_taken_ = 0;
        return std::nullopt;
    }
    return failed_[failed_taken_++];
}

void SctpTransport::abort() noexcept {
    if (state_ == State::waiting || state_ == State::closed) return;
    association_->abort();
    for (SctpEvent event = association_->next_event(); event.kind != SctpEvent::Kind::none;
         event = association_->next_event()) {
        take(event);
    }
    close();
}

void SctpTransport::close() noexcept {
    if (state_ != State::waiting && state_ != State::closed) association_->close();
    state_ = State::closed;
}

bool SctpTransport::finish(TimeNs /*now*/) noexcept {
    if (state_ == State::up) {
        association_->shut_down();
        state_ = State::shutting_down;
    }
    if (state_ != State::shutting_down) close();
    return state_ == State::closed;
}

} // namespace probe
