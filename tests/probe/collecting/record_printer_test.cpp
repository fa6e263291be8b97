// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/record_printer.hpp"

#include <algorithm>

#include "tests/support/catch.hpp"

using namespace probe;
using Octets = std::vector<std::uint8_t>;
using Form = RecordPrinter::Form;

namespace {

struct Printed {
    explicit Printed(Form form)
        : printer(form, 0, [this](std::string& line) { text += line; }), reader(printer) {}
    void read(const Octets& octets) {
        std::span<const std::uint8_t> rest(octets);
        REQUIRE(reader.read_all(rest) == ipfix::ReadVerdict::read);
    }
    [[nodiscard]] long lines() const { return std::count(text.begin(), text.end(), '\n'); }
    std::string text;
    RecordPrinter printer;
    ipfix::MessageReader reader;
};

Octets message(std::vector<Octets> sets) {
    Octets out = {0, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    for (const Octets& set : sets)
        out.insert(out.end(), set.begin(), set.end());
    out[3] = static_cast<std::uint8_t>(out.size());
    return out;
}

const Octets kAddresses = {0, 2, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4};
const Octets kAddress = {1, 0, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2};
const Octets kPackets = {0, 2, 0, 16, 1, 1, 0, 2, 0, 8, 0, 4, 0, 2, 0, 4};
const Octets kPacket = {1, 1, 0, 12, 192, 0, 2, 9, 0, 0, 0, 5};
const Octets kOptions = {0, 3, 0, 18, 1, 2, 0, 2, 0, 1, 0, 149, 0, 4, 0, 41, 0, 8};
const Octets kOption = {1, 2, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7};

} // namespace

TEST_CASE("JSON Lines have every record, of options too", "[collecting]") {
    Printed printed(Form::json);
    printed.read(message({kAddresses, kAddress, kOptions, kOption}));
    CHECK(printed.text ==
          "{\"sourceIPv4Address\":\"192.0.2.1\",\"destinationIPv4Address\":\"192.0.2.2\"}\n"
          "{\"observationDomainId\":1,\"exportedMessageTotalCount\":7}\n");
    CHECK(printed.printer.shown() == 2);
}

TEST_CASE("a table begins anew when a template brings other columns", "[collecting]") {
    Printed printed(Form::table);
    printed.read(message({kAddresses, kAddress, kAddress}));
    CHECK(printed.lines() == 3); // with a heading
    printed.read(message({kAddresses, kAddress}));
    CHECK(printed.lines() == 4); // the same template again is none
    printed.read(message({kPackets, kPacket, kAddress, kOptions, kOption}));
    CHECK(printed.lines() == 7);
    CHECK(printed.text.find("192.0.2.9") != std::string::npos);
    CHECK(printed.printer.shown() == 5);
    CHECK(printed.printer.others() == 1);
}

TEST_CASE("a first pass over a file chooses the columns of all of it", "[collecting]") {
    const Octets file = message({kAddresses, kAddress, kPackets, kPacket});
    Printed printed(Form::table);
    printed.printer.set_printing(false);
    printed.read(file);
    CHECK(printed.text.empty());
    printed.printer.set_printing(true);
    std::span<const std::uint8_t> rest(file);
    ipfix::MessageReader second(printed.printer);
    REQUIRE(second.read_all(rest) == ipfix::ReadVerdict::read);
    CHECK(printed.lines() == 3);
}
