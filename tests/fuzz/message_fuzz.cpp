// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer target of what `show` and `collect` are made of: the message reader, the checker, both
// forms of printing. The octets are taken as a stream, and as datagrams whose lengths are in front
// of them. What must hold besides no crash: a stream that the strict decoder of the tests has
// nothing against is read whole, with as many records; and whatever cannot be read is a finding.
#include <cstdlib>
#include <string>

#include "encoder/message_checker.hpp"
#include "encoder/wire_format.hpp"
#include "probe/collecting/received_session.hpp"
#include "probe/collecting/record_printer.hpp"
#include "probe/collecting/verdict_report.hpp"
#include "tests/support/strict_decoder.hpp"

namespace {

using Octets = std::span<const std::uint8_t>;

void demand(bool holds) {
    if (!holds) std::abort();
}

/// Prints to nowhere, and counts.
struct Printed {
    explicit Printed(probe::RecordPrinter::Form form)
        : printer(form, 100, [this](std::string& text) { octets += text.size(); }) {}
    std::uint64_t octets = 0;
    probe::RecordPrinter printer;
};

void as_stream(Octets data) {
    Printed printed(probe::RecordPrinter::Form::json);
    probe::ReceivedSession session("stream", {.kind = ipfix::SessionKind::stream}, &printed.printer,
                                   {});
    const std::size_t half = data.size() / 2;
    const bool goes_on = session.stream(data.first(half), 0);
    if (goes_on) static_cast<void>(session.stream(data.subspan(half), 0));
    session.end();
    const ipfix::SessionTotals& totals = session.checker().totals();
    demand(printed.printer.shown() == totals.flow_records + totals.options_records);
    demand(!probe::verdict_json(session.name(), session.checker()).empty());
    demand(!probe::verdict_table(session.name(), session.checker()).empty());

    // the same in one piece
    ipfix::MessageChecker checker({.kind = ipfix::SessionKind::stream}, nullptr);
    ipfix::MessageReader reader(checker);
    Octets rest = data;
    const ipfix::ReadVerdict verdict = reader.read_all(rest);
    if (verdict != ipfix::ReadVerdict::read) {
        demand(session.checker().findings().violations() > 0);
    }
    strict::Decoder strict(
        {.first_sequence_zero = false, .templates_may_change = true, .keep_records = false});
    if (strict.stream(data)) {
        demand(verdict == ipfix::ReadVerdict::read);
        demand(reader.records() == strict.data_records());
        demand(reader.records() == totals.flow_records + totals.options_records);
    }
}

void as_datagrams(Octets data) {
    Printed printed(probe::RecordPrinter::Form::table);
    probe::ReceivedSession session("udp", {.kind = ipfix::SessionKind::datagrams}, &printed.printer,
                                   {});
    std::uint64_t now = 1'700'000'000'000'000'000;
    while (!data.empty()) {
        const std::size_t length = std::min<std::size_t>(data.size() - 1, data[0]);
        session.datagram(data.subspan(1, length), length % 7 == 6 ? length : 0, now);
        data = data.subspan(1 + length);
        now += 100'000'000'000;
    }
    session.end();
    const ipfix::SessionTotals& totals = session.checker().totals();
    demand(printed.printer.shown() + printed.printer.others() ==
           totals.flow_records + totals.options_records);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    as_stream({data, size});
    as_datagrams({data, size});
    return 0;
}
