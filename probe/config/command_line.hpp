// SPDX-License-Identifier: BSD-3-Clause
// The words after `parshall`, as a plain struct. Its help texts are the manual's first half.
//
// Pure: prints nothing, exits nothing, opens nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// Exit codes of every subcommand (DESIGN, "The command line").
enum ExitCode : int {
    kExitDone = 0,
    kExitEnvironment = 1,   ///< privilege, port, memory, network
    kExitConfiguration = 2, ///< wrong usage, wrong YAML
    kExitBrokenInput = 3,   ///< an input file was cut or broken; what could be read was used
};

enum class Subcommand : std::uint8_t { run, read, check, show, collect, elements };
enum class StatisticsForm : std::uint8_t { text, json, none };

struct CommandLine {
    Subcommand subcommand = Subcommand::read;
    std::vector<std::string> eal;   ///< run: everything before `--`, untouched
    std::string config;             ///< run, read: --config; check: FILE; empty: defaults
    std::vector<std::string> files; ///< read: captures; show: IPFIX files; collect: one URL
    std::vector<std::string>
        outputs; ///< -o, as written (parse_collector_url); replace the YAML's collectors
    std::vector<std::string>
        templates;       ///< --templates, as written (find_template_file); replace the YAML's
    std::string filter;  ///< read, run: pcap-filter; packets that do not match are ignored
    std::string element; ///< elements: NAME, or empty for all
    std::optional<TimeNs> idle;
    std::optional<TimeNs> active;
    std::optional<TimeNs> tcp_end; ///< kNever for "off"
    std::optional<std::uint64_t> flows_max;
    std::optional<std::uint32_t> domain_id;
    std::uint32_t workers = 1; ///< read: flow tables filled in parallel
    StatisticsForm statistics = StatisticsForm::text;
    std::uint16_t encapsulation = 0; ///< collect sctp://: UDP port of SCTP in UDP; 0: on IP
    std::string ca; ///< collect tls://: who signs exporters, and our certificate and key; PEM files
    std::string certificate;
    std::string key;
    std::string exporter; ///< collect tls://: the name in its certificate; empty: any
    std::optional<std::uint64_t> records_max;  ///< collect: ends after as many
    std::optional<std::uint64_t> messages_max; ///< the same
    std::optional<TimeNs> duration;            ///< the same
    bool json = false;                         ///< show, collect: JSON Lines instead of a table
    bool check = false; ///< show, collect: what is wrong with the messages, instead of records
    bool quiet = false; ///< no progress bar, no statistics on success
    bool verbose = false;
};

/// Nothing to do but print: help and version (exit 0, standard output), wrong usage (exit 2,
/// standard error, one sentence and a hint).
struct ExitMessage {
    int exit_code = kExitDone;
    std::string text;
};

/// `arguments` without the program's name.
[[nodiscard]] std::variant<CommandLine, ExitMessage> parse_command_line(
    const std::vector<std::string>& arguments);

/// All help texts in one string (the test compares the manual page with it).
[[nodiscard]] std::string complete_help();

} // namespace probe
