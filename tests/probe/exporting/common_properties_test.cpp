// SPDX-License-Identifier: BSD-3-Clause
// Common properties (RFC 5473): the table, and how a session tells them.
#include "probe/exporting/common_properties.hpp"

#include <set>

#include "probe/exporting/options_records.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::CommonProperties;
using probe::kNsPerSecond;
using probe::SendVerdict;

namespace {

constexpr probe::SipKey kKey{1, 2};
constexpr std::uint16_t kCommonPropertiesId = 137;
constexpr std::uint16_t kProtocol = 4;

ipfix::TemplateRecord protocol_by_id(std::uint16_t id) {
    return {id,
            "t.common",
            {{ipfix::find_element("commonPropertiesId"), probe::kCommonPropertiesIdOctets},
             {ipfix::find_element("protocolIdentifier"), 1}},
            1};
}

CommonProperties table(std::size_t sets = 100, std::size_t octets = 1000) {
    CommonProperties common(kKey, {.sets = sets, .octets = octets});
    common.add_template(protocol_by_id(300));
    return common;
}

std::uint16_t id_of(CommonProperties& common, const Octets& values) {
    return common.id_of(0, values);
}

/// A session with a table of its own.
struct CommonBench {
    explicit CommonBench(probe::ExportOptions options = one_copy())
        : bench(options, 0, nullptr, collector_named("test"), &common) {}
    /// A flow record of a protocol that is told apart.
    void append(std::uint8_t protocol) {
        last = id_of(common, {protocol});
        bench.append(last);
    }
    /// Every flow record's id, here its number, was told before it in its session.
    void check(const strict::Decoder& decoder) const {
        std::set<std::uint64_t> told;
        for (const strict::Record& record : decoder.records()) {
            if (record.options) {
                told.insert(record.number(kCommonPropertiesId));
                CHECK(record.octets(0, kProtocol).size() == 1);
            } else {
                CHECK(told.contains(record.number(2)));
            }
        }
    }
    CommonProperties common = table();
    Bench bench;
    std::uint16_t last = 0;
};

std::size_t told(const strict::Decoder& decoder) {
    std::size_t records = 0;
    for (const strict::Record& record : decoder.records())
        records += record.options ? 1 : 0;
    return records;
}

} // namespace

TEST_CASE("the same values have the same id, of each template its own", "[exporting][rfc5473]") {
    CommonProperties common = table();
    common.add_template(protocol_by_id(301));
    CHECK(common.id_of(0, Octets{6}) == 1);
    CHECK(common.id_of(0, Octets{17}) == 2);
    CHECK(common.id_of(1, Octets{6}) == 3);
    CHECK(common.id_of(0, Octets{6}) == 1);
    CHECK(common.id_of(0, Octets{6, 0}) == 4);
    REQUIRE(common.count() == 4);
    CHECK(common.record(2).template_index == 1);
    const probe::Bytes second = common.record(1).octets;
    CHECK(Octets(second.begin(), second.end()) == Octets{0, 2, 17});
}

TEST_CASE("a full table gives no more ids and keeps those it gave", "[exporting][rfc5473]") {
    CommonProperties sets = table(3);
    for (std::uint8_t n = 1; n <= 3; ++n)
        CHECK(id_of(sets, {n}) == n);
    CHECK(id_of(sets, {4}) == 0);
    CHECK(id_of(sets, {2}) == 2);
    CommonProperties octets = table(100, 10);
    CHECK(id_of(octets, {1, 2, 3}) == 1);
    CHECK(id_of(octets, {1, 2, 3, 4}) == 0); // 6 more
    CHECK(id_of(octets, {1, 2, 4}) == 2);
    CHECK(id_of(octets, {1}) == 0);
    CommonProperties wide = table(10, 10'000);
    CHECK(id_of(wide, Octets(512, 1)) == 1);
    CHECK(id_of(wide, Octets(513, 1)) == 0);
}

TEST_CASE("ten thousand sets keep their ids", "[exporting][rfc5473]") {
    CommonProperties common = table(10'000, 1'000'000);
    const auto values = [](std::uint32_t n) {
        return Octets{static_cast<std::uint8_t>(n >> 16U), static_cast<std::uint8_t>(n >> 8U),
                      static_cast<std::uint8_t>(n)};
    };
    for (const int turn : {0, 1}) {
        bool right = true;
        for (std::uint32_t n = 0; n < 10'000; ++n)
            right = right && id_of(common, values(n)) == n + 1;
        INFO(turn);
        CHECK(right);
    }
}

TEST_CASE("properties are told before the records that refer to them, once",
          "[exporting][rfc5473]") {
    CommonBench tcp;
    tcp.bench.wire->is_reliable = true;
    tcp.append(6);
    tcp.append(17);
    tcp.append(6);
    tcp.bench.step(kNsPerSecond);
    tcp.append(17);
    tcp.append(1);
    tcp.bench.step(kNsPerSecond);
    const strict::Decoder decoder = tcp.bench.decode();
    tcp.check(decoder);
    CHECK(told(decoder) == 3);
    CHECK(decoder.records().size() == 3 + 5);
    CHECK(tcp.bench.session.ledger().options_sent == 3);
    CHECK(tcp.bench.session.ledger().sent.records == 5);
}

TEST_CASE("a new session is told all properties again, before its first record",
          "[exporting][rfc5473]") {
    CommonBench tcp;
    tcp.bench.wire->is_reliable = true;
    tcp.append(6);
    tcp.append(17);
    tcp.bench.step(kNsPerSecond);
    tcp.bench.wire->messages.clear();
    tcp.bench.wire->sessions = 2;
    tcp.append(17);
    tcp.bench.step(kNsPerSecond);
    const strict::Decoder decoder = tcp.bench.decode();
    tcp.check(decoder);
    CHECK(told(decoder) == 2);
}

TEST_CASE("over UDP properties come again with the templates", "[exporting][rfc5473]") {
    probe::ExportOptions options = one_copy();
    options.template_refresh = 10 * kNsPerSecond;
    CommonBench udp(options);
    udp.append(6);
    udp.append(17);
    udp.bench.step(kNsPerSecond);
    CHECK(told(udp.bench.decode()) == 2);
    udp.append(6);
    udp.bench.step(kNsPerSecond);
    CHECK(told(udp.bench.decode()) == 2);
    udp.append(6);
    udp.bench.step(10 * kNsPerSecond);
    const strict::Decoder decoder = udp.bench.decode();
    udp.check(decoder);
    CHECK(told(decoder) == 4);
}

TEST_CASE("what a refused message told is told again", "[exporting][rfc5473]") {
    CommonBench udp;
    udp.bench.step(); // templates
    udp.bench.wire->answers = {SendVerdict::transient_error};
    udp.append(6);
    udp.bench.step(kNsPerSecond);
    for (int i = 0; i < 5; ++i)
        udp.bench.step(kNsPerSecond);
    const strict::Decoder decoder = udp.bench.decode();
    udp.check(decoder);
    CHECK(decoder.records().size() - told(decoder) == 1);
}

TEST_CASE("more properties than a message holds take several, and records wait for them",
          "[exporting][rfc5473]") {
    CommonBench tcp;
    tcp.bench.wire->is_reliable = true;
    tcp.bench.wire->octets_max = 100;
    for (std::uint8_t protocol = 0; protocol < 80; ++protocol)
        tcp.append(protocol);
    for (int i = 0; i < 20; ++i)
        tcp.bench.step(kNsPerSecond);
    const strict::Decoder decoder = tcp.bench.decode();
    tcp.check(decoder);
    CHECK(told(decoder) == 80);
    CHECK(decoder.records().size() == 160);
}

TEST_CASE("only a session that can tell them takes records without their properties",
          "[exporting][rfc5473]") {
    CommonBench with;
    CHECK_FALSE(with.bench.session.wants_whole_records());
    const Bench without;
    CHECK(without.session.wants_whole_records());
}
