// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/udp_transport.hpp"

#include <netinet/in.h>
#include <unistd.h>

#include "tests/probe/exporting/scripted_socket.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerSecond;
using probe::SendError;
using probe::SendVerdict;
using probe::UdpTransport;

namespace {

struct Scripted {
    explicit Scripted(std::uint32_t payload_max = 0, const char* host = "127.0.0.1")
        : transport(
              "udp://x", host, 4739, payload_max,
              [this](const std::string& line) { log.push_back(line); }, borrowed(socket)) {
        socket.answers[{IPPROTO_IP, IP_MTU}] = 1500;
        socket.answers[{IPPROTO_IPV6, IPV6_MTU}] = 1500;
    }
    std::uint64_t errors(SendError kind) const {
        return transport.errors()[static_cast<std::size_t>(kind)];
    }
    ScriptedSocket socket;
    std::vector<std::string> log;
    UdpTransport transport;
};

/// A session to a real socket.
struct Live {
    explicit Live(std::uint16_t port, bool ipv6 = false)
        : session(collector_named("udp://loopback"), {}, kDomain, templates(),
                  std::make_unique<UdpTransport>(
                      "udp://loopback", ipv6 ? "::1" : "127.0.0.1", port, 0,
                      [this](const std::string& line) { log.push_back(line); })) {}
    void step(probe::TimeNs later) {
        now += later;
        session.step(now);
        check_balance(session.ledger());
    }
    void append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            session.append({0, ipv4_record(number), {1, 10}}, now);
        }
    }
    std::vector<std::string> log;
    probe::TimeNs now = kStart;
    probe::CollectorSession session;
};

constexpr std::uint64_t kPerMessage = (1472 - 16 - 4) / 12;

/// A session to no socket at all; its templates have gone.
struct ScriptedSession {
    explicit ScriptedSession(probe::ExportOptions options = one_copy())
        : session(collector_named("udp://127.0.0.1"), options, kDomain, templates(),
                  std::make_unique<UdpTransport>("udp://x", "127.0.0.1", 4739, 0, probe::LogLine{},
                                                 borrowed(socket))) {
        socket.answers[{IPPROTO_IP, IP_MTU}] = 1500;
        step(0);
        socket.bursts.clear();
    }
    void step(probe::TimeNs later) {
        now += later;
        session.step(now);
        check_balance(session.ledger());
    }
    void append_messages(std::uint64_t count) {
        for (std::uint64_t number = 0; number < count * kPerMessage; ++number) {
            session.append({0, ipv4_record(number), {1, 10}}, now);
        }
    }
    /// CHECKs that the first `count` records went, each once, in order and without a gap.
    strict::Decoder check_sent(std::uint64_t count) const {
        strict::Decoder decoder({.withdrawals = false});
        for (const Octets& datagram : socket.datagrams)
            decoder.message(datagram);
        INFO(decoder.complaint());
        CHECK(decoder.violations().empty());
        CHECK(numbers(decoder) == counting(0, count));
        CHECK(session.ledger().sent.records == count);
        CHECK(session.ledger().messages_sent == socket.datagrams.size());
        return decoder;
    }
    ScriptedSocket socket;
    probe::TimeNs now = kStart;
    probe::CollectorSession session;
};

using Burst = ScriptedSocket::Burst;

} // namespace

TEST_CASE("messages that are due together leave in one system call", "[udp][burst]") {
    ScriptedSession udp;
    udp.append_messages(10);
    udp.step(0);
    CHECK(udp.socket.bursts == std::vector<Burst>{{10, true}});
    udp.check_sent(10 * kPerMessage);
    CHECK(udp.session.idle());
}

TEST_CASE("what the kernel did not take of several messages goes again", "[udp][burst]") {
    ScriptedSession udp;
    udp.append_messages(10);
    const auto rest = [&] { return 10 * kPerMessage - udp.session.ledger().sent.records; };
    SECTION("a short answer") {
        udp.socket.burst_answers = {4};
        udp.step(0);
        udp.check_sent(4 * kPerMessage);
        CHECK(udp.session.ledger().queued.records == rest());
        CHECK(udp.session.next_sequence() == 4 * kPerMessage);
        udp.step(probe::kNsPerMs);
    }
    SECTION("a full socket") {
        udp.socket.burst_answers = {-EAGAIN};
        udp.step(0);
        udp.check_sent(0);
        CHECK(errors(udp.session.ledger(), SendError::would_block) == 1);
        udp.step(100 * probe::kNsPerMs);
    }
    SECTION("ICMP about an earlier one: templates try the path") {
        udp.socket.burst_answers = {-ECONNREFUSED};
        udp.step(0);
        udp.check_sent(0);
        CHECK(errors(udp.session.ledger(), SendError::refused) == 1);
        udp.step(kNsPerSecond);
        CHECK(udp.check_sent(0).template_records() == 4);
        udp.step(kNsPerSecond);
    }
    SECTION("a smaller MTU") {
        udp.socket.burst_answers = {-EMSGSIZE};
        udp.socket.answers[{IPPROTO_IP, IP_MTU}] = 1280;
        udp.step(0);
        for (const Octets& datagram : udp.socket.datagrams)
            CHECK(datagram.size() <= 1252);
        udp.step(kNsPerSecond);
    }
    udp.step(kNsPerSecond);
    CHECK(rest() == 0);
    udp.check_sent(10 * kPerMessage);
}

TEST_CASE("datagrams go whole where the kernel cannot cut them", "[udp][burst]") {
    const int error = GENERATE(EINVAL, EIO, ENOPROTOOPT);
    ScriptedSession udp;
    udp.socket.burst_answers = {-error};
    udp.append_messages(10);
    udp.step(0);
    CHECK(udp.socket.bursts == std::vector<Burst>{{10, true}, {10, false}});
    udp.check_sent(10 * kPerMessage);
    CHECK(errors(udp.session.ledger(), SendError::other) == 0);

    udp.socket.bursts.clear();
    udp.socket.datagrams.clear();
    udp.append_messages(2);
    udp.step(kNsPerSecond);
    CHECK(udp.socket.bursts == std::vector<Burst>{{2, false}});
    udp.append_messages(2);
    udp.step(59 * kNsPerSecond); // the route is looked at again, and templates are due
    CHECK(udp.socket.bursts.back().segments);
}

TEST_CASE("templates come after as many messages as told, bursts or not", "[udp][burst]") {
    probe::ExportOptions options = one_copy();
    options.template_refresh_messages = 4;
    ScriptedSession udp(options);
    udp.append_messages(8);
    udp.step(0);
    udp.step(kNsPerSecond);
    std::vector<std::size_t> with_templates;
    for (std::size_t i = 0; i < udp.socket.datagrams.size(); ++i) {
        if (udp.socket.datagrams[i][17] == 2) with_templates.push_back(i);
    }
    CHECK(with_templates == std::vector<std::size_t>{0, 5});
    udp.check_sent(8 * kPerMessage);
}

TEST_CASE("messages that a full queue refused bring templates no sooner", "[udp][burst]") {
    probe::ExportOptions options = one_copy();
    options.template_refresh_messages = 20;
    ScriptedSession udp(options);
    udp.append_messages(10);
    for (int refusal = 0; refusal < 5; ++refusal) {
        udp.socket.burst_answers = {-ENOBUFS};
        udp.step(probe::kNsPerSecond / 10);
    }
    CHECK(errors(udp.session.ledger(), SendError::no_buffers) == 5);
    udp.step(probe::kNsPerSecond / 10);
    CHECK(udp.check_sent(10 * kPerMessage).template_records() == 2);
}

TEST_CASE("after a full queue datagrams are handed over one by one, until the route is looked at",
          "[udp][burst]") {
    ScriptedSession udp;
    udp.socket.burst_answers = {-ENOBUFS};
    udp.append_messages(5);
    udp.step(0);
    udp.step(probe::kNsPerSecond / 10);
    CHECK(udp.socket.bursts == std::vector<Burst>{{5, true}, {5, false}});
    udp.check_sent(5 * kPerMessage);
    udp.append_messages(2);
    udp.step(60 * kNsPerSecond);
    CHECK(udp.socket.bursts.back().segments);
}

TEST_CASE("a socket says what the kernel's own queue had no room for", "[udp]") {
    Scripted four;
    REQUIRE(four.transport.step(kStart));
    CHECK(four.socket.options.at({IPPROTO_IP, IP_RECVERR}) == 1);
    Scripted six(0, "::1");
    REQUIRE(six.transport.step(kStart));
    CHECK(six.socket.options.at({IPPROTO_IPV6, IPV6_RECVERR}) == 1);
}

TEST_CASE("datagrams of all sizes keep their order and their borders", "[udp][burst]") {
    const bool segments = GENERATE(false, true);
    const LoopbackSocket collector(SOCK_DGRAM);
    probe::SocketCalls calls;
    const probe::SocketAddress address =
        probe::resolve("127.0.0.1", collector.port(), AF_INET).front();
    const int fd = calls.open(AF_INET, SOCK_DGRAM, 0);
    REQUIRE(calls.connect(fd, address) == 0);
    std::vector<Octets> datagrams;
    for (const std::size_t size : {100, 100, 100, 60, 100, 200, 200, 1, 1, 1400})
        datagrams.emplace_back(size, static_cast<std::uint8_t>(datagrams.size()));
    const std::vector<probe::Bytes> views(datagrams.begin(), datagrams.end());
    CHECK(calls.send_several(fd, views, segments) == static_cast<std::int64_t>(views.size()));
    for (const Octets& datagram : datagrams)
        CHECK(collector.datagram() == datagram);
    calls.close(fd);
}

TEST_CASE("the payload is the route's MTU less IP and UDP headers", "[udp][rfc7011-10.3.3]") {
    SECTION("IPv4") {
        Scripted udp;
        REQUIRE(udp.transport.step(kStart));
        CHECK(udp.transport.max_message_octets() == 1472);
        CHECK(udp.socket.options.at({IPPROTO_IP, IP_MTU_DISCOVER}) == IP_PMTUDISC_DO);
    }
    SECTION("IPv6") {
        Scripted udp(0, "::1");
        REQUIRE(udp.transport.step(kStart));
        CHECK(udp.transport.max_message_octets() == 1452);
        CHECK(udp.socket.options.at({IPPROTO_IPV6, IPV6_MTU_DISCOVER}) == IPV6_PMTUDISC_DO);
        CHECK(udp.socket.options.at({IPPROTO_IPV6, IPV6_DONTFRAG}) == 1);
    }
    SECTION("unknown") {
        Scripted udp;
        udp.socket.answers.clear();
        REQUIRE(udp.transport.step(kStart));
        CHECK(udp.transport.max_message_octets() == 512 - 20 - 8);
    }
    SECTION("larger than an Ethernet frame, unless the operator says so") {
        Scripted udp;
        udp.socket.answers[{IPPROTO_IP, IP_MTU}] = 65536;
        REQUIRE(udp.transport.step(kStart));
        CHECK(udp.transport.max_message_octets() == 1472);
        Scripted jumbo(8972);
        jumbo.socket.answers[{IPPROTO_IP, IP_MTU}] = 9000;
        REQUIRE(jumbo.transport.step(kStart));
        CHECK(jumbo.transport.max_message_octets() == 8972);
    }
    SECTION("the operator's limit") {
        Scripted udp(1200);
        REQUIRE(udp.transport.step(kStart));
        CHECK(udp.transport.max_message_octets() == 1200);
    }
    SECTION("the operator's limit above the route's") {
        Scripted udp(9000);
        REQUIRE(udp.transport.step(kStart));
        CHECK(udp.transport.max_message_octets() == 1472);
    }
}

TEST_CASE("EMSGSIZE takes the route's new MTU, then halves what is refused", "[udp]") {
    Scripted udp;
    REQUIRE(udp.transport.step(kStart));
    const Octets message(1400, 0);
    SECTION("the kernel knows the new MTU") {
        udp.socket.answers[{IPPROTO_IP, IP_MTU}] = 1280;
        udp.socket.sends = {-EMSGSIZE};
        CHECK(udp.transport.send(message, kStart) == SendVerdict::too_large);
        CHECK(udp.transport.max_message_octets() == 1252);
    }
    SECTION("the error was about an earlier datagram") {
        udp.socket.sends = {-EMSGSIZE};
        CHECK(udp.transport.send(Octets(100, 0), kStart) == SendVerdict::too_large);
        CHECK(udp.transport.max_message_octets() == 1472);
        CHECK(udp.transport.send(Octets(100, 0), kStart) == SendVerdict::sent);
    }
    SECTION("the kernel goes on refusing") {
        udp.socket.sends = {-EMSGSIZE, -EMSGSIZE, -EMSGSIZE};
        CHECK(udp.transport.send(message, kStart) == SendVerdict::too_large);
        CHECK(udp.transport.send(message, kStart) == SendVerdict::too_large);
        CHECK(udp.transport.max_message_octets() == 700);
        CHECK(udp.transport.send(Octets(700, 0), kStart) == SendVerdict::too_large);
        CHECK(udp.transport.max_message_octets() == 350);
        CHECK(udp.errors(SendError::message_size) == 3);
        SECTION("the route is looked at again a minute later") {
            REQUIRE(udp.transport.step(kStart + 59 * kNsPerSecond));
            CHECK(udp.transport.max_message_octets() == 350);
            REQUIRE(udp.transport.step(kStart + 60 * kNsPerSecond));
            CHECK(udp.transport.max_message_octets() == 1472);
        }
    }
}

TEST_CASE("every errno of UDP has its verdict and its counter", "[udp]") {
    const auto [error, verdict, kind] = GENERATE(table<int, SendVerdict, SendError>({
        {EAGAIN, SendVerdict::would_block, SendError::would_block},
        {ENOBUFS, SendVerdict::would_block, SendError::no_buffers},
        {ENOMEM, SendVerdict::would_block, SendError::no_buffers},
        {ECONNREFUSED, SendVerdict::transient_error, SendError::refused},
        {EHOSTUNREACH, SendVerdict::transient_error, SendError::unreachable},
        {ENETUNREACH, SendVerdict::transient_error, SendError::unreachable},
        {EPERM, SendVerdict::transient_error, SendError::other},
    }));
    INFO("errno " << error);
    Scripted udp;
    REQUIRE(udp.transport.step(kStart));
    udp.socket.sends = {-error};
    CHECK(udp.transport.send(Octets(100, 0), kStart) == verdict);
    CHECK(udp.errors(kind) == 1);
    CHECK(udp.transport.sessions() == 1); // the socket and its source port stay
    CHECK(udp.socket.closed == 0);
    CHECK(udp.transport.send(Octets(100, 0), kStart) == SendVerdict::sent);
}

TEST_CASE("a state of UDP is logged once, not once a message", "[udp]") {
    Scripted udp;
    REQUIRE(udp.transport.step(kStart));
    for (int outage = 0; outage < 100; ++outage) {
        udp.socket.sends = {-ECONNREFUSED};
        CHECK(udp.transport.send(Octets(100, 0), kStart) == SendVerdict::transient_error);
        CHECK(udp.transport.send(Octets(100, 0), kStart) == SendVerdict::sent);
    }
    CHECK(udp.log.size() == 2);
    for (int message = 0; message < 10; ++message) {
        CHECK(udp.transport.send(Octets(100, 0), kStart) == SendVerdict::sent);
    }
    REQUIRE(udp.log.size() == 3);
    CHECK(udp.log[0] == "collector udp://x: exporting over UDP");
    CHECK(udp.log[1] ==
          "collector udp://x: sending fails (Connection refused); records wait in the "
          "queue, trying again");
    CHECK(udp.log[2] == "collector udp://x: exporting over UDP again");
}

TEST_CASE("without a route the socket is tried again every second", "[udp]") {
    Scripted udp;
    udp.socket.connects = {-ENETUNREACH, -ENETUNREACH};
    CHECK_FALSE(udp.transport.step(kStart));
    CHECK_FALSE(udp.transport.step(kStart + kNsPerSecond / 2));
    CHECK(udp.socket.opened == 1);
    CHECK_FALSE(udp.transport.step(kStart + kNsPerSecond));
    CHECK(udp.transport.step(kStart + 2 * kNsPerSecond));
    CHECK(udp.socket.closed == 2);
    CHECK(udp.errors(SendError::unreachable) == 2);
}

TEST_CASE("an unknown collector name ends the start with a remedy", "[udp]") {
    CHECK_THROWS_WITH(UdpTransport("udp://x", "no.such.host.invalid", 4739, 0, {}),
                      Catch::Contains("'no.such.host.invalid' has no address") &&
                          Catch::Contains("check the name or write its IP address"));
}

TEST_CASE("records arrive over a real UDP socket", "[udp]") {
    const bool ipv6 = GENERATE(false, true);
    const LoopbackSocket collector(SOCK_DGRAM, ipv6);
    Live live(collector.port(), ipv6);
    live.step(0);
    live.append(0, 2'000);
    live.step(kNsPerSecond);
    live.session.close(live.now);
    REQUIRE(live.session.idle());
    strict::Decoder decoder({.withdrawals = false});
    while (decoder.data_records() < 2'000) {
        const Octets message = collector.datagram();
        REQUIRE_FALSE(message.empty());
        decoder.message(message);
    }
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    CHECK(numbers(decoder) == counting(0, 2'000));
    CHECK(decoder.messages() == live.session.ledger().messages_sent);
}

TEST_CASE("a closed UDP port loses nothing but what went before the first answer", "[udp]") {
    std::uint16_t port = 0;
    {
        const LoopbackSocket reserved(SOCK_DGRAM);
        port = reserved.port();
    }
    Live live(port);
    live.step(0); // templates, answered by ICMP
    live.append(0, 20);
    for (int second = 0; second < 20; ++second)
        live.step(kNsPerSecond / 2);
    const probe::SessionLedger& ledger = live.session.ledger();
    CHECK(errors(ledger, SendError::refused) > 2);
    CHECK(ledger.sent.records == 0);
    CHECK(ledger.queued.records == 20);
    CHECK(live.log.size() == 2);

    const LoopbackSocket collector(SOCK_DGRAM, false, port);
    live.append(20, 20);
    for (int half_second = 0; half_second < 4; ++half_second)
        live.step(kNsPerSecond / 2);
    CHECK(live.session.idle());
    strict::Decoder decoder({.withdrawals = false});
    while (decoder.data_records() < 40) {
        const Octets message = collector.datagram();
        REQUIRE_FALSE(message.empty());
        decoder.message(message);
    }
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    CHECK(numbers(decoder) == counting(0, 40));
    CHECK(ledger.sent.records == 40);
}
