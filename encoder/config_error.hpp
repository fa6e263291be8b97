// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with a file the operator wrote, and where. Thrown only before metering starts.
#pragma once

#include <stdexcept>
#include <string>

namespace ipfix {

/// what() is "file:line:column: sentence with the remedy", or "file: sentence" when line is 0
/// because the file as a whole is the matter. Line and column count from 1.
class ConfigError : public std::runtime_error {
  public:
    ConfigError(std::string file, int line, int column, std::string text);

    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    [[nodiscard]] int line() const noexcept { return line_; }
    [[nodiscard]] int column() const noexcept { return column_; }
    /// The sentence alone.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

  private:
    std::string file_;
    int line_;
    int column_;
    std::string text_;
};

} // namespace ipfix
