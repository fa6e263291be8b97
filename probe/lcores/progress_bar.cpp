// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/progress_bar.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace probe {

namespace {
constexpr int kCells = 30;
constexpr TimeNs kEvery = 200 * kNsPerMs;
} // namespace

void ProgressBar::update(const std::string& file, std::uint64_t octets_done,
                         std::uint64_t octets_total, std::uint64_t packets, TimeNs now) {
    if (!enabled_) {
        return;
    }
    if (began_ == 0) {
        began_ = now;
        next_ = now + kNsPerSecond;
    }
    if (now < next_) {
        return;
    }
    next_ = now + kEvery;
    const double share = octets_total == 0
                             ? 1.0
                             : static_cast<double>(octets_done) / static_cast<double>(octets_total);
    const int full = static_cast<int>(share * kCells);
    const double seconds = static_cast<double>(now - began_) / 1e9;
    fmt::print(stderr, "\r{:.30} [{}{}] {:3.0f} %  {:.1f} M packets  {:.1f} s\x1b[K", file,
               std::string(static_cast<std::size_t>(full), '#'),
               std::string(static_cast<std::size_t>(kCells - full), '.'), share * 100,
               static_cast<double>(packets) / 1e6, seconds);
    (void)std::fflush(stderr);
    drawn_ = true;
}

void ProgressBar::clear() {
    if (drawn_) {
        fmt::print(stderr, "\r\x1b[K");
        (void)std::fflush(stderr);
        drawn_ = false;
    }
}

} // namespace probe
