// SPDX-License-Identifier: BSD-3-Clause
// Rows of a benchmark: as CSV with everything needed to judge them (machine, memory pages,
// compiler, commit, command), and on the terminal as they come.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// A row: names and values in the order of the columns. All rows of a file have the same names.
using Row = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] std::string number(double value, int decimals = 2);
[[nodiscard]] std::string number(std::uint64_t value);

struct RunIdentity {
    std::string command; ///< as typed, without absolute folders
    std::string pages;   ///< "2 MB hugepages", "4 KB pages"
};

/// Packets a second of frames of this size (with FCS) on a link: 20 octets of preamble and gap
/// each.
[[nodiscard]] double line_rate_pps(double gigabits, double frame_octets) noexcept;

class ResultFile {
  public:
    /// Writes <folder>/<name>.csv anew; the header comes with the first row. Throws
    /// std::runtime_error. An empty folder: terminal only.
    ResultFile(const std::string& folder, const std::string& name, const RunIdentity& identity);
    ~ResultFile();
    ResultFile(const ResultFile&) = delete;
    ResultFile& operator=(const ResultFile&) = delete;

    void add(const Row& row);

  private:
    std::FILE* file_ = nullptr;
    std::string name_;
    Row identity_;
    bool header_written_ = false;
};

} // namespace bench
