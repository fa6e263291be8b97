// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_builder.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "encoder/template_description.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/strict_decoder.hpp"

using namespace ipfix;
using Octets = std::vector<std::uint8_t>;

namespace {

Octets from_hex(const std::string& text) {
    Octets octets;
    std::string digits;
    for (const char c : text) {
        if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
        if (digits.size() < 2) continue;
        octets.push_back(static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16)));
        digits.clear();
    }
    return octets;
}

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

TemplateRecord small_template(std::uint16_t id = 256) {
    return {id, "small", {{find_element("protocolIdentifier"), 1}, {find_element("vlanId"), 2}}};
}

Octets message_of(MessageBuilder& builder, std::uint32_t sequence = 0) {
    const auto octets = builder.finish(1'000'000'000, sequence);
    return {octets.begin(), octets.end()};
}

} // namespace

TEST_CASE("the 64-octet example message comes out exactly", "[encoder][golden][rfc7011-3]") {
    const std::string golden = std::string(PARSHALL_SOURCE_ROOT) + "/tests/golden/";
    const auto descriptions = load_template_descriptions(golden + "wikipedia_template.yaml");
    REQUIRE(descriptions.size() == 1);
    const TemplateRecord record = make_template_record(descriptions.front());
    MessageBuilder builder(12'345'678, 1400);
    REQUIRE(builder.append_template(record) == AppendVerdict::appended);
    const Octets first = from_hex("c0a800c9 c0a80001 000000eb");
    const Octets second = from_hex("c0a800ca c0a80001 0000002a");
    REQUIRE(builder.append_data(256, first) == AppendVerdict::appended);
    REQUIRE(builder.append_data(256, second) == AppendVerdict::appended);
    const auto message = builder.finish(1'136'073'600, 0);
    const Octets expected = from_hex(read_text(golden + "wikipedia_message.hex"));
    REQUIRE(expected.size() == 64);
    CHECK(Octets(message.begin(), message.end()) == expected);
    CHECK(builder.data_records() == 2);

    strict::Decoder decoder;
    CHECK(decoder.message(message));
    CHECK(decoder.records().at(0).address(8) == "192.168.0.201");
    CHECK(decoder.records().at(1).number(2) == 42);
}

TEST_CASE("a template's octets, offsets and lengths follow from its fields",
          "[encoder][rfc7011-3.4.1]") {
    const TemplateRecord record(300, "biflow",
                                {{find_element("sourceIPv4Address"), 4, false, true},
                                 {find_element("packetDeltaCount"), 8},
                                 {find_element("packetDeltaCount"), 4, true},
                                 {find_element("dnsQName"), kVariableLength},
                                 {find_element("flowEndReason"), 1}});
    CHECK(
        Octets(record.octets().begin(), record.octets().end()) ==
        from_hex("012c 0005 0008 0004 0002 0008 8002 0004 00007279 80b3 ffff 00001ad7 0088 0001"));
    CHECK(record.offset(0) == 0);
    CHECK(record.offset(1) == 4);
    CHECK(record.offset(2) == 12);
    CHECK(record.offset(3) == 16);
    CHECK_FALSE(record.fixed_length());
    CHECK(record.record_octets() == 18);
    CHECK(record.key_count() == 1);
    CHECK(record.fields()[2].name() == "reversePacketDeltaCount");
    CHECK(small_template().fixed_length());
    CHECK(small_template().record_octets() == 3);
}

TEST_CASE("templates that RFC 7011 does not allow are refused", "[encoder][rfc7011-3.4.1]") {
    const auto* proto = find_element("protocolIdentifier");
    const auto* text = find_element("interfaceName");
    using Fields = std::vector<FieldSpecifier>;
    CHECK_THROWS_AS(TemplateRecord(255, "x", Fields{{proto, 1}}), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{}), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{proto, 1}}, 2), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{proto, 2}}), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{proto, 0}}), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{nullptr, 1}}), std::invalid_argument);
    CHECK_NOTHROW(TemplateRecord(256, "x", Fields{{text, 65515}}));
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{text, 65515}, {proto, 1}}),
                    std::invalid_argument);
}

TEST_CASE("sets never mix kinds and open and close by themselves", "[encoder][rfc7011-3.3]") {
    MessageBuilder builder(1, 1400);
    CHECK(builder.empty());
    const Octets record = {6, 0, 1};
    REQUIRE(builder.append_template(small_template(256)) == AppendVerdict::appended);
    REQUIRE(builder.append_template(small_template(257)) == AppendVerdict::appended);
    REQUIRE(builder.append_data(256, record) == AppendVerdict::appended);
    REQUIRE(builder.append_data(257, record) == AppendVerdict::appended);
    REQUIRE(builder.append_data(257, record) == AppendVerdict::appended);
    REQUIRE(builder.append_template(small_template(256)) == AppendVerdict::appended);
    REQUIRE(builder.append_data(256, record) == AppendVerdict::appended);
    CHECK_FALSE(builder.empty());
    const Octets message = message_of(builder);
    const std::string one = "0100 0002 0004 0001 003a 0002";
    const std::string two = "0101 0002 0004 0001 003a 0002";
    CHECK(message ==
          from_hex("000a 0054 3b9aca00 00000000 00000001 0002 001c" + one + two +
                   "0100 0007 060001 0101 000a 060001060001 0002 0010" + one + "0100 0007 060001"));
    CHECK(builder.data_records() == 4);
    strict::Decoder decoder;
    CHECK(decoder.message(message));
    CHECK(decoder.complaint().empty());
    CHECK(decoder.data_records() == 4);
}

TEST_CASE("a message is full to the octet and not one octet later", "[encoder][limits]") {
    const Octets record = {6, 0, 1};
    const auto octets_max = static_cast<std::uint16_t>(16 + 4 + 3 * 10);
    MessageBuilder builder(1, octets_max);
    for (int i = 0; i < 10; ++i)
        REQUIRE(builder.append_data(256, record) == AppendVerdict::appended);
    CHECK(builder.append_data(256, record) == AppendVerdict::message_full);
    CHECK(builder.append_data(257, record) == AppendVerdict::message_full);
    CHECK(builder.octets() == octets_max);
    CHECK(message_of(builder).size() == octets_max);
    CHECK(builder.data_records() == 10);

    builder.reset();
    CHECK(builder.empty());
    CHECK(builder.data_records() == 0);
    CHECK(builder.append_data(256, Octets(31)) == AppendVerdict::record_too_large);
    CHECK(builder.append_data(256, Octets(30)) == AppendVerdict::appended);
    CHECK(builder.append_data(256, Octets(31)) == AppendVerdict::record_too_large);
    CHECK(builder.octets() == octets_max);
}

TEST_CASE("a smaller path MTU holds from the next record on", "[encoder][limits]") {
    MessageBuilder builder(1, 1000);
    REQUIRE(builder.append_data(256, Octets(500)) == AppendVerdict::appended);
    builder.limit(512);
    CHECK(builder.append_data(256, Octets(10)) == AppendVerdict::message_full);
    CHECK(builder.append_data(256, Octets(500)) == AppendVerdict::record_too_large);
    builder.reset();
    CHECK(builder.append_data(256, Octets(492)) == AppendVerdict::appended);
    CHECK(builder.append_data(256, Octets(1)) == AppendVerdict::message_full);
    builder.limit(9000);
    CHECK(builder.message_octets_max() == 1000);
}

TEST_CASE("the largest message has 65535 octets", "[encoder][limits]") {
    MessageBuilder builder(1, 65535);
    REQUIRE(builder.append_data(256, Octets(65515)) == AppendVerdict::appended);
    const Octets message = message_of(builder);
    CHECK(message.size() == 65535);
    CHECK(message[2] == 0xFF);
    CHECK(message[3] == 0xFF);
}

namespace {

struct SetSeen {
    std::uint16_t id;
    std::size_t octets;
    bool operator==(const SetSeen&) const = default;
};

std::vector<SetSeen> sets_of(const Octets& message) {
    std::vector<SetSeen> sets;
    for (std::size_t at = kMessageHeaderOctets; at < message.size(); at += sets.back().octets) {
        sets.push_back({load_be<std::uint16_t>(message.data() + at),
                        load_be<std::uint16_t>(message.data() + at + kSetLengthOffset)});
    }
    return sets;
}

/// A record of 5 octets, and one of at least 2.
TemplateRecord fixed_template() {
    return {
        256, "f", {{find_element("protocolIdentifier"), 1}, {find_element("ingressInterface"), 4}}};
}
TemplateRecord variable_template() {
    return {257,
            "v",
            {{find_element("protocolIdentifier"), 1},
             {find_element("interfaceName"), kVariableLength}}};
}

} // namespace

TEST_CASE("padding fills Sets up to a boundary with zeros", "[encoder][padding][rfc7011-3.3.1]") {
    MessageBuilder builder(1, 1400, 4);
    REQUIRE(builder.append_data(fixed_template(), Octets(5, 7)) == AppendVerdict::appended);
    CHECK(builder.octets() == 16 + 4 + 5 + 3);
    const Octets once = message_of(builder);
    CHECK(sets_of(once) == std::vector<SetSeen>{{256, 12}});
    CHECK(Octets(once.end() - 3, once.end()) == Octets(3, 0));
    // More may follow a finish(): the padding moves to the end.
    REQUIRE(builder.append_data(fixed_template(), Octets(5, 9)) == AppendVerdict::appended);
    REQUIRE(builder.append_template(fixed_template()) == AppendVerdict::appended);
    const Octets message = message_of(builder);
    CHECK(sets_of(message) == std::vector<SetSeen>{{256, 16}, {2, 16}});
    CHECK(message[24] == 7);
    CHECK(message[25] == 9);
    CHECK(message.size() % 4 == 0);
}

TEST_CASE("padding is shorter than any record its Set may hold",
          "[encoder][padding][rfc7011-3.3.1]") {
    MessageBuilder builder(1, 1400, 4);
    SECTION("a record of two octets: one octet of padding, but not two") {
        REQUIRE(builder.append_data(variable_template(), Octets{1, 2, 65, 66, 1, 2, 65}) ==
                AppendVerdict::appended);
        CHECK(sets_of(message_of(builder)) == std::vector<SetSeen>{{257, 12}});
        builder.reset();
        REQUIRE(builder.append_data(variable_template(), Octets(6)) == AppendVerdict::appended);
        CHECK(sets_of(message_of(builder)) == std::vector<SetSeen>{{257, 10}});
    }
    SECTION("where a single octet is a record, there is none") {
        REQUIRE(builder.append_data(300, Octets(7)) == AppendVerdict::appended);
        CHECK(sets_of(message_of(builder)) == std::vector<SetSeen>{{300, 11}});
    }
    SECTION(
        "a Template Set of 8-octet boundaries has at most three octets: withdrawals have four") {
        MessageBuilder eight(1, 1400, 8);
        REQUIRE(eight.append_template(fixed_template()) == AppendVerdict::appended);
        CHECK(sets_of(message_of(eight)) == std::vector<SetSeen>{{2, 16}});
        REQUIRE(eight.append_template(small_template(300)) == AppendVerdict::appended);
        CHECK(sets_of(message_of(eight)) == std::vector<SetSeen>{{2, 28}});
    }
}

TEST_CASE("a padded message never outgrows its size", "[encoder][padding]") {
    for (std::uint16_t octets_max = 40; octets_max < 80; ++octets_max) {
        MessageBuilder builder(1, octets_max, 4);
        std::size_t records = 0;
        while (builder.append_data(fixed_template(), Octets(5)) == AppendVerdict::appended)
            ++records;
        const std::size_t fit = (octets_max / 4 * 4 - 20) / 5;
        CHECK(records == fit);
        CHECK(message_of(builder).size() <= octets_max);
        CHECK(builder.append_data(small_template(300), Octets(octets_max)) ==
              AppendVerdict::record_too_large);
    }
}

TEST_CASE("a withdrawal is an id and no fields, in a Set of its template's kind",
          "[encoder][rfc7011-8.1]") {
    MessageBuilder builder(1, 1400);
    REQUIRE(builder.append_withdrawal(fixed_template()) == AppendVerdict::appended);
    const Octets alone = message_of(builder);
    CHECK(Octets(alone.begin() + 16, alone.end()) == Octets{0, 2, 0, 8, 1, 0, 0, 0});
    CHECK(builder.data_records() == 0);
    const ipfix::TemplateRecord options(
        400, "o", {{ipfix::find_element("templateId"), 2}, {ipfix::find_element("flowId"), 8}}, 1);
    REQUIRE(builder.append_withdrawal(options) == AppendVerdict::appended);
    CHECK(sets_of(message_of(builder)) == std::vector<SetSeen>{{2, 8}, {3, 8}});
}
