// SPDX-License-Identifier: BSD-3-Clause
#include "probe/telemetry/ledger_snapshot.hpp"

#include <functional>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

/// A ledger that closes, with something in every sum.
LedgerSnapshot sound() {
    LedgerSnapshot s;
    s.received = {100, 10'000};
    s.metered = {80, 8'000};
    s.metered_ip_octets = 7'000;
    s.parse[static_cast<std::size_t>(ParseVerdict::ignored_arp)] = {12, 1'200};
    s.parse[static_cast<std::size_t>(ParseVerdict::dropped_ip_version)] = {3, 300};
    s.meter[static_cast<std::size_t>(MeterVerdict::dropped_table_full)] = {5, 500};
    s.records_made[1] = {4, 40, 4'000};
    s.records_made[4] = {6, 35, 2'500};
    s.records_lost_queue_full = {1, 5, 500};
    s.live = {2, 5, 500};
    s.flows_made = 12;
    s.later_fragments = 2;
    s.encoded = {9, 70, 6'000};
    SinkSum sink{.name = "udp://192.0.2.7", .ledger = {}, .members = {}};
    sink.ledger.offered = s.encoded;
    sink.ledger.sent = {6, 50, 5'000};
    sink.ledger.queued = {1, 10, 500};
    sink.ledger.lost[static_cast<std::size_t>(LossReason::send_error)] = {2, 10, 500};
    sink.ledger.messages_sent = 3;
    sink.ledger.message_octets_sent = 900;
    sink.ledger.templates_sent = 4;
    sink.ledger.sessions = 1;
    sink.ledger.send_errors[static_cast<std::size_t>(SendError::refused)] = 7;
    s.sinks.push_back(sink);
    s.ports.push_back({.name = "net_null0",
                       .driver = "net_null",
                       .received = 100,
                       .missed = 1,
                       .errors = 2,
                       .no_buffer = 3,
                       .gap = "counts nothing"});
    s.roles.push_back({"worker 0", 0.125});
    s.settled = true;
    return s;
}

} // namespace

TEST_CASE("a ledger that closes has nothing to say", "[telemetry]") {
    CHECK(sound().proof().empty());
    CHECK(LedgerSnapshot{}.proof().empty());
}

TEST_CASE("every sum that does not close is named with both sides", "[telemetry]") {
    struct Case {
        std::function<void(LedgerSnapshot&)> harm;
        std::vector<std::string> sentences;
    };
    const std::string sink = "udp://192.0.2.7: ";
    const std::string kBalance =
        "offered + recovered = sent + queued + spooled + handed over + lost";
    const Case cases[] = {
        {[](auto& s) { s.received.packets += 1; },
         {"packets received = metered + ignored + dropped: 101 is not 100"}},
        {[](auto& s) { s.received.octets -= 1; },
         {"frame octets received = metered + ignored + dropped: 9999 is not 10000"}},
        {[](auto& s) { s.parse[5].packets += 1; },
         {"packets received = metered + ignored + dropped: 100 is not 101"}},
        {[](auto& s) { s.meter[1].octets += 7; },
         {"frame octets received = metered + ignored + dropped: 10000 is not 10007"}},
        {[](auto& s) { s.live.packets += 1; },
         {"packets metered = in records + in live flows: 80 is not 81"}},
        {[](auto& s) { s.metered_ip_octets += 1; },
         {"IP octets metered = in records + in live flows: 7001 is not 7000"}},
        {[](auto& s) { s.records_made[5].records += 1; },
         {"records made = encoded + lost + waiting: 11 is not 10",
          "made = encoded + lost, records: 11 is not 10"}},
        {[](auto& s) { s.records_lost_queue_full.packets -= 1; },
         {"made = encoded + lost, packets: 75 is not 74"}},
        {[](auto& s) { s.records_lost_queue_full.octets -= 1; },
         {"made = encoded + lost, octets: 6500 is not 6499"}},
        {[](auto& s) { s.sinks[0].ledger.offered.octets += 1; },
         {sink + "offered + absent = encoded, octets: 6001 is not 6000",
          sink + kBalance + ", octets: 6001 is not 6000"}},
        {[](auto& s) { s.sinks[0].ledger.sent.records -= 1; },
         {sink + kBalance + ", records: 9 is not 8"}},
        {[](auto& s) { s.sinks[0].ledger.queued.packets += 1; },
         {sink + kBalance + ", packets: 70 is not 71"}},
        {[](auto& s) { s.sinks[0].ledger.spooled.octets += 1; },
         {sink + kBalance + ", octets: 6000 is not 6001"}},
        {[](auto& s) { s.sinks[0].ledger.recovered.records += 1; },
         {sink + kBalance + ", records: 10 is not 9"}},
        {[](auto& s) { s.sinks[0].ledger.lost[0].records += 1; },
         {sink + kBalance + ", records: 9 is not 10"}},
    };
    for (const Case& c : cases) {
        LedgerSnapshot harmed = sound();
        c.harm(harmed);
        CHECK(harmed.proof() == c.sentences);
    }
}

TEST_CASE("records that wait between worker and exporter are part of the sum", "[telemetry]") {
    LedgerSnapshot s = sound();
    s.records_made[2] = {3, 0, 0};
    CHECK(s.proof(3).empty());
    CHECK(s.proof(2) ==
          std::vector<std::string>{"records made = encoded + lost + waiting: 13 is not 12"});
    CHECK(s.proof().size() == 2);
}

TEST_CASE("workers' ledgers add up", "[telemetry]") {
    MeteringLedger a;
    a.received.add(10, 1000);
    a.metered.add(9, 900);
    a.metered_ip_octets.add(800);
    a.parse[2].add(1, 100);
    a.records_made[3].add(4, 400);
    a.records_lost_queue_full.add(1, 1);
    a.flows_made.add(2);
    a.later_fragments.add(1);
    a.transport_cut.add(2);
    a.extension_chain_cut.add(3);
    MeteringLedger b;
    b.received.add(1, 60);
    b.meter[3].add(1, 60);
    LedgerSnapshot s;
    s.add(a, {1, 5, 400});
    s.add(b, {2, 0, 0});
    s.add(a, {});
    CHECK(s.received == PacketSum{21, 2060});
    CHECK(s.metered == PacketSum{18, 1800});
    CHECK(s.metered_ip_octets == 1600);
    CHECK(s.parse[2] == PacketSum{2, 200});
    CHECK(s.meter[3] == PacketSum{1, 60});
    CHECK(s.records_made[3] == RecordTally{2, 8, 800});
    CHECK(s.records_made_total() == RecordTally{2, 8, 800});
    CHECK(s.records_lost_queue_full == RecordTally{2, 2, 2});
    CHECK(s.live.flows == 3);
    CHECK(s.live.packets == 5);
    CHECK(s.flows_made == 4);
    CHECK(s.later_fragments == 2);
    CHECK(s.transport_cut == 4);
    CHECK(s.extension_chain_cut == 6);
}

TEST_CASE("the table for people shows what is not zero", "[telemetry]") {
    const std::string expected =
        "port net_null0 (net_null): 100 received, 1 missed, 3 without buffer, 2 errors; counts "
        "nothing\n"
        "packets                                              packets      frame octets            "
        "        \n"
        "  received                                               100             10000\n"
        "  metered                                                 80              8000\n"
        "  ignored arp                                             12              1200\n"
        "  dropped ip version                                       3               300\n"
        "  dropped table full                                       5               500\n"
        "  (of the metered, 2 were fragments but the first: ports 0)\n"
        "flow records                                         records           packets           "
        "IP octets\n"
        "  idle timeout                                             4                40            "
        "    4000\n"
        "  forced end                                               6                35            "
        "    2500\n"
        "  made                                                    10                75            "
        "    6500\n"
        "  live flows                                               2                 5            "
        "     500\n"
        "  lost: record queue full                                  1                 5            "
        "     500\n"
        "to udp://192.0.2.7                                   records           packets           "
        "IP octets\n"
        "  sent                                                     6                50            "
        "    5000\n"
        "  queued                                                   1                10            "
        "     500\n"
        "  lost: send error                                         2                10            "
        "     500\n"
        "  3 messages, 900 octets, 4 template records, 0 options records, 1 sessions\n"
        "  send errors: 7 refused\n"
        "worker 0: 12.5 % busy\n";
    CHECK(sound().to_text() == expected);
}

TEST_CASE("the object for programs has every counter", "[telemetry]") {
    LedgerSnapshot s = sound();
    s.sinks[0].name = "json:a\"b\\c\n";
    const std::string json = s.to_json();
    CHECK(json.substr(0, 169) ==
          R"({"received":{"packets":100,"octets":10000},"metered":{"packets":80,"octets":8000},)"
          R"("meteredIpOctets":7000,)"
          R"("refused":{"ignored_arp":{"packets":12,"octets":1200},"ignored_l)");
    for (std::size_t v = 1; v < kParseVerdicts; ++v) {
        CHECK_THAT(json,
                   Catch::Contains("\"" + std::string(kParseVerdictNames[v]) + "\":{\"packets\":"));
    }
    for (std::size_t v = 1; v < kMeterVerdicts; ++v) {
        CHECK_THAT(json,
                   Catch::Contains("\"" + std::string(kMeterVerdictNames[v]) + "\":{\"packets\":"));
    }
    CHECK_THAT(json,
               Catch::Contains(
                   R"("laterFragments":2,"transportCut":0,"extensionChainCut":0,"flowsMade":12,)"
                   R"("flowsLeftOut":0,"leftOutLookups":0,)"
                   R"("liveFlows":{"records":2,"packets":5,"octets":500},)"));
    CHECK_THAT(
        json,
        Catch::Contains(R"("recordsMade":{"idle_timeout":{"records":4,"packets":40,"octets":4000},)"
                        R"("active_timeout":{"records":0,"packets":0,"octets":0},)"));
    CHECK_THAT(json,
               Catch::Contains(R"("recordsMadeTotal":{"records":10,"packets":75,"octets":6500},)"
                               R"("recordsLostQueueFull":{"records":1,"packets":5,"octets":500},)"
                               R"("wideRecords":0,"recordsWithoutCommon":0,)"
                               R"("encoded":{"records":9,"packets":70,"octets":6000},)"));
    CHECK_THAT(json, Catch::Contains(
                         R"("collectors":[{"name":"json:a\"b\\c\u000a","offered":{"records":9,)"));
    CHECK_THAT(json, Catch::Contains(R"("messages":3,"messageOctets":900,"templateRecords":4,)"
                                     R"("optionsRecords":0,"optionsTooLarge":0,"sessions":1,)"));
    CHECK_THAT(json, Catch::Contains(R"("refused":7)"));
    CHECK_THAT(json,
               Catch::Contains(
                   R"("ports":[{"name":"net_null0","driver":"net_null","received":100,"missed":1,)"
                   R"("noBuffer":3,"errors":2}])"));
    CHECK_THAT(json,
               Catch::EndsWith(
                   R"("roles":[{"name":"worker 0","busyShare":0.1250}],"ledgerCloses":true})"));
    s.received.packets += 1;
    CHECK_THAT(s.to_json(), Catch::EndsWith(R"("ledgerCloses":false})"));
    s.settled = false;
    CHECK_THAT(s.to_json(), !Catch::Contains("ledgerCloses"));
}
