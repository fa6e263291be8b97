// SPDX-License-Identifier: BSD-3-Clause
// One collector of `collectors:`, a URL or a mapping with a URL and what belongs to its session.
//
// Thread: main, at start. Errors: ipfix::ConfigError or std::invalid_argument, with the remedy.
#pragma once

#include "encoder/yaml_document.hpp"
#include "probe/exporting/export_options.hpp"

namespace probe {

/// "tcp://192.0.2.7", or {url: "tls://collector.example", tls: {...}, dscp: 8}.
[[nodiscard]] CollectorOptions read_collector(const ipfix::YamlNode& item);

} // namespace probe
