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

/// All that follows from template and rule files.
struct TemplateGeneration {
    std::unique_ptr<const RecordBinding> binding;    ///< its places are those in `templates`
    std::unique_ptr<OptionsRecords> options_records; ///< nullptr: nothing is told
    std::unique_ptr<const TemplateList> templates;
    std::string rule_texts; ///< of the rule files, when a template asks for labels
};

/// All template files of the configuration, bound to the meter. `before`: of a reload, what
/// collectors were told. `rule_texts` gets what is in the rule files, where labels are asked
/// for. Throws ConfigError.
[[nodiscard]] RecordBinding bind_templates(const ProbeConfig& config,
                                           const TemplateGeneration* before = nullptr,
                                           std::string* rule_texts = nullptr);

/// The same with all that goes with it. `options_by_default`: whether there are options records
/// where the configuration does not say.
[[nodiscard]] TemplateGeneration make_generation(const ProbeConfig& config, bool options_by_default,
                                                 const TemplateGeneration* before = nullptr);

/// Opens one collector; a group with its collectors; all that are of no group, then the groups.
/// Throw std::runtime_error with the remedy.
[[nodiscard]] std::unique_ptr<RecordSink> open_collector(const ProbeConfig& config,
                                                         const TemplateGeneration& generation,
                                                         const CollectorOptions& collector);
[[nodiscard]] std::unique_ptr<RecordSink> open_group(const ProbeConfig& config,
                                                     const TemplateGeneration& generation,
                                                     std::size_t group);
[[nodiscard]] std::vector<std::unique_ptr<RecordSink>> open_sinks(
    const ProbeConfig& config, const TemplateGeneration& generation);

/// One line on standard error, after the program's name.
void tell_operator(const std::string& line);

/// The final ledger as the command line wants it, on standard error; and, should a sum not close,
/// which.
void print_ledger(const LedgerSnapshot& ledger, const CommandLine& words);

} // namespace probe
