// SPDX-License-Identifier: BSD-3-Clause
// The newest complete files of one name; those beyond the number to keep are deleted, the oldest
// first. Files of earlier runs count. Thread: its transport's; no allocation after construction.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "probe/exporting/file_name_pattern.hpp"

namespace probe {

class KeptFiles {
  public:
    /// Looks for what is there already. `keep` 0: all, and nothing is done.
    KeptFiles(const FileNamePattern& pattern, std::size_t keep);

    /// A file is complete. Returns the errno of a file that could not be deleted, 0 when all is
    /// well.
    int add(const std::string& path) noexcept;

  private:
    std::vector<std::string> ring_; ///< each with room for any path of the pattern
    std::size_t keep_;
    std::size_t oldest_ = 0;
    std::size_t count_ = 0;
};

} // namespace probe
