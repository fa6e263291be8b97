// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/tcp_transport.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>

#include "tests/probe/exporting/scripted_socket.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::ReconnectDelay;
using probe::SendError;
using probe::SendVerdict;
using probe::TcpTransport;

namespace {

struct Scripted {
    Scripted()
        : transport(
              "tcp://x", "127.0.0.1", 4739, ReconnectDelay(kNsPerSecond, 60 * kNsPerSecond, 1),
              [this](const std::string& line) { log.push_back(line); }, borrowed(socket)) {
        socket.answers[{SOL_SOCKET, SO_ERROR}] = 0;
    }
    ScriptedSocket socket;
    std::vector<std::string> log;
    TcpTransport transport;
};

/// A session to a real socket. The kernel works in real time, the session in virtual time.
struct Live {
    explicit Live(std::uint16_t port, probe::ExportOptions options = {})
        : session(collector_named("tcp://loopback"), options, kDomain, templates(),
                  std::make_unique<TcpTransport>(
                      "tcp://loopback", "127.0.0.1", port,
                      ReconnectDelay(kNsPerSecond, 60 * kNsPerSecond, 1),
                      [this](const std::string& line) { log.push_back(line); })) {}
    void step(probe::TimeNs later) {
        now += later;
        session.step(now);
        check_balance(session.ledger());
    }
    /// Steps until it is so, at most for some real seconds; then the test fails.
    void step_until(const std::function<bool()>& done) {
        for (int attempt = 0; attempt < 5000 && !done(); ++attempt) {
            step(50 * kNsPerMs);
            if (!done()) ::usleep(1000);
        }
        REQUIRE(done());
    }
    /// Closes the session while its collector reads; everything that arrived since.
    Octets close_reading(int connection) {
        Octets stream;
        session.close(now);
        while (!session.idle()) {
            const Octets piece = read_stream(connection, 1);
            stream.insert(stream.end(), piece.begin(), piece.end());
            REQUIRE_FALSE(piece.empty());
            step(kNsPerMs);
        }
        const Octets rest = read_stream(connection, SIZE_MAX);
        stream.insert(stream.end(), rest.begin(), rest.end());
        return stream;
    }
    void append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            session.append({0, ipv4_record(number), {1, 10}}, now);
        }
    }
    const probe::SessionLedger& ledger() const { return session.ledger(); }
    std::vector<std::string> log;
    probe::TimeNs now = kStart;
    probe::CollectorSession session;
};

strict::Decoder decode(const Octets& stream) {
    strict::Decoder decoder;
    decoder.stream(stream);
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    return decoder;
}

} // namespace

TEST_CASE("reconnect delays double between their bounds, longer by up to a quarter", "[tcp]") {
    ReconnectDelay delay(kNsPerSecond, 10 * kNsPerSecond, 42);
    ReconnectDelay same(kNsPerSecond, 10 * kNsPerSecond, 42);
    for (const probe::TimeNs seconds : {1U, 2U, 4U, 8U, 10U, 10U}) {
        const probe::TimeNs wait = delay.next();
        CHECK(wait >= seconds * kNsPerSecond);
        CHECK(wait <= seconds * kNsPerSecond * 5 / 4);
        CHECK(wait == same.next());
    }
    delay.reset();
    CHECK(delay.next() <= kNsPerSecond * 5 / 4);
    CHECK(ReconnectDelay(kNsPerSecond, 10 * kNsPerSecond, 1).next() !=
          ReconnectDelay(kNsPerSecond, 10 * kNsPerSecond, 2).next());
}

TEST_CASE("refused connections are tried less and less often", "[tcp]") {
    Scripted tcp;
    tcp.socket.connects.assign(1000, -ECONNREFUSED);
    for (probe::TimeNs ms = 0; ms < 10 * 60 * 1000; ms += 10) {
        CHECK_FALSE(tcp.transport.step(kStart + ms * kNsPerMs));
    }
    // 1 + 2 + 4 + ... + 60 s: seven attempts in the first two minutes, then about one a minute.
    CHECK(tcp.socket.opened >= 13);
    CHECK(tcp.socket.opened <= 17);
    CHECK(tcp.socket.closed == tcp.socket.opened);
    CHECK(tcp.log.size() == 1);
}

TEST_CASE("a connection that nobody answers is given up after 15 s", "[tcp]") {
    Scripted tcp;
    tcp.socket.connects = {-EINPROGRESS};
    tcp.socket.connection_decided = false;
    CHECK_FALSE(tcp.transport.step(kStart));
    CHECK_FALSE(tcp.transport.step(kStart + 15 * kNsPerSecond - 1));
    CHECK(tcp.socket.closed == 0);
    CHECK_FALSE(tcp.transport.step(kStart + 15 * kNsPerSecond));
    CHECK(tcp.socket.closed == 1);
}

TEST_CASE("a connection notices a vanished peer and does not wait for Nagle", "[tcp]") {
    Scripted tcp;
    tcp.socket.connects = {-EINPROGRESS};
    REQUIRE(tcp.transport.step(kStart));
    CHECK(tcp.socket.options.at({IPPROTO_TCP, TCP_USER_TIMEOUT}) == 15'000);
    CHECK(tcp.socket.options.at({SOL_SOCKET, SO_KEEPALIVE}) == 1);
    CHECK(tcp.socket.options.at({IPPROTO_TCP, TCP_NODELAY}) == 1);
    CHECK(tcp.transport.sessions() == 1);
    CHECK(tcp.log == std::vector<std::string>{"collector tcp://x: connected over TCP"});
}

TEST_CASE("short writes continue where they stopped", "[tcp]") {
    Scripted tcp;
    REQUIRE(tcp.transport.step(kStart));
    const Octets message = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    tcp.socket.sends = {2, -EINTR, 3, -EAGAIN, 1, -ENOBUFS};
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::would_block);
    CHECK(tcp.socket.stream.size() == 5);
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::would_block);
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::sent);
    CHECK(tcp.socket.stream == message);
}

TEST_CASE("of a torn message nothing counts as unacknowledged, it goes again whole", "[tcp]") {
    Scripted tcp;
    REQUIRE(tcp.transport.step(kStart));
    const Octets message(100, 1);
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::sent);
    tcp.socket.sends = {60, -EAGAIN};
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::would_block);
    tcp.socket.unacknowledged_octets = 90;
    CHECK(tcp.transport.unacknowledged_octets() == 30);
    tcp.socket.sends = {-EPIPE};
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::session_lost);
    CHECK(tcp.transport.unacknowledged_octets() == 30);
    CHECK_FALSE(tcp.transport.step(kStart + kNsPerSecond - 1));
    CHECK(tcp.transport.step(kStart + kNsPerSecond * 5 / 4));
    CHECK(tcp.transport.sessions() == 2);
    tcp.socket.stream.clear();
    CHECK(tcp.transport.send(message, kStart) == SendVerdict::sent);
    CHECK(tcp.socket.stream == message);
}

TEST_CASE("a collector that hangs up is noticed without sending, its chatter is ignored", "[tcp]") {
    Scripted tcp;
    REQUIRE(tcp.transport.step(kStart));
    tcp.socket.receives = {17, -EAGAIN, 4096};
    for (int look = 1; look <= 4; ++look) {
        CHECK(tcp.transport.step(kStart + static_cast<probe::TimeNs>(look) * 100 * kNsPerMs));
    }
    tcp.socket.receives = {0};
    CHECK_FALSE(tcp.transport.step(kStart + 600 * kNsPerMs));
    CHECK(tcp.log.back() ==
          "collector tcp://x: the collector hung up (Connection reset by peer); "
          "connecting again");
}

TEST_CASE("a collector that accepts and hangs up at once is tried less and less often", "[tcp]") {
    Scripted tcp;
    tcp.socket.receives.assign(1000, 0);
    for (probe::TimeNs ms = 0; ms < 10 * 60 * 1000; ms += 10) {
        static_cast<void>(tcp.transport.step(kStart + ms * kNsPerMs));
    }
    CHECK(tcp.transport.sessions() >= 15);
    CHECK(tcp.transport.sessions() <= 20);
}

TEST_CASE("records arrive over a real TCP connection, acknowledged before it ends", "[tcp]") {
    const LoopbackSocket listener(SOCK_STREAM);
    Live live(listener.port());
    live.append(0, 5000);
    live.step_until([&] { return live.session.idle(); });
    const int connection = listener.accept();
    live.session.close(live.now);
    live.step_until([&] { return live.session.idle(); });
    CHECK(live.ledger().sent.records == 5000);
    const auto decoder = decode(read_stream(connection, SIZE_MAX));
    CHECK(numbers(decoder) == counting(0, 5000));
    CHECK(decoder.template_records() == 2);
    ::close(connection);
}

TEST_CASE("a collector that appears later gets everything that waited", "[tcp]") {
    std::uint16_t port = 0;
    {
        const LoopbackSocket reserved(SOCK_STREAM);
        port = reserved.port();
    }
    Live live(port);
    live.append(0, 100);
    for (int second = 0; second < 30; ++second)
        live.step(kNsPerSecond);
    CHECK(live.ledger().queued.records == 100);
    CHECK(errors(live.ledger(), SendError::refused) >= 3);
    CHECK(live.log.size() == 1);
    const LoopbackSocket listener(SOCK_STREAM, false, port);
    live.step_until([&] { return live.session.idle(); });
    const int connection = listener.accept();
    live.session.close(live.now);
    live.step_until([&] { return live.session.idle(); });
    CHECK(numbers(decode(read_stream(connection, SIZE_MAX))) == counting(0, 100));
    ::close(connection);
}

TEST_CASE("a collector that never reads costs counted records and nothing else", "[tcp]") {
    const LoopbackSocket listener(SOCK_STREAM, false, 0, 4096);
    auto options = one_copy();
    options.queue_octets = 256 * 1024;
    Live live(listener.port(), options);
    live.step_until([&] { return live.ledger().sessions == 1; });
    const int connection = listener.accept();
    std::uint64_t next = 0;
    while (lost(live.ledger(), LossReason::queue_full).records < 1000) {
        live.append(next, 500);
        next += 500;
        live.step(kNsPerMs);
    }
    CHECK(live.session.backlogged());
    CHECK(errors(live.ledger(), SendError::would_block) > 0);
    CHECK(live.ledger().sessions == 1);

    SECTION("then it reads: all that was sent, whole and in sequence") {
        const std::uint64_t expected = live.ledger().sent.records + live.ledger().queued.records;
        const Octets stream = live.close_reading(connection);
        CHECK(decode(stream).data_records() == expected);
        CHECK(live.ledger().sent.records == expected);
        ::close(connection);
    }
    SECTION("then it resets: unacknowledged messages are lost, the others were received") {
        CHECK(read_stream(connection, 100'000).size() >= 100'000);
        const std::uint64_t sent = live.ledger().sent.records;
        reset_connection(connection);
        live.step_until([&] { return live.ledger().sessions == 2; });
        const std::uint64_t unknown = lost(live.ledger(), LossReason::connection_lost).records;
        CHECK(unknown > 0);
        CHECK(unknown < sent);
        const int again = listener.accept();
        const auto second = decode(live.close_reading(again));
        CHECK(second.data_records() == live.ledger().sent.records - (sent - unknown));
        ::close(again);
    }
}

TEST_CASE("a collector that reads a hundredth gets what is counted as sent, in order", "[tcp]") {
    const LoopbackSocket listener(SOCK_STREAM, false, 0, 4096);
    auto options = one_copy();
    options.queue_octets = 256 * 1024;
    Live live(listener.port(), options);
    live.step_until([&] { return live.ledger().sessions == 1; });
    const int connection = listener.accept();
    constexpr std::uint64_t kRecords = 500; // a round, of 12 octets each
    constexpr std::uint64_t kRounds = 1000;
    Octets stream;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
        live.append(round * kRecords, kRecords);
        live.step(kNsPerMs);
        std::array<std::uint8_t, kRecords * 12 / 100> piece;
        const ssize_t octets = ::recv(connection, piece.data(), piece.size(), MSG_DONTWAIT);
        if (octets > 0) stream.insert(stream.end(), piece.begin(), piece.begin() + octets);
    }
    const std::uint64_t lost_records = lost(live.ledger(), LossReason::queue_full).records;
    CHECK(lost_records > 0);
    CHECK(lost_records == live.ledger().lost_total().records);
    const Octets rest = live.close_reading(connection);
    stream.insert(stream.end(), rest.begin(), rest.end());
    const auto decoder = decode(stream); // no gap in the sequence
    CHECK(decoder.data_records() == live.ledger().sent.records);
    CHECK(decoder.data_records() == kRounds * kRecords - lost_records);
    const std::vector<std::uint64_t> got = numbers(decoder);
    CHECK(std::is_sorted(got.begin(), got.end()));
    CHECK(live.ledger().sessions == 1);
    ::close(connection);
}

TEST_CASE("no record is duplicated when a connection breaks", "[tcp]") {
    const LoopbackSocket listener(SOCK_STREAM);
    Live live(listener.port());
    std::vector<std::uint64_t> received;
    std::uint64_t next = 0;
    for (int connection_number = 0; connection_number < 4; ++connection_number) {
        live.append(next, 300);
        next += 300;
        const auto sessions = static_cast<std::uint64_t>(connection_number) + 1;
        live.step_until([&] { return live.ledger().sessions == sessions && live.session.idle(); });
        const int connection = listener.accept();
        const Octets stream = read_stream(connection, 16 + 4 + 24 + 4 + 300 * 12);
        for (const std::uint64_t number : numbers(decode(stream)))
            received.push_back(number);
        reset_connection(connection);
        live.step_until([&] { return errors(live.ledger(), SendError::disconnected) == sessions; });
    }
    CHECK(received == counting(0, next));
    CHECK(live.ledger().sent.records + lost(live.ledger(), LossReason::connection_lost).records ==
          next);
}
