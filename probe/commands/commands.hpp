// SPDX-License-Identifier: BSD-3-Clause
// The subcommands: each builds the components it needs from the command line and the YAML, runs,
// and returns an exit code (ExitCode). Errors are exceptions, caught once in main.
#pragma once

#include "probe/config/command_line.hpp"

namespace probe {

class SignalThread;

[[nodiscard]] int run_command(const CommandLine& words, SignalThread& signals);
[[nodiscard]] int read_command(const CommandLine& words, SignalThread& signals);
[[nodiscard]] int check_command(const CommandLine& words);
[[nodiscard]] int show_command(const CommandLine& words);
[[nodiscard]] int collect_command(const CommandLine& words, SignalThread& signals);
[[nodiscard]] int elements_command(const CommandLine& words);

} // namespace probe
