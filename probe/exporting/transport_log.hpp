// SPDX-License-Identifier: BSD-3-Clause
// What the transports have in common: one log line when the state changes, and a name and a counter
// for every errno. Thread: its transport's.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/session_ledger.hpp"

namespace probe {

class TransportLog {
  public:
    TransportLog(std::string collector, LogLine log);

    /// Counts an error (a positive errno) without a word.
    SendError count(int error) noexcept;

    /// Counts an error and says so, unless it is what was said last.
    void failed(const char* what, int error, const char* then) noexcept;

    /// Says `what`, unless nothing failed since the last time it was said.
    void works(const char* what) noexcept;

    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept {
        return errors_;
    }

  private:
    void say(const std::string& line) const;

    std::string collector_;
    LogLine log_;
    std::array<std::uint64_t, kSendErrors> errors_{};
    int said_error_ = 0; ///< 0: the last line was a good one
    bool said_anything_ = false;
};

} // namespace probe
