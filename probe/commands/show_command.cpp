// SPDX-License-Identifier: BSD-3-Clause
// `parshall show FILE`: an IPFIX file (RFC 5655), anyone's, as a table on a terminal or as JSON
// Lines; with --check what is wrong with it.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "encoder/message_reader.hpp"
#include "probe/collecting/received_session.hpp"
#include "probe/collecting/record_printer.hpp"
#include "probe/collecting/verdict_report.hpp"
#include "probe/commands/assembly.hpp"
#include "probe/commands/commands.hpp"
#include "probe/exporting/ipfix_file.hpp"
#include "probe/exporting/message_checksum.hpp"
#include "probe/exporting/text_sink.hpp"

namespace probe {

namespace {

void write_out(std::string& text) {
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
    text.clear();
}

/// 5 or 9 when a message of NetFlow is next, else 0.
unsigned netflow_version(std::span<const std::uint8_t> octets) {
    if (octets.size() < 2 || octets[0] != 0) {
        return 0;
    }
    return octets[1] == 5 || octets[1] == 9 ? octets[1] : 0;
}

/// False when the gzip stream or a message's checksum is damaged.
bool told_damage(const std::string& path, const IpfixFile& file) {
    if (!file.complaint.empty()) {
        tell_operator(fmt::format("{}: {}", path, file.complaint));
    }
    const auto broken = verify_checksums(file.octets).first_broken;
    if (broken) {
        tell_operator(
            fmt::format("{}: octet {}: the message is not what its checksum says", path, *broken));
    }
    return file.complaint.empty() && !broken;
}

/// False when the file is cut or broken.
bool show(const std::string& path, bool json) {
    const IpfixFile read = read_ipfix_file(path);
    const std::vector<std::uint8_t>& file = read.octets;
    RecordPrinter printer(json ? RecordPrinter::Form::json : RecordPrinter::Form::table,
                          terminal_columns(), write_out);
    std::span<const std::uint8_t> octets = file;
    if (!json) { // the table's widths are chosen once, from all templates of the file
        printer.set_printing(false);
        ipfix::MessageReader first(printer);
        (void)first.read_all(octets);
        printer.set_printing(true);
        octets = file;
    }
    ipfix::MessageReader reader(printer);
    const ipfix::ReadVerdict verdict = reader.read_all(octets);
    if (!json) {
        fmt::print(
            "{}: {} messages, {} flow records{}{}\n", path, reader.messages(), printer.shown(),
            printer.others() != 0
                ? fmt::format(", {} other records (--json shows them)", printer.others())
                : "",
            reader.records_missing() != 0
                ? fmt::format(", {} records missing by sequence number", reader.records_missing())
                : "");
    }
    (void)std::fflush(stdout);
    bool whole = told_damage(path, read);
    if (reader.unknown_sets() != 0) {
        tell_operator(
            fmt::format("{}: {} data sets have no template before them in this file; "
                        "their records cannot be shown",
                        path, reader.unknown_sets()));
    }
    if (const unsigned version = netflow_version(octets); version != 0) {
        tell_operator(fmt::format("{}: octet {}: this is NetFlow v{}; show reads IPFIX", path,
                                  file.size() - octets.size(), version));
        return false;
    }
    if (verdict != ipfix::ReadVerdict::read) {
        tell_operator(fmt::format("{}: octet {}: {}", path, file.size() - octets.size(),
                                  ipfix::verdict_text(verdict)));
        whole = false;
    }
    return whole;
}

/// False when a rule was broken.
bool check(const std::string& path, bool json) {
    const IpfixFile read = read_ipfix_file(path);
    const std::vector<std::uint8_t>& file = read.octets;
    ReceivedSession session(path, {.kind = ipfix::SessionKind::file}, nullptr, {});
    (void)session.stream(file, 0); // where it cannot be followed is a finding
    session.end();
    std::string text =
        json ? verdict_json(path, session.checker()) : verdict_table(path, session.checker());
    write_out(text);
    const bool whole = told_damage(path, read);
    return session.checker().findings().violations() == 0 && whole;
}

} // namespace

int show_command(const CommandLine& words) {
    if (words.check) {
        bool kept = true;
        for (const std::string& file : words.files) {
            kept = check(file, words.json) && kept;
        }
        return kept ? kExitDone : kExitEnvironment;
    }
    const bool json = words.json || isatty(STDOUT_FILENO) == 0;
    bool whole = true;
    for (const std::string& file : words.files) {
        whole = show(file, json) && whole;
    }
    return whole ? kExitDone : kExitBrokenInput;
}

} // namespace probe
