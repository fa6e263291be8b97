// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/send_pace.hpp"

#include <algorithm>

namespace probe {
namespace {

constexpr std::size_t kBurstOctets = std::size_t{32} * 1024;
constexpr std::size_t kMinOctetsPerMs = std::size_t{4} * 1024;
constexpr TimeNs kBurstTime = kNsPerMs / 2;
constexpr std::size_t kSpreadMs = 200;
constexpr std::size_t kSpreadMinMs = 10;
constexpr TimeNs kArrivalWindow = 400 * kNsPerMs;

} // namespace

SendPace::SendPace(std::size_t octets_per_ms_max) noexcept
    : max_octets_per_ms_(std::max(octets_per_ms_max, kMinOctetsPerMs)) {}

/// A mean that forgets: what arrives at once counts no more than what arrives over the window.
void SendPace::measure(TimeNs now) noexcept {
    const TimeNs passed = now - measured_at_;
    if (passed < kNsPerMs) return;
    measured_at_ = now;
    const TimeNs weight = std::min(passed, kArrivalWindow);
    const std::size_t mean = arrived_octets_ * kNsPerMs / std::max(passed, kNsPerMs);
    arrival_octets_per_ms_ =
        (arrival_octets_per_ms_ * (kArrivalWindow - weight) + mean * weight) / kArrivalWindow;
    arrived_octets_ = 0;
}

bool SendPace::may_send(const RecordBacklog& backlog, TimeNs now) const noexcept {
    return drained_at_ <= now + std::max(drain_time(kBurstOctets, backlog), kBurstTime);
}

void SendPace::message_left(std::size_t octets, const RecordBacklog& backlog, TimeNs now) noexcept {
    drained_at_ = std::max(drained_at_, now) + drain_time(octets, backlog);
}

TimeNs SendPace::drain_time(std::size_t octets, const RecordBacklog& backlog) const noexcept {
    const std::size_t used = backlog.percent_used();
    const std::size_t spread_ms = used < 50 ? kSpreadMs : used < 75 ? kSpreadMs / 4 : kSpreadMinMs;
    const std::size_t octets_per_ms =
        std::max({kMinOctetsPerMs, 2 * arrival_octets_per_ms_, backlog.held_octets() / spread_ms});
    return octets * kNsPerMs / std::min(octets_per_ms, max_octets_per_ms_);
}

} // namespace probe
