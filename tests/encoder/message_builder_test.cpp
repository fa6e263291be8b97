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
    return {id, "small", {{find_element("protocolIdentifier"), 1}, {find_element("vlanId"), 2}}, 1};
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
                                {{find_element("sourceIPv4Address"), 4},
                                 {find_element("packetDeltaCount"), 8},
                                 {find_element("packetDeltaCount"), 4, true},
                                 {find_element("dnsQName"), kVariableLength},
                                 {find_element("flowEndReason"), 1}},
                                1);
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
    CHECK_THROWS_AS(TemplateRecord(255, "x", Fields{{proto, 1}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{}, 0), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{proto, 1}}, 2), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{proto, 2}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{proto, 0}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{nullptr, 1}}, 0), std::invalid_argument);
    CHECK_NOTHROW(TemplateRecord(256, "x", Fields{{text, 65515}}, 0));
    CHECK_THROWS_AS(TemplateRecord(256, "x", Fields{{text, 65515}, {proto, 1}}, 0),
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
