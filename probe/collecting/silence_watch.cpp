// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/silence_watch.hpp"

#include <fmt/format.h>

#include <utility>

namespace probe {

namespace {
constexpr TimeNs kSilence = 10 * kNsPerSecond;
} // namespace

SilenceWatch::SilenceWatch(std::string url, std::uint16_t port, TimeNs now)
    : url_(std::move(url)), port_(port), since_(now) {}

std::string SilenceWatch::look(std::uint64_t messages, std::size_t sessions, TimeNs now) {
    if (messages != messages_ || sessions != sessions_) {
        messages_ = messages;
        sessions_ = sessions;
        since_ = now;
        told_ = false;
    }
    if (told_ || now < since_ + kSilence) {
        return {};
    }
    told_ = true;
    const auto seconds = kSilence / kNsPerSecond;
    if (messages_ != 0) {
        return fmt::format("no message in {} s on {}", seconds, url_);
    }
    if (sessions_ != 0) {
        return fmt::format(
            "connected, but no message in {} s on {}: nothing to report, or no IPFIX exporter",
            seconds, url_);
    }
    return fmt::format(
        "nothing came in {} s on {}: does the exporter send to this address and port, and does a "
        "firewall let it? `tcpdump -ni any port {}` shows what reaches this machine",
        seconds, url_, port_);
}

} // namespace probe
