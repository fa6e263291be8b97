// SPDX-License-Identifier: BSD-3-Clause
// What `run`, `read` and `check` have in common: from words and YAML to bound templates and open
// collectors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probe/config/command_line.hpp"
#include "probe/config/probe_config.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/telemetry/ledger_snapshot.hpp"

namespace probe {

/// The YAML (or the defaults), with what the command line says instead. Throws ConfigError or
/// std::invalid_argument.
[[nodiscard]] ProbeConfig assemble_config(const CommandLine& words);

/// All template files of the configuration, bound to the meter. Throws ConfigError.
[[nodiscard]] RecordBinding bind_templates(const ProbeConfig& config);

/// Opens every collector. Throws std::runtime_error with the remedy.
/// What this configuration tells of itself; nullptr: nothing. `by_default`: unless it says.
[[nodiscard]] std::unique_ptr<OptionsRecords> make_options_records(const ProbeConfig& config,
                                                                   const RecordBinding& binding,
                                                                   bool by_default);

[[nodiscard]] std::vector<std::unique_ptr<RecordSink>> open_sinks(const ProbeConfig& config,
                                                                  const RecordBinding& binding,
                                                                  OptionsRecords* options_records);

/// One line on standard error, after the program's name.
void tell_operator(const std::string& line);

/// The final ledger as the command line wants it, on standard error; and, should a sum not close,
/// which.
void print_ledger(const LedgerSnapshot& ledger, const CommandLine& words);

} // namespace probe
