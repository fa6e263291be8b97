// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/command_line.hpp"

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "probe/metering/metering_options.hpp"
#include "tests/support/catch.hpp"

using namespace probe;
using Words = std::vector<std::string>;

namespace {

CommandLine parsed(const Words& words) {
    auto result = parse_command_line(words);
    if (const auto* message = std::get_if<ExitMessage>(&result)) {
        FAIL(message->text);
    }
    return std::get<CommandLine>(result);
}

ExitMessage refused(const Words& words) {
    auto result = parse_command_line(words);
    REQUIRE(std::holds_alternative<ExitMessage>(result));
    return std::get<ExitMessage>(result);
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

} // namespace

TEST_CASE("what stands before `--` is the EAL's, untouched", "[config][command-line]") {
    const CommandLine line = parsed(
        {"run", "-l", "0-3", "--vdev", "net_null0", "-c", "0xf", "--", "-c", "p.yaml", "-v"});
    CHECK(line.subcommand == Subcommand::run);
    CHECK(line.eal == Words{"-l", "0-3", "--vdev", "net_null0", "-c", "0xf"});
    CHECK(line.config == "p.yaml");
    CHECK(line.verbose);
}

TEST_CASE("without EAL arguments `--` may be left out or stand alone", "[config][command-line]") {
    CHECK(parsed({"run", "-c", "p.yaml"}).config == "p.yaml");
    CHECK(parsed({"run", "--", "-c", "p.yaml"}).config == "p.yaml");
    CHECK(parsed({"run"}).eal.empty());
    CHECK(parsed({"run", "--no-huge", "--"}).eal == Words{"--no-huge"});
}

TEST_CASE("help is asked for on either side of `--`", "[config][command-line]") {
    for (const Words& words : {Words{"run", "--help"}, Words{"run", "-l", "0", "-h", "--"},
                               Words{"run", "-l", "0", "--", "--help"}}) {
        const ExitMessage help = refused(words);
        CHECK(help.exit_code == kExitDone);
        CHECK(help.text.find("EAL arguments") != std::string::npos);
    }
}

TEST_CASE("read takes files and options in any order", "[config][command-line]") {
    const CommandLine line =
        parsed({"read",   "a.pcap",      "-o",          "-",           "-o",        "x.ipfix",
                "b.pcap", "-t",          "wide",        "--templates", "mine.yaml", "--idle",
                "20s",    "--active",    "5m",          "--tcp-end",   "off",       "-w",
                "4",      "-f",          "tcp port 80", "--stats",     "json",      "--flows-max",
                "1000",   "--domain-id", "7",           "-q"});
    CHECK(line.subcommand == Subcommand::read);
    CHECK(line.files == Words{"a.pcap", "b.pcap"});
    CHECK(line.outputs == Words{"-", "x.ipfix"});
    CHECK(line.templates == Words{"wide", "mine.yaml"});
    CHECK(line.idle == 20 * kNsPerSecond);
    CHECK(line.active == 300 * kNsPerSecond);
    CHECK(line.tcp_end == kNever);
    CHECK(line.workers == 4);
    CHECK(line.filter == "tcp port 80");
    CHECK(line.statistics == StatisticsForm::json);
    CHECK(line.flows_max == 1000);
    CHECK(line.domain_id == 7);
    CHECK(line.quiet);
    CHECK_FALSE(line.verbose);
}

TEST_CASE("collect takes one URL and where to end", "[config][command-line]") {
    const CommandLine line = parsed({"collect", "udp://[::]:4739", "--check", "--json", "-n", "7",
                                     "--messages", "9", "--for", "1m", "-q"});
    CHECK(line.subcommand == Subcommand::collect);
    CHECK(line.files == Words{"udp://[::]:4739"});
    CHECK(line.check);
    CHECK(line.json);
    CHECK(line.quiet);
    CHECK(line.records_max == 7U);
    CHECK(line.messages_max == 9U);
    CHECK(line.duration == 60 * kNsPerSecond);
    CHECK(refused({"collect"}).text.find("where to listen is missing") != std::string::npos);
    CHECK(refused({"collect", "udp://[::]", "x"}).exit_code == kExitConfiguration);
    CHECK(parsed({"show", "x.ipfix", "--check"}).check);
}

TEST_CASE("what was not said stays unsaid, so that the YAML decides", "[config][command-line]") {
    const CommandLine line = parsed({"read", "a.pcap"});
    CHECK_FALSE(line.idle);
    CHECK_FALSE(line.active);
    CHECK_FALSE(line.tcp_end);
    CHECK_FALSE(line.flows_max);
    CHECK_FALSE(line.domain_id);
    CHECK(line.config.empty());
    CHECK(line.outputs.empty());
    CHECK(line.templates.empty());
    CHECK(line.statistics == StatisticsForm::text);
    CHECK(line.workers == 1);
}

TEST_CASE("the small subcommands", "[config][command-line]") {
    CHECK(parsed({"check", "p.yaml"}).config == "p.yaml");
    CHECK(parsed({"check", "p.yaml"}).subcommand == Subcommand::check);
    CHECK(parsed({"show", "x.ipfix", "--json"}).json);
    CHECK(parsed({"show", "x.ipfix", "y.ipfix"}).files == Words{"x.ipfix", "y.ipfix"});
    CHECK(parsed({"elements"}).element.empty());
    CHECK(parsed({"elements", "tcpControlBits"}).element == "tcpControlBits");
    CHECK(refused({"--version"}).text.starts_with("parshall "));
    CHECK(refused({"--version"}).exit_code == kExitDone);
}

TEST_CASE("a file whose name looks like an option follows `--`", "[config][command-line]") {
    CHECK(parsed({"read", "-q", "--", "-odd.pcap"}).files == Words{"-odd.pcap"});
}

TEST_CASE("wrong usage is one sentence and a hint", "[config][command-line]") {
    const auto [words, sentence] = GENERATE(table<Words, std::string>({
        {Words{},
         "a subcommand is missing: run, read, check, show, collect or "
         "elements"},
        {Words{"raed", "x"}, "there is no subcommand 'raed'; did you mean 'read'?"},
        {Words{"read"}, "a file is missing (files is required)"},
        {Words{"check"}, "a file is missing (file is required)"},
        {Words{"check", "a", "b"}, "`parshall check` has no use for 'b'"},
        {Words{"read", "a", "--idel", "3s"},
         "`parshall read` has no option '--idel'; did you mean '--idle'?"},
        {Words{"read", "a", "--idle", "3"},
         "--idle: expected a duration from 1s to 24h, found '3'"},
        {Words{"read", "a", "--idle", "off"},
         "--idle: expected a duration from 1s to 24h, found 'off'"},
        {Words{"read", "a", "--tcp-end", "2h"},
         "--tcp-end: expected a duration from 0s to 1h, or off, found '2h'"},
        {Words{"read", "a", "--stats", "xml"}, "--stats: xml not in {text,json,none}"},
        {Words{"read", "a", "-w", "0"}, "--workers: Value 0 not in range 1 to 64"},
        {Words{"run", "--no-huge"},
         "'--no-huge' is not an option of `parshall run`; EAL arguments stand before `--`, as in "
         "`parshall run -l 0-3 -- --config probe.yaml`"},
        {Words{"run", "-w", "2"},
         "'-w' is not an option of `parshall run`; EAL arguments stand before `--`, as in "
         "`parshall run -l 0-3 -- --config probe.yaml`"},
    }));
    const ExitMessage message = refused(words);
    CHECK(message.exit_code == kExitConfiguration);
    CHECK(first_line(message.text) == "parshall: " + sentence);
    CHECK(message.text.find("--help`.\n") != std::string::npos);
}

TEST_CASE("help fits a terminal of 100 columns and tells the exit codes",
          "[config][command-line]") {
    std::istringstream lines(complete_help());
    for (std::string line; std::getline(lines, line);) {
        INFO(line);
        CHECK(line.size() <= 100);
    }
    CHECK(refused({"--help"}).text.find("Exit codes:") != std::string::npos);
}

TEST_CASE("the manual page names every option and subcommand of the help", "[config][manual]") {
    std::ifstream file(MANUAL_PAGE);
    REQUIRE(file);
    std::ostringstream text;
    text << file.rdbuf();
    std::string manual = text.str();
    manual = std::regex_replace(manual, std::regex(R"(\\-)"), "-"); // roff's hyphens

    const std::string help = complete_help();
    std::set<std::string> names;
    // Options as the help lists them, at the start of a line: "-c,--config".
    const std::regex option(R"((?:^|\n)  (-\S+))");
    for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end; ++at) {
        std::istringstream spellings((*at)[1].str());
        for (std::string name; std::getline(spellings, name, ',');) {
            names.insert(name);
        }
    }
    CHECK(names.size() >= 25);
    for (const std::string& name : names) {
        INFO(name);
        CHECK(std::regex_search(manual, std::regex("(^|[^-a-z])" + name + "([^-a-z]|$)")));
    }
    for (const char* subcommand : {"run", "read", "check", "show", "elements"}) {
        INFO(subcommand);
        CHECK(manual.find(std::string(".SS parshall ") + subcommand) != std::string::npos);
    }
}
