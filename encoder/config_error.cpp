// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/config_error.hpp"

#include <utility>

namespace ipfix {

namespace {

std::string located(const std::string& file, int line, int column, const std::string& text) {
    if (line == 0) return file + ": " + text;
    return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + text;
}

} // namespace

ConfigError::ConfigError(std::string file, int line, int column, std::string text)
    : std::runtime_error(located(file, line, column, text)),
      file_(std::move(file)),
      line_(line),
      column_(column),
      text_(std::move(text)) {}

} // namespace ipfix
