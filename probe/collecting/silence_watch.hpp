// SPDX-License-Identifier: BSD-3-Clause
// Says in plain words that nothing comes, once in every silence: what an operator asks first.
#pragma once

#include <cstdint>
#include <string>

#include "probe/packet/packet_batch.hpp"

namespace probe {

class SilenceWatch {
  public:
    /// `url` and `port`: where the collector listens.
    SilenceWatch(std::string url, std::uint16_t port, TimeNs now);

    /// What came so far, and sessions that are there now. Empty: nothing to say.
    [[nodiscard]] std::string look(std::uint64_t messages, std::size_t sessions, TimeNs now);

  private:
    std::string url_;
    std::uint16_t port_;
    TimeNs since_;
    bool told_ = false;
    std::uint64_t messages_ = 0;
    std::size_t sessions_ = 0;
};

} // namespace probe
