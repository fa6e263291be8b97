// SPDX-License-Identifier: BSD-3-Clause
// Compiled databases on disk, so that a start does not compile what the last one did.
//
// A file is named by a hash of what it was made from: the platform (library version, CPU features)
// and every expression with its flags. A file that is damaged, foreign, not the process's own or
// writable by others counts as absent; a new one appears at once or not at all (rename). When one
// is kept, the files beyond kFilesMax that were not used for longest are removed.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "probe/application/pattern_database.hpp"

namespace probe {

class PatternCache {
  public:
    /// A set of rules makes a handful of files, of up to some MB each.
    static constexpr std::size_t kFilesMax = 32;

    /// An empty folder: nothing is kept.
    explicit PatternCache(std::string folder) : folder_(std::move(folder)) {}

    [[nodiscard]] std::optional<PatternDatabase> find(
        std::span<const PatternExpression> expressions) const;
    /// Empty, or the sentence that says why it could not be kept.
    [[nodiscard]] std::string keep(std::span<const PatternExpression> expressions,
                                   const PatternDatabase& database) const;

  private:
    [[nodiscard]] std::string path_of(std::span<const PatternExpression> expressions) const;

    std::string folder_;
};

} // namespace probe
