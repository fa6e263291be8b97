// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/command_line.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

#include "encoder/nearest_name.hpp"
#include "probe/config/command_help.hpp"
#include "probe/config/probe_config.hpp"

namespace probe {
namespace {

constexpr std::uint32_t kWorkersMax = 64;
constexpr DurationLimits kCollectLimits = {kNsPerMs, 8760 * kNsPerHour};

/// Durations and numbers that CLI11 does not know how to check.
void add_duration(CLI::App& app, const std::string& name, std::optional<TimeNs>& value,
                  DurationLimits limits, bool off_allowed, const std::string& help) {
    app.add_option_function<std::string>(
           name,
           [&value, name, limits, off_allowed](const std::string& text) {
               try {
                   value = parse_duration(text, limits, off_allowed);
               } catch (const std::invalid_argument& refused) {
                   throw CLI::ValidationError(name, refused.what());
               }
           },
           help)
        ->type_name("TIME");
}

/// What `run` and `read` have in common.
void add_metering_options(CLI::App& app, CommandLine& line) {
    app.add_option("-c,--config", line.config, "Configuration in YAML; without it, defaults")
        ->type_name("FILE");
    app.add_option(
           "-o,--output", line.outputs,
           "Where records go, instead of the configuration's collectors; may be repeated: table, "
           "json (standard output), PATH.ipfix, PATH.json, udp://HOST:PORT, and tcp://, sctp://, "
           "tls://, dtls://")
        ->type_name("OUT")
        ->allow_extra_args(false);
    app.add_option(
           "-t,--templates", line.templates,
           "A template file or a shipped set (default, application, uniflow, minimal, wide), "
           "instead of the configuration's; may be repeated")
        ->type_name("SET")
        ->allow_extra_args(false);
    app.add_option(
           "-f,--filter", line.filter,
           "Only packets that match are metered, in pcap-filter(7) syntax; the others are counted")
        ->type_name("EXPRESSION");
    add_duration(app, "--idle", line.idle, kIdleLimits, false,
                 "A flow without packets for this long is over (15s)");
    add_duration(app, "--active", line.active, kActiveLimits, false,
                 "A flow that lasts longer is reported in pieces of at most this (60s)");
    add_duration(
        app, "--tcp-end", line.tcp_end, kTcpEndLimits, true,
        "How long a flow lingers after FIN both ways or RST (2s); `off`: TCP's end is not looked "
        "for");
    app.add_option("--flows-max", line.flows_max,
                   "Flows alive at a time, for which memory is taken at start (1048576)")
        ->type_name("N")
        ->check(CLI::Range(kFlowsMin, kFlowsMax));
    app.add_option("--domain-id", line.domain_id, "observationDomainId of all messages (1)")
        ->type_name("N");
    app.add_option_function<std::string>(
           "--stats",
           [&line](const std::string& form) {
               line.statistics = form == "json"   ? StatisticsForm::json
                                 : form == "none" ? StatisticsForm::none
                                                  : StatisticsForm::text;
           },
           "The ledger at exit, on standard error: text, json or none")
        ->type_name("FORM")
        ->check(CLI::IsMember({"text", "json", "none"}));
    app.add_flag("-q,--quiet", line.quiet,
                 "No progress bar and no ledger, only warnings and errors");
    app.add_flag("-v,--verbose", line.verbose, "Tell what is set up and how");
}

void add_collecting_options(CLI::App& app, CommandLine& line) {
    app.add_option(
           "url", line.files,
           "Where to listen: udp://, tcp://, sctp://, tls:// or dtls://ADDRESS:PORT; [::] is all "
           "addresses, and 4739 the port unless said, with TLS and DTLS 4740")
        ->type_name("URL")
        ->required()
        ->expected(1);
    app.add_flag("-j,--json", line.json, "JSON Lines, also on a terminal");
    app.add_flag("--check", line.check,
                 "No records, but what is wrong with the messages (RFC 7011), rule by rule");
    app.add_option("-n,--records", line.records_max, "End after as many records")
        ->type_name("N")
        ->check(CLI::PositiveNumber);
    app.add_option("--messages", line.messages_max, "End after as many messages")
        ->type_name("N")
        ->check(CLI::PositiveNumber);
    add_duration(app, "--for", line.duration, kCollectLimits, false, "End after this long");
    app.add_option(
           "--encapsulation", line.encapsulation,
           "sctp://: the UDP port for SCTP in UDP (RFC 6951; 9899 is registered); without it, "
           "the kernel's SCTP, or SCTP on IP itself (root)")
        ->type_name("PORT")
        ->check(CLI::Range(1, 65535));
    app.add_option("--ca", line.ca,
                   "tls://, dtls://: the authority that signs exporters' certificates (PEM)")
        ->type_name("FILE");
    app.add_option("--certificate", line.certificate,
                   "tls://, dtls://: our certificate, then its signers'")
        ->type_name("FILE");
    app.add_option("--key", line.key, "tls://, dtls://: our key, readable by its owner alone")
        ->type_name("FILE");
    app.add_option("--exporter", line.exporter,
                   "tls://, dtls://: only one whose certificate has this name or address; without "
                   "it, any that the authority signed")
        ->type_name("NAME");
    app.add_flag("-q,--quiet", line.quiet, "Only records or verdicts, warnings and errors");
    app.footer(kCollectFooter);
}

/// CLI11's tree of subcommands, bound to a CommandLine that it outlives never.
class Parser {
  public:
    explicit Parser(CommandLine& line) : app_(kPurpose, "parshall") {
        app_.set_version_flag("-V,--version", std::string("parshall ") + PARSHALL_VERSION);
        app_.require_subcommand(1);
        const auto formatter = std::make_shared<HelpFormatter>();
        formatter->column_width(kHelpColumn);
        app_.formatter(formatter); // before add(): subcommands inherit it

        CLI::App* run = add(Subcommand::run, "run", "Meter live ports");
        add_metering_options(*run, line);
        run->footer(kRunFooter);

        CLI::App* read = add(Subcommand::read, "read", "Meter capture files (pcap, pcapng)");
        read->add_option(
                "files", line.files,
                "Captures, read in this order as one stream of packets; `-`: standard input")
            ->type_name("FILE")
            ->required();
        add_metering_options(*read, line);
        read->add_option("-w,--workers", line.workers,
                         "Flow tables that are filled side by side (1); the records are the same")
            ->type_name("N")
            ->check(CLI::Range(1U, kWorkersMax));
        read->footer(kReadFooter);

        app_.footer(kExitCodes); // what the other subcommands inherit
        CLI::App* check = add(Subcommand::check, "check",
                              "Validate a configuration; print templates, record sizes, memory");
        check->add_option("file", line.config, "The configuration, or a file of templates")
            ->type_name("FILE")
            ->required();

        CLI::App* show = add(Subcommand::show, "show", "Decode an IPFIX file");
        show->add_option("files", line.files, "IPFIX files (RFC 5655)")
            ->type_name("FILE")
            ->required();
        show->add_flag("-j,--json", line.json, "JSON Lines instead of a table");
        show->add_flag("--check", line.check,
                       "No records, but what is wrong with the messages (RFC 7011), rule by rule");

        CLI::App* collect = add(Subcommand::collect, "collect",
                                "Receive IPFIX: print its records, or check its exporters");
        add_collecting_options(*collect, line);

        CLI::App* elements =
            add(Subcommand::elements, "elements", "List what can be metered, by IANA's names");
        elements->add_option("name", line.element, "An element's name, or a part of it")
            ->type_name("NAME");
        app_.footer(std::string(kFooter) + kExitCodes);
    }

    std::optional<ExitMessage> parse(std::vector<std::string> words) {
        std::reverse(words.begin(), words.end()); // CLI11 takes the next word from the back
        try {
            app_.parse(std::move(words));
        } catch (const CLI::CallForVersion& version) {
            return ExitMessage{kExitDone, std::string(version.what()) + "\n"};
        } catch (const CLI::Success&) {
            return ExitMessage{kExitDone, chosen().help()};
        } catch (const CLI::ExtrasError&) {
            return wrong_usage(unknown_words());
        } catch (const CLI::RequiredError& missing) {
            if (app_.get_subcommands().empty() && !app_.remaining().empty()) {
                return wrong_usage(unknown_words());
            }
            return wrong_usage(
                app_.get_subcommands().empty()
                    ? "a subcommand is missing: run, read, check, show, collect or elements"
                : app_.get_subcommands().front()->get_name() == "collect"
                    ? "where to listen is missing, as in udp://[::]:4739"
                    : fmt::format("a file is missing ({})", missing.what()));
        } catch (const CLI::ParseError& error) {
            return wrong_usage(error.what());
        }
        return std::nullopt;
    }

    [[nodiscard]] Subcommand subcommand() const {
        const CLI::App* picked = app_.get_subcommands().front();
        const auto entry =
            std::find_if(subcommands_.begin(), subcommands_.end(),
                         [picked](const auto& pair) { return pair.first == picked; });
        return entry->second;
    }

    [[nodiscard]] std::string all_help() {
        std::string text = app_.help();
        for (const auto& [app, ignored] : subcommands_) {
            text += "\n" + app->help();
        }
        return text;
    }

  private:
    CLI::App* add(Subcommand subcommand, const std::string& name, const std::string& description) {
        CLI::App* app = app_.add_subcommand(name, description);
        subcommands_.emplace_back(app, subcommand);
        return app;
    }

    /// The subcommand that was named, else the program.
    CLI::App& chosen() {
        const std::vector<CLI::App*> picked = app_.get_subcommands();
        return picked.empty() ? app_ : *picked.front();
    }

    std::string unknown_words() {
        const std::string word = app_.remaining(true).front();
        CLI::App& app = chosen();
        std::vector<std::string> known;
        if (app.get_parent() == nullptr) {
            for (const auto& [subcommand, ignored] : subcommands_) {
                known.push_back(subcommand->get_name());
            }
            return fmt::format("there is no subcommand '{}'; did you mean '{}'?", word,
                               ipfix::nearest_name(word, known));
        }
        for (const CLI::Option* option : app.get_options()) {
            for (const std::string& name : option->get_lnames()) {
                known.push_back("--" + name);
            }
        }
        if (!word.starts_with('-')) {
            return fmt::format("`parshall {}` has no use for '{}'", app.get_name(), word);
        }
        if (app.get_name() == "run") {
            return fmt::format(
                "'{}' is not an option of `parshall run`; EAL arguments stand before "
                "`--`, as in `parshall run -l 0-3 -- --config probe.yaml`",
                word);
        }
        return fmt::format("`parshall {}` has no option '{}'; did you mean '{}'?", app.get_name(),
                           word, ipfix::nearest_name(word, known));
    }

    ExitMessage wrong_usage(std::string sentence) {
        CLI::App& app = chosen();
        const std::string hint = app.get_parent() == nullptr ? "" : app.get_name() + " ";
        return {kExitConfiguration,
                fmt::format("parshall: {}\nSee `parshall {}--help`.\n", sentence, hint)};
    }

    CLI::App app_;
    std::vector<std::pair<CLI::App*, Subcommand>> subcommands_;
};

/// Moves what stands between `run` and `--` to `eal`, unless it asks for help.
void split_eal_arguments(std::vector<std::string>& words, std::vector<std::string>& eal) {
    if (words.empty() || words.front() != "run") {
        return;
    }
    const auto border = std::find(words.begin(), words.end(), "--");
    if (border == words.end()) {
        return;
    }
    const auto asks_for_help = [](const std::string& word) {
        return word == "--help" || word == "-h";
    };
    if (std::any_of(words.begin() + 1, border, asks_for_help)) {
        words = {"run", "--help"};
        return;
    }
    eal.assign(words.begin() + 1, border);
    words.erase(words.begin() + 1, border + 1);
}

} // namespace

std::variant<CommandLine, ExitMessage> parse_command_line(
    const std::vector<std::string>& arguments) {
    CommandLine line;
    std::vector<std::string> words = arguments;
    split_eal_arguments(words, line.eal);
    Parser parser(line);
    if (std::optional<ExitMessage> message = parser.parse(std::move(words))) {
        return std::move(*message);
    }
    line.subcommand = parser.subcommand();
    return line;
}

std::string complete_help() {
    CommandLine line;
    return Parser(line).all_help();
}

} // namespace probe
