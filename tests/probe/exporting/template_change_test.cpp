// SPDX-License-Identifier: BSD-3-Clause
// What a reload of templates makes of a session that is there: announcements, withdrawals, and the
// records in between.
#include <unistd.h>

#include <filesystem>

#include "encoder/wire_format.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/exporting/record_spool.hpp"
#include "probe/exporting/template_list.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::SendVerdict;
using probe::TemplateList;

namespace {

/// sourceIPv4Address, octetDeltaCount; records as ipv4_record makes them.
const ipfix::TemplateRecord kNew(258, "new",
                                 {{ipfix::find_element("sourceIPv4Address"), 4, false, true},
                                  {ipfix::find_element("octetDeltaCount"), 8}});

/// 256 and 257; a reload takes 256 away and brings 258.
const TemplateList& before() {
    static const TemplateList list({templates()});
    return list;
}
const TemplateList& after() {
    static const TemplateList list(before(), {std::vector{templates()[1], kNew}});
    return list;
}
constexpr std::size_t kOldPlace = 0;
constexpr std::size_t kNewPlace = 2;

struct ReloadBench {
    explicit ReloadBench(bool reliable, probe::ExportOptions options = one_copy(),
                         probe::OptionsRecords* told = nullptr, std::string spool = {}) {
        wire->is_reliable = reliable;
        probe::CollectorOptions collector = collector_named("test");
        collector.spool = {spool, std::uint64_t{1} << 30};
        session = std::make_unique<probe::CollectorSession>(
            collector, options, kDomain, before(), std::make_unique<ScriptedTransport>(wire), told);
        if (!spool.empty()) {
            session->open_spool(kDomain, before().all(), {}, probe::SpoolThread::callers);
        }
        rules.withdrawals = reliable;
        step();
    }
    void append(std::size_t place, std::uint64_t number = 1) {
        session->append({place, ipv4_record(number), {1, 40}}, now);
        work();
    }
    void step(probe::TimeNs later = kNsPerSecond) {
        now += later;
        session->step(now);
        work();
        check_balance(session->ledger());
    }
    void work() const {
        if (session->spool() != nullptr) session->spool()->work();
    }
    void reload(const TemplateList& list = after(), probe::OptionsRecords* told = nullptr) {
        session->change_templates(list, told, now);
    }
    [[nodiscard]] strict::Decoder decode() const {
        strict::Decoder decoder(rules);
        for (const Octets& message : wire->messages)
            decoder.message(message);
        CHECK(decoder.complaint() == "");
        return decoder;
    }
    [[nodiscard]] bool collector_knows(std::uint16_t id) const {
        return decode().find_template(kDomain, id) != nullptr;
    }

    std::shared_ptr<ScriptedTransport::State> wire = std::make_shared<ScriptedTransport::State>();
    strict::Rules rules;
    probe::TimeNs now = kStart;
    std::unique_ptr<probe::CollectorSession> session;
};

} // namespace

TEST_CASE("a template that a reload takes away is withdrawn behind its last record",
          "[reload][rfc7011-8.1]") {
    ReloadBench bench(true);
    bench.append(kOldPlace, 1);
    bench.reload();
    bench.append(kOldPlace, 2); // its flow left a little later
    bench.append(kNewPlace, 3);
    bench.step();
    CHECK(bench.collector_knows(256));
    CHECK(bench.collector_knows(258));
    CHECK(bench.decode().data_records() == 3);
    bench.append(kOldPlace, 4); // the last of all
    bench.session->retire_templates();
    bench.step(kNsPerMs); // it waits for its message
    CHECK(bench.collector_knows(256));
    bench.step();
    bench.step();
    CHECK(bench.decode().data_records() == 4);
    CHECK_FALSE(bench.collector_knows(256));
    CHECK(bench.collector_knows(257));
    CHECK(bench.collector_knows(258));
    // header, set header, id and no fields: alone, since nothing else waited
    REQUIRE(bench.wire->messages.back().size() == 16 + 4 + 4);
    CHECK(Octets(bench.wire->messages.back().end() - 8, bench.wire->messages.back().end()) ==
          Octets{0, 2, 0, 8, 1, 0, 0, 0});
    const std::size_t messages = bench.wire->messages.size();
    bench.step();
    bench.step();
    CHECK(bench.wire->messages.size() == messages); // once
    CHECK(bench.session->ledger().sent.records == 4);
}

TEST_CASE("over UDP nothing is withdrawn: what went is not refreshed any more",
          "[reload][rfc7011-8.4]") {
    probe::ExportOptions options; // two copies
    ReloadBench bench(false, options);
    bench.append(kOldPlace, 1);
    bench.reload();
    bench.append(kOldPlace, 2);
    bench.append(kNewPlace, 3);
    bench.step();
    const strict::Decoder reloaded = bench.decode();
    CHECK(reloaded.data_records() == 3);
    CHECK(reloaded.template_records() == 2 * 2 + 1 + 3); // the new one, then a copy of all
    bench.session->retire_templates();
    bench.step(); // the rules have no withdrawals: decode() would complain
    const std::uint64_t told = bench.decode().template_records();
    bench.step(60 * kNsPerSecond);
    CHECK(bench.decode().template_records() == told + 2);
    bench.append(kOldPlace, 4); // nobody expects it, and it is told of all the same
    bench.step();
    CHECK(bench.decode().template_records() == told + 3);
    CHECK(bench.decode().data_records() == 4);
}

TEST_CASE("a session that begins after the reload hears of what its queue needs", "[reload]") {
    ReloadBench bench(true);
    bench.append(kOldPlace, 1);
    bench.wire->connected = false;
    bench.reload();
    bench.session->retire_templates();
    bench.step();
    bench.append(kNewPlace, 2);
    SECTION("an old record waits") {
        bench.wire->connected = true;
        ++bench.wire->sessions;
        bench.wire->messages.clear();
        bench.step();
        bench.step();
        const strict::Decoder decoder = bench.decode();
        CHECK(decoder.template_records() == 3);
        CHECK(decoder.data_records() == 2);
        CHECK_FALSE(bench.collector_knows(256)); // withdrawn behind it
    }
    SECTION("no old record waits any more") {
        bench.wire->connected = true;
        ++bench.wire->sessions;
        bench.step();
        bench.step();
        ++bench.wire->sessions;
        bench.wire->messages.clear();
        bench.step();
        bench.step();
        CHECK(bench.decode().template_records() == 2);
        CHECK_FALSE(bench.collector_knows(256));
    }
}

TEST_CASE("a template that comes back has its id again", "[reload]") {
    ReloadBench bench(true);
    bench.reload();
    bench.session->retire_templates();
    bench.step();
    CHECK_FALSE(bench.collector_knows(256));
    const TemplateList again(after(), {templates()});
    bench.reload(again);
    bench.append(kOldPlace, 1);
    bench.step();
    CHECK(bench.collector_knows(256));
    CHECK(bench.collector_knows(258)); // may still have records
    bench.session->retire_templates();
    bench.step();
    CHECK(bench.collector_knows(256));
    CHECK_FALSE(bench.collector_knows(258));
    CHECK(bench.decode().data_records() == 1);
}

TEST_CASE("a record that comes while the withdrawal waits has its template told again",
          "[reload]") {
    ReloadBench bench(true);
    bench.reload();
    bench.step();
    bench.session->retire_templates();
    bench.wire->answers = {SendVerdict::would_block};
    bench.step(); // packed, offered, not taken
    REQUIRE(bench.wire->refused.size() == 1);
    bench.append(kOldPlace, 1);
    bench.step();
    bench.step();
    const strict::Decoder decoder = bench.decode();
    CHECK(decoder.data_records() == 1);
    CHECK(decoder.template_records() == 2 + 1 + 1);
    CHECK_FALSE(bench.collector_knows(256)); // and withdrawn again
}

TEST_CASE("records of old templates come out of a spool described, then these are withdrawn",
          "[reload][spool]") {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("parshall_reload_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder);
    {
        ReloadBench bench(true, one_copy(), nullptr, folder.string());
        bench.step(kNsPerMs);
        bench.wire->connected = false;
        bench.step(2 * kNsPerSecond);
        for (std::uint64_t n = 1; n <= 3000; ++n) // some in a block that is sealed by time
            bench.append(kOldPlace, n);
        bench.step(2 * kNsPerSecond);
        bench.append(kOldPlace, 3001); // in the block at hand
        bench.reload();
        bench.append(kOldPlace, 3002);
        bench.append(kNewPlace, 3003);
        bench.session->retire_templates();
        CHECK(bench.session->ledger().spooled.records == 3003);
        bench.wire->connected = true;
        ++bench.wire->sessions;
        bench.wire->messages.clear();
        for (int n = 0;
             n < 2000 && !(bench.session->idle() && bench.session->ledger().spooled.records == 0);
             ++n) {
            bench.step(kNsPerMs);
        }
        bench.step();
        const strict::Decoder decoder = bench.decode();
        CHECK(decoder.data_records() == 3003);
        CHECK(decoder.records().front().template_id == 256);
        CHECK(decoder.records().back().template_id == 258);
        CHECK_FALSE(bench.collector_knows(256));
        CHECK(bench.session->ledger().sent.records == 3003);
    }
    std::filesystem::remove_all(folder);
}

TEST_CASE("options records follow the new templates", "[reload][options]") {
    probe::OptionsRecords told(templates(),
                               {.domain_id = kDomain, .domain_name = {}, .interfaces = {}});
    const TemplateList first({templates(), told.templates()});
    const ipfix::TemplateRecord another(
        static_cast<std::uint16_t>(told.templates().back().id() + 1), "new",
        {kNew.fields().begin(), kNew.fields().end()});
    const std::vector changed{templates()[1], another};
    probe::OptionsRecords next(
        changed, {.domain_id = kDomain, .domain_name = "named", .interfaces = {}, .known = &first});
    const TemplateList second(first, {changed, next.templates()});
    ReloadBench bench(true, one_copy(), &told);
    bench.reload(second, &next);
    bench.step();
    bench.session->retire_templates();
    bench.step();
    std::vector<std::uint64_t> flow_keys;
    bool domain_named = false;
    const strict::Decoder decoder = bench.decode();
    for (const strict::Record& record : decoder.records()) {
        CHECK(record.options);
        constexpr std::uint16_t kTemplateId = 145;
        constexpr std::uint16_t kDomainName = 300;
        if (record.has(0, kTemplateId)) flow_keys.push_back(record.number(kTemplateId));
        domain_named = domain_named || record.has(0, kDomainName);
    }
    CHECK(flow_keys == std::vector<std::uint64_t>{256, 257, 257, another.id()});
    CHECK(domain_named);
    CHECK_FALSE(bench.collector_knows(256));
    CHECK(bench.session->ledger().options_sent == told.count() + next.count());
}
