// SPDX-License-Identifier: BSD-3-Clause
// RFC 5471's cases that ask something of a Collecting Process, for `collect` and `show`. The RFC
// was written for RFC 5101, which had a collector hang up at the first fault; RFC 7011 (sections 8
// and 9) has it log the fault and read on where it can, and so do we.
#include "encoder/wire_format.hpp"
#include "probe/collecting/received_session.hpp"
#include "tests/support/catch.hpp"

using namespace probe;
using ipfix::Rule;
using ipfix::SessionKind;
using Octets = std::vector<std::uint8_t>;

namespace {

constexpr TimeNs kNow = 1'155'202'151 * kNsPerSecond; // the Export Time of the RFC's figures

struct Lines : ipfix::RecordVisitor {
    void on_template(std::uint32_t, const ipfix::ReadTemplate&) override {}
    void on_record(const ipfix::ReadRecord& record) override {
        lines.emplace_back();
        ipfix::append_json_record(lines.back(), record);
    }
    std::vector<std::string> lines;
};

void put(Octets& out, std::uint64_t value, std::size_t octets) {
    out.resize(out.size() + octets);
    ipfix::store_be(out.data() + out.size() - octets, value, octets);
}

Octets set(std::uint16_t id, const Octets& body) {
    Octets out;
    put(out, id, 2);
    put(out, 4 + body.size(), 2);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

Octets message(const std::vector<Octets>& sets, std::uint32_t sequence = 0) {
    Octets out;
    std::size_t length = ipfix::kMessageHeaderOctets;
    for (const Octets& one : sets)
        length += one.size();
    put(out, 10, 2);
    put(out, length, 2);
    put(out, kNow / kNsPerSecond, 4);
    put(out, sequence, 4);
    put(out, 0x33334444, 4);
    for (const Octets& one : sets)
        out.insert(out.end(), one.begin(), one.end());
    return out;
}

/// One exporter's session, fed messages over a stream or as datagrams.
struct Collected {
    explicit Collected(SessionKind its_kind = SessionKind::stream)
        : kind(its_kind), session("x", {.kind = its_kind}, &printed, {}) {}
    void operator()(const Octets& octets, TimeNs now = kNow) {
        if (kind == SessionKind::datagrams) {
            session.datagram(octets, 0, now);
        } else {
            followed = session.stream(octets, now) && followed;
        }
    }
    [[nodiscard]] std::uint64_t times(Rule rule) const {
        return session.checker().findings().of(rule).times;
    }
    /// Rules broken, remarks not counted.
    [[nodiscard]] std::size_t violations() const {
        return session.checker().findings().violations();
    }
    SessionKind kind;
    Lines printed;
    ReceivedSession session;
    bool followed = true;
};

const Octets kClass = {1, 0, 0, 1, 0, 195, 0, 1}; // template 256: ipDiffServCodePoint
const Octets kWithdrawn = {1, 0, 0, 0};           // template 256
const Octets kSource = {1, 1, 0, 1, 0, 8, 0, 4};  // template 257: sourceIPv4Address
const Octets kAddress = {192, 0, 2, 1};

} // namespace

TEST_CASE("padding of zeros between two Data Sets is skipped", "[collecting][rfc5471-3.2.3]") {
    Collected collected;
    collected(message(
        {set(2, kSource), set(257, {192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 0}), set(257, kAddress)}));
    CHECK(collected.printed.lines.size() == 3);
    CHECK(collected.violations() == 0);
}

TEST_CASE("paddingOctets keep short records apart, fixed or variable",
          "[collecting][rfc5471-3.2.4]") {
    Collected collected;
    const Octets fixed = {1, 0, 0, 2, 0, 195, 0, 1, 0, 210, 0, 3}; // the RFC's figure 2
    const Octets variable = {1, 1, 0, 3, 0, 82, 255, 255, 0, 210, 255, 255, 0, 195, 0, 1};
    collected(message({set(2, fixed), set(256, {1, 0, 0, 0, 2, 0, 0, 0}), set(2, variable),
                       set(257, {2, 'e', '0', 1, 0, 3, 1, 'x', 0, 4})}));
    CHECK(collected.printed.lines ==
          std::vector<std::string>{
              R"({"ipDiffServCodePoint":1,"paddingOctets":"0x000000"})",
              R"({"ipDiffServCodePoint":2,"paddingOctets":"0x000000"})",
              R"({"interfaceName":"e0","paddingOctets":"0x00","ipDiffServCodePoint":3})",
              R"({"interfaceName":"x","paddingOctets":"0x","ipDiffServCodePoint":4})"});
    CHECK(collected.violations() == 0);
}

TEST_CASE("a withdrawn template describes no data any more", "[collecting][rfc5471-3.2.5.1]") {
    Collected collected;
    collected(message({set(2, kClass), set(256, {7})}));
    collected(message({set(2, kWithdrawn)}, 1));
    CHECK(collected.violations() == 0);
    collected(message({set(256, {7})}, 1));
    CHECK(collected.printed.lines.size() == 1);
    CHECK(collected.times(Rule::data_before_template) == 1);
}

TEST_CASE("a template that was withdrawn already, or never sent, is not withdrawn",
          "[collecting][rfc5471-3.2.5.2][rfc5471-3.2.5.3]") {
    Collected twice;
    twice(message({set(2, kClass)}));
    twice(message({set(2, kWithdrawn)}));
    CHECK(twice.violations() == 0);
    twice(message({set(2, kWithdrawn)}));
    CHECK(twice.times(Rule::withdrawal_unknown) == 1);
    Collected never;
    never(message({set(2, kWithdrawn)}));
    CHECK(never.times(Rule::withdrawal_unknown) == 1);
}

TEST_CASE("all templates of a kind are withdrawn at once, and none of the other kind",
          "[collecting][rfc5471-3.2.5.4][rfc5471-3.2.5.5]") {
    const Octets options = {1, 2, 0, 2, 0, 1, 0, 149, 0, 4, 0, 195, 0, 1}; // 258
    const Octets option = {0, 0, 0, 1, 5};
    for (const std::uint16_t kind : {std::uint16_t{2}, std::uint16_t{3}}) {
        Collected collected;
        collected(message({set(2, kClass), set(2, kSource), set(3, options)}));
        collected(message({set(kind, {0, static_cast<std::uint8_t>(kind), 0, 0})}));
        CHECK(collected.violations() == 0);
        collected(message({set(256, {7}), set(257, kAddress), set(258, option)}));
        CHECK(collected.printed.lines.size() == (kind == 2 ? 1 : 2));
        CHECK(collected.times(Rule::data_before_template) == (kind == 2 ? 2 : 1));
    }
}

TEST_CASE("an element of an unknown enterprise is shown by its number",
          "[collecting][rfc5471-3.3.1]") {
    Collected collected;
    collected(message({set(2, {1, 0, 0, 1, 0x80, 9, 0, 2, 0, 0, 0x7E, 0xD9}), set(256, {1, 2})}));
    collected.session.end();
    CHECK(collected.printed.lines == std::vector<std::string>{R"({"e32473id9":"0x0102"})"});
    CHECK(collected.times(Rule::unknown_element) == 1);
}

TEST_CASE("an element several times in a template keeps every value in order",
          "[collecting][rfc5471-3.3.3]") {
    Collected collected;
    const Octets repeated = {1, 0, 0, 4, 0, 195, 0, 1, 0, 195, 0, 1, 0, 4, 0, 1, 0, 195, 0, 1};
    collected(message({set(2, repeated), set(256, {1, 2, 6, 3})}));
    CHECK(collected.printed.lines ==
          std::vector<std::string>{R"({"ipDiffServCodePoint":1,"ipDiffServCodePoint":2,)"
                                   R"("protocolIdentifier":6,"ipDiffServCodePoint":3})"});
    CHECK(collected.violations() == 0);
}

TEST_CASE("any element may be a scope, none may not", "[collecting][rfc5471-3.4.1]") {
    Collected enterprise;
    enterprise(message({set(3, {1, 0, 0, 2, 0, 1, 0x80, 9, 0, 2, 0, 0, 0x7E, 0xD9, 0, 195, 0, 1}),
                        set(256, {1, 2, 3})}));
    CHECK(enterprise.printed.lines.size() == 1);
    CHECK(enterprise.violations() == 0);
    Collected none;
    none(message({set(3, {1, 0, 0, 1, 0, 0, 0, 195, 0, 1}), set(256, {1})}));
    CHECK(none.times(Rule::scope_count) == 1);
    CHECK(none.printed.lines.empty());
}

TEST_CASE("several scopes keep their order", "[collecting][rfc5471-3.4.2]") {
    Collected collected;
    collected(message({set(3, {1, 0, 0, 3, 0, 2, 0, 143, 0, 4, 0, 149, 0, 4, 0, 195, 0, 1}),
                       set(256, {0, 0, 0, 1, 0, 0, 0, 2, 3})}));
    CHECK(collected.printed.lines ==
          std::vector<std::string>{
              R"({"meteringProcessId":1,"observationDomainId":2,"ipDiffServCodePoint":3})"});
}

TEST_CASE("flow keys of too many fields, or of no template, are faults",
          "[collecting][rfc5471-3.4.6]") {
    const Octets keys = {1, 2, 0, 2, 0, 1, 0, 145, 0, 2, 0, 173, 0, 8}; // 258
    Collected collected;
    collected(message({set(2, kClass), set(3, keys), set(258, {1, 0, 0, 0, 0, 0, 0, 0, 0, 1})}));
    CHECK(collected.violations() == 0);
    collected(message({set(258, {1, 0, 0, 0, 0, 0, 0, 0, 0, 3})}, 1));
    CHECK(collected.times(Rule::flow_keys_bits) == 1);
    collected(message({set(258, {1, 9, 0, 0, 0, 0, 0, 0, 0, 1})}, 2));
    CHECK(collected.times(Rule::flow_keys_template) == 1);
}

TEST_CASE("the largest template and its records are read", "[collecting][rfc5471-3.5.3]") {
    constexpr std::size_t kFields = 16370; // the RFC's figure for one datagram
    Octets large;
    put(large, 256, 2);
    put(large, kFields, 2);
    for (std::size_t i = 0; i < kFields; ++i)
        put(large, 195ULL << 16U | 1, 4);
    for (const SessionKind kind : {SessionKind::datagrams, SessionKind::stream}) {
        Collected collected(kind);
        collected(message({set(2, large)}));
        collected(message({set(256, Octets(kFields, 1))}));
        CHECK(collected.printed.lines.size() == 1);
        CHECK(collected.violations() == 0);
    }
}

TEST_CASE("more templates than any exporter needs are refused, not remembered",
          "[collecting][rfc5471-3.5.4]") {
    Collected collected(SessionKind::datagrams);
    Octets large;
    put(large, 0, 2);
    put(large, 10'000, 2);
    for (std::size_t i = 0; i < 10'000; ++i)
        put(large, 195ULL << 16U | 1, 4);
    for (std::uint16_t id = 256; id < 400; ++id) {
        ipfix::store_be(large.data(), id);
        collected(message({set(2, large)}));
    }
    CHECK(collected.times(Rule::template_cut) == 44); // those beyond a million fields
    collected(message({set(256, Octets(10'000, 1))}));
    CHECK(collected.printed.lines.size() == 1);
}

TEST_CASE("the RFC's incorrect templates are refused and its correct one is read",
          "[collecting][rfc5471-3.6.4]") {
    // Figure 4: Set Length 12, two fields announced, one there.
    const Octets cut = message({set(2, {1, 1, 0, 2, 0, 8, 0, 4})});
    const Octets whole = message({set(2, {1, 1, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4})});
    const auto with = [](Octets octets, std::size_t at, std::uint8_t value) {
        octets[at] = value;
        return octets;
    };
    struct Case {
        const char* letter;
        Octets octets;
        Rule rule;
    };
    const Case cases[] = {
        {"a", with(cut, 3, 32), Rule::message_length}, // more announced than came
        {"b", cut, Rule::template_cut},
        {"c", with(cut, 3, 26), Rule::set_length}, // the Set runs over the message
        {"d", with(with(cut, 3, 32), 23, 1), Rule::message_length},
    };
    for (const Case& one : cases) {
        INFO(one.letter);
        Collected collected(SessionKind::datagrams);
        collected(one.octets);
        CHECK(collected.times(one.rule) == 1);
    }
    Collected right(SessionKind::datagrams);
    right(whole);
    right(message({set(257, {192, 0, 2, 1, 192, 0, 2, 2})}));
    CHECK(right.violations() == 0);
    CHECK(right.printed.lines.size() == 1);

    for (const std::uint8_t scope :
         {std::uint8_t{0}, std::uint8_t{2}}) { // figure 6, and more scope than fields
        Collected collected;
        collected(message({set(3, {1, 1, 0, 1, 0, scope, 0, 8, 0, 4})}));
        CHECK(collected.times(Rule::scope_count) == 1);
    }
}

TEST_CASE("data that does not fit its template is refused",
          "[collecting][rfc5471-3.6.5]"
          "[rfc5471-3.6.6]") {
    Collected little; // too few octets are padding, which is not zero
    little(message({set(2, kSource), set(257, {192, 0, 2})}));
    CHECK(little.times(Rule::set_empty) == 1);
    CHECK(little.times(Rule::padding_value) == 1);
    Collected much;
    much(message({set(2, kSource), set(257, {192, 0, 2, 1, 9, 9})}));
    CHECK(much.times(Rule::padding_value) == 1);
    CHECK(much.printed.lines.size() == 1);
    Collected variable;
    variable(message({set(2, {1, 0, 0, 1, 0, 82, 255, 255}), set(256, {9, 'x'})}));
    CHECK(variable.times(Rule::record_cut) == 1);
    CHECK(variable.printed.lines.empty());
    Collected reduced; // macAddress has no reduced size
    reduced(message({set(2, {1, 0, 0, 1, 0, 56, 0, 4}), set(256, kAddress)}));
    CHECK(reduced.times(Rule::field_length) == 1);
}

TEST_CASE("a Set of an unknown kind is skipped and the rest is read",
          "[collecting][rfc5471-3.6.7]") {
    Collected collected;
    collected(message({set(4, {1, 2, 3, 4}), set(2, kSource), set(255, {}), set(257, kAddress)}));
    CHECK(collected.times(Rule::set_id) == 2);
    CHECK(collected.printed.lines.size() == 1);
}

TEST_CASE("over TCP a template sent again is noted, another under its id is a fault",
          "[collecting][rfc5471-3.6.8.2]") {
    Collected collected;
    collected(message({set(2, kSource)}));
    collected(message({set(2, kSource)}));
    CHECK(collected.times(Rule::template_repeated) == 1);
    CHECK(collected.violations() == 0);
    collected(message({set(2, {1, 1, 0, 1, 0, 12, 0, 4})}));
    CHECK(collected.times(Rule::template_changed) == 1);
    collected(message({set(2, {1, 1, 0, 0}), set(2, kSource), set(257, kAddress)}));
    CHECK(collected.violations() == 1);
    CHECK(collected.printed.lines.size() == 1);
}

TEST_CASE("over UDP another template under an id is taken at once",
          "[collecting][rfc5471-3.6.8.3]") {
    Collected collected(SessionKind::datagrams);
    collected(message({set(2, kSource)}));
    collected(message({set(2, kSource), set(257, kAddress)}), kNow + kNsPerSecond);
    collected(message({set(2, {1, 1, 0, 1, 0, 12, 0, 4}), set(257, kAddress)}, 1),
              kNow + 2 * kNsPerSecond);
    CHECK(collected.printed.lines ==
          std::vector<std::string>{R"({"sourceIPv4Address":"192.0.2.1"})",
                                   R"({"destinationIPv4Address":"192.0.2.1"})"});
    CHECK(collected.times(Rule::template_changed) == 1); // within three refreshes' time
}
