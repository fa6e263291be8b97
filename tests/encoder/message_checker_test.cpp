// SPDX-License-Identifier: BSD-3-Clause
// Every rule of the checker is broken once, alone, and found where it was broken; and what keeps
// all rules is found clean.
#include "encoder/message_checker.hpp"

#include <functional>
#include <set>

#include "encoder/wire_format.hpp"
#include "tests/support/catch.hpp"

using namespace ipfix;
using Octets = std::vector<std::uint8_t>;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint32_t kTime = 1'700'000'000;

void put(Octets& out, std::uint64_t value, std::size_t octets) {
    const std::size_t at = out.size();
    out.resize(at + octets);
    store_be(out.data() + at, value, octets);
}

/// A message under construction, from numbers, with nothing kept right by itself but lengths.
class Message {
  public:
    explicit Message(std::uint32_t sequence, std::uint32_t time = kTime, std::uint32_t domain = 1) {
        put(octets_, 10, 2);
        put(octets_, 0, 2);
        put(octets_, time, 4);
        put(octets_, sequence, 4);
        put(octets_, domain, 4);
    }
    Message& set(std::uint16_t id, const Octets& body) {
        put(octets_, id, 2);
        put(octets_, 4 + body.size(), 2);
        octets_.insert(octets_.end(), body.begin(), body.end());
        return *this;
    }
    [[nodiscard]] Octets octets() const {
        Octets out = octets_;
        store_be(out.data() + 2, static_cast<std::uint16_t>(out.size()));
        return out;
    }

  private:
    Octets octets_;
};

/// A Template Record from (element, length), element + 65536 * enterprise.
Octets described(std::uint16_t id,
                 const std::vector<std::pair<std::uint64_t, std::uint16_t>>& fields,
                 std::uint16_t scope = 0) {
    Octets out;
    put(out, id, 2);
    put(out, fields.size(), 2);
    if (scope != 0) put(out, scope, 2);
    for (const auto& [element, length] : fields) {
        const std::uint64_t enterprise = element >> 16U;
        put(out, (element & 0x7FFF) | (enterprise != 0 ? 0x8000 : 0), 2);
        put(out, length, 2);
        if (enterprise != 0) put(out, enterprise, 4);
    }
    return out;
}

constexpr std::uint64_t enterprise(std::uint32_t number, std::uint16_t id) {
    return static_cast<std::uint64_t>(number) << 16U | id;
}

const Octets kOctetCount = described(256, {{1, 4}}); // octetDeltaCount[4]
const Octets kOne = {0, 0, 0, 1};

/// One session, fed message by message.
struct Session {
    explicit Session(SessionKind kind) : checker({.kind = kind}, nullptr), reader(checker) {}

    void send(const Message& message) { send(message.octets()); }
    void send(const Octets& octets) {
        std::span<const std::uint8_t> rest(octets);
        const std::uint64_t messages = reader.messages();
        checker.set_now(now_ns);
        const ReadVerdict verdict = reader.read(rest);
        if (reader.messages() == messages) checker.unreadable(verdict, octets);
    }
    void pass(std::uint64_t seconds) { now_ns += seconds * kSecond; }
    [[nodiscard]] std::uint32_t time() const {
        return static_cast<std::uint32_t>(now_ns / kSecond);
    }

    /// Names of the rules that were broken.
    [[nodiscard]] std::set<std::string> broken() const {
        std::set<std::string> names;
        for (std::size_t i = 0; i < kRules; ++i) {
            const auto rule = static_cast<Rule>(i);
            if (checker.findings().of(rule).times > 0) names.emplace(rule_text(rule).name);
        }
        return names;
    }

    MessageChecker checker;
    MessageReader reader;
    std::uint64_t now_ns = kTime * kSecond;
};

struct Planted {
    Rule rule;
    SessionKind kind;
    std::uint64_t message; ///< where it is to be found
    std::size_t at;
    std::function<void(Session&)> send;
};

constexpr auto kStream = SessionKind::stream;
constexpr auto kDatagrams = SessionKind::datagrams;

Octets cut(const Message& message, std::size_t octets) {
    Octets out = message.octets();
    out.resize(out.size() - octets);
    return out;
}

Octets changed(const Message& message, std::size_t at, std::uint8_t value) {
    Octets out = message.octets();
    out[at] = value;
    return out;
}

Octets flow_times(std::uint64_t start_ms, std::uint64_t end_ms) {
    Octets out;
    put(out, start_ms, 8);
    put(out, end_ms, 8);
    return out;
}

Octets concat(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

std::vector<Planted> structure() {
    const Octets kTimes = described(256, {{152, 8}, {153, 8}});
    return {
        {Rule::version, kDatagrams, 1, 0,
         [](Session& s) { s.send(changed(Message(0).set(2, kOctetCount), 1, 9)); }},
        {Rule::message_length, kDatagrams, 1, 28,
         [](Session& s) { s.send(cut(Message(0).set(2, kOctetCount).set(256, kOne), 8)); }},
        {Rule::message_length, kDatagrams, 1, 2,
         [](Session& s) {
             s.send(Octets{0, 10, 0});
         }},
        {Rule::message_length, kDatagrams, 1, 28,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.checker.datagram_rest(3);
         }},
        {Rule::set_length, kStream, 1, 28,
         [](Session& s) { s.send(changed(Message(0).set(2, kOctetCount).set(256, kOne), 31, 9)); }},
        {Rule::set_id, kStream, 1, 28,
         [](Session& s) { s.send(Message(0).set(2, kOctetCount).set(4, kOne)); }},
        {Rule::set_empty, kStream, 1, 32,
         [](Session& s) { s.send(Message(0).set(2, kOctetCount).set(256, {})); }},
        {Rule::padding_value, kStream, 1, 36,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount).set(256, {0, 0, 0, 1, 0, 7, 0}));
         }},
        {Rule::padding_length, kStream, 1, 28,
         [](Session& s) {
             s.send(Message(0).set(2, concat(kOctetCount, {0, 0, 0, 0})));
         }},
        {Rule::template_id, kStream, 1, 20,
         [](Session& s) {
             s.send(Message(0).set(2, described(255, {{1, 4}})));
         }},
        {Rule::template_cut, kStream, 1, 20,
         [](Session& s) {
             s.send(Message(0).set(2, {1, 0, 0, 2, 0, 1, 0, 4}));
         }},
        {Rule::scope_count, kStream, 1, 20,
         [](Session& s) {
             s.send(Message(0).set(3, {1, 0, 0, 1, 0, 0, 0, 1, 0, 4}));
         }},
        {Rule::scope_count, kStream, 1, 20,
         [](Session& s) {
             s.send(Message(0).set(3, {1, 0, 0, 1, 0, 2, 0, 1, 0, 4}));
         }},
        {Rule::field_length, kStream, 1, 20, // protocolIdentifier[2]
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{4, 2}})));
         }},
        {Rule::field_length, kStream, 1, 20, // sourceIPv4Address[3]
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{8, 3}})));
         }},
        {Rule::reverse_element, kStream, 1, 20, // reverse biflowDirection
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{enterprise(kReversePen, 239), 1}})));
         }},
        {Rule::record_cut, kStream, 1, 34,
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{82, 65535}})).set(256, {1, 'a', 9, 'b'}));
         }},
        {Rule::flow_times, kStream, 1, 36,
         [kTimes](Session& s) {
             s.send(
                 Message(0).set(2, kTimes).set(256, flow_times(kTime * 1000ULL, kTime * 999ULL)));
         }},
        {Rule::flow_end, kStream, 1, 36,
         [kTimes](Session& s) {
             s.send(Message(0).set(2, kTimes).set(
                 256, flow_times(kTime * 1000ULL, kTime * 1000ULL + 1000)));
         }},
        {Rule::boolean_value, kStream, 1, 32, // dataRecordsReliability
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{276, 1}})).set(256, {0}));
         }},
        {Rule::string_utf8, kStream, 1, 32,
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{82, 65535}})).set(256, {2, 0xC0, 0x80}));
         }},
        {Rule::unknown_element, kStream, 1, 20,
         [](Session& s) {
             s.send(Message(0).set(2, described(256, {{enterprise(32473, 1), 4}})));
             s.checker.end();
         }},
        {Rule::ip_fragments, kDatagrams, 1, 0,
         [](Session& s) {
             s.checker.fragmented(1480);
             s.send(Message(0).set(2, kOctetCount));
         }},
    };
}

std::vector<Planted> templates() {
    return {
        {Rule::template_changed, kStream, 2, 20,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0).set(2, described(256, {{2, 4}})));
         }},
        {Rule::template_changed, kStream, 2, 20, // an Options Template of the same id
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0).set(3, described(256, {{149, 4}, {41, 8}}, 1)));
         }},
        {Rule::template_changed, kDatagrams, 3, 20,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.pass(60);
             s.send(Message(0, s.time()).set(2, kOctetCount));
             s.pass(179);
             s.send(Message(0, s.time()).set(2, described(256, {{2, 4}})));
         }},
        {Rule::template_repeated, kStream, 2, 20,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0).set(2, kOctetCount));
         }},
        {Rule::withdrawal_unknown, kStream, 1, 20,
         [](Session& s) { s.send(Message(0).set(2, described(256, {}))); }},
        {Rule::withdrawal_form, kStream, 1, 20,
         [](Session& s) { s.send(Message(0).set(2, described(3, {}))); }},
        {Rule::withdrawal_over_udp, kDatagrams, 2, 20,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0).set(2, described(256, {})));
         }},
        {Rule::template_refresh, kDatagrams, 2, 20,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.pass(661);
             s.send(Message(0, s.time()).set(256, kOne));
         }},
        {Rule::data_before_template, kDatagrams, 1, 16,
         [](Session& s) { s.send(Message(0).set(256, kOne).set(2, kOctetCount)); }},
        {Rule::data_before_template, kStream, 3, 16, // a template of another domain
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0).set(256, kOne));
             s.send(Message(0, kTime, 2).set(256, kOne));
         }},
        {Rule::template_awaited, kDatagrams, 1, 16,
         [](Session& s) {
             s.send(Message(7).set(256, kOne));
             s.send(Message(8).set(2, kOctetCount).set(256, kOne));
         }},
        {Rule::data_time, kDatagrams, 2, 20,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0, kTime - 1).set(256, kOne));
         }},
        {Rule::common_properties, kStream, 2, 22, // of two records, the second one's
         [](Session& s) {
             s.send(Message(0)
                        .set(2, described(256, {{137, 2}}))
                        .set(3, described(257, {{137, 2}, {4, 1}}, 1))
                        .set(257, {0, 1, 6}));
             s.send(Message(1).set(256, {0, 1, 0, 2}));
         }},
        {Rule::flow_keys_template, kStream, 1, 38,
         [](Session& s) {
             s.send(Message(0)
                        .set(3, described(257, {{145, 2}, {173, 8}}, 1))
                        .set(257, {1, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
         }},
        {Rule::flow_keys_bits, kStream, 1, 50,
         [](Session& s) {
             s.send(Message(0)
                        .set(2, kOctetCount)
                        .set(3, described(257, {{145, 2}, {173, 8}}, 1))
                        .set(257, {1, 0, 0, 0, 0, 0, 0, 0, 0, 2}));
         }},
    };
}

/// A record of this list alone, with its length.
Octets list(const Octets& value) {
    Octets out = {static_cast<std::uint8_t>(value.size())};
    return concat(std::move(out), value);
}

/// What is sent to plant a fault in a list, and where in the value the fault is told.
std::vector<Planted> lists() {
    const Octets kBasic = described(257, {{291, 65535}});
    const Octets kSub = described(257, {{292, 65535}});
    const Octets kMulti = described(257, {{293, 65535}});
    struct Wrong {
        Rule rule;
        Octets description;
        Octets value;
    };
    const std::vector<Wrong> wrong = {
        {Rule::list_form, kBasic, {}},                             // not even a semantic
        {Rule::list_form, kBasic, {4, 0, 1, 0}},                   // a Field Specifier cut short
        {Rule::list_form, kBasic, {4, 0x80, 1, 0, 4, 0, 0}},       // its enterprise cut short
        {Rule::list_form, kBasic, {4, 0, 1, 0, 4, 0, 0, 0, 1, 9}}, // values of 4 octets, and one
        {Rule::list_form, kBasic, {4, 0, 82, 255, 255, 2, 'a'}},   // a value longer than the list
        {Rule::list_form, kBasic, {4, 1, 35, 255, 255, 2, 4, 0}},  // a list in it, cut short
        {Rule::list_form, kSub, {4, 1}},                           // a Template ID cut short
        {Rule::list_form, kSub, {4, 1, 0, 0, 0, 0, 1, 9}},         // a record of 4 octets, and one
        {Rule::list_form, kMulti, {4, 1, 0, 0, 3, 0}},             // shorter than its header
        {Rule::list_form, kMulti, {4, 1, 0, 0, 9, 0, 0, 0, 1}},    // longer than the list
        {Rule::list_form, kMulti, {4, 1, 0, 0, 4, 7}},             // a header cut short
        {Rule::list_semantic, kBasic, {5, 0, 1, 0, 4, 0, 0, 0, 1}},
        {Rule::list_semantic, kSub, {254, 1, 0, 0, 0, 0, 1}},
        {Rule::list_semantic, kMulti, {99}},
        {Rule::list_template, kSub, {4, 9, 9, 0, 0, 0, 1}},
        {Rule::list_template, kMulti, {4, 1, 0, 0, 8, 0, 0, 0, 1, 9, 9, 0, 5, 1}},
        {Rule::field_length, kBasic, {4, 0, 4, 0, 2, 0, 6}}, // protocolIdentifier[2]
        {Rule::field_length, kBasic, {4, 0, 4, 0, 0}},
    };
    std::vector<Planted> planted;
    for (const Wrong& one : wrong) {
        planted.push_back({one.rule, kStream, 1, 41, [one](Session& s) {
                               s.send(Message(0)
                                          .set(2, concat(kOctetCount, one.description))
                                          .set(257, list(one.value)));
                           }});
    }
    return planted;
}

/// exportedMessageTotalCount of this domain.
Octets total(std::uint64_t messages) {
    Octets out = {0, 0, 0, 1};
    put(out, messages, 8);
    return out;
}

std::vector<Planted> numbers() {
    const Octets kTotals = described(257, {{149, 4}, {41, 8}}, 1);
    return {
        {Rule::sequence_start, kStream, 1, 8,
         [](Session& s) { s.send(Message(7).set(2, kOctetCount)); }},
        {Rule::sequence_gap, kDatagrams, 2, 8,
         [](Session& s) {
             s.send(Message(5).set(2, kOctetCount).set(256, kOne));
             s.send(Message(7).set(256, kOne));
             s.send(Message(8).set(256, kOne));
         }},
        {Rule::sequence_repeated, kDatagrams, 2, 8,
         [](Session& s) {
             s.send(Message(5).set(2, kOctetCount).set(256, kOne));
             s.send(Message(5).set(2, kOctetCount).set(256, kOne));
             s.send(Message(6).set(256, kOne));
         }},
        {Rule::sequence_back, kDatagrams, 3, 8, // one late message, and none is missing but it
         [](Session& s) {
             s.send(Message(4).set(2, kOctetCount).set(256, kOne));
             s.send(Message(5).set(256, kOne));
             s.send(Message(2).set(256, kOne));
             s.send(Message(6).set(256, kOne));
         }},
        {Rule::sequence_back, kDatagrams, 2, 8, // a restart
         [](Session& s) {
             s.send(Message(50).set(2, kOctetCount).set(256, kOne));
             s.send(Message(0).set(2, kOctetCount).set(256, kOne));
             s.send(Message(1).set(256, kOne));
             s.send(Message(2).set(256, kOne));
         }},
        {Rule::export_time, kStream, 2, 4,
         [](Session& s) {
             s.send(Message(0).set(2, kOctetCount));
             s.send(Message(0, kTime - 1).set(2, described(257, {{1, 4}})));
         }},
        {Rule::export_clock, kStream, 1, 4,
         [](Session& s) {
             s.pass(6);
             s.send(Message(0).set(2, kOctetCount));
         }},
        {Rule::total_counts, kStream, 2, 20,
         [kTotals](Session& s) {
             s.send(Message(0).set(3, kTotals).set(257, total(0)));
             s.send(Message(1).set(257, total(2)));
         }},
        {Rule::total_counts, kStream, 2, 20, // less than came
         [kTotals](Session& s) {
             s.send(Message(0).set(3, kTotals));
             s.send(Message(0).set(257, total(0)));
         }},
    };
}

} // namespace

TEST_CASE("each rule is found broken, where it is, and no other", "[encoder][checker]") {
    std::set<Rule> planted;
    std::vector<Planted> cases = structure();
    for (auto more : {templates(), lists(), numbers()})
        cases.insert(cases.end(), more.begin(), more.end());
    for (const Planted& one : cases) {
        const std::string name(rule_text(one.rule).name);
        Session session(one.kind);
        one.send(session);
        INFO(name << ": " << session.checker.findings().of(one.rule).what);
        std::set<std::string> wanted = {name};
        if (one.rule == Rule::data_time) wanted.insert("export_time"); // the one is not without
        CHECK(session.broken() == wanted);
        const Finding& finding = session.checker.findings().of(one.rule);
        CHECK(finding.times == 1);
        CHECK(finding.message == one.message);
        CHECK(finding.at == one.at);
        CHECK_FALSE(finding.what.empty());
        CHECK(session.checker.findings().violations() ==
              (rule_text(one.rule).violation ? wanted.size() : 0));
        planted.insert(one.rule);
    }
    for (std::size_t i = 0; i < kRules; ++i) {
        INFO(rule_text(static_cast<Rule>(i)).name);
        CHECK(planted.contains(static_cast<Rule>(i)));
    }
}

TEST_CASE("lists that keep RFC 6313 are found clean", "[encoder][checker][rfc6313]") {
    const std::vector<std::pair<std::uint16_t, Octets>> right = {
        {291, {4, 0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2}},            // two counts
        {291, {255, 0, 1, 0, 4}},                                  // none
        {291, {4, 0, 82, 255, 255, 1, 'a', 0}},                    // of variable length
        {291, {3, 0x80, 1, 0, 4, 0, 0, 0x72, 0x79, 0, 0, 0, 1}},   // a reverse count
        {291, {3, 1, 35, 255, 255, 9, 4, 0, 1, 0, 4, 0, 0, 0, 1}}, // a list of a list
        {292, {0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2}},                  // two records of template 256
        {292, {0, 9, 9}}, // none, of a template nobody knows
        {293, {1}},
        {293, {2, 1, 0, 0, 8, 0, 0, 0, 1, 1, 0, 0, 4}},
    };
    for (const auto& [element, value] : right) {
        Session session(kStream);
        session.send(Message(0)
                         .set(2, concat(kOctetCount, described(257, {{element, 65535}})))
                         .set(257, list(value)));
        CHECK(session.broken() == std::set<std::string>());
    }
}

TEST_CASE("each SCTP stream counts for itself, from 0 on, at its own time",
          "[encoder][checker][rfc6526]") {
    Session session(kStream);
    session.send(Message(0, kTime + 1).set(2, kOctetCount).set(256, kOne));
    session.checker.set_stream(1);
    session.send(Message(0, kTime).set(2, described(257, {{2, 4}})).set(257, concat(kOne, kOne)));
    session.checker.set_stream(0);
    session.send(Message(1, kTime + 1).set(256, kOne));
    session.checker.set_stream(1);
    session.send(Message(2, kTime + 1).set(257, kOne));
    CHECK(session.broken() == std::set<std::string>());
    CHECK(session.checker.streams() == 2);
    session.send(Message(4, kTime + 1).set(257, kOne));
    session.checker.set_stream(2);
    session.send(Message(7, kTime).set(2, described(258, {{2, 4}})));
    session.checker.set_stream(0);
    session.send(Message(2, kTime).set(256, kOne));
    CHECK(session.broken() ==
          std::set<std::string>{"sequence_gap", "sequence_start", "export_time", "data_time"});
}

TEST_CASE("what keeps all rules is found clean", "[encoder][checker]") {
    Session session(kStream);
    const Octets options = described(257, {{149, 4}, {40, 8}, {41, 8}, {42, 8}}, 1);
    const Octets keys = described(258, {{145, 2}, {173, 8}}, 1);
    Octets totals = {0, 0, 0, 1};
    for (int i = 0; i < 3; ++i)
        put(totals, 0, 8);
    session.send(Message(0)
                     .set(2, kOctetCount)
                     .set(3, concat(options, keys))
                     .set(258, {1, 0, 0, 0, 0, 0, 0, 0, 0, 1})
                     .set(257, totals));
    session.send(Message(2, kTime + 1).set(256, concat(kOne, concat(kOne, {0, 0, 0}))));
    Octets later = {0, 0, 0, 1};
    put(later, session.checker.totals().octets, 8);
    put(later, 2, 8);
    put(later, 2, 8);
    session.send(Message(4, kTime + 2).set(257, later));
    session.send(Message(5, kTime + 3).set(2, described(256, {})).set(2, described(256, {{2, 8}})));
    session.send(Message(5, kTime + 3).set(2, described(2, {})).set(3, described(3, {})));
    session.checker.end();
    CHECK(session.broken().empty());
    CHECK(session.checker.diagnoses().empty());
    CHECK(session.checker.totals().flow_records == 2);
    CHECK(session.checker.totals().options_records == 3);
    CHECK(session.checker.totals().withdrawals == 3);
    CHECK(session.checker.domains() == std::vector<std::uint32_t>{1});
}

TEST_CASE("sequence numbers may cross 2^32 and times 2106", "[encoder][checker][rfc7011-3.1]") {
    Session session(kDatagrams);
    session.now_ns = (UINT32_MAX + 1ULL) * kSecond;
    session.send(Message(UINT32_MAX, 0)
                     .set(2, described(256, {{152, 8}, {153, 8}}))
                     .set(256, concat(flow_times(4294967290000, 4294967296500),
                                      flow_times(4294967290000, 4294967296500))));
    session.send(Message(1, 1).set(256, flow_times(4294967290000, 4294967297000)));
    CHECK(session.broken().empty());
    session.send(Message(2, 1).set(256, flow_times(4294967290000, 4294967298000)));
    CHECK(session.broken() == std::set<std::string>{"flow_end"});
}

TEST_CASE("over UDP a template may change after three refreshes",
          "[encoder][checker][rfc7011-8.4]") {
    Session session(kDatagrams);
    for (int i = 0; i < 2; ++i) {
        session.send(Message(0, session.time()).set(2, kOctetCount));
        session.pass(60);
    }
    session.pass(120);
    session.send(Message(0, session.time()).set(2, described(256, {{2, 4}})));
    CHECK(session.broken().empty());
}

TEST_CASE("who comes late to a UDP session waits for templates, but not for ever",
          "[encoder][checker][rfc7011-8.4]") {
    Session session(kDatagrams);
    for (std::uint32_t i = 0; i < 12; ++i) {
        session.send(Message(7 + i, session.time()).set(256, kOne));
        CHECK(session.checker.findings().violations() == (i == 11 ? 1 : 0));
        session.pass(60 + i / 10);
    }
    CHECK(session.broken() == std::set<std::string>{"template_awaited", "data_before_template"});
}

TEST_CASE("an element that is described later is known", "[encoder][checker][rfc5610]") {
    Session session(kStream);
    session.send(Message(0).set(2, described(256, {{enterprise(32473, 1), 4}})));
    session.send(Message(0)
                     .set(3, described(257, {{346, 4}, {303, 2}, {339, 1}}, 2))
                     .set(257, {0, 0, 0x7E, 0xD9, 0, 1, 3}));
    session.checker.end();
    CHECK(session.broken().empty());
}

TEST_CASE("diagnoses say what the findings mean", "[encoder][checker]") {
    Session waiting(kDatagrams);
    waiting.send(Message(0).set(256, kOne));
    waiting.send(Message(1).set(257, kOne));
    waiting.pass(12);
    waiting.send(Message(2, waiting.time()).set(2, kOctetCount));
    CHECK(waiting.checker.diagnoses() ==
          std::vector<std::string>{
              "domain 1: 1 data set for template 256 came before it, which followed after 12.0 s",
              "domain 1: 1 data set for template 257 could not be read: the template never came"});

    Session messages(kDatagrams);
    for (std::uint32_t i = 0; i < 5; ++i)
        messages.send(Message(i).set(2, kOctetCount).set(256, concat(kOne, kOne)));
    CHECK(messages.checker.diagnoses() ==
          std::vector<std::string>{"the sequence number counts messages, not data records"});

    Session options(kDatagrams);
    for (std::uint32_t i = 0; i < 5; ++i) {
        options.send(Message(2 * i)
                         .set(2, kOctetCount)
                         .set(3, described(257, {{149, 4}, {41, 4}}, 1))
                         .set(256, concat(kOne, kOne))
                         .set(257, concat(kOne, {0, 0, 0, static_cast<std::uint8_t>(i)})));
    }
    CHECK(options.checker.diagnoses() ==
          std::vector<std::string>{"the sequence number does not count options records"});
}
