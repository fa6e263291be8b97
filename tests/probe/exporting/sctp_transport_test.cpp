// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/sctp_transport.hpp"

#include <cerrno>

#include "tests/probe/exporting/scripted_association.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::ReconnectDelay;
using probe::SctpEvent;
using probe::SctpTransport;
using probe::SendError;
using Kind = probe::SctpEvent::Kind;

namespace {

/// A session over it, with a clock.
struct Scripted {
    explicit Scripted(probe::TimeNs lifetime = probe::kNever, probe::ExportOptions options = {})
        : session(collector_named("sctp://x"), options, kDomain, templates(),
                  std::make_unique<SctpTransport>(
                      "sctp://x", std::make_unique<ScriptedAssociation>(association), lifetime,
                      ReconnectDelay(60 * kNsPerSecond, 60 * kNsPerSecond, 1),
                      [this](const std::string& line) { log.push_back(line); })) {}
    void step(probe::TimeNs later) {
        now += later;
        session.step(now);
        check_balance(session.ledger());
    }
    void connect() {
        step(0);
        association.tell(Kind::up);
        step(kNsPerMs);
    }
    /// One message with this many records.
    void send(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            session.append({0, ipv4_record(number), {1, 10}}, now);
        }
        step(kNsPerSecond);
    }
    std::uint64_t lost(LossReason reason) const {
        return session.ledger().lost[static_cast<std::size_t>(reason)].records;
    }
    ScriptedAssociation::State association;
    std::vector<std::string> log;
    probe::TimeNs now = kStart;
    probe::CollectorSession session;
};

strict::Decoder decode(const std::vector<ScriptedAssociation::State::Sent>& sent,
                       std::size_t from = 0) {
    strict::Decoder decoder;
    for (std::size_t i = from; i < sent.size(); ++i) {
        decoder.message(sent[i].octets);
    }
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    return decoder;
}

} // namespace

TEST_CASE("messages leave whole on stream 0, templates first", "[sctp][rfc7011]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 3);
    sctp.send(4, 2);
    REQUIRE(sctp.association.sent.size() == 3);
    const strict::Decoder decoder = decode(sctp.association.sent);
    CHECK(numbers(decoder) == counting(1, 5));
    for (std::uint32_t i = 0; i < 3; ++i) {
        CHECK(sctp.association.sent[i].stream == 0);
        CHECK(sctp.association.sent[i].context == i);
        CHECK(sctp.association.sent[i].lifetime_ms == 0);
    }
    CHECK(sctp.log ==
          std::vector<std::string>{"collector sctp://x: connected over SCTP (the script's)"});
}

TEST_CASE("a lifetime holds for messages with data only, never for templates",
          "[sctp][rfc3758][rfc7011]") {
    Scripted sctp(250 * kNsPerMs);
    sctp.connect();
    sctp.send(1, 3);
    REQUIRE(sctp.association.sent.size() == 2);
    CHECK(sctp.association.sent[0].lifetime_ms == 0);
    CHECK(sctp.association.sent[1].lifetime_ms == 250);
}

TEST_CASE("a message given up is counted as abandoned, and its sequence numbers stay used",
          "[sctp][rfc3758][rfc7011]") {
    Scripted sctp(250 * kNsPerMs);
    sctp.connect();
    sctp.send(1, 3);
    sctp.send(4, 5);
    sctp.association.tell(Kind::message_failed, 0, 1);
    sctp.association.tell(Kind::message_failed, 0, 1); // told for each fragment: counted once
    sctp.step(kNsPerMs);
    CHECK(sctp.lost(LossReason::abandoned) == 3);
    CHECK(sctp.session.ledger().sent.records == 5);
    CHECK(sctp.session.next_sequence() == 8);
    CHECK(sctp.session.ledger().sessions == 1);
}

TEST_CASE("what an association lost, and nothing else, is lost when it breaks", "[sctp]") {
    Scripted sctp;
    sctp.connect();
    for (std::uint64_t message = 0; message < 4; ++message) {
        sctp.send(10 * message, 10);
    }
    sctp.association.tell(Kind::message_failed, 0, 3);
    sctp.association.tell(Kind::message_failed, 0, 4);
    sctp.association.tell(Kind::lost, ECONNRESET);
    sctp.step(kNsPerMs);
    CHECK(sctp.lost(LossReason::connection_lost) == 20);
    CHECK(sctp.lost(LossReason::abandoned) == 0);
    CHECK(sctp.session.ledger().sent.records == 20);
    CHECK(sctp.log.back() ==
          "collector sctp://x: association lost (Connection reset by peer); connecting again");
}

TEST_CASE("an association is opened again a minute after the attempt before, templates first",
          "[sctp][rfc7011]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 1);
    sctp.association.tell(Kind::lost, ETIMEDOUT);
    sctp.step(kNsPerMs);
    CHECK(sctp.association.opened == 1);
    sctp.step(50 * kNsPerSecond);
    CHECK(sctp.association.opened == 1);
    sctp.step(30 * kNsPerSecond);
    CHECK(sctp.association.opened == 2);
    const std::size_t before = sctp.association.sent.size();
    sctp.association.tell(Kind::up);
    sctp.step(kNsPerMs);
    sctp.send(2, 1);
    const strict::Decoder decoder = decode(sctp.association.sent, before); // sequence from 0 again
    CHECK(numbers(decoder) == counting(2, 1));
    // One that lasted longer is opened again at once.
    sctp.step(120 * kNsPerSecond);
    sctp.association.tell(Kind::lost, ETIMEDOUT);
    sctp.step(kNsPerMs);
    sctp.step(kNsPerMs);
    CHECK(sctp.association.opened == 3);
}

TEST_CASE("a peer that restarted gets the templates again, and what it never got is lost by name",
          "[sctp][rfc7011]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 2);
    const std::size_t before = sctp.association.sent.size();
    sctp.association.tell(Kind::message_failed, 0, 1);
    sctp.association.tell(Kind::restarted);
    sctp.step(kNsPerMs);
    sctp.send(3, 1);
    CHECK(sctp.session.ledger().sessions == 2);
    CHECK(sctp.association.opened == 1);
    CHECK(sctp.lost(LossReason::connection_lost) == 2);
    CHECK(numbers(decode(sctp.association.sent, before)) == counting(3, 1));
}

TEST_CASE("an attempt that nobody answers is given up after the peer timeout", "[sctp]") {
    Scripted sctp;
    sctp.step(0);
    sctp.step(15 * kNsPerSecond - 1);
    CHECK(sctp.association.aborted == 0);
    sctp.step(kNsPerMs);
    CHECK(sctp.association.aborted == 1);
    CHECK(sctp.session.ledger().send_errors[static_cast<std::size_t>(SendError::disconnected)] ==
          1);
}

TEST_CASE("the session closes when all is acknowledged and the peer has answered SHUTDOWN",
          "[sctp][rfc7011]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 2);
    sctp.step(kNsPerSecond);
    sctp.session.close(sctp.now);
    CHECK(sctp.association.shut_down == 0);
    sctp.association.tell(Kind::dry);
    sctp.step(kNsPerSecond);
    CHECK(sctp.association.shut_down == 1);
    CHECK_FALSE(sctp.session.idle());
    sctp.association.tell(Kind::lost);
    sctp.step(kNsPerSecond);
    sctp.step(kNsPerMs);
    CHECK(sctp.session.idle());
    CHECK(sctp.session.ledger().sent.records == 2);
    CHECK(sctp.log.size() == 1); // a farewell is no error
}

TEST_CASE("dry that was told before the latest message is asked for again", "[sctp]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 1);
    sctp.association.tell(Kind::dry);
    sctp.step(kNsPerSecond);
    CHECK(sctp.association.asked_dry == 1);
    sctp.session.close(sctp.now);
    CHECK(sctp.association.shut_down == 0);
    sctp.association.tell(Kind::dry);
    sctp.step(kNsPerSecond);
    CHECK(sctp.association.shut_down == 1);
}

TEST_CASE("at the deadline the association is aborted, and only what failed is lost", "[sctp]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 4);
    sctp.send(5, 6);
    sctp.session.close(sctp.now);
    sctp.association.tell(Kind::message_failed, 0, 2);
    sctp.session.abandon();
    check_balance(sctp.session.ledger());
    CHECK(sctp.association.aborted == 1);
    CHECK(sctp.lost(LossReason::shutdown) == 6);
    CHECK(sctp.session.ledger().sent.records == 4);
    CHECK(sctp.session.idle());
}

TEST_CASE("a full association holds records back, an oversize message is packed smaller",
          "[sctp]") {
    Scripted sctp;
    sctp.connect();
    sctp.association.sends = {-EAGAIN};
    sctp.send(1, 2);
    CHECK(sctp.session.ledger().queued.records == 2);
    sctp.association.packet_octets = 200;
    sctp.association.sends = {-EMSGSIZE};
    sctp.send(3, 40);
    sctp.step(kNsPerSecond);
    CHECK(sctp.session.ledger().sent.records == 42);
    for (const auto& one : sctp.association.sent) {
        CHECK((one.octets.size() <= 200 || one.context < 1));
    }
    decode(sctp.association.sent);
}

TEST_CASE("a collector that shuts down gets nothing more, and is said to have done so", "[sctp]") {
    Scripted sctp;
    sctp.connect();
    sctp.send(1, 1);
    sctp.association.tell(Kind::peer_closes);
    sctp.step(kNsPerSecond);
    const std::size_t before = sctp.association.sent.size();
    sctp.send(2, 1);
    CHECK(sctp.association.sent.size() == before);
    sctp.association.tell(Kind::lost);
    sctp.step(kNsPerMs);
    CHECK(sctp.log.back().find("the collector shut the association down") != std::string::npos);
    CHECK(sctp.session.ledger().queued.records == 1);
}

TEST_CASE("a silent peer is found within its timeout, busy and idle", "[sctp]") {
    const probe::SctpTimes times(15 * kNsPerSecond);
    std::uint32_t busy_ms = 0;
    std::uint32_t idle_ms = times.heartbeat_ms + times.rto_min_ms; // the last answer before it
    std::uint32_t rto_ms = times.rto_min_ms;
    for (unsigned unanswered = 0; unanswered <= times.retransmissions_max; ++unanswered) {
        busy_ms += rto_ms;
        idle_ms += times.heartbeat_ms + rto_ms;
        rto_ms = std::min(rto_ms * 2, times.rto_max_ms);
    }
    CHECK(busy_ms <= 15'000);
    CHECK(idle_ms <= 15'000);
}
