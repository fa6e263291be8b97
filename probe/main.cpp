// SPDX-License-Identifier: BSD-3-Clause
// parshall: from words to a subcommand, and from exceptions to an exit code and one sentence.
#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "encoder/config_error.hpp"
#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/commands/signal_thread.hpp"
#include "probe/config/command_line.hpp"
#include "probe/lcores/lcore_plan.hpp"
#include "probe/packet/packet_filter.hpp"

namespace {

int dispatch(const probe::CommandLine& words, probe::SignalThread& signals) {
    switch (words.subcommand) {
        case probe::Subcommand::run:
            return probe::run_command(words, signals);
        case probe::Subcommand::read:
            return probe::read_command(words, signals);
        case probe::Subcommand::check:
            return probe::check_command(words);
        case probe::Subcommand::show:
            return probe::show_command(words);
        case probe::Subcommand::collect:
            return probe::collect_command(words, signals);
        case probe::Subcommand::elements:
            return probe::elements_command(words);
    }
    return probe::kExitConfiguration;
}

int guarded(const probe::CommandLine& words, probe::SignalThread& signals) {
    try {
        return dispatch(words, signals);
    } catch (const ipfix::ConfigError& error) {
        probe::tell_operator(error.what());
        return probe::kExitConfiguration;
    } catch (const probe::LcorePlanError& error) {
        probe::tell_operator(error.what());
        return probe::kExitConfiguration;
    } catch (const probe::FilterError& error) {
        probe::tell_operator(error.what());
        return probe::kExitConfiguration;
    } catch (const std::invalid_argument& error) { // the operator's words
        probe::tell_operator(error.what());
        return probe::kExitConfiguration;
    } catch (const std::exception& error) {
        probe::tell_operator(error.what());
        return probe::kExitEnvironment;
    }
}

} // namespace

int main(int argc, char** argv) {
    probe::SignalThread signals;
    const auto parsed = probe::parse_command_line(std::vector<std::string>(argv + 1, argv + argc));
    if (const auto* message = std::get_if<probe::ExitMessage>(&parsed)) {
        const bool wrong = message->exit_code != probe::kExitDone;
        (void)std::fputs(message->text.c_str(), wrong ? stderr : stdout);
        return message->exit_code;
    }
    return guarded(std::get<probe::CommandLine>(parsed), signals);
}
