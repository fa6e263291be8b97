// SPDX-License-Identifier: BSD-3-Clause
// A stream for each template: what is on a stream can be read alone, by the strict decoder.
#include "probe/exporting/sctp_streams.hpp"

#include <cerrno>
#include <map>
#include <set>

#include "tests/probe/exporting/scripted_association.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::ReconnectDelay;
using probe::SctpStreams;
using probe::SctpTransport;
using Kind = probe::SctpEvent::Kind;

namespace {

constexpr std::uint16_t kExportedFlowRecords = 42;
constexpr std::uint16_t kTemplateId = 145;
constexpr std::uint16_t kReliability = 276;

probe::CollectorOptions streamed(probe::TimeNs lifetime) {
    probe::CollectorOptions collector = collector_named("sctp://x");
    collector.sctp = {.lifetime = lifetime, .streams = probe::SctpStreamUse::per_template};
    return collector;
}

/// Two data templates over an association that grants `granted` streams, with a clock.
struct Streams {
    explicit Streams(std::uint16_t granted, bool with_options = false,
                     probe::TimeNs lifetime = probe::kNever)
        : options(templates(), {.domain_id = kDomain, .domain_name = {}, .interfaces = {}}),
          sink(streamed(lifetime), {}, kDomain, templates(),
               std::make_unique<SctpTransport>(
                   "sctp://x", std::make_unique<ScriptedAssociation>(association), lifetime,
                   ReconnectDelay(60 * kNsPerSecond, 60 * kNsPerSecond, 1), say()),
               with_options ? &options : nullptr, say()) {
        association.streams = granted;
    }
    probe::LogLine say() {
        return [this](const std::string& line) { log.push_back(line); };
    }
    void step(probe::TimeNs later) {
        now += later;
        sink.step(now);
        check_balance(sink.ledger());
    }
    void connect() {
        step(0);
        association.tell(Kind::up);
        step(kNsPerMs);
    }
    /// `count` records of each template, in turn, a message each.
    void send(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            sink.append({0, ipv4_record(number), {1, 10}}, now);
            sink.append({1, ipv6_record(number), {1, 10}}, now);
        }
        step(kNsPerSecond);
    }
    std::uint64_t lost(LossReason reason) const {
        return sink.ledger().lost[static_cast<std::size_t>(reason)].records;
    }
    /// Each stream's messages through a strict decoder of its own; from the `from`-th message on.
    std::map<std::uint16_t, strict::Decoder> decode(std::size_t from = 0) const {
        std::map<std::uint16_t, strict::Decoder> streams;
        for (std::size_t i = from; i < association.sent.size(); ++i) {
            streams[association.sent[i].stream].message(association.sent[i].octets);
        }
        for (const auto& [number, decoder] : streams) {
            INFO("stream " << number << ": " << decoder.complaint());
            CHECK(decoder.violations().empty());
        }
        return streams;
    }

    ScriptedAssociation::State association;
    std::vector<std::string> log;
    probe::OptionsRecords options;
    probe::TimeNs now = kStart;
    SctpStreams sink;
};

std::set<std::uint16_t> template_ids(const strict::Decoder& decoder) {
    std::set<std::uint16_t> ids;
    for (const strict::Record& record : decoder.records())
        ids.insert(record.template_id);
    return ids;
}

} // namespace

TEST_CASE("each template has a stream with its data and a sequence number of its own",
          "[sctp][rfc6526]") {
    Streams streams(2);
    streams.connect();
    streams.send(1, 3);
    streams.send(4, 2);
    const auto read = streams.decode();
    REQUIRE(read.size() == 2);
    for (const auto& [number, decoder] : read) {
        CHECK(numbers(decoder) == counting(1, 5));
        CHECK(decoder.template_records() == 1);
        CHECK(template_ids(decoder) == std::set{static_cast<std::uint16_t>(256 + number)});
    }
    CHECK(streams.sink.ledger().sent.records == 10);
    CHECK(streams.log.size() == 1); // connected
}

TEST_CASE("options templates have their streams too, and tell of all streams together",
          "[sctp][rfc6526][options]") {
    Streams streams(100, true);
    REQUIRE(probe::sctp_streams_wanted(probe::SctpStreamUse::per_template, templates(),
                                       &streams.options) == 2 + streams.options.templates().size());
    streams.connect();
    streams.send(1, 3);
    streams.step(kNsPerMs);
    streams.sink.close(streams.now);
    for (int i = 0; i < 3; ++i) {
        streams.step(kNsPerMs);
        streams.association.tell(Kind::dry);
        streams.step(kNsPerMs);
    }
    std::map<std::uint16_t, std::set<std::uint16_t>> on; // data on the streams
    std::uint64_t told = 0;
    std::map<std::uint64_t, std::uint64_t> reliable; // by template
    for (const auto& [number, decoder] : streams.decode()) {
        on[number] = template_ids(decoder);
        for (const strict::Record& record : decoder.records()) {
            if (record.has(0, kExportedFlowRecords)) told = record.number(kExportedFlowRecords);
            if (record.has(0, kReliability)) {
                CHECK(record.number(kTemplateId) == 256U + number); // on the stream it tells of
                reliable[record.number(kTemplateId)] = record.number(kReliability);
            }
        }
    }
    CHECK(on.size() == 2 + streams.options.templates().size());
    CHECK(on[0].size() == 2); // the data, and what is told of them
    CHECK(on[2].size() == 1);
    CHECK(told == 6); // the last word: all flow records have left before it
    CHECK(reliable == std::map<std::uint64_t, std::uint64_t>{{256, 1}, {257, 1}});
}

TEST_CASE("a lifetime is told as data that may be given up", "[sctp][rfc6526][rfc3758]") {
    Streams streams(100, true, kNsPerSecond);
    streams.connect();
    for (const auto& [number, decoder] : streams.decode()) {
        for (const strict::Record& record : decoder.records()) {
            if (record.has(0, kReliability)) CHECK(record.number(kReliability) == 2);
        }
    }
}

TEST_CASE("a peer that grants fewer streams gets several templates on one, which counts them all",
          "[sctp][rfc6526]") {
    Streams streams(1);
    streams.connect();
    streams.send(1, 3);
    streams.send(4, 2);
    streams.send(6, 1);
    const auto read = streams.decode();
    REQUIRE(read.size() == 1);
    CHECK(read.begin()->second.records().size() == 12);
    REQUIRE(streams.log.size() == 2);
    CHECK(streams.log[1] ==
          "collector sctp://x: it takes 1 streams for 2 templates; several templates share a "
          "stream");
    // The next association counts from 0 again, and may grant more.
    streams.association.tell(Kind::lost, ECONNRESET);
    streams.step(kNsPerMs);
    streams.association.streams = 2;
    streams.step(120 * kNsPerSecond);
    const std::size_t before = streams.association.sent.size();
    streams.association.tell(Kind::up);
    streams.step(kNsPerMs);
    streams.send(7, 1);
    CHECK(streams.decode(before).size() == 2);
    CHECK(streams.sink.ledger().sessions == 2);
}

TEST_CASE("what a stream lost is lost of its template alone", "[sctp][rfc6526]") {
    Streams streams(2, false, 250 * kNsPerMs);
    streams.connect();
    streams.send(1, 3);
    streams.send(4, 5);
    REQUIRE(streams.association.sent.size() == 6); // templates, 3 and 5 records of each
    REQUIRE(streams.association.sent[3].stream == 1);
    streams.association.tell(Kind::message_failed, 0, 3);
    streams.association.tell(Kind::message_failed, 0, 3);
    streams.step(kNsPerMs);
    CHECK(streams.lost(LossReason::abandoned) == 3);
    streams.association.tell(Kind::message_failed, 0, 4);
    streams.association.tell(Kind::lost, ECONNRESET);
    streams.step(kNsPerMs);
    CHECK(streams.lost(LossReason::connection_lost) == 5);
    CHECK(streams.sink.ledger().sent.records == 8);
}

TEST_CASE("a message that had to wait is not overtaken by another stream's", "[sctp][rfc6526]") {
    Streams streams(2);
    streams.connect();
    streams.association.sends = {-EAGAIN};
    streams.send(1, 1); // of the first template, refused
    CHECK(streams.association.sent.size() == 2);
    streams.step(3 * kNsPerSecond);
    REQUIRE(streams.association.sent.size() == 4);
    std::uint32_t time = 0;
    for (const auto& sent : streams.association.sent) {
        const std::uint32_t its = ipfix::load_be<std::uint32_t>(sent.octets.data() + 4);
        CHECK(its >= time);
        time = its;
    }
}

TEST_CASE("it closes when the last stream has finished, and gives up as a whole",
          "[sctp][rfc6526]") {
    Streams streams(2);
    streams.connect();
    streams.send(1, 2);
    streams.step(kNsPerMs);
    streams.sink.close(streams.now);
    CHECK(streams.association.shut_down == 0);
    streams.association.tell(Kind::dry);
    streams.step(kNsPerSecond);
    CHECK(streams.association.shut_down == 1);
    CHECK_FALSE(streams.sink.idle());
    streams.association.tell(Kind::lost);
    streams.step(kNsPerSecond);
    streams.step(kNsPerMs);
    CHECK(streams.sink.idle());
    CHECK(streams.sink.ledger().sent.records == 4);

    Streams other(2);
    other.connect();
    other.send(1, 2);
    other.association.tell(Kind::message_failed, 0, 2);
    other.sink.abandon();
    CHECK(other.sink.idle());
    CHECK(other.lost(LossReason::shutdown) == 2);
    check_balance(other.sink.ledger());
}

TEST_CASE("records handed over keep their template", "[sctp][rfc6526]") {
    Streams streams(2);
    streams.sink.append({0, ipv4_record(1), {1, 10}}, streams.now);
    streams.sink.append({1, ipv6_record(2), {1, 10}}, streams.now);
    Bench other;
    streams.sink.hand_over(other.session, streams.now);
    CHECK(streams.sink.ledger().handed_over.records == 2);
    check_balance(streams.sink.ledger());
    other.step(kNsPerSecond);
    CHECK(numbers(other.decode()) == counting(1, 2));
}
