// SPDX-License-Identifier: BSD-3-Clause
// What `parshall --help` says beside the options, and how it is laid out. For command_line.cpp
// only.
#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace probe {

inline constexpr const char* kPurpose =
    "parshall meters the flows of a link: it reads packets from DPDK ports or capture files\n"
    "and exports flow records as IPFIX (RFC 7011).";

inline constexpr const char* kExitCodes =
    "Exit codes:\n"
    "  0  done\n"
    "  1  the environment refused: privilege, port, memory, network; --check: a rule was broken\n"
    "  2  the command line or a configuration file is wrong\n"
    "  3  an input file was cut or broken; what could be read was used\n";

inline constexpr const char* kRunFooter =
    "EAL arguments are those of every DPDK program (-l LCORES, -a PCI-ADDRESS, --vdev DEVICE,\n"
    "--no-huge, -m MB ...) and stand before `--`; without any, `--` may be left out. Only ports "
    "named\n"
    "in the configuration are used. SIGTERM and SIGINT flush all flows and end within 5 s (a "
    "second\n"
    "one ends at once), SIGUSR1 prints statistics.\n\n"
    "Examples:\n"
    "  parshall run -l 0-3 -- --config probe.yaml\n"
    "  parshall run --no-huge --vdev net_af_packet0,iface=eth1,qpairs=2 -- -c probe.yaml\n"
    "  parshall run -c probe.yaml\n";

inline constexpr const char* kReadFooter =
    "Without -o, a terminal gets a table and a pipe gets JSON Lines. Packet time is the clock: "
    "the\n"
    "same file always gives the same records. Needs neither root nor hugepages.\n\n"
    "Examples:\n"
    "  parshall read capture.pcap\n"
    "  parshall read *.pcapng -o flows.ipfix -o json\n"
    "  parshall read capture.pcap -o udp://192.0.2.7:4739 --templates uniflow --active 5m\n";

inline constexpr const char* kCollectFooter =
    "A terminal gets a table and a pipe gets JSON Lines; what goes on is told on standard error.\n"
    "SIGINT and SIGTERM end it. With --check the exit code is 0 when every rule was kept, and 1 "
    "when\n"
    "one was broken or nothing came.\n\n"
    "Examples:\n"
    "  parshall collect udp://[::]:4739\n"
    "  parshall collect tcp://192.0.2.7:4739 --json --records 100\n"
    "  parshall collect udp://[::]:4739 --check --for 10m\n"
    "  parshall collect sctp://0.0.0.0:4739 --encapsulation 9899\n"
    "  parshall collect tls://[::]:4740 --ca ca.pem --certificate my.pem --key my.key\n";

inline constexpr const char* kFooter =
    "Examples:\n"
    "  parshall read capture.pcap\n"
    "  parshall run -l 0-3 -- --config probe.yaml\n\n"
    "`parshall SUBCOMMAND --help` tells more, and parshall(1) all of it.\n\n";

inline constexpr std::size_t kHelpColumn = 28;
inline constexpr std::size_t kHelpWidth = 100;

/// Breaks at spaces, so that no line is longer than `width`.
inline std::string wrapped(const std::string& text, std::size_t width) {
    std::string out;
    for (std::size_t from = 0; from < text.size();) {
        std::size_t end = text.size();
        if (end - from > width) {
            end = text.rfind(' ', from + width);
        }
        out += (from == 0 ? "" : "\n") + text.substr(from, end - from);
        from = end + 1;
    }
    return out;
}

/// One usage line a subcommand, written out, since CLI11's own does not know about EAL arguments,
/// and options that fit a terminal.
class HelpFormatter : public CLI::Formatter {
  public:
    std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
        constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kUsages = {{
            {"parshall", "SUBCOMMAND ..."},
            {"run", "run [EAL ARGUMENTS] -- [OPTIONS]"},
            {"read", "read FILE... [OPTIONS]"},
            {"check", "check FILE"},
            {"show", "show FILE... [OPTIONS]"},
            {"collect", "collect URL [OPTIONS]"},
            {"elements", "elements [NAME]"},
        }};
        for (const auto& [name, usage] : kUsages) {
            if (app->get_name() == name) {
                return fmt::format("Usage: parshall {}\n", usage);
            }
        }
        return {};
    }

    std::string make_option_opts(const CLI::Option* option) const override {
        const std::string type = option->get_type_name();
        return type.empty() ? "" : " " + type.substr(0, type.find(':')); // no validator's own words
    }

    std::string make_option_desc(const CLI::Option* option) const override {
        return wrapped(option->get_description(), kHelpWidth - kHelpColumn);
    }
};

} // namespace probe
