// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/text_form.hpp"

#include "encoder/ntp_time.hpp"
#include "tests/support/catch.hpp"

using namespace ipfix;
using Type = AbstractDataType;
using Octets = std::vector<std::uint8_t>;

namespace {

std::string text(Type type, const Octets& value) {
    std::string out;
    append_text(out, type, value);
    return out;
}

std::string json(Type type, const Octets& value) {
    std::string out;
    append_json_value(out, type, value);
    return out;
}

Octets number(std::uint64_t value, std::size_t octets = 8) {
    Octets out(octets);
    store_be(out.data(), value, octets);
    return out;
}

std::string ipv6(std::initializer_list<std::uint16_t> groups) {
    Octets value;
    for (const std::uint16_t group : groups) {
        value.push_back(static_cast<std::uint8_t>(group >> 8U));
        value.push_back(static_cast<std::uint8_t>(group));
    }
    return text(Type::ipv6Address, value);
}

std::string quoted(const std::string& value) {
    std::string out;
    append_json_string(out, value);
    return out;
}

// 2026-11-22T01:02:03 UTC
constexpr std::uint64_t kSecond = 1'795'309'323;

} // namespace

TEST_CASE("integers of any length are decimal", "[encoder][rfc7373]") {
    CHECK(text(Type::unsigned64, number(UINT64_MAX)) == "18446744073709551615");
    CHECK(text(Type::unsigned64, {1, 0, 0}) == "65536");
    CHECK(text(Type::unsigned8, {255}) == "255");
    CHECK(text(Type::signed64, {0xFF, 0xFE}) == "-2");
    CHECK(text(Type::signed32, {0x7F, 0xFF, 0xFF, 0xFF}) == "2147483647");
    CHECK(text(Type::signed8, {0x80}) == "-128");
    CHECK(json(Type::unsigned64, {1, 0, 0}) == "65536");
    CHECK(json(Type::signed16, {0xFF, 0xFF}) == "-1");
}

TEST_CASE("floats are the shortest text that reads back, and NaN is no JSON number",
          "[encoder][rfc7373]") {
    CHECK(text(Type::float32, {0x3F, 0xC0, 0, 0}) == "1.5");
    CHECK(text(Type::float64, {0x3F, 0xC0, 0, 0}) == "1.5");
    CHECK(text(Type::float32, {0x3D, 0xCC, 0xCC, 0xCD}) == "0.1");
    CHECK(json(Type::float64, {0x3F, 0xF8, 0, 0, 0, 0, 0, 0}) == "1.5");
    CHECK(json(Type::float32, {0x7F, 0xC0, 0, 0}) == "\"nan\"");
    CHECK(json(Type::float32, {0x7F, 0x80, 0, 0}) == "\"inf\"");
}

TEST_CASE("times are ISO 8601 in UTC with the decimals of their type", "[encoder][rfc7373]") {
    CHECK(text(Type::dateTimeSeconds, number(kSecond, 4)) == "2026-11-22T01:02:03");
    CHECK(text(Type::dateTimeMilliseconds, number(kSecond * 1000 + 456)) ==
          "2026-11-22T01:02:03.456");
    CHECK(text(Type::dateTimeMilliseconds, number(0)) == "1970-01-01T00:00:00.000");
    CHECK(text(Type::dateTimeSeconds, number(951'782'400, 4)) == "2000-02-29T00:00:00");
    CHECK(text(Type::dateTimeSeconds, number(4'107'542'399, 4)) == "2100-02-28T23:59:59");
    CHECK(text(Type::dateTimeSeconds, number(4'107'542'400, 4)) == "2100-03-01T00:00:00");
    CHECK(
        text(Type::dateTimeMicroseconds, number(ntp_from_unix_us(kSecond * 1'000'000 + 456'789))) ==
        "2026-11-22T01:02:03.456789");
    CHECK(text(Type::dateTimeNanoseconds,
               number(ntp_from_unix_ns(kSecond * 1'000'000'000 + 456'789'012))) ==
          "2026-11-22T01:02:03.456789012");
    CHECK(json(Type::dateTimeMilliseconds, number(kSecond * 1000)) ==
          "\"2026-11-22T01:02:03.000\"");
}

TEST_CASE("NTP times give back every microsecond and nanosecond, cut or rounded",
          "[encoder][rfc7011-6.1.9]") {
    // RFC 5905's prime epoch and the first second of Unix time.
    CHECK(ntp_from_unix_ns(0) == std::uint64_t{2'208'988'800} << 32U);
    const std::uint64_t second = kSecond * 1'000'000'000;
    for (std::uint64_t us = 0; us < 1'000'000; us += 7) {
        const std::uint64_t ntp = ntp_from_unix_us(kSecond * 1'000'000 + us);
        const std::uint64_t cut = ((ntp & 0xFFFFFFFF) * 1'000'000) >> 32U;
        if ((ntp & kNtpMicrosecondsIgnored) != 0 || cut != us) FAIL(us);
    }
    for (std::uint64_t ns = 0; ns < 1'000'000'000; ns += 10'007) {
        const std::uint64_t ntp = ntp_from_unix_ns(second + ns);
        const std::uint64_t cut = ((ntp & 0xFFFFFFFF) * 1'000'000'000) >> 32U;
        if (unix_ns_from_ntp(ntp) != second + ns || cut != ns) FAIL(ns);
    }
    // The era that begins on 2036-02-07T06:28:16.
    CHECK(unix_ns_from_ntp(ntp_from_unix_ns(2'085'978'496'000'000'000)) ==
          2'085'978'496'000'000'000);
    CHECK(text(Type::dateTimeNanoseconds, number(0)) == "2036-02-07T06:28:16.000000000");
}

TEST_CASE("addresses have their usual forms", "[encoder][rfc5952]") {
    CHECK(text(Type::ipv4Address, {192, 0, 2, 1}) == "192.0.2.1");
    CHECK(text(Type::ipv4Address, {0, 0, 0, 0}) == "0.0.0.0");
    CHECK(text(Type::macAddress, {0, 0x1b, 0xAB, 0, 0xff, 1}) == "00:1b:ab:00:ff:01");
    CHECK(ipv6({0, 0, 0, 0, 0, 0, 0, 0}) == "::");
    CHECK(ipv6({0, 0, 0, 0, 0, 0, 0, 1}) == "::1");
    CHECK(ipv6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}) == "2001:db8::1");
    CHECK(ipv6({0x2001, 0xdb8, 0, 1, 1, 1, 1, 1}) == "2001:db8:0:1:1:1:1:1");
    CHECK(ipv6({0x2001, 0, 0, 1, 0, 0, 0, 1}) == "2001:0:0:1::1");
    CHECK(ipv6({0x2001, 0xdb8, 0, 0, 1, 0, 0, 1}) == "2001:db8::1:0:0:1");
    CHECK(ipv6({0xfe80, 0, 0, 0, 0, 0, 0, 0}) == "fe80::");
    CHECK(ipv6({0, 0, 1, 2, 3, 4, 5, 6}) == "::1:2:3:4:5:6");
    CHECK(ipv6({1, 2, 3, 4, 5, 6, 7, 8}) == "1:2:3:4:5:6:7:8");
    CHECK(ipv6({0, 0, 0, 0, 0, 0xFFFF, 0xC000, 0x0201}) == "::ffff:192.0.2.1");
    CHECK(ipv6({0, 0, 0, 0, 0, 0xFFFF, 0, 1}) == "::ffff:0.0.0.1");
}

TEST_CASE("octets, booleans and odd lengths have a form too", "[encoder][rfc7373]") {
    CHECK(text(Type::octetArray, {0x0a, 0xff}) == "0x0aff");
    CHECK(text(Type::octetArray, {}) == "0x");
    CHECK(text(Type::boolean, {1}) == "true");
    CHECK(text(Type::boolean, {2}) == "false");
    CHECK(text(Type::unsigned256, Octets(32, 1)).size() == 66);
    CHECK(text(Type::ipv4Address, {1, 2, 3}) == "0x010203");
    CHECK(text(Type::unsigned8, {1, 2}) == "0x0102");
    CHECK(text(Type::dateTimeMilliseconds, {1, 2}) == "0x0102");
    CHECK(text(Type::unsigned32, {}) == "0x");
    CHECK(json(Type::unsigned32, {}) == "\"0x\"");
    CHECK(text(Type::string, {}).empty());
    CHECK(json(Type::string, {}) == "\"\"");
    CHECK(json(Type::unsigned256, {7}) == "7");
}

TEST_CASE("strings are escaped and what is not UTF-8 is replaced", "[encoder][json]") {
    CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
    CHECK(quoted(std::string("\0\n\x1f\x7f", 4)) == R"("\u0000\u000a\u001f\u007f")");
    CHECK(quoted("gr\xC3\xBC\xC3\x9F") == "\"gr\xC3\xBC\xC3\x9F\"");
    CHECK(quoted("a\xFF") == "\"a\xEF\xBF\xBD\"");
    CHECK(quoted("\xC3") == "\"\xEF\xBF\xBD\"");
    CHECK(quoted("\xC0\xAF") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CHECK(quoted("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST_CASE("a record is one JSON object in template order", "[encoder][json]") {
    const TemplateRecord record(256, "t",
                                {{find_element("sourceIPv4Address"), 4},
                                 {find_element("packetDeltaCount"), 2},
                                 {find_element("packetDeltaCount"), 1, true},
                                 {find_element("interfaceName"), kVariableLength},
                                 {find_element("flowStartMilliseconds"), 8}});
    Octets octets = {192, 0, 2, 1, 1, 0, 7, 4, 'e', 't', 'h', '0'};
    const Octets time = number(kSecond * 1000 + 1);
    octets.insert(octets.end(), time.begin(), time.end());
    std::string out = "x";
    append_json_record(out, record, octets);
    CHECK(out ==
          "x{\"sourceIPv4Address\":\"192.0.2.1\",\"packetDeltaCount\":256,"
          "\"reversePacketDeltaCount\":7,"
          "\"interfaceName\":\"eth0\",\"flowStartMilliseconds\":\"2026-11-22T01:02:03.001\"}");
    octets.resize(9);
    out.clear();
    append_json_record(out, record, octets);
    CHECK(out ==
          "{\"sourceIPv4Address\":\"192.0.2.1\",\"packetDeltaCount\":256,"
          "\"reversePacketDeltaCount\":7}");
}
