// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/received_session.hpp"

#include "encoder/message_builder.hpp"
#include "tests/support/catch.hpp"

using namespace probe;
using Octets = std::vector<std::uint8_t>;

namespace {

struct Count : ipfix::RecordVisitor {
    void on_template(std::uint32_t, const ipfix::ReadTemplate&) override { ++templates; }
    void on_record(const ipfix::ReadRecord&) override { ++records; }
    int templates = 0;
    int records = 0;
};

const ipfix::TemplateRecord& counter_template() {
    static const ipfix::TemplateRecord record(256, "t",
                                              {{ipfix::find_element("packetDeltaCount"), 8}}, 0);
    return record;
}

Octets message(std::uint32_t sequence, bool with_template) {
    ipfix::MessageBuilder builder(1, 1400);
    if (with_template) static_cast<void>(builder.append_template(counter_template()));
    const Octets record = {0, 0, 0, 0, 0, 0, 0, 9};
    static_cast<void>(builder.append_data(256, record));
    const auto octets = builder.finish(1000, sequence);
    return {octets.begin(), octets.end()};
}

struct Received {
    explicit Received(ipfix::SessionKind kind)
        : session("tcp 192.0.2.1:1", {.kind = kind}, &count,
                  [this](ipfix::Rule rule, const ipfix::Finding&) { rules.push_back(rule); }) {}
    Count count;
    std::vector<ipfix::Rule> rules;
    ReceivedSession session;
};

} // namespace

TEST_CASE("a stream cut anywhere gives the same records", "[collecting]") {
    Octets stream = message(0, true);
    const Octets second = message(1, false);
    stream.insert(stream.end(), second.begin(), second.end());
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        Received received(ipfix::SessionKind::stream);
        for (std::size_t at = 0; at < stream.size(); at += step) {
            const Bytes part = Bytes(stream).subspan(at, std::min(step, stream.size() - at));
            REQUIRE(received.session.stream(part, 1000 * kNsPerSecond));
        }
        received.session.end();
        INFO(step);
        CHECK(received.count.records == 2);
        CHECK(received.count.templates == 1);
        CHECK(received.rules.empty());
    }
}

TEST_CASE("a stream that ends in the middle of a message says so, once", "[collecting]") {
    const Octets whole = message(0, true);
    for (std::size_t length = 1; length < whole.size(); ++length) {
        Received received(ipfix::SessionKind::stream);
        CHECK(received.session.stream(Bytes(whole).first(length), 0));
        received.session.end();
        received.session.end();
        CHECK(received.rules == std::vector<ipfix::Rule>{ipfix::Rule::message_length});
    }
}

TEST_CASE("a stream that is no IPFIX is given up at once", "[collecting]") {
    Received http(ipfix::SessionKind::stream);
    const Octets get = {'G', 'E', 'T', ' ', '/'};
    CHECK_FALSE(http.session.stream(get, 0));
    CHECK(http.rules == std::vector<ipfix::Rule>{ipfix::Rule::version});
    Received length(ipfix::SessionKind::stream);
    CHECK_FALSE(length.session.stream(Octets{0, 10, 0, 15}, 0));
    CHECK(length.rules == std::vector<ipfix::Rule>{ipfix::Rule::message_length});
}

TEST_CASE("a datagram is one message, and a bad one spoils no other", "[collecting]") {
    Received received(ipfix::SessionKind::datagrams);
    received.session.datagram(Octets{1, 2, 3}, 0, 1000 * kNsPerSecond);
    Octets two = message(0, true);
    const Octets second = message(1, false);
    two.insert(two.end(), second.begin(), second.end());
    received.session.datagram(two, 0, 1000 * kNsPerSecond); // the second message is not read
    received.session.datagram(second, 576, 1000 * kNsPerSecond);
    CHECK(received.count.records == 2);
    const auto& findings = received.session.checker().findings();
    CHECK(findings.of(ipfix::Rule::version).times == 1);
    CHECK(findings.of(ipfix::Rule::message_length).times == 1);
    CHECK(findings.of(ipfix::Rule::ip_fragments).message == 3);
    CHECK(received.session.last_octets_ns() == 1000 * kNsPerSecond);
}
