// SPDX-License-Identifier: BSD-3-Clause
// Flows from the first packet to the record, through worker, sweep and exporter on a clock of the
// test's own.
#include <map>
#include <numeric>

#include "tests/support/catch.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

constexpr const char* kClient = "10.0.0.1";
constexpr const char* kServer = "203.0.113.9";

PacketBuilder there() {
    return PacketBuilder().ethernet().ipv4({.source = kClient, .destination = kServer});
}
PacketBuilder back() {
    return PacketBuilder().ethernet().ipv4({.source = kServer, .destination = kClient});
}
PacketBuilder udp_there() {
    return there().udp(1000, 53).payload(72);
} // 100 octets of IP
PacketBuilder udp_back() {
    return back().udp(53, 1000).payload(172);
} // 200
PacketBuilder tcp_there(std::uint16_t bits) {
    return there().tcp(40'000, 443, bits);
}
PacketBuilder tcp_back(std::uint16_t bits) {
    return back().tcp(443, 40'000, bits);
}

} // namespace

TEST_CASE("a conversation becomes one record when it has been idle", "[metering][lane]") {
    MeterBench bench(kBiflow4);
    bench.packet(kStart, udp_there());
    bench.packet(kStart + 5 * kMs, udp_back());
    bench.packet(kStart + 9 * kMs, udp_there());
    bench.sweep(kStart + 9 * kMs + 15 * kSecond - 1);
    CHECK(bench.records().empty());
    bench.sweep(kStart + 9 * kMs + 15 * kSecond);
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    const strict::Record& record = records[0].record;
    CHECK(record.address(8) == kClient);
    CHECK(record.address(12) == kServer);
    CHECK(record.number(7) == 1000);
    CHECK(record.number(11) == 53);
    CHECK(record.number(4) == 17);
    CHECK(start_of(record) == kStart);
    CHECK(end_of(record) == kStart + 9 * kMs);
    CHECK(record.number(2) == 2);
    CHECK(record.number(1) == 200);
    CHECK(record.reverse(2) == 1);
    CHECK(record.reverse(1) == 200);
    CHECK(ntp_to_ns(record.reverse(156)) == kStart + 5 * kMs);
    CHECK(ntp_to_ns(record.reverse(157)) == kStart + 5 * kMs);
    CHECK(record.number(239) == 1);
    CHECK(reason_of(record) == 1);
    CHECK(bench.ledger().live.flows == 0);
    bench.check();
}

TEST_CASE("the record's source is the initiator, whichever end compares smaller",
          "[metering][lane]") {
    struct Case {
        const char* what;
        PacketBuilder first;
        PacketBuilder second;
        const char* source;
        unsigned biflow_direction;
    };
    const Case cases[] = {
        {"UDP from the client", udp_there(), udp_back(), kClient, 1},
        {"UDP from the server", udp_back(), udp_there(), kServer, 1},
        {"SYN", tcp_there(kSyn), tcp_back(kSyn | kAck), kClient, 1},
        {"SYN from the larger end", tcp_back(kSyn), tcp_there(kSyn | kAck), kServer, 1},
        {"the answer to a SYN is seen first", tcp_back(kSyn | kAck), tcp_there(kAck), kClient, 1},
        {"the same for the larger end", tcp_there(kSyn | kAck), tcp_back(kAck), kServer, 1},
        {"mid-stream", tcp_back(kAck), tcp_there(kAck), kServer, 0},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        MeterBench bench(kBiflow4);
        bench.packet(kStart, c.first);
        bench.packet(kStart + 1, c.second);
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 1);
        CHECK(records[0].record.address(8) == c.source);
        CHECK(records[0].record.number(7) ==
              (std::string(c.source) == kClient ? records[0].record.number(4) == 6 ? 40'000u : 1000u
               : records[0].record.number(4) == 6 ? 443u
                                                  : 53u));
        CHECK(records[0].record.number(2) == 1);
        CHECK(records[0].record.reverse(2) == 1);
        CHECK(records[0].record.number(239) == c.biflow_direction);
        bench.check();
    }
}

TEST_CASE("IPv6 conversations are joined as those of IPv4", "[metering][lane]") {
    MeterBench bench(kBiflow6);
    const auto to = PacketBuilder()
                        .ethernet()
                        .ipv6({.source = "2001:db8::9", .destination = "2001:db8::1"})
                        .udp(5, 6);
    const auto from = PacketBuilder()
                          .ethernet()
                          .ipv6({.source = "2001:db8::1", .destination = "2001:db8::9"})
                          .udp(6, 5);
    bench.packet(kStart, to);
    bench.packet(kStart + 1, from);
    bench.packet(kStart + 2, udp_there()); // no template of IPv4
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.address(27) == "2001:db8::9");
    CHECK(records[0].record.address(28) == "2001:db8::1");
    CHECK(records[0].record.number(7) == 5);
    CHECK(records[0].record.reverse(2) == 1);
    CHECK(bench.worker.ledger()
              .meter[static_cast<std::size_t>(MeterVerdict::ignored_no_template)]
              .packets.get() == 1);
    bench.check();
}

TEST_CASE("uniflows of a conversation are two records", "[metering][lane]") {
    MeterBench bench(kUniflow4);
    bench.packet(kStart, udp_there());
    bench.packet(kStart + 1, udp_back());
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2);
    CHECK(records[0].record.number(1) + records[1].record.number(1) == 300);
    CHECK(reason_of(records[0].record) == 4);
    bench.check();
}

TEST_CASE("a long flow is cut by the active timeout, and the deltas add up to its total",
          "[metering][lane]") {
    for (const bool with_sweep : {false, true}) {
        INFO("with sweep: " << with_sweep);
        BenchOptions options;
        options.metering.timeouts.active = 10 * kSecond;
        MeterBench bench(kBiflow4, options);
        for (unsigned second = 0; second < 60; ++second) {
            const TimeNs now = kStart + second * kSecond;
            bench.packet(now, udp_there());
            if (second % 2 == 1) {
                bench.packet(now, udp_back());
            }
            if (with_sweep) {
                bench.sweep(now + kSecond / 2);
            }
        }
        bench.sweep(kStart + 69 * kSecond); // the sixth cut
        bench.sweep(kStart + 74 * kSecond); // idle, nothing left to report
        const auto records = bench.records();
        REQUIRE(records.size() == 6);
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
        std::uint64_t reverse_packets = 0;
        for (std::size_t i = 0; i < 6; ++i) {
            const strict::Record& record = records[i].record;
            packets += record.number(2);
            octets += record.number(1);
            reverse_packets += record.reverse(2);
            CHECK(start_of(record) == kStart + i * 10 * kSecond);
            CHECK(end_of(record) == start_of(record) + 9 * kSecond);
            CHECK(record.number(2) == 10);
            CHECK(record.reverse(2) == 5);
            CHECK(record.number(86) == packets);
            CHECK(record.number(85) == octets);
            CHECK(record.reverse(86) == reverse_packets);
            CHECK(record.address(8) == kClient);
            CHECK(reason_of(record) == 2);
        }
        CHECK(packets == 60);
        CHECK(octets == 6000);
        CHECK(bench.worker.ledger().flows_made.get() == 1);
        CHECK(bench.ledger().live.flows == 0);
        bench.check();
    }
}

TEST_CASE("a flow that is cut and then silent makes no empty record", "[metering][lane]") {
    BenchOptions options;
    options.metering.timeouts = {
        .idle = 15 * kSecond, .active = 10 * kSecond, .tcp_end = 2 * kSecond};
    MeterBench bench(kBiflow4, options);
    bench.packet(kStart, udp_there());
    bench.packet(kStart + 9 * kSecond, udp_there());
    bench.sweep(kStart + 10 * kSecond);
    REQUIRE(bench.records().size() == 1);
    CHECK(bench.ledger().live.flows == 1);
    CHECK(bench.ledger().live.packets == 0);
    bench.sweep(kStart + 24 * kSecond);
    CHECK(bench.records().empty());
    CHECK(bench.ledger().live.flows == 0);
    bench.check();
}

TEST_CASE("a flow that fell silent after a cut is a new one when it speaks again, swept or not",
          "[metering][lane]") {
    for (const bool with_sweep : {false, true}) {
        INFO("with sweep: " << with_sweep);
        BenchOptions options;
        options.metering.timeouts = {
            .idle = 15 * kSecond, .active = 60 * kSecond, .tcp_end = 2 * kSecond};
        MeterBench bench(kBiflow4, options);
        for (unsigned second = 0; second <= 50; second += 10) {
            bench.packet(kStart + second * kSecond, udp_there());
        }
        if (with_sweep) {
            bench.sweep(kStart + 60 * kSecond);
            bench.sweep(kStart + 65 * kSecond);
        }
        bench.packet(kStart + 70 * kSecond, udp_back()); // 20 s after the last one
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 2);
        CHECK(reason_of(records[0].record) == 2);
        CHECK(records[1].record.address(8) == kServer); // a new flow, and the server began it
        CHECK(records[1].record.number(86) == 1);       // its total starts again
        CHECK(bench.worker.ledger().flows_made.get() == 2);
        bench.check();
    }
}

TEST_CASE("a packet behind an idle gap starts a new record even when no sweep came by",
          "[metering][lane]") {
    MeterBench bench(kBiflow4);
    bench.packet(kStart, udp_there());
    bench.packet(kStart + 15 * kSecond, udp_back());
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2);
    CHECK(reason_of(records[0].record) == 1);
    CHECK(end_of(records[0].record) == kStart);
    CHECK(start_of(records[1].record) == kStart + 15 * kSecond);
    CHECK(records[1].record.address(8) == kServer);
    bench.check();
}

TEST_CASE("late packets never stretch a record over a timeout", "[metering][lane]") {
    BenchOptions options;
    options.metering.timeouts = {
        .idle = 15 * kSecond, .active = 20 * kSecond, .tcp_end = 2 * kSecond};
    SECTION("longer than the active timeout") {
        MeterBench bench(kBiflow4, options);
        bench.packet(kStart + 30 * kSecond, udp_there());
        bench.packet(kStart + 40 * kSecond, udp_there());
        bench.packet(kStart + 20 * kSecond, udp_there()); // 20 s before the last one
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 2);
        CHECK(start_of(records[0].record) == kStart + 30 * kSecond);
        CHECK(end_of(records[0].record) == kStart + 40 * kSecond);
        CHECK(start_of(records[1].record) == kStart + 20 * kSecond);
        CHECK(end_of(records[1].record) == kStart + 20 * kSecond);
        bench.check();
    }
    SECTION("an idle gap in between") {
        MeterBench bench(kBiflow4, options);
        bench.packet(kStart + 30 * kSecond, udp_there());
        bench.packet(kStart + 15 * kSecond, udp_there());
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 2);
        CHECK(start_of(records[1].record) == kStart + 15 * kSecond);
        CHECK(end_of(records[1].record) == kStart + 15 * kSecond);
        bench.check();
    }
    SECTION("a little late is the same record") {
        MeterBench bench(kBiflow4, options);
        bench.packet(kStart + 30 * kSecond, udp_there());
        bench.packet(kStart + 30 * kSecond - kMs, udp_there());
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 1);
        CHECK(start_of(records[0].record) == kStart + 30 * kSecond - kMs);
        CHECK(end_of(records[0].record) == kStart + 30 * kSecond);
    }
    SECTION("behind a cut") {
        MeterBench bench(kBiflow4, options);
        bench.packet(kStart, udp_there());
        bench.packet(kStart + 10 * kSecond, udp_there());
        bench.packet(kStart + 19 * kSecond, udp_there());
        bench.sweep(kStart + 20 * kSecond);
        bench.packet(kStart + 18 * kSecond, udp_there());
        bench.flush();
        const auto records = bench.records();
        REQUIRE(records.size() == 2);
        CHECK(end_of(records[0].record) == kStart + 19 * kSecond);
        CHECK(start_of(records[1].record) == kStart + 18 * kSecond);
        CHECK(end_of(records[1].record) == kStart + 18 * kSecond);
        bench.check();
    }
}

TEST_CASE("FIN both ways ends a flow after the linger, and the last ACK makes no ghost",
          "[metering][lane][tcp]") {
    MeterBench bench(kBiflow4);
    const auto at = [](unsigned ms) { return kStart + ms * kMs; };
    bench.packet(at(0), tcp_there(kSyn));
    bench.packet(at(1), tcp_back(kSyn | kAck));
    bench.packet(at(2), tcp_there(kFin | kAck));
    bench.packet(at(3), tcp_back(kFin | kAck));
    bench.sweep(at(1000));
    CHECK(bench.records().empty());
    bench.packet(at(1500), tcp_there(kAck));
    bench.sweep(at(3499));
    CHECK(bench.records().empty()); // the linger counts from the last packet
    bench.sweep(at(3500));
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(reason_of(records[0].record) == 3);
    CHECK(records[0].record.number(2) == 3);
    CHECK(records[0].record.reverse(2) == 2);
    CHECK(records[0].record.number(6) == (kSyn | kAck | kFin));
    CHECK(bench.worker.ledger().flows_made.get() == 1);
    bench.check();
}

TEST_CASE("RST ends a flow; after the linger the same ports are a new flow",
          "[metering][lane][tcp]") {
    MeterBench bench(kBiflow4);
    bench.packet(kStart, tcp_there(kSyn));
    bench.packet(kStart + 1, tcp_back(kRst | kAck));
    bench.packet(kStart + 1 + 2 * kSecond, tcp_there(kSyn)); // no sweep came by
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2);
    CHECK(reason_of(records[0].record) == 3);
    CHECK(reason_of(records[1].record) == 4);
    CHECK(start_of(records[1].record) == kStart + 1 + 2 * kSecond);
    bench.check();
}

TEST_CASE("a SYN within the linger revives the flow", "[metering][lane][tcp]") {
    MeterBench bench(kBiflow4);
    bench.packet(kStart, tcp_there(kSyn));
    bench.packet(kStart + 1, tcp_back(kRst | kAck));
    bench.packet(kStart + kSecond, tcp_there(kSyn));
    bench.sweep(kStart + 4 * kSecond);
    CHECK(bench.records().empty());
    bench.sweep(kStart + 16 * kSecond);
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(reason_of(records[0].record) == 1);
}

TEST_CASE("FIN ends a uniflow", "[metering][lane][tcp]") {
    MeterBench bench(kUniflow4);
    bench.packet(kStart, tcp_there(kSyn));
    bench.packet(kStart, tcp_there(kFin));
    bench.packet(kStart, tcp_back(kAck));
    bench.sweep(kStart + 2 * kSecond);
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.address(8) == kClient);
    CHECK(reason_of(records[0].record) == 3);
}

TEST_CASE("with tcp_end off, FIN and RST mean nothing", "[metering][lane][tcp]") {
    BenchOptions options;
    options.metering.timeouts.tcp_end = kNever;
    MeterBench bench(kBiflow4, options);
    bench.packet(kStart, tcp_there(kSyn));
    bench.packet(kStart, tcp_back(kRst));
    bench.sweep(kStart + 14 * kSecond);
    CHECK(bench.records().empty());
    bench.sweep(kStart + 15 * kSecond);
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(reason_of(records[0].record) == 1);
}

TEST_CASE("a counter that outgrows a short field cuts no record: it goes out in the wider template",
          "[metering][lane][rfc7011-6.2]") {
    constexpr const char* kShort = R"(templates:
  - name: short
    keys: [sourceIPv4Address, destinationIPv4Address]
    values: ["packetDeltaCount[1]", "octetDeltaCount[2]", "reversePacketDeltaCount[1]",
             packetTotalCount, flowEndReason]
)";
    MeterBench bench(kShort);
    for (int n = 0; n < 300; ++n) {
        bench.packet(kStart + static_cast<TimeNs>(n), udp_there());
    }
    bench.packet(kStart + 300, udp_back());
    bench.packet(kStart + 302, PacketBuilder()
                                   .ethernet()
                                   .ipv4({.source = "10.0.0.2", .destination = kServer})
                                   .udp(1, 2)
                                   .payload(72));
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 2);
    CHECK(records[0].record.number(2) == 300);
    CHECK(records[0].record.number(1) == 30'000);
    CHECK(records[0].record.number(86) == 300);
    CHECK(records[0].record.reverse(2) == 1);
    CHECK(records[0].record.template_id == 257);
    CHECK(records[1].record.number(2) == 1);
    CHECK(records[1].record.number(1) == 100);
    CHECK(records[1].record.template_id == 256);
    CHECK(bench.ledger().wide_records == 1);
    bench.check();
}

TEST_CASE("packets of one flow in one burst make one flow", "[metering][lane]") {
    MeterBench bench(kBiflow4);
    for (int n = 0; n < 32; ++n) {
        bench.queue(kStart, udp_there());
        bench.queue(kStart, udp_back());
    }
    bench.burst();
    bench.flush();
    const auto records = bench.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].record.number(2) == 32);
    CHECK(records[0].record.reverse(2) == 32);
    CHECK(bench.worker.ledger().flows_made.get() == 1);
}

TEST_CASE("what is not metered is counted by its reason", "[metering][lane]") {
    const PacketFilter only_udp("udp");
    BenchOptions options;
    options.filter = &only_udp;
    MeterBench bench(std::string(kBiflow4) + "    filter: \"not port 99\"\n", options);
    bench.packet(kStart, udp_there());
    bench.packet(kStart, tcp_there(kSyn));
    bench.packet(kStart, there().udp(99, 98));
    bench.packet(kStart, PacketBuilder().ethernet().next_as(0x0806).payload(28));
    bench.packet(kStart, PacketBuilder().ethernet().ipv4().version_ihl_as(0x41).udp(1, 2));
    const LedgerSnapshot ledger = bench.ledger();
    CHECK(ledger.received.packets == 5);
    CHECK(ledger.metered == PacketSum{1, 114});
    CHECK(ledger.metered_ip_octets == 100);
    CHECK(ledger.meter[static_cast<std::size_t>(MeterVerdict::ignored_by_filter)].packets == 1);
    CHECK(ledger.meter[static_cast<std::size_t>(MeterVerdict::ignored_no_template)] ==
          PacketSum{1, 42});
    CHECK(ledger.parse[static_cast<std::size_t>(ParseVerdict::ignored_arp)].packets == 1);
    CHECK(ledger.parse[static_cast<std::size_t>(ParseVerdict::dropped_ip_header_length)].packets ==
          1);
    bench.check();
}
