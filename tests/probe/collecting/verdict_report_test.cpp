// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/verdict_report.hpp"

#include "probe/collecting/received_session.hpp"
#include "tests/support/catch.hpp"

using namespace probe;

TEST_CASE("a verdict says what came, what is wrong and where", "[collecting]") {
    ReceivedSession session("udp \"x\"", {.kind = ipfix::SessionKind::datagrams}, nullptr, {});
    const std::vector<std::uint8_t> data = {0, 10, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0,
                                            0, 0,  0, 1,  1, 0, 0, 8, 0, 0, 0, 1};
    session.datagram(data, 0, 0);
    session.end();
    CHECK(verdict_json(session.name(), session.checker()) ==
          R"({"session":"udp \"x\"","domains":[1],"streams":1,"messages":1,"octets":24,)"
          R"("flowRecords":0,)"
          R"("optionsRecords":0,"templateRecords":0,"withdrawals":0,"recordsMissing":0,)"
          R"("setsUnread":1,"findings":[{"rule":"data_before_template","section":"8",)"
          R"("violation":true,"times":1,"message":1,"octet":16,)"
          R"("what":"data sets for template 256 of domain 1 wait for a template"}],)"
          R"("diagnoses":["domain 1: 1 data set for template 256 could not be read: )"
          R"(the template never came"]})"
          "\n");
    const std::string table = verdict_table(session.name(), session.checker());
    CHECK(table.find("1 message, 0 flow records") != std::string::npos);
    CHECK(table.find("message 1, octet 16: data sets for template 256") != std::string::npos);
    CHECK(table.find("RFC 7011 8: a template comes before its data") != std::string::npos);
    CHECK(table.find("1 rule broken") != std::string::npos);
}

TEST_CASE("a session without a fault is said to have none", "[collecting]") {
    ReceivedSession session("file", {.kind = ipfix::SessionKind::file}, nullptr, {});
    session.end();
    CHECK(
        verdict_table("file", session.checker()) ==
        "file: 0 messages, 0 flow records, 0 options records, 0 template records, 0 octets; domain "
        "none\n  every rule was kept\n");
}
