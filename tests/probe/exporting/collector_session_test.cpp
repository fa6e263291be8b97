// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/collector_session.hpp"

#include "encoder/message_checker.hpp"
#include "encoder/wire_format.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::SendVerdict;

namespace {

std::uint32_t sequence_of(const Octets& message) {
    return ipfix::load_be<std::uint32_t>(message.data() + ipfix::kSequenceNumberOffset);
}

std::uint32_t export_time_of(const Octets& message) {
    return ipfix::load_be<std::uint32_t>(message.data() + ipfix::kExportTimeOffset);
}

bool starts_with_templates(const Octets& message) {
    return ipfix::load_be<std::uint16_t>(message.data() + ipfix::kMessageHeaderOctets) ==
           ipfix::kTemplateSetId;
}

/// What `parshall collect` counts of messages that came over UDP.
ipfix::SessionTotals collected(const std::vector<Octets>& messages) {
    ipfix::MessageChecker checker({.kind = ipfix::SessionKind::datagrams}, nullptr);
    ipfix::MessageReader reader(checker);
    for (const Octets& message : messages) {
        std::span<const std::uint8_t> octets(message);
        CHECK(reader.read(octets) == ipfix::ReadVerdict::read);
    }
    return checker.totals();
}

} // namespace

TEST_CASE("the first message of a session carries all templates, before any data", "[session]") {
    Bench bench;
    bench.step();
    REQUIRE(bench.wire->messages.size() == 1);
    CHECK(starts_with_templates(bench.wire->messages[0]));
    CHECK(bench.decode().template_records() == 2);
    CHECK(bench.session.ledger().templates_sent == 2);
}

TEST_CASE("a message leaves when its oldest record has waited message_delay", "[session]") {
    Bench bench;
    bench.step();
    bench.append(1);
    bench.step(499 * kNsPerMs);
    CHECK(bench.decode().data_records() == 0);
    CHECK_FALSE(bench.session.idle());
    bench.step(1 * kNsPerMs);
    CHECK(numbers(bench.decode()) == counting(1, 1));
    CHECK(bench.session.idle());
}

TEST_CASE("a full message leaves at once and the rest waits", "[session]") {
    Bench bench;
    bench.step();
    const std::uint64_t per_message = (1472 - 16 - 4) / 12;
    bench.append(0, per_message + 3);
    bench.step();
    CHECK(numbers(bench.decode()) == counting(0, per_message));
    CHECK(bench.session.ledger().queued.records == 3);
    CHECK(bench.wire->messages.back().size() <= 1472);
}

TEST_CASE("records of several templates keep their order", "[session]") {
    Bench bench;
    for (std::uint64_t number = 0; number < 10; ++number) {
        const bool ipv6 = number % 3 == 0;
        bench.session.append(
            {ipv6 ? 1U : 0U, ipv6 ? ipv6_record(number) : ipv4_record(number), {1, 2}}, bench.now);
    }
    bench.step(kNsPerSecond);
    CHECK(numbers(bench.decode()) == counting(0, 10));
}

TEST_CASE("Export Time is never before the end of a flow in the message", "[session]") {
    Bench bench;
    bench.step();
    CHECK(export_time_of(bench.wire->messages[0]) == kStart / kNsPerSecond);
    bench.append(1);
    bench.step(900 * kNsPerMs);
    CHECK(export_time_of(bench.wire->messages[1]) == kStart / kNsPerSecond + 1);
}

TEST_CASE("sequence numbers count data records and wrap at 2^32", "[session][rfc7011-3.1]") {
    Bench bench(one_copy(), 0xFFFFFFF0);
    bench.step();
    for (int round = 0; round < 4; ++round) {
        bench.append(0, 10);
        bench.step(kNsPerSecond);
    }
    REQUIRE(bench.wire->messages.size() == 5);
    CHECK(sequence_of(bench.wire->messages[0]) == 0xFFFFFFF0);
    CHECK(sequence_of(bench.wire->messages[1]) == 0xFFFFFFF0);
    CHECK(sequence_of(bench.wire->messages[2]) == 0xFFFFFFFA);
    CHECK(sequence_of(bench.wire->messages[3]) == 4);
    CHECK(sequence_of(bench.wire->messages[4]) == 14);
    bench.decode({.first_sequence_zero = false});
}

TEST_CASE("a collector misses no record where sequence numbers wrap, and lost ones to the record",
          "[session][rfc7011-3.1]") {
    Bench bench(one_copy(), 0xFFFFFFF0);
    bench.step();
    for (int round = 0; round < 4; ++round) {
        bench.append(0, 10);
        bench.step(kNsPerSecond);
    }
    const std::size_t lost = GENERATE(0U, 1U, 2U, 3U); // none, or the message before, on, behind it
    std::vector<Octets> arrived = bench.wire->messages;
    if (lost > 0) arrived.erase(arrived.begin() + static_cast<std::ptrdiff_t>(lost));
    const ipfix::SessionTotals totals = collected(arrived);
    CHECK(totals.flow_records == (lost > 0 ? 30 : 40));
    CHECK(totals.records_missing == 40 - totals.flow_records);
    CHECK(bench.session.ledger().sent.records == totals.flow_records + totals.records_missing);
}

TEST_CASE("Export Time goes on past 2036, 2038 and 2106, in seconds modulo 2^32",
          "[session][rfc7011-3.1]") {
    // The last second of NTP's first era, of signed and of unsigned seconds since 1970.
    const probe::TimeNs last_s = GENERATE(2'085'978'495ULL, 0x7FFFFFFFULL, 0xFFFFFFFFULL);
    Bench bench;
    bench.now = last_s * kNsPerSecond;
    bench.step();
    bench.append(1);
    bench.step(kNsPerSecond);
    REQUIRE(bench.wire->messages.size() == 2);
    CHECK(export_time_of(bench.wire->messages[0]) == last_s);
    CHECK(export_time_of(bench.wire->messages[1]) == static_cast<std::uint32_t>(last_s + 1));
    bench.step(59 * kNsPerSecond); // the refresh of templates does not mind
    REQUIRE(bench.wire->messages.size() == 3);
    CHECK(starts_with_templates(bench.wire->messages[2]));
}

TEST_CASE("UDP templates are repeated by time, also when there is no data",
          "[session][rfc7011-8.4]") {
    Bench bench;
    bench.step();
    bench.step(59 * kNsPerSecond);
    CHECK(bench.wire->messages.size() == 1);
    bench.step(1 * kNsPerSecond);
    REQUIRE(bench.wire->messages.size() == 2);
    CHECK(bench.decode().template_records() == 4);
    bench.append(1);
    bench.step(60 * kNsPerSecond);
    CHECK(starts_with_templates(bench.wire->messages[2]));
    CHECK(numbers(bench.decode()) == counting(1, 1));
    CHECK(bench.session.ledger().templates_sent == 6);
}

TEST_CASE("UDP templates go several times before the first data", "[session][rfc7011-8.4]") {
    probe::ExportOptions options; // two copies unless told otherwise
    SECTION("two") {}
    SECTION("five") {
        options.template_copies = 5;
    }
    Bench bench(options);
    bench.append(1);
    bench.step(kNsPerSecond);
    const std::size_t copies = options.template_copies;
    REQUIRE(bench.wire->messages.size() == copies);
    for (std::size_t i = 0; i < copies; ++i) {
        CHECK(starts_with_templates(bench.wire->messages[i]));
        CHECK(sequence_of(bench.wire->messages[i]) == 0);
    }
    CHECK(bench.decode().template_records() == 2 * copies);
    CHECK(numbers(bench.decode()) == counting(1, 1));
    // Each copy alone is enough for what follows.
    for (std::size_t lost = 0; lost + 1 < copies; ++lost) {
        bench.wire->messages.erase(bench.wire->messages.begin());
        CHECK(numbers(bench.decode()) == counting(1, 1));
    }
    // Later repetitions come once.
    bench.step(60 * kNsPerSecond);
    CHECK(bench.wire->messages.size() == 2);
    // A new session begins anew.
    bench.wire->sessions = 2;
    bench.step();
    CHECK(bench.wire->messages.size() == 2 + copies);
}

TEST_CASE("copies of templates that need several messages each", "[session][rfc7011-8.4]") {
    Bench bench{probe::ExportOptions{}};
    bench.wire->octets_max = 36; // one template a message
    bench.append(1);
    bench.step(kNsPerSecond);
    CHECK(bench.wire->messages.size() == 5);
    CHECK(bench.decode().template_records() == 4);
    CHECK(numbers(bench.decode()) == counting(1, 1));
}

TEST_CASE("over TCP there is one copy", "[session]") {
    Bench bench{probe::ExportOptions{}};
    bench.wire->is_reliable = true;
    bench.wire->sessions = 2;
    bench.step();
    CHECK(bench.decode().template_records() == 2);
}

TEST_CASE("a session pads its Sets where it is told to", "[session][padding][rfc7011-3.3.1]") {
    auto options = one_copy();
    options.set_padding = 8;
    Bench bench(options);
    for (std::uint64_t message = 0; message < 5; ++message) {
        bench.append(100 * message, message + 1);
        bench.step(kNsPerSecond);
    }
    CHECK(numbers(bench.decode()).size() == 15);
    for (std::size_t i = 1; i < bench.wire->messages.size(); ++i) {
        // Sets of 4 + 12 n octets; the header has 16.
        CHECK(bench.wire->messages[i].size() % 8 == 0);
    }
}

TEST_CASE("template refresh by count, from every 10 messages to never", "[session][rfc7011-8.4]") {
    for (const std::uint32_t count : {1U, 10U, 4096U, 0U}) {
        auto options = one_copy();
        options.template_refresh_messages = count;
        options.template_refresh = 24 * 3600 * kNsPerSecond;
        Bench bench(options);
        bench.step();
        for (std::uint64_t message = 0; message < 45; ++message) {
            bench.append(message);
            bench.step(kNsPerSecond);
        }
        // After so many messages without, the next has them.
        const std::size_t expected = count == 0 || count > 45 ? 1 : 1 + 45 / (count + 1);
        INFO("every " << count);
        CHECK(bench.decode().template_records() == 2 * expected);
        CHECK(numbers(bench.decode()) == counting(0, 45));
    }
}

TEST_CASE("UDP templates are repeated by message count", "[session][rfc7011-8.4]") {
    auto options = one_copy();
    options.template_refresh_messages = 3;
    Bench bench(options);
    bench.step();
    for (std::uint64_t message = 0; message < 8; ++message) {
        bench.append(message);
        bench.step(kNsPerSecond);
    }
    std::vector<bool> with_templates;
    for (const Octets& message : bench.wire->messages) {
        with_templates.push_back(starts_with_templates(message));
    }
    CHECK(with_templates ==
          std::vector<bool>{true, false, false, false, true, false, false, false, true});
    CHECK(numbers(bench.decode()) == counting(0, 8));
}

TEST_CASE("a reliable transport gets every template once", "[session]") {
    auto options = one_copy();
    options.template_refresh_messages = 1;
    Bench bench(options);
    bench.wire->is_reliable = true;
    for (std::uint64_t message = 0; message < 5; ++message) {
        bench.append(message);
        bench.step(100 * kNsPerSecond);
        bench.session.repeat_templates();
    }
    CHECK(bench.decode().template_records() == 2);
}

TEST_CASE("an operator can have UDP templates repeated", "[session]") {
    Bench bench;
    bench.step();
    bench.session.repeat_templates();
    bench.step();
    CHECK(bench.decode().template_records() == 4);
}

TEST_CASE("templates that need several messages all go before data", "[session]") {
    Bench bench;
    bench.wire->octets_max = 40; // one template record of 12 octets, or one IPv4 record
    bench.append(5);
    bench.step(kNsPerSecond);
    REQUIRE(bench.wire->messages.size() == 3);
    CHECK(numbers(bench.decode()) == counting(5, 1));
}

TEST_CASE("EAGAIN and ENOBUFS cost neither records nor sequence numbers", "[session]") {
    Bench bench;
    bench.step();
    bench.append(0, 5);
    for (int blocked = 0; blocked < 3; ++blocked) {
        bench.wire->answers = {SendVerdict::would_block};
        bench.step(kNsPerSecond);
        CHECK(bench.wire->answers.empty()); // one attempt a step: no spinning
        CHECK(bench.session.next_sequence() == 0);
    }
    bench.append(5, 5);
    bench.step(kNsPerSecond);
    bench.step(kNsPerSecond);
    CHECK(numbers(bench.decode()) == counting(0, 10));
    CHECK(bench.session.ledger().sent.records == 10);
    // The very same octets again: over TCP part of them may be in the kernel.
    CHECK(bench.wire->refused[2] == bench.wire->messages[1]);
}

TEST_CASE("a shrunken path MTU packs the same records into smaller messages", "[session]") {
    Bench bench;
    bench.step();
    bench.append(0, 300);
    bench.wire->answers = {SendVerdict::sent, SendVerdict::too_large};
    bench.step(kNsPerSecond);
    const auto decoder = bench.decode();
    CHECK(numbers(decoder) == counting(0, 300));
    for (std::size_t at = 2; at < bench.wire->messages.size(); ++at) {
        CHECK(bench.wire->messages[at].size() <= 500);
    }
}

TEST_CASE("a record that no longer fits a message is counted and the others go on", "[session]") {
    Bench bench;
    bench.step();
    bench.wire->octets_max = 16 + 4 + 12;
    bench.append(1);
    bench.session.append({1, ipv6_record(2), {20, 2000}}, bench.now);
    bench.append(3);
    bench.step(kNsPerSecond);
    CHECK(numbers(bench.decode()) == std::vector<std::uint64_t>{1, 3});
    const auto& ledger = bench.session.ledger();
    CHECK(lost(ledger, LossReason::record_too_large) == probe::RecordTally{1, 20, 2000});
    CHECK(ledger.queued.records == 0);
}

TEST_CASE("records of a template that fits no message are counted under that name", "[session]") {
    Bench bench;
    bench.wire->octets_max = 25; // no template record of 12 octets behind 20 of headers
    bench.append(1, 3);
    bench.step(kNsPerSecond);
    CHECK(bench.wire->messages.empty());
    CHECK(lost(bench.session.ledger(), LossReason::template_too_large).records == 3);
    CHECK(bench.session.idle());
}

TEST_CASE("after a UDP error only templates try the path, then records follow", "[session]") {
    Bench bench;
    bench.step();
    bench.append(0, 3);
    bench.wire->answers = {SendVerdict::transient_error};
    bench.step(kNsPerSecond);
    CHECK(bench.session.ledger().queued.records == 3);
    bench.step(999 * kNsPerMs);
    CHECK(bench.wire->messages.size() == 1);
    bench.step(1 * kNsPerMs);
    REQUIRE(bench.wire->messages.size() == 2);
    CHECK(starts_with_templates(bench.wire->messages[1]));
    CHECK(bench.decode().data_records() == 0);
    bench.step(99 * kNsPerMs);
    CHECK(bench.wire->messages.size() == 2);
    bench.step(1 * kNsPerMs);
    CHECK(numbers(bench.decode()) == counting(0, 3));
}

TEST_CASE("a full queue refuses the newest records and says why it is full", "[session]") {
    auto options = one_copy();
    options.queue_octets = 256 * 1024;
    Bench bench(options);
    const auto fill = [&] {
        while (bench.session.ledger().lost_total().records < 7)
            bench.append(1, 1);
    };
    LossReason reason = LossReason::queue_full;
    SECTION("slow") {
        bench.step();
        bench.wire->answers.assign(10, SendVerdict::would_block);
        bench.step();
    }
    SECTION("away") {
        reason = LossReason::not_connected;
        bench.wire->connected = false;
        bench.step();
    }
    SECTION("errors") {
        reason = LossReason::send_error;
        bench.wire->answers = {SendVerdict::transient_error};
        bench.step();
    }
    CHECK_FALSE(bench.session.backlogged());
    fill();
    CHECK(bench.session.backlogged());
    const auto& ledger = bench.session.ledger();
    CHECK(lost(ledger, reason) == ledger.lost_total());
    CHECK(lost(ledger, reason) == probe::RecordTally{7, 7, 700});
    CHECK(ledger.queued.records > 5000);

    bench.wire->connected = true;
    bench.wire->answers.clear();
    const std::uint64_t queued = ledger.queued.records;
    for (int round = 0; round < 10; ++round)
        bench.step(kNsPerSecond);
    CHECK(bench.session.idle());
    CHECK(ledger.sent.records == queued);
    CHECK(bench.decode().data_records() == queued); // and no gap in the sequence
}

TEST_CASE("a new connection starts over: templates, sequence 0, the message whole", "[session]") {
    Bench bench;
    bench.wire->is_reliable = true;
    bench.step();
    bench.append(0, 4);
    bench.step(kNsPerSecond);
    bench.append(4, 4);
    bench.wire->answers = {SendVerdict::session_lost};
    bench.step(kNsPerSecond);
    const auto before = bench.decode();
    CHECK(numbers(before) == counting(0, 4));
    CHECK(bench.session.ledger().queued.records == 4);

    bench.wire->messages.clear();
    bench.wire->connected = true;
    bench.wire->sessions = 2;
    bench.step(kNsPerSecond);
    REQUIRE(bench.wire->messages.size() == 1);
    CHECK(starts_with_templates(bench.wire->messages[0]));
    CHECK(sequence_of(bench.wire->messages[0]) == 0);
    CHECK(numbers(bench.decode()) == counting(4, 4));
    CHECK(bench.session.ledger().sessions == 2);
    CHECK(bench.session.ledger().sent.records == 8);
}

TEST_CASE("what a lost connection had not acknowledged moves from sent to lost", "[session]") {
    Bench bench;
    bench.wire->is_reliable = true;
    bench.step();
    for (std::uint64_t message = 0; message < 3; ++message) {
        bench.append(10 * message, 2);
        bench.step(kNsPerSecond);
    }
    CHECK(bench.session.ledger().sent.records == 6);
    // All of the last message and one octet of the one before: both may be incomplete there.
    bench.wire->unacknowledged = bench.wire->messages.back().size() + 1;
    bench.wire->connected = false;
    bench.step();
    CHECK(bench.session.ledger().sent == probe::RecordTally{2, 1, 100});
    CHECK(lost(bench.session.ledger(), LossReason::connection_lost) ==
          probe::RecordTally{4, 62, 6200});
    bench.step();
    CHECK(bench.session.ledger().sent.records == 2); // once
}

TEST_CASE("closing sends everything at once and ends the transport", "[session]") {
    Bench bench;
    bench.append(0, 1000);
    bench.session.close(bench.now); // 9 messages: less than pacing holds back
    CHECK(bench.session.idle());
    CHECK(bench.wire->closed);
    CHECK(numbers(bench.decode()) == counting(0, 1000));
    bench.append(1);
    CHECK(lost(bench.session.ledger(), LossReason::shutdown).records == 1);
}

TEST_CASE("closing over TCP waits for the last acknowledgement, abandoning counts it",
          "[session]") {
    Bench bench;
    bench.wire->is_reliable = true;
    bench.append(0, 10);
    bench.wire->unacknowledged = 1;
    bench.session.close(bench.now);
    bench.step();
    CHECK_FALSE(bench.session.idle());
    SECTION("it comes") {
        bench.wire->unacknowledged = 0;
        bench.step();
        CHECK(bench.session.ledger().sent.records == 10);
    }
    SECTION("it does not") {
        bench.session.abandon();
        CHECK(bench.session.ledger().sent.records == 0);
        CHECK(lost(bench.session.ledger(), LossReason::shutdown).records == 10);
    }
    check_balance(bench.session.ledger());
    CHECK(bench.session.idle());
    CHECK(bench.wire->closed);
}

TEST_CASE("abandoning counts what is queued, a message at hand included", "[session]") {
    Bench bench;
    bench.step();
    bench.append(1, 200);
    bench.wire->answers = {SendVerdict::would_block, SendVerdict::would_block};
    bench.step(kNsPerSecond);
    bench.session.close(bench.now);
    CHECK_FALSE(bench.session.idle());
    bench.session.abandon();
    CHECK(bench.session.idle());
    CHECK(lost(bench.session.ledger(), LossReason::shutdown) ==
          probe::RecordTally{200, 20100, 2010000});
    check_balance(bench.session.ledger());
}

TEST_CASE("one step sends a bounded number of messages", "[session]") {
    Bench bench;
    bench.wire->is_reliable = true;
    bench.step();
    bench.append(0, 121 * 100);
    bench.step();
    CHECK(bench.wire->messages.size() == 1 + 64);
    bench.step();
    CHECK(bench.wire->messages.size() == 1 + 100);
}

TEST_CASE("over UDP messages are spread, faster when more waits", "[session]") {
    constexpr std::size_t kKiB = 1024;
    Bench bench;
    bench.step(kNsPerSecond);
    const auto sent_in = [&](int ms) {
        const std::uint64_t before = bench.session.ledger().message_octets_sent;
        for (int poll = 0; poll < 10 * ms; ++poll)
            bench.step(kNsPerMs / 10);
        return bench.session.ledger().message_octets_sent - before;
    };
    SECTION("little") {
        bench.append(0, 121 * 100); // 100 full messages
        bench.step();
        CHECK(bench.session.ledger().message_octets_sent < 32 * kKiB + 2 * 1472);
        const std::uint64_t per_ms = sent_in(10) / 10;
        CHECK(per_ms > 4 * kKiB - 200);
        CHECK(per_ms < 4 * kKiB + 200);
    }
    SECTION("much") {
        bench.append(0, 121 * 1300); // 1.9 MB: 9.2 KiB a millisecond in 200 ms
        bench.step();
        const std::uint64_t per_ms = sent_in(10) / 10;
        CHECK(per_ms > 8 * kKiB);
        CHECK(per_ms < 10 * kKiB);
    }
    SECTION("in need: three quarters of the queue") {
        bench.append(0, 121 * 2500); // 3.6 MB: 360 KiB a millisecond in 10 ms
        bench.step();
        CHECK(sent_in(3) / 3 > 100 * kKiB);
    }
    SECTION("what keeps coming leaves as fast as it comes") {
        for (int ms = 0; ms < 250; ++ms) { // 120 KiB a millisecond
            bench.append(0, 10'240);
            static_cast<void>(sent_in(1));
        }
        CHECK(bench.session.ledger().lost_total().records == 0);
        CHECK(bench.session.ledger().queued.octets <
              bench.session.ledger().offered.octets / 5); // within 50 of the last 250 ms
    }
    while (!bench.session.idle())
        static_cast<void>(sent_in(10));
    CHECK(bench.now - kStart < 3 * kNsPerSecond);
    CHECK(bench.decode().data_records() == bench.session.ledger().offered.records);
}
