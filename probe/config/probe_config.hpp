// SPDX-License-Identifier: BSD-3-Clause
// The operator's YAML as the components' own option structs. Nothing else travels through the
// program.
//
// Thread: main, before anything runs. Errors: ipfix::ConfigError, whose what() is
// "file:line:column: sentence with the remedy" (exit code 2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "probe/exporting/export_options.hpp"
#include "probe/lcores/lcore_plan.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/observation/observation_options.hpp"

namespace probe {

struct ProbeConfig {
    std::string file; ///< where it came from; empty: defaults
    ObservationOptions observation;
    MeteringOptions metering; ///< template_files: paths that were found to exist
    ExportOptions exporting;
    LcoreOptions lcores;
};

/// What holds when there is no file: the shipped `default` templates, no points, no collectors.
[[nodiscard]] ProbeConfig default_probe_config();

/// Reads and checks everything that can be checked without a device or the templates' contents.
[[nodiscard]] ProbeConfig load_probe_config(const std::string& path);

/// A template file as written by an operator: a path (relative to `directory`), or the name of a
/// shipped set (default, application, uniflow, minimal, wide). Throws std::invalid_argument with
/// the remedy.
[[nodiscard]] std::string find_template_file(const std::string& written,
                                             const std::string& directory);
/// The same of a file of application rules; the shipped one is called applications.
[[nodiscard]] std::string find_rule_file(const std::string& written, const std::string& directory);

inline constexpr std::uint64_t kFlowsMin = 64;
inline constexpr std::uint64_t kFlowsMax = 1'000'000'000;

/// What a duration may be, in the YAML and on the command line.
struct DurationLimits {
    TimeNs min;
    TimeNs max;
};
inline constexpr TimeNs kNsPerHour = 3600 * kNsPerSecond;
inline constexpr DurationLimits kIdleLimits = {kNsPerSecond, 24 * kNsPerHour};
inline constexpr DurationLimits kActiveLimits = {kNsPerSecond, 168 * kNsPerHour};
inline constexpr DurationLimits kTcpEndLimits = {0, kNsPerHour};

/// "15s", "250ms", "2m", "1h" on the command line; "off" gives kNever where it is allowed. Throws
/// std::invalid_argument: what was expected and found.
[[nodiscard]] TimeNs parse_duration(std::string_view text, DurationLimits limits,
                                    bool off_allowed = false);

/// Limits that hold wherever the values came from (YAML or command line), for instance that the
/// active timeout is not shorter than the sweep. Returns a sentence with the remedy; empty: all is
/// well.
[[nodiscard]] std::string timeout_complaint(const MeteringOptions& options);

} // namespace probe
