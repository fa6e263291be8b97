// SPDX-License-Identifier: BSD-3-Clause
// Application rules and the classifier, over rules of the test's own.
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "encoder/config_error.hpp"
#include "probe/application/application_classifier.hpp"
#include "probe/application/application_rules.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// A folder for one test, gone at its end.
class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "labels.XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
        std::ofstream(path_ + "/" + name) << text;
        return path_ + "/" + name;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

std::shared_ptr<const ApplicationRules> rules_of(const std::string& text,
                                                 ApplicationOptions options = {}) {
    const Folder folder;
    options.rule_files = {folder.file("rules.yaml", "applications:\n" + text)};
    return ApplicationRules::load(options);
}

/// A flow whose payloads are handed in one after the other.
struct Flow {
    ApplicationClassifier& classifier;
    std::uint8_t protocol = kTcp;
    LabelState state{};

    ClassifyVerdict see(std::uint8_t direction, std::string_view payload) {
        std::array request = {ClassifyRequest{bytes(payload), &state, protocol, direction}};
        classifier.classify_burst(request);
        return request[0].verdict;
    }
    [[nodiscard]] std::uint32_t rule() const { return state.rule_id; }
};

std::string message_of(const std::string& text, const ApplicationOptions& options = {}) {
    try {
        static_cast<void>(rules_of(text, options));
    } catch (const ipfix::ConfigError& error) {
        return std::to_string(error.line()) + ":" + std::to_string(error.column()) + ": " +
               error.text();
    }
    return "accepted";
}

const std::string kChat = R"(
  - {name: chat, id: 7, category: messaging, protocol: tcp, ports: [5000],
     patterns: ['HELLO [a-z]']}
)";

TEST_CASE("A pattern at the start of a direction settles a flow", "[application][labels]") {
    ApplicationClassifier classifier(rules_of(kChat));
    Flow flow{classifier};
    CHECK(flow.see(0, "HELLO world") == ClassifyVerdict::done);
    CHECK(flow.rule() == 7);
    Flow late{classifier};
    CHECK(late.see(0, "something") == ClassifyVerdict::more_wanted);
    CHECK(late.see(0, "HELLO world") == ClassifyVerdict::more_wanted);
    CHECK(late.rule() == 0);
    CHECK(late.see(1, "HELLO world") == ClassifyVerdict::done);
    Flow udp{classifier, kUdp};
    CHECK(udp.see(0, "HELLO world") == ClassifyVerdict::done);
    CHECK(udp.rule() == 0);
    CHECK(classifier.tally().settled == 2);
}

TEST_CASE("A pattern of a side counts in one direction", "[application][labels]") {
    const std::string rules = R"(
  - name: both
    id: 1
    category: test
    protocol: tcp
    patterns: [{match: ASK, from: client}, {match: TELL, from: server}]
    both_directions: true
    evidence: 2
)";
    ApplicationClassifier classifier(rules_of(rules));
    const auto settled =
        [&classifier](std::initializer_list<std::pair<std::uint8_t, const char*>> payloads) {
            Flow flow{classifier};
            for (const auto& [direction, payload] : payloads) {
                static_cast<void>(flow.see(direction, payload));
            }
            return flow.rule() == 1;
        };
    CHECK(settled({{0, "ASK"}, {1, "TELL"}}));
    CHECK(settled({{0, "TELL"}, {1, "ASK"}})); // the flow's first packet was missed
    CHECK_FALSE(settled({{0, "ASK"}}));
    CHECK_FALSE(settled({{0, "ASK"}, {1, "ASK"}}));
    CHECK_FALSE(settled({{0, "TELL"}, {1, "TELL"}}));
    CHECK_FALSE(settled({{0, "ASK"}, {0, "TELL"}}));
}

TEST_CASE("The first rule that holds wins, however matches arrive", "[application][labels]") {
    const std::string rules = R"(
  - {name: special, id: 30, category: t, protocol: tcp,
     patterns: [{match: Z, at: anywhere}, {match: Y, at: anywhere}], evidence: 2, refines: carrier}
  - {name: strong, id: 20, category: t, protocol: tcp,
     patterns: [{match: B, at: anywhere}, {match: C, at: packet}], evidence: 2}
  - {name: carrier, id: 10, category: t, protocol: tcp, patterns: [{match: A, at: anywhere}]}
)";
    ApplicationClassifier classifier(rules_of(rules));
    const auto rule_after = [&classifier](std::initializer_list<const char*> payloads) {
        Flow flow{classifier};
        for (const char* payload : payloads) {
            static_cast<void>(flow.see(0, payload));
        }
        return flow.rule();
    };
    CHECK(rule_after({"A"}) == 10);
    CHECK(rule_after({"CAB"}) == 20);
    CHECK(rule_after({"B", "A", "C"}) == 20); // evidence gathered over packets
    CHECK(rule_after({"B", "A", "-C"}) == 10);
    CHECK(rule_after({"A", "YZ"}) == 30); // a refined rule is asked on
    CHECK(rule_after({"A", "Z", "Y"}) == 30);
    CHECK(rule_after({"YZ", "A"}) == 10); // and only behind what it refines
    CHECK(rule_after({"Z", "B", "A", "CY"}) == 20);
}

TEST_CASE("The same flow gets the same label in any bursts", "[application][labels]") {
    const std::string rules = R"(
  - {name: one, id: 1, category: t, protocol: [tcp, udp],
     patterns: [{match: x1, at: anywhere}, {match: y1, at: anywhere}], evidence: 2}
  - {name: two, id: 2, category: t, protocol: [tcp, udp], patterns: [{match: x2, at: packet}]}
)";
    ApplicationClassifier classifier(rules_of(rules));
    const std::array payloads = {"--x1", "x2 y1", "nothing", "y1x1", "x2", "y1"};
    constexpr std::size_t kFlows = 12;
    std::array<LabelState, kFlows> apart{};
    std::array<LabelState, kFlows> together{};
    std::vector<ClassifyRequest> burst;
    for (std::size_t i = 0; i < payloads.size() * kFlows; ++i) {
        const std::size_t flow = i % kFlows;
        ClassifyRequest request{bytes(payloads[(i * 5 + flow) % payloads.size()]), &apart[flow],
                                flow % 2 == 0 ? kTcp : kUdp, static_cast<std::uint8_t>(i / 7 % 2)};
        classifier.classify_burst({&request, 1});
        request.state = &together[flow];
        burst.push_back(request);
    }
    classifier.classify_burst(burst);
    for (std::size_t i = 0; i < kFlows; ++i) {
        CHECK(apart[i].rule_id == together[i].rule_id);
    }
}

TEST_CASE("A direction is scanned up to its limits", "[application][labels]") {
    ApplicationOptions options;
    options.payload_packets_max = 3;
    options.payload_octets_max = 64;
    const std::string rules = R"(
  - {name: deep, id: 1, category: t, protocol: tcp, patterns: [{match: MARK, at: anywhere}]}
)";
    ApplicationClassifier classifier(rules_of(rules, options));
    const std::string before(60, '-');
    Flow within{classifier};
    CHECK(within.see(0, before + "MARK") == ClassifyVerdict::done);
    CHECK(within.rule() == 1);
    Flow beyond{classifier};
    CHECK(beyond.see(0, before + "-MARK") == ClassifyVerdict::done); // one side's octets are spent
    CHECK(beyond.rule() == 0);
    Flow packets{classifier};
    CHECK(packets.see(1, "answer") == ClassifyVerdict::more_wanted);
    for (int i = 0; i < 3; ++i) {
        CHECK(packets.see(0, "") == ClassifyVerdict::more_wanted); // no payload, no packet
        CHECK(packets.see(0, "a") == ClassifyVerdict::more_wanted);
    }
    CHECK(packets.see(0, "MARK") == ClassifyVerdict::more_wanted);
    CHECK(packets.rule() == 0);
    CHECK(packets.see(1, "MARK") == ClassifyVerdict::done);
    CHECK(packets.rule() == 1);
    CHECK(classifier.tally().given_up == 1);
}

const std::string kServices = R"(
  - {name: video, id: 1, category: media, protocol: [tcp, udp], hosts: [Video.example]}
  - {name: video-dns, id: 2, category: media, protocol: udp,
     hosts: [video.example], host_parsers: [dns]}
  - {name: chat, id: 3, category: messaging, protocol: tcp, ports: [443, 5000], patterns: [HELLO]}
  - {name: tls, id: 4, category: web, protocol: tcp, ports: [443], parsers: [tls]}
  - {name: quic, id: 5, category: web, protocol: udp, ports: [443], parsers: [quic]}
  - {name: dns, id: 6, category: name, protocol: [tcp, udp], ports: [53], parsers: [dns]}
  - {name: ospf, id: 7, category: routing, protocol: 89}
)";

TEST_CASE("Patterns, parsers, names and ports become one label",
          "[application][labels][without-hyperscan]") {
    using P = ApplicationProtocol;
    const auto rules = rules_of(kServices);
    const auto label_of = [&rules](const LabelEvidence& evidence) {
        const ApplicationLabel label = rules->resolve(evidence);
        const ApplicationEntry* entry = rules->find(label.id);
        return std::make_pair(entry != nullptr ? entry->name : "", label.source);
    };
    LabelState chat{};
    chat.rule_id = 3;
    LabelState gone{};
    gone.rule_id = 999; // of rules that are no longer loaded
    const auto is = [](const char* name, LabelSource source) {
        return std::make_pair(std::string(name), source);
    };
    LabelEvidence e{nullptr, P::tls, "a.video.EXAMPLE.:8443", "", kTcp, 40'000, 443};
    CHECK(label_of(e) == is("video", LabelSource::host));
    e.server_name = "notvideo.example";
    CHECK(label_of(e) == is("tls", LabelSource::parser));
    e.server_name = "";
    e.state = &chat;
    CHECK(label_of(e) == is("chat", LabelSource::pattern));
    e.state = &gone;
    CHECK(label_of(e) == is("tls", LabelSource::parser));
    e.parsed = P::unknown;
    CHECK(label_of(e) == is("chat/tls/quic", LabelSource::port));
    std::swap(e.source_port, e.destination_port);
    CHECK(label_of(e) == is("chat/tls/quic", LabelSource::port));
    e.protocol = kUdp;
    e.source_port = 5'000; // known for TCP only
    CHECK(label_of(e) == is("", LabelSource::none));
    e.source_port = 53;
    CHECK(label_of(e) == is("dns", LabelSource::port));
    e.parsed = P::dns;
    e.server_name = "video.example"; // says nothing about a DNS flow
    CHECK(label_of(e) == is("dns", LabelSource::parser));
    e.dns_name = "x.video.example";
    CHECK(label_of(e) == is("video-dns", LabelSource::host));
    CHECK(label_of({nullptr, P::unknown, "", "", 89, 0, 0}) ==
          is("ospf", LabelSource::ip_protocol));
}

TEST_CASE("A parser suffices unless patterns could say more",
          "[application][labels][without-hyperscan]") {
    using P = ApplicationProtocol;
    const Folder folder;
    ApplicationOptions options;
    const std::string shipped = folder.file("shipped.yaml", R"(applications:
  - {name: socket, id: 1, category: t, protocol: tcp, refines: http, patterns: [Upgrade]}
  - {name: chat, id: 2, category: t, protocol: tcp, patterns: [HELLO]}
  - {name: tls, id: 3, category: t, protocol: tcp, parsers: [tls], parser_suffices: true}
  - {name: http, id: 4, category: t, protocol: tcp, parsers: [http1], parser_suffices: true}
  - {name: ssh, id: 5, category: t, protocol: tcp, parsers: [ssh]}
)");
    const auto without = []() noexcept { return PatternsVerdict::cpu_not_supported; };
    options.rule_files = {shipped};
    const auto asked = [&](std::uint8_t protocol, P parsed, bool done) {
        return ApplicationRules::load(options, without)->asked(protocol, parsed, done);
    };
    CHECK(asked(kTcp, P::tls, false) == PatternsAsked::none);
    CHECK(asked(kTcp, P::http1, false) == PatternsAsked::refining); // something refines it
    CHECK(asked(kTcp, P::http1, true) == PatternsAsked::none);
    CHECK(asked(kTcp, P::ssh, true) == PatternsAsked::all);
    CHECK(asked(kTcp, P::unknown, true) == PatternsAsked::all);
    options.rule_files = {folder.file("hosts.yaml", R"(applications:
  - {name: wiki, id: 100000, category: t, protocol: tcp, hosts: [wiki.example]}
)"),
                          shipped};
    CHECK(asked(kTcp, P::tls, false) == PatternsAsked::none);
    options.rule_files = {folder.file("own.yaml", "applications:" + kChat), shipped};
    CHECK_THROWS_AS(ApplicationRules::load(options, without), ipfix::ConfigError); // chat twice
    options.rule_files = {folder.file("own.yaml", R"(applications:
  - {name: own, id: 100000, category: t, protocol: tcp, patterns: [own]}
)"),
                          shipped};
    CHECK(asked(kTcp, P::tls, false) == PatternsAsked::front);
    CHECK(asked(kTcp, P::tls, true) == PatternsAsked::none);
    CHECK(asked(kUdp, P::tls, false) == PatternsAsked::none); // no such pattern
    CHECK(asked(kTcp, P::http1, false) == PatternsAsked::refining);
    CHECK(asked(kTcp, P::http1, true) == PatternsAsked::none);
    options.rule_files = {folder.file("own.yaml", R"(applications:
  - {name: own, id: 100000, category: t, protocol: tcp, refines: tls, patterns: [own]}
)"),
                          shipped};
    CHECK(asked(kTcp, P::tls, true) == PatternsAsked::front);
    // A file between the operator's and the parser's is known to neither.
    options.rule_files = {shipped, folder.file("more.yaml", R"(applications:
  - {name: dns, id: 6, category: t, protocol: udp, parsers: [dns], parser_suffices: true}
)")};
    CHECK(asked(kUdp, P::dns, true) == PatternsAsked::all);
}

/// One file of rules is compiled as a whole; with `parser_suffices` in the second of two, the first
/// stands by itself.
TEST_CASE("Rules in front of those whose parsers suffice label as in one file",
          "[application][labels]") {
    const std::string own = R"(
  - {name: o1, id: 1, category: t, protocol: tcp, patterns: [{match: AB, at: anywhere}]}
  - {name: o2, id: 2, category: t, protocol: tcp, refines: r1, patterns: [{match: CC, at: packet}]}
  - {name: o3, id: 3, category: t, protocol: tcp, evidence: 2,
     patterns: [{match: BC, at: anywhere, from: client}, {match: CB, at: anywhere, from: server}]}
)";
    const std::string rest = R"(
  - {name: r0, id: 10, category: t, protocol: tcp, evidence: 2,
     patterns: [{match: DA, at: anywhere}, {match: AD, at: packet}]}
  - {name: r1, id: 11, category: t, protocol: tcp, patterns: [{match: DD, at: anywhere}]}
  - {name: r2, id: 12, category: t, protocol: tcp, patterns: [BA]}
)";
    const std::string suffices =
        "  - {name: tls, id: 20, category: t, protocol: tcp, parsers: [tls], parser_suffices: ";
    const Folder folder;
    ApplicationOptions options;
    options.rule_files = {folder.file("own.yaml", "applications:" + own),
                          folder.file("rest.yaml", "applications:" + rest + suffices + "true}\n")};
    ApplicationClassifier apart(ApplicationRules::load(options));
    ApplicationClassifier whole(rules_of(own + rest + suffices + "false}\n"));
    REQUIRE(apart.rules()->asked(kTcp, ApplicationProtocol::tls, false) == PatternsAsked::front);
    std::mt19937 random(20'261'126); // NOLINT(cert-msc51-cpp): the same flows each time
    std::map<std::uint32_t, int> settled;
    for (int f = 0; f < 3'000; ++f) {
        Flow one{apart};
        Flow other{whole};
        for (int p = 0; p < 8; ++p) {
            std::string payload;
            for (auto i = random() % 6; i > 0; --i) {
                payload += static_cast<char>('A' + random() % 4);
            }
            const auto direction = static_cast<std::uint8_t>(random() % 2);
            REQUIRE(one.see(direction, payload) == other.see(direction, payload));
            REQUIRE(one.rule() == other.rule());
        }
        ++settled[one.rule()];
    }
    for (const std::uint32_t rule : {0, 1, 2, 3, 10, 11, 12}) {
        CHECK(settled[rule] > 20);
    }
}

TEST_CASE("Of a payload for the front alone nothing is told to the rest", "[application][labels]") {
    const Folder folder;
    ApplicationOptions options;
    options.rule_files = {folder.file("own.yaml", R"(applications:
  - {name: own, id: 1, category: t, protocol: tcp, patterns: [{match: OWN, at: anywhere}]}
)"),
                          folder.file("rest.yaml", R"(applications:
  - {name: chat, id: 2, category: t, protocol: tcp, patterns: [{match: HELLO, at: anywhere}]}
  - {name: tls, id: 3, category: t, protocol: tcp, parsers: [tls], parser_suffices: true}
)")};
    ApplicationClassifier classifier(ApplicationRules::load(options));
    LabelState state{};
    const auto rule_after = [&](std::string_view payload, PatternsAsked asked) {
        ClassifyRequest request{bytes(payload), &state, kTcp, 0};
        request.asked = asked;
        classifier.classify_burst({&request, 1});
        return std::uint32_t{state.rule_id};
    };
    CHECK(rule_after("HELLO", PatternsAsked::front) == 0);
    CHECK(rule_after("OWN", PatternsAsked::front) == 1);
    state = {};
    CHECK(rule_after("HELLO", PatternsAsked::all) == 2);
}

TEST_CASE("Of patterns with something in common each is found", "[application][labels]") {
    std::string text;
    constexpr int kRules = 200;
    for (int i = 0; i < kRules; ++i) {
        const std::string number = std::to_string(i);
        text += "  - {name: own-" + number + ", id: " + std::to_string(i + 1) +
                ", category: t, protocol: [tcp, udp], patterns: [{match: '/api/" + number +
                "[;?]', at: anywhere, ignore_case: " + (i % 2 == 0 ? "true" : "false") + "}]}\n";
    }
    ApplicationClassifier classifier(rules_of(text));
    for (int i = 0; i < kRules; ++i) {
        for (const std::uint8_t protocol : {kTcp, kUdp}) {
            Flow flow{classifier, protocol};
            flow.see(0, "GET /api/" + std::to_string(i));
            CHECK(flow.state.rule_id == 0);
            flow.see(0, "GET /API/" + std::to_string(i) + "? ");
            CHECK(flow.state.rule_id == (i % 2 == 0 ? i + 1 : 0));
            flow.see(0, "GET /api/" + std::to_string(i) + ";");
            CHECK(flow.state.rule_id == static_cast<unsigned>(i + 1));
        }
    }
    CHECK(classifier.tally().scan_failed == 0);
}

TEST_CASE("Patterns that may stand anywhere are found in any bursts, within the limits",
          "[application][labels]") {
    const Folder folder;
    ApplicationOptions options;
    options.payload_packets_max = 5;
    options.payload_octets_max = 96;
    options.rule_files = {folder.file("own.yaml", R"(applications:
  - {name: mark, id: 1, category: t, protocol: [tcp, udp], patterns: [{match: MARK, at: anywhere}]}
  - {name: both, id: 2, category: t, protocol: [tcp, udp], evidence: 2,
     patterns: [{match: AB, at: anywhere}, {match: BA, at: anywhere, from: client}]}
)"),
                          folder.file("rest.yaml", R"(applications:
  - {name: tls, id: 3, category: t, protocol: tcp, parsers: [tls], parser_suffices: true}
)")};
    ApplicationClassifier classifier(ApplicationRules::load(options));
    const std::string long_one(33, '-'); // counts as 64 octets
    const std::array<std::string, 6> payloads = {
        long_one, std::string(30, '-') + "MARK", "AB", "-BA-", "nothing", "ABBA"};
    std::mt19937 random(1); // NOLINT(cert-msc51-cpp)
    constexpr std::size_t kFlows = 40;
    std::array<std::size_t, 3> labels{};
    for (int burst_number = 0; burst_number < 50; ++burst_number) {
        std::array<LabelState, kFlows> apart{};
        std::array<LabelState, kFlows> together{};
        std::vector<ClassifyRequest> burst;
        for (std::size_t i = 0; i < 200; ++i) { // more than a burst of packets, to be sure
            const std::size_t flow = random() % kFlows;
            ClassifyRequest request{bytes(payloads[random() % payloads.size()]), &apart[flow],
                                    flow % 2 == 0 ? kTcp : kUdp,
                                    static_cast<std::uint8_t>(random() % 2)};
            classifier.classify_burst({&request, 1});
            request.state = &together[flow];
            burst.push_back(request);
        }
        const std::span<ClassifyRequest> all(burst);
        for (std::size_t from = 0; from < all.size();) {
            const std::size_t count = std::min<std::size_t>(1 + random() % 100, all.size() - from);
            classifier.classify_burst(all.subspan(from, count));
            from += count;
        }
        for (std::size_t i = 0; i < kFlows; ++i) {
            REQUIRE(apart[i].rule_id == together[i].rule_id);
            ++labels[apart[i].rule_id];
        }
    }
    for (const std::size_t flows : labels) {
        CHECK(flows > 20);
    }
}

std::string written(const ApplicationId& id, std::size_t octets) {
    std::vector<std::uint8_t> out(octets, 0xEE);
    id.write(out);
    std::string text;
    for (const std::uint8_t octet : out) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        text += kDigits[octet >> 4];
        text += kDigits[octet & 15];
    }
    return text;
}

TEST_CASE("applicationId has RFC 6759's form",
          "[application][labels][without-hyperscan][rfc6759-4]") {
    using E = ClassificationEngine;
    CHECK(written({0, 161, E::iana_l4}, 3) == "0300a1"); // the RFC's own example for SNMP
    CHECK(written({0, 161, E::iana_l4}, 4) == "030000a1");
    CHECK(written({0, 89, E::iana_l3}, 8) == "0100000000000059");
    CHECK(written({0, 0x12345, E::user_defined}, 4) == "06012345");
    CHECK(written({0x8A5B, 0x12345, E::pana_l7_pen}, 8) == "1400008a5b012345");
    CHECK(written({}, 4) == "00000000");
    CHECK(written({0, 1, E::iana_l3}, 0).empty());

    const auto rules = rules_of(kServices);
    CHECK(rules->id_octets() == 4);
    std::vector<std::string> all;
    for (const ApplicationEntry& entry : rules->entries()) {
        all.push_back(written(entry.id, 4) + " " + entry.name + " " + entry.category);
        CHECK(rules->find(entry.id) == &entry);
    }
    CHECK(all == std::vector<std::string>{
                     "01000059 ospf routing", "03000035 dns name",
                     "030001bb chat/tls/quic messaging", "03001388 chat messaging",
                     "06000001 video media", "06000002 video-dns media", "06000003 chat messaging",
                     "06000004 tls web", "06000005 quic web", "06000006 dns name"});
    ApplicationOptions options;
    options.enterprise_number = 0x8A5B;
    const auto own = rules_of(kServices, options);
    CHECK(own->id_octets() == 8);
    LabelEvidence tls;
    tls.parsed = ApplicationProtocol::tls;
    CHECK(written(own->resolve(tls).id, 8) == "1400008a5b000004");
}

TEST_CASE("A wrong rule is refused with its place and reason", "[application][labels]") {
    const auto rule = [](const std::string& rest) {
        return "  - {name: x, id: 1, category: t, protocol: tcp, " + rest + "}\n";
    };
    struct Case {
        std::string rules;
        const char* message;
    };
    const std::array cases = {
        Case{rule("patterns: ['a(b']"),
             "2:61: applications[1].patterns[1]: the pattern 'a(b' cannot be used: "
             "Missing close parenthesis for group started at index 1"},
        Case{rule("patterns: ['(?<=x)y']"), "Zero-width assertions are not supported"},
        Case{rule("patterns: ['a*']"), "matches nothing at all"},
        Case{rule("patterns: ['a.*b']"), "may match any number of octets"},
        Case{rule("patterns: ['a.{2000}b']"), "may match 2002 octets"},
        Case{rule("patterns: [" + std::string(600, 'a') + "]"), "at most 512 octets"},
        Case{rule("patterns: [a, b, c, d, e, f, g, h, i]"), "at most 8 patterns"},
        Case{rule("patterns: [{match: a, form: client}]"), "from"},
        Case{rule("patterns: [a], evidence: 2"), "this asks for 2 patterns of 1"},
        Case{rule("parsers: [tsl]"), "the nearest is \"tls\""},
        Case{rule("hosts: ['*.example']"), "a host is a domain name"},
        Case{rule("ports: [0]"), "2:"},
        Case{rule("refines: http"), "nothing speaks for"},
        Case{rule("ports: [1], refines: http"), "no rule after this one is named \"http\""},
        Case{rule("ports: [1]") + rule("ports: [2]"),
             "3:19: applications[2].id: the id 1 is that of \"x\" at"},
        Case{"  - {name: x, id: 1, category: t, protocol: 6}\n", "TCP and UDP go by name"},
        Case{"  - {name: x, id: 16777216, category: t, protocol: tcp, ports: 1}\n", "2:"},
        Case{"  - {name: " + std::string(33, 'n') + ", id: 1, category: t, protocol: tcp}\n",
             "longer than 32"},
    };
    for (const Case& wrong : cases) {
        INFO(wrong.rules);
        CHECK_THAT(message_of(wrong.rules), Catch::Contains(wrong.message));
    }
    CHECK(message_of(rule("patterns: ['a.{0,64}b']")) == "accepted");
    ApplicationOptions small;
    small.limits.database_octets_max = 100;
    CHECK_THAT(message_of(rule("patterns: [abc]"), small), Catch::Contains("the limit is 100"));
    small = {};
    small.limits.rules_max = 1;
    CHECK_THAT(message_of(rule("ports: [1]") + rule("ports: [1]"), small),
               Catch::Contains("more than 1 rules"));
    small = {};
    small.limits.patterns_max = 1;
    CHECK_THAT(message_of(rule("patterns: [a, b]"), small),
               Catch::Contains("more than 1 patterns"));
}

TEST_CASE("Without Hyperscan labels fall back and say so",
          "[application][labels][without-hyperscan]") {
    const Folder folder;
    ApplicationOptions options;
    options.rule_files = {folder.file("rules.yaml", "applications:" + kChat)};
    const auto rules = ApplicationRules::load(
        options, []() noexcept { return PatternsVerdict::cpu_not_supported; });
    CHECK(rules->patterns() == PatternsVerdict::cpu_not_supported);
    REQUIRE(rules->report().remarks.size() == 1);
    CHECK_THAT(rules->report().remarks[0], Catch::Contains("Hyperscan does not run on this CPU"));
    ApplicationClassifier classifier(rules);
    Flow flow{classifier};
    CHECK(flow.see(0, "HELLO world") == ClassifyVerdict::done);
    CHECK(flow.rule() == 0);
    CHECK(classifier.tally().without_support == 1);
    LabelEvidence evidence;
    evidence.state = &flow.state;
    evidence.protocol = kTcp;
    evidence.destination_port = 5000;
    const ApplicationLabel label = rules->resolve(evidence);
    CHECK(label.source == LabelSource::port);
    CHECK(rules->find(label.id)->name == "chat");
}

TEST_CASE("A folder that cannot keep patterns is named once", "[application][labels]") {
    const Folder folder;
    ApplicationOptions options;
    options.cache = folder.file("not-a-folder", "") + "/cache";
    // The database of anchored patterns and that of others, of either transport.
    const std::string both =
        "  - {name: a, id: 1, category: t, protocol: [tcp, udp],\n"
        "     patterns: [a, {match: b, at: anywhere}]}\n";
    CHECK(rules_of(both, options)->report().compiled == 4);
    CHECK(rules_of(both, options)->report().remarks.size() == 1);
    options.cache = folder.path() + "/some/where/cache"; // made with what leads to it
    CHECK(rules_of(both, options)->report().remarks.empty());
    CHECK(rules_of(both, options)->report().from_cache == 4);
}

TEST_CASE("Compiled rules are kept, and damaged ones compiled again", "[application][labels]") {
    const Folder folder;
    ApplicationOptions options;
    options.cache = folder.path() + "/cache";
    const auto load = [&options](const std::string& rules) {
        const auto loaded = rules_of(rules, options);
        ApplicationClassifier classifier(loaded);
        Flow flow{classifier};
        static_cast<void>(flow.see(0, "HELLO world"));
        CHECK(flow.rule() == 7);
        CHECK(loaded->report().remarks.empty());
        return loaded->report();
    };
    const auto cached = [&options] {
        std::vector<std::filesystem::path> files;
        for (const auto& file : std::filesystem::directory_iterator(*options.cache)) {
            files.push_back(file.path());
        }
        return files;
    };
    CHECK(load(kChat).compiled == 1);
    REQUIRE(cached().size() == 1);
    CHECK(load(kChat).from_cache == 1);
    const std::string other = "  - {name: y, id: 1, category: t, protocol: tcp, patterns: [y]}\n";
    CHECK(load(kChat + other).compiled == 1);
    CHECK(cached().size() == 2);
    for (const auto& file : cached()) {
        std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
    }
    CHECK(load(kChat).compiled == 1); // cut
    CHECK(load(kChat).from_cache == 1);
    for (const auto& file : cached()) {
        std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(100) << "damage";
    }
    CHECK(load(kChat).compiled == 1); // changed
    for (const auto& file : cached()) {
        std::filesystem::permissions(file, std::filesystem::perms::others_write,
                                     std::filesystem::perm_options::add);
    }
    CHECK(load(kChat).compiled == 1); // others may write it
    options.cache = folder.file("not-a-folder", "") + "/cache";
    const auto loaded = rules_of(kChat, options);
    REQUIRE(loaded->report().remarks.size() == 1);
    CHECK_THAT(loaded->report().remarks[0], Catch::Contains("cannot keep them"));
}

TEST_CASE("Of compiled rules those used last are kept", "[application][labels]") {
    namespace fs = std::filesystem;
    const Folder folder;
    ApplicationOptions options;
    options.cache = folder.path() + "/cache";
    const auto rule = [](char letter) {
        return std::string("  - {name: x, id: 7, category: t, protocol: tcp, patterns: [") +
               letter + "]}\n";
    };
    const auto now = fs::file_time_type::clock::now();
    const auto age = [&](const fs::path& file, int hours) {
        fs::last_write_time(file, now - std::chrono::hours(hours));
    };
    REQUIRE(rules_of(rule('a'), options)->report().compiled == 1);
    age(fs::directory_iterator(*options.cache)->path(), 1000); // the oldest
    for (int n = 0; n < 40; ++n) {
        const std::string name = std::to_string(1000 + n) + std::string(60, '0') + ".hsdb";
        std::ofstream(*options.cache + "/" + name) << "of another set of rules";
        age(*options.cache + "/" + name, 100 + n);
    }
    std::ofstream(*options.cache + "/notes.hsdb") << "somebody's own";
    age(*options.cache + "/notes.hsdb", 2000);
    CHECK(rules_of(rule('a'), options)->report().from_cache == 1); // used now
    CHECK(rules_of(rule('b'), options)->report().compiled == 1);
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& file : fs::directory_iterator(*options.cache)) {
        ++files;
    }
    CHECK(files == 32 + 1);
    CHECK(fs::exists(*options.cache + "/notes.hsdb"));
    CHECK(fs::exists(*options.cache + "/1029" + std::string(60, '0') + ".hsdb"));
    CHECK_FALSE(fs::exists(*options.cache + "/1030" + std::string(60, '0') + ".hsdb"));
    CHECK(rules_of(rule('a'), options)->report().from_cache == 1);
}

TEST_CASE("Rules change under a flow", "[application][labels]") {
    ApplicationClassifier classifier(rules_of(R"(
  - {name: a, id: 1, category: t, protocol: tcp,
     patterns: [{match: A, at: anywhere}, {match: B, at: anywhere}], evidence: 2}
  - {name: c, id: 5, category: t, protocol: tcp, patterns: [{match: C, at: anywhere}]}
)"));
    Flow half{classifier};
    CHECK(half.see(0, "A") == ClassifyVerdict::more_wanted);
    Flow whole{classifier};
    CHECK(whole.see(0, "C") == ClassifyVerdict::done);
    ApplicationClassifier next(rules_of(R"(
  - {name: c, id: 5, category: t, protocol: tcp, patterns: [{match: C, at: anywhere}]}
  - {name: d, id: 9, category: t, protocol: tcp,
     patterns: [{match: D, at: anywhere}, {match: B, at: anywhere}], evidence: 2}
)"));
    classifier = std::move(next);
    CHECK(half.see(0, "B") == ClassifyVerdict::more_wanted); // A's evidence is not d's
    CHECK(half.see(0, "D") == ClassifyVerdict::done);
    CHECK(half.rule() == 9);
    LabelEvidence evidence;
    evidence.state = &whole.state;
    CHECK(classifier.rules()->find(classifier.rules()->resolve(evidence).id)->name == "c");
}

TEST_CASE("A thousand rules of an operator are read and found", "[application][labels]") {
    std::string text;
    constexpr int kRules = 1'200;
    for (int i = 0; i < kRules; ++i) {
        const std::string number = std::to_string(i);
        text += "  - {name: app-" + number + ", id: " + std::to_string(100'000 + i) +
                ", category: own, protocol: [tcp, udp], patterns: ['APP" + number +
                " [0-9a-f]{4,8}', {match: 'X-App: " + number + "\\r', at: anywhere}]}\n";
    }
    const auto rules = rules_of(text);
    CHECK(rules->report().rules == kRules);
    ApplicationClassifier classifier(rules);
    for (int i = 0; i < kRules; i += 37) {
        Flow start{classifier, i % 2 == 0 ? kTcp : kUdp};
        static_cast<void>(start.see(0, "APP" + std::to_string(i) + " 00ff"));
        CHECK(start.rule() == static_cast<std::uint32_t>(100'000 + i));
        Flow header{classifier};
        static_cast<void>(header.see(0, "GET / HTTP/1.1\r\nX-App: " + std::to_string(i) + "\r\n"));
        CHECK(header.rule() == static_cast<std::uint32_t>(100'000 + i));
    }
}

TEST_CASE("What refines a rule is asked beside a parser whose rule refines the same",
          "[application][labels]") {
    const Folder folder;
    ApplicationOptions options;
    options.rule_files = {folder.file("own.yaml", R"(applications:
  - {name: ticker, id: 100000, category: t, protocol: tcp, refines: http,
     patterns: [{match: 'Protocol: ticker', at: anywhere}]}
)"),
                          folder.file("shipped.yaml", R"(applications:
  - {name: socket, id: 1, category: t, protocol: tcp, parsers: [websocket], parser_suffices: true,
     refines: http}
  - {name: http, id: 4, category: t, protocol: tcp, parsers: [http1], parser_suffices: true}
)")};
    const auto rules = ApplicationRules::load(options);
    ApplicationClassifier classifier(rules);
    const std::string_view head = "GET / HTTP/1.1\r\nProtocol: ticker\r\n\r\n";
    LabelState state{};
    ClassifyRequest request{
        .payload = {reinterpret_cast<const std::uint8_t*>(head.data()), head.size()},
        .state = &state,
        .protocol = kTcp,
        .direction = 0,
        .source_port = 40'000,
        .destination_port = 80,
        .parsed = ApplicationProtocol::websocket};
    request.asked = rules->asked(kTcp, request.parsed, true); // also behind both heads
    CHECK(request.asked == PatternsAsked::front);
    classifier.classify_burst({&request, 1});
    CHECK(state.rule_id == 100'000);
}

} // namespace
} // namespace probe::test
