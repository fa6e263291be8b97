// SPDX-License-Identifier: BSD-3-Clause
// The judge is judged: every rule of the strict decoder is broken once and must be named.
#include "tests/support/strict_decoder.hpp"

#include <algorithm>

#include "tests/support/catch.hpp"

using Octets = std::vector<std::uint8_t>;

namespace {

void put(Octets& out, std::uint64_t value, std::size_t octets) {
    for (std::size_t i = octets; i > 0; --i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
    }
}

Octets set(std::uint16_t id, const Octets& body) {
    Octets out;
    put(out, id, 2);
    put(out, body.size() + 4, 2);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

struct Message {
    std::uint32_t sequence = 0;
    std::uint32_t time = 1000;
    std::uint32_t domain = 7;

    [[nodiscard]] Octets with(const std::vector<Octets>& sets) const {
        Octets out;
        std::size_t length = 16;
        for (const Octets& one : sets)
            length += one.size();
        put(out, 10, 2);
        put(out, length, 2);
        put(out, time, 4);
        put(out, sequence, 4);
        put(out, domain, 4);
        for (const Octets& one : sets)
            out.insert(out.end(), one.begin(), one.end());
        return out;
    }
};

// protocolIdentifier in 1 octet, vlanId in 2.
const Octets kTemplate = set(2, {1, 0, 0, 2, 0, 4, 0, 1, 0, 58, 0, 2});
const Octets kData = set(256, {6, 0, 9});

bool complains(const strict::Decoder& decoder, const std::string& about) {
    INFO(decoder.complaint());
    const auto& all = decoder.violations();
    const bool found = std::any_of(all.begin(), all.end(), [&](const std::string& violation) {
        return violation.find(about) != std::string::npos;
    });
    CHECK(found);
    return found;
}

// One message with these Sets after a good one with the template.
void expect(const std::vector<Octets>& sets, const std::string& about) {
    strict::Decoder decoder;
    REQUIRE(decoder.message(Message{}.with({kTemplate})));
    CHECK_FALSE(decoder.message(Message{}.with(sets)));
    complains(decoder, about);
}

void expect_bytes(const Octets& message, const std::string& about) {
    strict::Decoder decoder;
    CHECK_FALSE(decoder.message(message));
    complains(decoder, about);
}

} // namespace

TEST_CASE("the strict decoder reads good messages without complaint", "[support]") {
    strict::Decoder decoder;
    CHECK(decoder.message(Message{}.with({kTemplate, kData})));
    CHECK(decoder.message(
        Message{1, 1001}.with({kData, kTemplate, set(256, {17, 0, 1, 6, 0, 2, 0, 0})})));
    CHECK(decoder.message(Message{4, 1001}.with({kData})));
    CHECK(decoder.message(Message{0, 5, 8}.with({kTemplate, kData})));
    CHECK(decoder.complaint().empty());
    REQUIRE(decoder.records().size() == 6);
    CHECK(decoder.records()[2].number(4) == 17);
    CHECK(decoder.records()[3].number(58) == 2);
    CHECK(decoder.records()[5].domain == 8);
    CHECK(decoder.records()[0].number_or(0, 99, 5) == 5);
    CHECK_THROWS_AS(decoder.records()[0].number(99), std::out_of_range);
    CHECK(decoder.messages() == 4);
    CHECK(decoder.records_missing() == 0);
    REQUIRE(decoder.find_template(7, 256) != nullptr);
    CHECK(decoder.find_template(7, 256)->fields.size() == 2);
}

TEST_CASE("the strict decoder reads variable lengths and enterprise elements",
          "[support][rfc7011-7]") {
    strict::Decoder decoder;
    const Octets described =
        set(2, {1, 0, 0, 2, 0, 82, 0xFF, 0xFF, 0x80, 2, 0, 8, 0, 0, 0x72, 0x79});
    Octets body = {2, 'h', 'i', 0, 0, 0, 0, 0, 0, 1, 0, 255, 1, 0};
    body.insert(body.end(), 256, 'x');
    body.insert(body.end(), {0, 0, 0, 0, 0, 0, 0, 7});
    CHECK(decoder.message(Message{}.with({described, set(256, body)})));
    INFO(decoder.complaint());
    REQUIRE(decoder.records().size() == 2);
    CHECK(decoder.records()[0].text(0, 82) == "hi");
    CHECK(decoder.records()[0].reverse(2) == 256);
    CHECK(decoder.records()[1].octets(0, 82).size() == 256);
    CHECK(decoder.records()[1].reverse(2) == 7);
}

TEST_CASE("the strict decoder names what is wrong with a message header",
          "[support][rfc7011-3.1]") {
    expect_bytes(Octets(15), "shorter than a Message Header");
    Octets message = Message{}.with({kTemplate});
    message[1] = 9;
    expect_bytes(message, "version is 9");
    message = Message{}.with({kTemplate});
    message[3] = 99;
    expect_bytes(message, "Length says 99");
    expect_bytes(Message{}.with({}), "holds no Set");
    expect_bytes(Message{5}.with({kTemplate}), "starts at sequence number 5");
    strict::Decoder small(strict::Rules{.message_octets_max = 20});
    CHECK_FALSE(small.message(Message{}.with({kTemplate})));
    complains(small, "more than the 20");
}

TEST_CASE("the strict decoder follows sequence numbers and export times per domain",
          "[support][rfc7011-3.1]") {
    strict::Decoder decoder;
    CHECK(decoder.message(Message{0, 1000}.with({kTemplate, kData})));
    CHECK_FALSE(decoder.message(Message{3, 1000}.with({kData})));
    complains(decoder, "sequence number is 3, expected 1");
    CHECK(decoder.records_missing() == 2);
    CHECK(decoder.message(Message{4, 1000}.with({kData})));
    CHECK_FALSE(decoder.message(Message{5, 999}.with({kData})));
    complains(decoder, "goes back from 1000 to 999");
    strict::Decoder lossy(strict::Rules{.sequence = false});
    CHECK(lossy.message(Message{10}.with({kTemplate, kData})));
    CHECK(lossy.message(Message{21}.with({kData})));
    CHECK(lossy.records_missing() == 20);
}

TEST_CASE("the strict decoder names what is wrong with a set", "[support][rfc7011-3.3]") {
    expect({{1, 0}}, "octets after the last Set");
    expect({{1, 0, 0, 3}}, "has length 3");
    expect({{1, 0, 0, 99}}, "has length 99");
    expect({set(256, {})}, "Set 256 is empty");
    expect({set(2, {})}, "Set 2 is empty");
    expect({set(100, {1})}, "Set ID 100 is reserved");
    expect({set(300, {1, 2, 3})}, "template 300 before the template");
    expect({set(256, {1})}, "with no record");
    expect({set(256, {6, 0, 9, 1})}, "padding that is not zero");
    // Four octets of zero are no padding where a withdrawal fits.
    expect({set(2, {1, 1, 0, 1, 0, 4, 0, 1, 0, 0, 0, 0})}, "withdrawal of template 0");
}

TEST_CASE("the strict decoder names what is wrong with a template", "[support][rfc7011-3.4]") {
    expect({set(2, {0, 255, 0, 1, 0, 4, 0, 1})}, "id below 256");
    expect({set(2, {1, 1, 0, 2, 0, 4, 0, 1})}, "is cut in field 2");
    expect({set(2, {1, 1, 0, 1, 0x80, 4, 0, 1})}, "is cut in field 1");
    expect({set(2, {1, 1, 0, 1, 0x80, 4, 0, 1, 0, 0, 0, 0})}, "enterprise bit for 0");
    expect({set(2, {1, 1, 0, 1, 0, 0, 0, 1})}, "numbered 0");
    expect({set(2, {1, 1, 0, 1, 0, 8, 0, 5})}, "gives element 0/8 5 octets");
    expect({set(2, {1, 1, 0, 1, 0x80, 2, 0, 9, 0, 0, 0x72, 0x79})},
           "gives element 29305/2 9 octets");
    expect({set(2, {1, 1, 0, 1, 0, 4, 0, 0})}, "gives element 0/4 0 octets");
    expect({set(2, {1, 0, 0, 1, 0, 4, 0, 1})}, "defined again with another content");
    expect({set(3, {1, 1, 0, 1, 0, 0, 0, 4, 0, 1})}, "0 scope fields");
    expect({set(2, {1, 1, 0, 0})}, "which nobody defined");
    expect({set(2, {0, 1, 2})}, "without a Template Record");
    strict::Decoder udp(strict::Rules{.withdrawals = false});
    CHECK(udp.message(Message{}.with({kTemplate})));
    CHECK_FALSE(udp.message(Message{}.with({set(2, {1, 0, 0, 0})})));
    complains(udp, "over a transport that has none");
}

TEST_CASE("the strict decoder names a record that is cut", "[support][rfc7011-7]") {
    strict::Decoder decoder;
    REQUIRE(decoder.message(Message{}.with({set(2, {1, 0, 0, 1, 0, 82, 0xFF, 0xFF})})));
    CHECK_FALSE(decoder.message(Message{}.with({set(256, {5, 'a', 'b'})})));
    complains(decoder, "is cut in element 0/82");
}

TEST_CASE("the strict decoder takes streams apart and forgets templates with the session",
          "[support]") {
    Octets stream = Message{}.with({kTemplate, kData});
    const Octets more = Message{1}.with({kData});
    stream.insert(stream.end(), more.begin(), more.end());
    strict::Decoder decoder;
    CHECK(decoder.stream(stream));
    CHECK(decoder.data_records() == 2);
    decoder.new_session();
    CHECK_FALSE(decoder.message(Message{}.with({kData})));
    complains(decoder, "before the template");
    stream.pop_back();
    strict::Decoder cut;
    CHECK_FALSE(cut.stream(stream));
    complains(cut, "no whole message");
}
