// SPDX-License-Identifier: BSD-3-Clause
// A progress bar on standard error for jobs that take longer than a second.
#pragma once

#include <cstdint>
#include <string>

#include "probe/packet/packet_batch.hpp"

namespace probe {

class ProgressBar {
  public:
    explicit ProgressBar(bool enabled) noexcept : enabled_(enabled) {}
    ~ProgressBar() { clear(); }
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    /// Draws when a second has passed since the first call, then five times a second.
    void update(const std::string& file, std::uint64_t octets_done, std::uint64_t octets_total,
                std::uint64_t packets, TimeNs now);

    /// Takes the bar off the screen, before other output.
    void clear();

  private:
    bool enabled_;
    bool drawn_ = false;
    TimeNs began_ = 0;
    TimeNs next_ = 0;
};

} // namespace probe
