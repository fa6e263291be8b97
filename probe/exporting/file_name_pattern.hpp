// SPDX-License-Identifier: BSD-3-Clause
// The names of files that follow one another: strftime(3)'s conversions of a fixed width, in UTC.
//
//     flows-%Y%m%d-%H%M%S.ipfix.gz  ->  flows-20261122-010203.ipfix.gz
//
// Where that name is taken, "-1", "-2" ... stands before the extensions. Immutable; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "probe/packet/packet_batch.hpp"

namespace probe {

class FileNamePattern {
  public:
    /// Throws std::invalid_argument: one sentence with the remedy. Without conversions a name is
    /// itself. "%%" is a per cent sign; the folder has no conversions.
    explicit FileNamePattern(const std::string& path);

    /// The same with "-%Y%m%d-%H%M%S" before the extensions, unless there are conversions already.
    [[nodiscard]] static FileNamePattern of_many(const std::string& path);

    [[nodiscard]] bool has_conversions() const noexcept { return conversions_; }
    [[nodiscard]] bool compressed() const noexcept { return pattern_.ends_with(".gz"); }
    /// With its slash; empty: the working directory.
    [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
    [[nodiscard]] std::size_t octets_max() const noexcept;

    /// The path of a file that begins at `time`; `again` 0 for the name itself, n for "-n".
    /// Allocates nothing when `out` has room for octets_max().
    void write(TimeNs time, unsigned again, std::string& out) const;

    /// Whether a file of this name (without its folder) could be one of these.
    [[nodiscard]] bool matches(std::string_view name) const noexcept;

  private:
    [[nodiscard]] static std::size_t extensions_of(std::string_view name) noexcept;

    std::string folder_;
    std::string pattern_; ///< without the folder
    std::size_t extensions_ = 0;
    bool conversions_ = false;
};

} // namespace probe
