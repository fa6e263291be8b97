// SPDX-License-Identifier: BSD-3-Clause
// `exporting.collectors` of the YAML: collectors, and groups of them.
//
// Thread: main, at start.
#pragma once

#include "encoder/yaml_document.hpp"
#include "probe/exporting/export_options.hpp"

namespace probe {

/// Fills options.collectors and options.groups. Throws ConfigError.
void read_collectors(const ipfix::YamlNode& list, ExportOptions& options);

} // namespace probe
