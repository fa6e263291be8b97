// SPDX-License-Identifier: BSD-3-Clause
// Layer 7 from packets to a strict decoder's records.
#include <array>
#include <set>
#include <string>

#include "probe/exporting/meterable_elements.hpp"
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
                continue;
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

} // namespace probe::test
