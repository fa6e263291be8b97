// SPDX-License-Identifier: BSD-3-Clause
// YAML text before yaml-cpp sees it. Private to yaml_document.cpp.
#pragma once

#include <string>
#include <string_view>

namespace ipfix {

/// The octets of a regular file, at most one more than kYamlOctetsMax. Throws ConfigError, never
/// blocks.
[[nodiscard]] std::string read_yaml_file(const std::string& path);

/// yaml-cpp recurses once per level and decodes other encodings by itself: both are settled here.
/// Brackets count wherever they stand, which can only refuse a file that nobody means.
void scan_yaml(std::string_view text, const std::string& file);

} // namespace ipfix
