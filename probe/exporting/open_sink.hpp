// SPDX-License-Identifier: BSD-3-Clause
// From what the operator wrote to a sink that takes records. Once per collector, at start.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "encoder/template_record.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/exporting/record_sink.hpp"

namespace probe {

/// Resolves names and opens files now, so that mistakes end the start: throws std::runtime_error
/// with the remedy. A collector that is merely away is no mistake. `templates` and
/// `options_records` and `common` (nullptr: none) must outlive the sink; `seed` spreads the
/// reconnects of many probes.
[[nodiscard]] std::unique_ptr<RecordSink> open_sink(
    const CollectorOptions& collector, const ExportOptions& options, std::uint32_t domain_id,
    const TemplateView& templates, OptionsRecords* options_records, const LogLine& log,
    std::uint64_t seed, const CommonProperties* common = nullptr);

/// Throws std::invalid_argument for templates that the collector's format cannot carry at all; says
/// whose records are left out.
void check_format(const CollectorOptions& collector, const TemplateView& templates,
                  const LogLine& log);

} // namespace probe
