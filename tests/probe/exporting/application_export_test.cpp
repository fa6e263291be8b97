// SPDX-License-Identifier: BSD-3-Clause
// Layer 7 from packets to a strict decoder's records.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <string>

#include "probe/exporting/meterable_elements.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/metering/payload_head.hpp"
#include "probe/packet/protocol_numbers.hpp"
#include "tests/probe/application/conversations.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/metering_bench.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;
using Count = ApplicationCount;

constexpr std::uint16_t kClientPort = 50'000;

std::string element_name(F field) {
    const ApplicationFieldInfo& info = field_info(field);
    return std::string(ipfix::find_element(info.enterprise, info.element)->name);
}

/// A biflow template of the 5-tuple with these values beside its counters.
std::string template_of(const std::string& values) {
    return R"(templates:
  - name: seven
    keys: [sourceIPv4Address, destinationIPv4Address, protocolIdentifier, sourceTransportPort,
           destinationTransportPort]
    values: [packetDeltaCount, reversePacketDeltaCount, flowEndReason)" +
           (values.empty() ? "" : ", " + values) + "]\n";
}

std::string every_element() {
    std::string names;
    for (const MeterableEntry& entry : meterable_entries()) {
        if (entry.source == ValueSource::application) {
            names += (names.empty() ? "" : ", ") + element_name(entry.field);
        }
    }
    return names;
}

/// Packets of one conversation between two hosts, with sequence numbers that go on.
class Talk {
  public:
    Talk(MeterBench& bench, std::uint8_t protocol, std::uint16_t server_port,
         std::uint16_t client_port = kClientPort)
        : bench_(bench),
          protocol_(protocol),
          server_port_(server_port),
          client_port_(client_port) {}

    void say(TimeNs time, int direction, const Octets& payload) {
        bench_.packet(time, frame(direction, payload));
    }
    PacketBuilder frame(int direction, const Octets& payload) {
        const Ipv4Fields forth;
        PacketBuilder packet;
        packet.ethernet().ipv4(
            direction == 0 ? forth
                           : Ipv4Fields{.source = forth.destination, .destination = forth.source});
        const std::uint16_t from = direction == 0 ? client_port_ : server_port_;
        const std::uint16_t to = direction == 0 ? server_port_ : client_port_;
        if (protocol_ == kProtocolTcp) {
            packet.tcp(from, to, kAck).tcp_sequence_as(sequence_[direction]);
            sequence_[direction] += static_cast<std::uint32_t>(payload.size());
        } else {
            packet.udp(from, to);
        }
        return packet.payload(payload);
    }

  private:
    MeterBench& bench_;
    std::uint8_t protocol_;
    std::uint16_t server_port_;
    std::uint16_t client_port_;
    std::array<std::uint32_t, 2> sequence_{UINT32_MAX - 5, 77};
};

std::string text_of(const strict::Record& record, F field) {
    const ApplicationFieldInfo& info = field_info(field);
    return record.text(info.enterprise, info.element);
}

std::uint64_t number_of(const strict::Record& record, F field) {
    const ApplicationFieldInfo& info = field_info(field);
    return record.number(info.enterprise, info.element);
}

Octets query(const std::string& name) {
    return hex("000701000001000000000000") + counted(1, text(name)) + hex("00 0001 0001");
}

Octets request(const std::string& host, const std::string& target = "/") {
    return text("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

std::uint64_t count_of(const MeterBench& bench, Count what) {
    return bench.ledger().of(what);
}

} // namespace

TEST_CASE("every element of layer 7 says what the packets said", "[exporting][application]") {
    std::set<F> seen;
    for (const Conversation& conversation : conversations()) {
        INFO(protocol_name(conversation.protocol) << " port " << conversation.port);
        BenchOptions options;
        options.context.record_octets_max = 4'000;
        MeterBench bench(template_of(every_element()), options);
        ApplicationInspector inspector({.fingerprints = {.ja3 = true}});
        FlowUnderTest expected(inspector, conversation.transport, conversation.port);
        Talk talk(bench, conversation.transport, conversation.port);
        TimeNs time = kStart;
        for (const Sent& sent : conversation.packets) {
            talk.say(time += kMs, sent.direction, sent.payload);
            static_cast<void>(sent.direction == 0 ? expected.client(sent.payload)
                                                  : expected.server(sent.payload));
        }
        expected.finish();
        bench.flush();
        bench.check();
        const std::vector<SeenRecord> records = bench.records();
        REQUIRE(records.size() == 1);
        for (const MeterableEntry& entry : meterable_entries()) {
            if (entry.source != ValueSource::application) {
                continue; // its field names nothing
            }
            const FieldKind kind = field_info(entry.field).kind;
            if (kind == FieldKind::label || kind == FieldKind::octets ||
                entry.field == F::payload_entropy || entry.field == F::payload_entropy_reverse) {
                continue; // tests of their own, below
            }
            INFO(field_info(entry.field).name);
            if (field_info(entry.field).kind == FieldKind::number) {
                CHECK(number_of(records[0].record, entry.field) ==
                      expected.flow.fields.number(entry.field).value_or(0));
            } else {
                CHECK(text_of(records[0].record, entry.field) == expected.text(entry.field));
            }
            if (expected.flow.fields.has(entry.field)) {
                seen.insert(entry.field);
            }
        }
    }
    CHECK(seen.size() >= 50);
}

TEST_CASE("a TLS hello in two segments of two bursts gives name and fingerprint",
          "[exporting][application]") {
    MeterBench bench(template_of("sslServerName, ja4c_hash, ja3c_hash"));
    Talk talk(bench, kProtocolTcp, 443);
    const Octets hello = record(client_hello(server_name_extension("flume.example")));
    talk.say(kStart, 0, Octets(hello.begin(), hello.begin() + 20));
    talk.say(kStart + kMs, 0, Octets(hello.begin() + 20, hello.end()));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(text_of(records[0].record, F::tls_server_name) == "flume.example");
    CHECK(text_of(records[0].record, F::tls_ja4).starts_with("t12d0201"));
    CHECK(text_of(records[0].record, F::tls_ja3).size() == 32);
}

TEST_CASE("a template without elements of layer 7 has no state of it", "[exporting][application]") {
    MeterBench bench(template_of(""));
    CHECK(bench.worker.application() == nullptr);
    Talk talk(bench, kProtocolUdp, 53);
    talk.say(kStart, 0, query("flume"));
    bench.flush();
    CHECK(bench.records().size() == 1);
    CHECK(count_of(bench, Count::flows_taken) == 0);
}

TEST_CASE("beside a template with them, one without is not inspected", "[exporting][application]") {
    std::string templates = template_of("DNSName");
    templates.replace(templates.find("    keys:"), 0, "    filter: \"udp port 53\"\n");
    templates += template_of("").substr(std::string("templates:\n").size());
    templates.replace(templates.rfind("seven"), 5, "rest");
    MeterBench bench(templates);
    Talk dns(bench, kProtocolUdp, 53);
    Talk other(bench, kProtocolUdp, 54);
    dns.say(kStart, 0, query("flume"));
    other.say(kStart, 0, query("flume"));
    bench.flush();
    CHECK(bench.records().size() == 2);
    CHECK(count_of(bench, Count::flows_taken) == 1);
}

TEST_CASE("records of active timeouts tell what was known, and later ones too",
          "[exporting][application]") {
    BenchOptions options;
    options.metering.timeouts.active = 10 * kSecond;
    MeterBench bench(template_of("httpRequestHost, httpStatusCode"), options);
    Talk talk(bench, kProtocolTcp, 80);
    talk.say(kStart, 0, request("flume.example"));
    bench.sweep(kStart + 11 * kSecond); // while inspection goes on
    talk.say(kStart + 12 * kSecond, 1, text("HTTP/1.1 200 OK\r\n\r\n"));
    bench.sweep(kStart + 23 * kSecond);
    talk.say(kStart + 24 * kSecond, 0, text("more"));
    bench.flush();
    bench.check();
    const auto records = bench.records();
    REQUIRE(records.size() == 3);
    for (const SeenRecord& one : records) {
        CHECK(text_of(one.record, F::http_host) == "flume.example");
    }
    CHECK(number_of(records[0].record, F::http_status) == 0);
    CHECK(number_of(records[1].record, F::http_status) == 200);
    CHECK(number_of(records[2].record, F::http_status) == 200);
    ApplicationResults& results = bench.worker.application()->results();
    results.take_returns();
    CHECK(results.chunks_free() == results.chunks());
}

TEST_CASE("flows that follow one another within a burst keep their own names",
          "[exporting][application]") {
    BenchOptions options;
    options.metering.timeouts.idle = 10 * kSecond;
    options.metering.timeouts.active = 15 * kSecond;
    MeterBench bench(template_of("DNSName"), options);
    Talk talk(bench, kProtocolUdp, 53);
    const auto queue = [&](TimeNs after, const std::string& name) {
        bench.queue(kStart + after, talk.frame(0, query(name)));
    };
    queue(0, "first");
    queue(11 * kSecond, "second"); // idle before it
    queue(20 * kSecond, "third");
    queue(27 * kSecond, "fourth"); // the active timeout cuts the second flow before it
    queue(40 * kSecond, "fifth");
    bench.burst();
    bench.flush();
    bench.check();
    std::vector<std::pair<std::string, std::uint64_t>> told;
    for (const SeenRecord& seen : bench.records()) {
        told.emplace_back(text_of(seen.record, F::dns_name), seen.record.number(2));
    }
    CHECK(told == std::vector<std::pair<std::string, std::uint64_t>>{
                      {"first", 1}, {"second", 2}, {"second", 1}, {"fifth", 1}});
}

TEST_CASE("a flow that is evicted within its first burst has its name",
          "[exporting][application]") {
    BenchOptions options;
    options.flows_max = 128;
    options.metering.ipv6_share = 0.001;
    MeterBench bench(template_of("DNSName"), options);
    std::size_t records = 0;
    for (int burst = 0; burst < 40; ++burst) {
        for (int i = 0; i < 60; ++i) {
            const int number = burst * 60 + i;
            Talk talk(bench, kProtocolUdp, 53, static_cast<std::uint16_t>(1'024 + number));
            bench.queue(kStart + static_cast<TimeNs>(number),
                        talk.frame(0, query("n" + std::to_string(number))));
        }
        bench.burst();
    }
    bench.flush();
    bench.check();
    for (const SeenRecord& seen : bench.records()) {
        ++records;
        CHECK(text_of(seen.record, F::dns_name) ==
              "n" + std::to_string(seen.record.number(7) - 1'024));
    }
    CHECK(records == 40 * 60);
}

TEST_CASE("another flow on the same ports has nothing of the one before",
          "[exporting][application]") {
    MeterBench bench(template_of("DNSName"));
    Talk talk(bench, kProtocolUdp, 53);
    talk.say(kStart, 0, query("first"));
    talk.say(kStart + 60 * kSecond, 0, query("second")); // cut by the packet itself
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2);
    CHECK(text_of(records[0].record, F::dns_name) == "first");
    CHECK(text_of(records[1].record, F::dns_name) == "second");
}

TEST_CASE("a flow that finds no place under inspection is metered all the same",
          "[exporting][application]") {
    BenchOptions options;
    options.metering.application.flows_max = 2;
    MeterBench bench(template_of("DNSName"), options);
    for (std::uint16_t i = 0; i < 5; ++i) {
        Talk(bench, kProtocolUdp, 53, static_cast<std::uint16_t>(kClientPort + i))
            .say(kStart + i * kMs, 0, query("flume"));
    }
    bench.flush();
    bench.check();
    const auto records = bench.records();
    REQUIRE(records.size() == 5);
    std::size_t named = 0;
    for (const SeenRecord& one : records) {
        CHECK(one.record.number(2) == 1);
        named += text_of(one.record, F::dns_name) == "flume" ? 1 : 0;
    }
    CHECK(named == 2);
    CHECK(count_of(bench, Count::flows_taken) == 2);
    CHECK(count_of(bench, Count::flows_refused) == 3);
    CHECK(count_of(bench, Count::flows_inspecting) == 0);
}

TEST_CASE("a result that finds no room is counted, and its flow exported without",
          "[exporting][application]") {
    BenchOptions options;
    options.metering.application.result_octets = 2 * ApplicationResults::kChunkOctets;
    MeterBench bench(template_of("httpRequestTarget, httpRequestHost"), options);
    for (std::uint16_t i = 0; i < 3; ++i) {
        Talk(bench, kProtocolTcp, 80, static_cast<std::uint16_t>(kClientPort + i))
            .say(kStart + i * kMs, 0, request("flume.example", "/" + std::string(150, 'a')));
    }
    bench.flush();
    bench.check();
    CHECK(bench.records().size() == 3);
    CHECK(count_of(bench, Count::flows_with_result) == 1);
    CHECK(count_of(bench, Count::results_refused) == 2);
}

TEST_CASE("pools of any size serve flows for ever, since everything comes back",
          "[exporting][application]") {
    BenchOptions options;
    options.flows_max = 64;
    options.metering.application.flows_max = 64;
    options.metering.application.result_octets = 64 * ApplicationResults::kChunkOctets;
    MeterBench bench(template_of("DNSName"), options);
    std::size_t named = 0;
    for (std::uint32_t i = 0; i < 2'000; ++i) { // evicted, sixty-four at a time
        Talk(bench, kProtocolUdp, 53, static_cast<std::uint16_t>(1'024 + i))
            .say(kStart + i * kMs, 0, query("flume" + std::to_string(i)));
        bench.drain();
    }
    bench.flush();
    bench.check();
    for (const SeenRecord& one : bench.records()) {
        named += text_of(one.record, F::dns_name).starts_with("flume") ? 1 : 0;
    }
    CHECK(named == 2'000);
    ApplicationResults& results = bench.worker.application()->results();
    results.take_returns();
    CHECK(results.chunks_free() == results.chunks());
}

TEST_CASE("texts are cut between characters so that a record fits its message",
          "[exporting][application]") {
    BenchOptions options;
    options.context.record_octets_max = 100;
    MeterBench bench(template_of("httpRequestHost, httpRequestTarget, httpUserAgent"), options);
    CHECK(bench.binding.record_octets_max() == 100);
    std::string target = "/";
    for (int i = 0; i < 40; ++i) {
        target += "\xc3\xa9"; // two octets each
    }
    Talk talk(bench, kProtocolTcp, 80);
    talk.say(kStart, 0,
             text("GET " + target + " HTTP/1.1\r\nHost: flume.example\r\nUser-Agent: u\r\n\r\n"));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    // 13 octets of key, 4 + 4 + 8 + 8 ... : what is left of 100 is shared in the template's order
    CHECK(text_of(records[0].record, F::http_host) == "flume.example");
    const std::string kept = text_of(records[0].record, F::http_target);
    CHECK(kept.size() % 2 == 1); // "/" and whole characters
    CHECK(target.starts_with(kept));
    CHECK(kept.size() > 30);
    CHECK(text_of(records[0].record, F::http_user_agent).size() <= 1);
    CHECK(bench.ledger().texts_cut_for_record >= 1);
}

TEST_CASE("a text that is not UTF-8 is empty and counted", "[exporting][application]") {
    MeterBench bench(template_of("httpRequestTarget, httpRequestHost"));
    Talk talk(bench, kProtocolTcp, 80);
    talk.say(kStart, 0, request("flume.example", "/\xff\xfe"));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(text_of(records[0].record, F::http_target).empty());
    CHECK(text_of(records[0].record, F::http_host) == "flume.example");
    CHECK(count_of(bench, Count::texts_emptied) == 1);
}

namespace {

constexpr const char* kRules = R"(applications:
  - {name: flume-site, id: 100001, category: web, protocol: tcp, hosts: [flume.example]}
  - {name: chat, id: 100002, category: messaging, protocol: tcp, ports: [5000],
     patterns: ['HELLO [a-z]']}
  - {name: dns, id: 100003, category: name service, protocol: [tcp, udp],
     parsers: [dns], ports: [53]}
  - {name: daytime, id: 100004, category: time, protocol: [tcp, udp], ports: [13]}
)";

/// Of files with these texts, in this order.
std::shared_ptr<const ApplicationRules> rules(const std::vector<std::string>& files = {kRules}) {
    ApplicationOptions options;
    for (const std::string& text : files) {
        options.rule_files.push_back(std::filesystem::temp_directory_path() /
                                     ("rules" + std::to_string(getpid()) + "_" +
                                      std::to_string(options.rule_files.size()) + ".yaml"));
        std::ofstream(options.rule_files.back()) << text;
    }
    auto loaded = ApplicationRules::load(options);
    for (const std::string& path : options.rule_files) {
        std::filesystem::remove(path);
    }
    return loaded;
}

/// applicationId in four octets.
std::uint64_t label_number(ClassificationEngine engine, std::uint32_t selector) {
    return std::uint64_t{static_cast<std::uint8_t>(engine)} << 24 | selector;
}

BenchOptions with_rules() {
    BenchOptions options;
    options.context.rules = rules();
    return options;
}

constexpr const char* kLabels = "applicationId, applicationName, applicationCategoryName";

std::uint64_t id_of(const strict::Record& record) {
    const auto& octets = record.octets(0, 95);
    REQUIRE(octets.size() == 4);
    std::uint64_t value = 0;
    for (const std::uint8_t octet : octets) {
        value = value << 8 | octet;
    }
    return value;
}

} // namespace

TEST_CASE("a flow's label is the first rule's that holds", "[exporting][application][labels]") {
    struct Case {
        std::uint8_t protocol;
        std::uint16_t port;
        Octets payload;
        const char* name;
        const char* category;
        std::uint64_t id;
        Count counted;
    };
    const auto user = [](std::uint32_t id) {
        return label_number(ClassificationEngine::user_defined, id);
    };
    const std::vector<Case> cases = {
        {kProtocolTcp, 8'080, request("flume.example"), "flume-site", "web", user(100'001),
         Count::labelled_by_host},
        {kProtocolTcp, 9'999, text("HELLO world"), "chat", "messaging", user(100'002),
         Count::labelled_by_pattern},
        {kProtocolUdp, 9'999, query("flume"), "dns", "name service", user(100'003),
         Count::labelled_by_parser},
        {kProtocolUdp, 13, text("what time"), "daytime", "time",
         label_number(ClassificationEngine::iana_l4, 13), Count::labelled_by_port},
        {kProtocolUdp, 9'999, text("anything else"), "", "", 0, Count::not_labelled}};
    for (const Case& one : cases) {
        if (one.counted == Count::labelled_by_pattern &&
            probe::pattern_support() == probe::PatternsVerdict::not_built) {
            continue;
        }
        INFO(one.name << " on port " << one.port);
        MeterBench bench(template_of(kLabels), with_rules());
        Talk(bench, one.protocol, one.port).say(kStart, 0, one.payload);
        bench.flush();
        bench.check();
        const auto records = bench.records();
        REQUIRE(records.size() == 1);
        CHECK(id_of(records[0].record) == one.id);
        CHECK(records[0].record.text(0, 96) == one.name);
        CHECK(records[0].record.text(0, 372) == one.category);
        CHECK(count_of(bench, one.counted) == 1);
    }
}

TEST_CASE("an operator's patterns are asked until the parser that suffices is done",
          "[exporting][application][labels]") {
    if (probe::pattern_support() == probe::PatternsVerdict::not_built) {
        return;
    }
    const std::string shipped = R"(applications:
  - {name: http, id: 1, category: web, protocol: tcp, parsers: [http1], parser_suffices: true}
)";
    const auto own = [](const std::string& refines) {
        return "applications:\n  - {name: own, id: 100001, category: own, protocol: tcp, " +
               refines + "patterns: [{match: 'X-Own: ', at: anywhere, from: server}]}\n";
    };
    const Octets plain = text("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    const Octets marked = text("HTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 0\r\n\r\n");
    struct Case {
        std::string refines;
        std::vector<Octets> answers;
        const char* name;
    };
    const std::vector<Case> cases = {
        {"", {plain}, "http"},
        {"", {marked}, "own"},         // the message that the parser was done with
        {"", {plain, marked}, "http"}, // behind it
        {"refines: http, ", {plain, marked}, "own"},
        {"refines: http, ", {plain, plain}, "http"},
    };
    for (const Case& one : cases) {
        INFO(one.refines << one.answers.size() << " answers: " << one.name);
        BenchOptions options;
        options.context.rules = rules({own(one.refines), shipped});
        MeterBench bench(template_of(kLabels), options);
        Talk talk(bench, kProtocolTcp, 80);
        TimeNs time = kStart;
        for (const Octets& answer : one.answers) {
            talk.say(time += kMs, 0, request("flume.example"));
            talk.say(time += kMs, 1, answer);
        }
        bench.flush();
        bench.check();
        const auto records = bench.records();
        REQUIRE(records.size() == 1);
        CHECK(records[0].record.text(0, 96) == one.name);
    }
}

TEST_CASE("a flow without payload is labelled by its port", "[exporting][application][labels]") {
    MeterBench bench(template_of("\"applicationId[4]\", applicationName"), with_rules());
    bench.packet(kStart, PacketBuilder().ethernet().ipv4().tcp(kClientPort, 13));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(id_of(records[0].record) == label_number(ClassificationEngine::iana_l4, 13));
    CHECK(records[0].record.text(0, 96) == "daytime");
    CHECK(count_of(bench, Count::flows_taken) == 0);
}

TEST_CASE("the names of a record's label come in the options records, too",
          "[exporting][application][labels]") {
    const auto loaded = rules();
    OptionsContext context;
    context.rules = loaded.get();
    OptionsRecords records({}, context);
    const auto& described = records.templates();
    const auto applications = std::find_if(described.begin(), described.end(), [](const auto& t) {
        return t.name() == "applications";
    });
    REQUIRE(applications != described.end());
    CHECK(applications->scope_count() == 1);
    CHECK(applications->fields()[0].length == 4);
    std::multiset<std::string> seen;
    for (std::size_t i = 0; i < records.count(); ++i) {
        const OptionsRecords::Encoded record = records.encode(i, SessionLedger{});
        if (&described[record.template_index] == &*applications) {
            const std::string octets(record.octets.begin(), record.octets.end());
            seen.insert(octets.substr(5, octets[4]));
        }
    }
    CHECK(seen.size() == loaded->entries().size());
    for (const char* name : {"flume-site", "chat", "dns", "daytime"}) {
        CHECK(seen.contains(name));
    }
}

TEST_CASE("an applicationId that could not hold every id is refused", "[exporting][application]") {
    CHECK_THROWS_WITH(
        MeterBench(template_of("\"applicationId[3]\"")),
        Catch::Contains("applicationId needs 4 to 16 octets; write applicationId[4]"));
    CHECK_THROWS_WITH(MeterBench(template_of("\"httpRequestHost[20]\"")),
                      Catch::Contains("httpRequestHost is of variable length"));
}

TEST_CASE("the first payload octets of each direction, and their entropy",
          "[exporting][application][payload]") {
    BenchOptions options;
    options.metering.application.head_octets = 8;
    MeterBench bench(template_of("payload, reversePayload, payloadEntropy, reversePayloadEntropy"),
                     options);
    Talk talk(bench, kProtocolTcp, 9'999);
    talk.say(kStart, 0, text("abcd"));
    talk.say(kStart + kMs, 1, text("aaaaaaaaaaaa"));
    talk.say(kStart + 2 * kMs, 0, text("efghijkl"));
    CHECK(count_of(bench, Count::flows_inspecting) == 0); // both are full: nothing is waited for
    bench.flush();
    bench.check();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(text_of(records[0].record, F::payload_head) == "abcdefgh");
    CHECK(text_of(records[0].record, F::payload_head_reverse) == "aaaaaaaa");
    CHECK(number_of(records[0].record, F::payload_entropy) == 96); // 3 bits of 8
    CHECK(number_of(records[0].record, F::payload_entropy_reverse) == 0);
}

TEST_CASE("a payload head takes a segment once, in order", "[exporting][application][payload]") {
    PayloadHead head;
    head.clear();
    const auto add = [&](std::uint32_t sequence, std::string_view octets) {
        head.add_segment({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()},
                         sequence, 8);
        return std::string(head.octets().begin(), head.octets().end());
    };
    constexpr std::uint32_t kFirst = UINT32_MAX - 1;
    CHECK(add(kFirst, "abc") == "abc");
    CHECK(add(kFirst, "abc") == "abc");       // again
    CHECK(add(kFirst + 5, "fgh") == "abc");   // behind a gap
    CHECK(add(kFirst + 2, "cde") == "abcde"); // half of it known
    CHECK(add(kFirst + 5, "fghij") == "abcdefgh");
    CHECK(add(kFirst + 10, "k") == "abcdefgh"); // full
    std::array<std::uint8_t, kPayloadHeadMax> all;
    std::iota(all.begin(), all.end(), std::uint8_t{0});
    head.clear();
    head.add_datagram(all, kPayloadHeadMax);
    CHECK(head.entropy() == 255);
}

} // namespace probe::test
