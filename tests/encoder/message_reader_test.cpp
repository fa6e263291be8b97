// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_reader.hpp"

#include <random>

#include "encoder/message_builder.hpp"
#include "tests/support/catch.hpp"

using namespace ipfix;
using Octets = std::vector<std::uint8_t>;

namespace {

struct Lines : RecordVisitor {
    void on_template(std::uint32_t domain, const ReadTemplate& described) override {
        templates.push_back(std::to_string(domain) + "/" + std::to_string(described.id));
    }
    void on_record(const ReadRecord& record) override {
        lines.emplace_back();
        append_json_record(lines.back(), record);
    }
    std::vector<std::string> templates;
    std::vector<std::string> lines;
};

struct Reading {
    Lines lines;
    MessageReader reader{lines};

    ReadVerdict read(const Octets& octets) {
        std::span<const std::uint8_t> rest(octets);
        return reader.read_all(rest);
    }
};

void append(Octets& out, std::span<const std::uint8_t> more) {
    out.insert(out.end(), more.begin(), more.end());
}

TemplateRecord described() {
    return {256,
            "t",
            {{find_element("protocolIdentifier"), 1},
             {find_element("octetDeltaCount"), 4, true},
             {find_element("interfaceName"), kVariableLength}}};
}

Octets stream_of_two() {
    MessageBuilder builder(7, 1400);
    CHECK(builder.append_template(described()) == AppendVerdict::appended);
    const Octets record = {6, 0, 0, 1, 0, 2, 'h', 'i'};
    CHECK(builder.append_data(256, record) == AppendVerdict::appended);
    Octets stream;
    append(stream, builder.finish(1000, 0));
    builder.reset();
    CHECK(builder.append_data(256, record) == AppendVerdict::appended);
    CHECK(builder.append_data(256, record) == AppendVerdict::appended);
    append(stream, builder.finish(1001, 1));
    return stream;
}

// A message with one Set.
Octets message(std::uint16_t set_id, const Octets& body, std::uint32_t sequence = 0) {
    Octets out(20);
    store_be<std::uint16_t>(out.data(), 10);
    store_be(out.data() + 2, static_cast<std::uint16_t>(20 + body.size()));
    store_be(out.data() + 8, sequence);
    store_be(out.data() + 16, set_id);
    store_be(out.data() + 18, static_cast<std::uint16_t>(4 + body.size()));
    append(out, body);
    return out;
}

} // namespace

TEST_CASE("the reader gives records under their elements' names", "[encoder][reader]") {
    Reading reading;
    CHECK(reading.read(stream_of_two()) == ReadVerdict::read);
    CHECK(reading.lines.templates == std::vector<std::string>{"7/256"});
    REQUIRE(reading.lines.lines.size() == 3);
    CHECK(reading.lines.lines[0] ==
          R"({"protocolIdentifier":6,"reverseOctetDeltaCount":256,"interfaceName":"hi"})");
    CHECK(reading.reader.messages() == 2);
    CHECK(reading.reader.records() == 3);
    CHECK(reading.reader.records_missing() == 0);
}

TEST_CASE("elements that nobody registered keep their number and octets", "[encoder][reader]") {
    Reading reading;
    const Octets describes = {1, 0, 0, 2, 0x80, 12, 0, 2, 0, 0, 0x7E, 0xD9, 0x7F, 0xFF, 0, 1};
    CHECK(reading.read(message(2, describes)) == ReadVerdict::read);
    CHECK(reading.read(message(256, {0xAB, 0xCD, 9})) == ReadVerdict::read);
    REQUIRE(reading.lines.lines.size() == 1);
    CHECK(reading.lines.lines[0] == R"({"e32473id12":"0xabcd","e0id32767":"0x09"})");
}

TEST_CASE("options templates are read like templates", "[encoder][reader][rfc7011-3.4.2]") {
    Reading reading;
    CHECK(reading.read(message(3, {1, 1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 41, 0, 8})) ==
          ReadVerdict::read);
    CHECK(reading.read(message(257, {0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 5})) == ReadVerdict::read);
    REQUIRE(reading.lines.lines.size() == 1);
    CHECK(reading.lines.lines[0] == R"({"observationDomainId":7,"exportedMessageTotalCount":5})");
}

TEST_CASE("a file cut anywhere gives all whole records before the cut", "[encoder][reader]") {
    const Octets whole = stream_of_two();
    for (std::size_t length = 1; length < whole.size(); ++length) {
        Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        cut.shrink_to_fit();
        Reading reading;
        const ReadVerdict verdict = reading.read(cut);
        const bool between = length == 16 + 4 + 20 + 4 + 8;
        INFO(length);
        CHECK(verdict == (between ? ReadVerdict::read : ReadVerdict::cut));
    }
}

TEST_CASE("every fault has its verdict", "[encoder][reader]") {
    const auto verdict_of = [](const Octets& octets) { return Reading().read(octets); };
    Octets other = message(2, {1, 0, 0, 1, 0, 4, 0, 1});
    other[1] = 9;
    CHECK(verdict_of(other) == ReadVerdict::not_ipfix);
    other[1] = 10;
    other[3] = 15;
    CHECK(verdict_of(other) == ReadVerdict::bad_length);
    other = message(2, {1, 0, 0, 1, 0, 4, 0, 1});
    other[19] = 3;
    CHECK(verdict_of(other) == ReadVerdict::bad_length);
    other[19] = 99;
    CHECK(verdict_of(other) == ReadVerdict::bad_length);
    CHECK(verdict_of(message(2, {0, 9, 0, 1, 0, 4, 0, 1})) == ReadVerdict::bad_template_id);
    CHECK(verdict_of(message(2, {1, 0, 0, 2, 0, 4, 0, 1})) == ReadVerdict::bad_template);
    CHECK(verdict_of(message(2, {1, 0, 0, 1, 0x80, 4, 0, 1})) == ReadVerdict::bad_template);
    CHECK(verdict_of(message(2, {1, 0, 0, 1, 0, 4, 0, 0})) == ReadVerdict::bad_template);
    CHECK(verdict_of(message(3, {1, 0, 0, 1, 0, 0, 0, 4, 0, 1})) == ReadVerdict::bad_scope);
    Reading reading;
    CHECK(reading.read(message(2, {1, 0, 0, 1, 0, 82, 0xFF, 0xFF})) == ReadVerdict::read);
    CHECK(reading.read(message(256, {9, 'x'})) == ReadVerdict::bad_record);
    for (int verdict = 0; verdict <= static_cast<int>(ReadVerdict::too_large); ++verdict) {
        CHECK_FALSE(std::string(verdict_text(static_cast<ReadVerdict>(verdict))).empty());
    }
}

TEST_CASE("data without a template, gaps and withdrawals are counted", "[encoder][reader]") {
    Reading reading;
    CHECK(reading.read(message(300, {1, 2, 3})) == ReadVerdict::read);
    CHECK(reading.reader.unknown_sets() == 1);
    CHECK(reading.read(message(2, {1, 0, 0, 1, 0, 4, 0, 1}, 10)) == ReadVerdict::read);
    CHECK(reading.reader.records_missing() == 0);
    CHECK(reading.read(message(256, {6, 17}, 14)) == ReadVerdict::read);
    CHECK(reading.reader.records_missing() == 4);
    CHECK(reading.read(message(2, {1, 0, 0, 0}, 16)) == ReadVerdict::read);
    CHECK(reading.read(message(256, {6}, 16)) == ReadVerdict::read);
    CHECK(reading.reader.unknown_sets() == 2);
    CHECK(reading.read(message(2, {1, 0, 0, 1, 0, 4, 0, 1}, 17)) == ReadVerdict::read);
    CHECK(reading.read(message(2, {0, 2, 0, 0}, 17)) == ReadVerdict::read);
    CHECK(reading.read(message(256, {6}, 17)) == ReadVerdict::read);
    CHECK(reading.reader.unknown_sets() == 3);
    CHECK(reading.reader.records() == 2);
}

TEST_CASE("octets that were changed at random are read without harm",
          "[encoder][reader][property]") {
    const Octets whole = stream_of_two();
    std::mt19937_64 random(20261122);
    for (int round = 0; round < 20'000; ++round) {
        Octets broken = whole;
        const auto changes = 1 + random() % 6;
        for (std::uint64_t i = 0; i < changes; ++i) {
            broken[random() % broken.size()] = static_cast<std::uint8_t>(random());
        }
        Reading reading;
        std::span<const std::uint8_t> rest(broken);
        const std::size_t before = rest.size();
        const ReadVerdict verdict = reading.reader.read_all(rest);
        if ((verdict == ReadVerdict::read) != rest.empty() || rest.size() > before) FAIL(round);
    }
}
