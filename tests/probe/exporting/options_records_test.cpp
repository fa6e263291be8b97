// SPDX-License-Identifier: BSD-3-Clause
// Records of Options Templates, read back by the strict decoder.
#include "probe/exporting/options_records.hpp"

#include <algorithm>

#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::SendVerdict;

namespace {

// IANA's numbers
constexpr std::uint16_t kExportedOctets = 40;
constexpr std::uint16_t kExportedMessages = 41;
constexpr std::uint16_t kExportedFlowRecords = 42;
constexpr std::uint16_t kInterfaceName = 82;
constexpr std::uint16_t kTemplateId = 145;
constexpr std::uint16_t kIgnoredPackets = 164;
constexpr std::uint16_t kIgnoredOctets = 165;
constexpr std::uint16_t kNotSentFlows = 166;
constexpr std::uint16_t kNotSentPackets = 167;
constexpr std::uint16_t kNotSentOctets = 168;
constexpr std::uint16_t kFlowKeyIndicator = 173;
constexpr std::uint16_t kDomainName = 300;
constexpr std::uint16_t kObservationTime = 323;
constexpr std::uint16_t kElementName = 341;

struct ScriptedReport final : probe::MeteringReporter {
    probe::MeteringReport now;
    probe::MeteringReport report() const noexcept override { return now; }
};

/// A session that sends options records, and what they say at the moment.
struct OptionsBench {
    explicit OptionsBench(probe::ExportOptions options = one_copy(),
                          std::uint32_t first_sequence = 0)
        : records(templates(), {.domain_id = kDomain,
                                .domain_name = "upstream \xc3\xa4",
                                .interfaces = {{3, "net0", "the tap"}}}),
          bench(options, first_sequence, &records) {
        records.set_reporter(&report);
    }

    /// Options records that have `element`, in order of arrival.
    std::vector<strict::Record> with(std::uint16_t element) const {
        std::vector<strict::Record> found;
        const strict::Decoder decoder = bench.decode();
        for (const strict::Record& record : decoder.records()) {
            if (record.options && record.has(0, element)) {
                found.push_back(record);
            }
        }
        return found;
    }

    ScriptedReport report;
    probe::OptionsRecords records;
    Bench bench;
};

/// observationTimeMicroseconds, an NTP timestamp, as Unix seconds.
std::uint64_t last_seconds(const strict::Record& record) {
    constexpr std::uint64_t kUnixInNtp = 2'208'988'800;
    return (record.number(324) >> 32) - kUnixInNtp;
}

} // namespace

TEST_CASE("every session starts with one cycle of options records, behind all templates",
          "[options][rfc7011-4]") {
    OptionsBench options;
    options.bench.step();
    const strict::Decoder decoder = options.bench.decode();
    CHECK(decoder.template_records() == 2 + options.records.templates().size());
    CHECK(decoder.data_records() == options.records.count());
    CHECK(options.bench.session.ledger().options_sent == options.records.count());
    CHECK(options.bench.session.ledger().sent.records == 0);
    CHECK(options.bench.session.next_sequence() == options.records.count()); // section 3.1

    options.bench.step(59 * kNsPerSecond);
    CHECK(options.bench.session.ledger().options_sent == options.records.count());
    options.bench.step(kNsPerSecond);
    CHECK(options.bench.session.ledger().options_sent == 2 * options.records.count());

    options.bench.wire->sessions += 1; // another transport session: everything again
    options.bench.wire->messages.clear();
    options.bench.step();
    CHECK(options.bench.session.ledger().options_sent == 3 * options.records.count());
    CHECK(options.bench.decode().template_records() == 2 + options.records.templates().size());
}

TEST_CASE("metering process statistics are the session's own counters", "[options][rfc7011-4.1]") {
    OptionsBench options;
    options.bench.step();
    auto told = options.with(kExportedMessages);
    REQUIRE(told.size() == 1);
    CHECK(told[0].number(kExportedMessages) == 0);
    CHECK(told[0].number(149) == kDomain);
    options.bench.append(0, 500);
    options.bench.step(kNsPerSecond);
    const probe::SessionLedger before = options.bench.session.ledger();
    options.bench.step(59 * kNsPerSecond);
    told = options.with(kExportedMessages);
    REQUIRE(told.size() == 2);
    // the templates' repetition goes with it, in the same message
    CHECK(told[1].number(kExportedMessages) == before.messages_sent);
    CHECK(told[1].number(kExportedFlowRecords) == 500);
    CHECK(told[1].number(kExportedOctets) == before.message_octets_sent);
}

TEST_CASE("metering process reliability tells of packets that were not metered",
          "[options][rfc7011-4.2]") {
    OptionsBench options;
    options.report.now.ignored_packets = 17;
    options.report.now.ignored_octets = 1700;
    options.report.now.first_ignored_ns = 5 * kNsPerSecond + 1;
    options.report.now.last_ignored_ns = 6 * kNsPerSecond;
    options.bench.step();
    const auto told = options.with(kIgnoredPackets);
    REQUIRE(told.size() == 1);
    CHECK(told[0].number(kIgnoredPackets) == 17);
    CHECK(told[0].number(kIgnoredOctets) == 1700);
    CHECK(told[0].number(kObservationTime) == 5000);
    CHECK(last_seconds(told[0]) == 6);
}

TEST_CASE("exporting process reliability tells what the ledger says was lost",
          "[options][rfc7011-4.3]") {
    auto small = one_copy();
    small.queue_octets = 65'536;
    OptionsBench options(small);
    options.report.now.not_taken = {3, 30, 300};
    options.report.now.first_not_taken_ns = options.bench.now - 10 * kNsPerSecond;
    options.report.now.last_not_taken_ns = options.bench.now - 9 * kNsPerSecond;
    options.bench.step();
    options.bench.append(0, 20'000); // more than the queue holds
    const probe::RecordTally lost = options.bench.session.ledger().lost_total();
    REQUIRE(lost.records > 0);
    const probe::TimeNs lost_at = options.bench.now;
    while (options.bench.session.ledger().queued.records > 0) {
        options.bench.step(kNsPerSecond);
    }
    options.bench.step(60 * kNsPerSecond);
    const auto told = options.with(kNotSentFlows);
    REQUIRE(told.size() >= 2);
    CHECK(told.front().number(kNotSentFlows) == 3);
    CHECK(told.back().number(kNotSentFlows) == lost.records + 3);
    CHECK(told.back().number(kNotSentPackets) == lost.packets + 30);
    CHECK(told.back().number(kNotSentOctets) == lost.octets + 300);
    CHECK(told.back().number(kObservationTime) == (kStart - 10 * kNsPerSecond) / kNsPerMs);
    CHECK(last_seconds(told.back()) == lost_at / kNsPerSecond);
}

TEST_CASE("flow keys are the first bits of each template's indicator", "[options][rfc7011-4.4]") {
    OptionsBench options;
    options.bench.step();
    const auto told = options.with(kFlowKeyIndicator);
    REQUIRE(told.size() == templates().size());
    for (std::size_t t = 0; t < told.size(); ++t) {
        CHECK(told[t].number(kTemplateId) == templates()[t].id());
        CHECK(told[t].number(kFlowKeyIndicator) ==
              (std::uint64_t{1} << templates()[t].key_count()) - 1);
    }
}

TEST_CASE("without sampling nothing is told of selectors", "[options][sampling]") {
    OptionsBench options;
    options.bench.step();
    CHECK(options.with(302).empty());
    CHECK(options.with(301).empty());
}

TEST_CASE("selectors, their sequence and what they selected", "[options][sampling][rfc5477]") {
    const bool random = GENERATE(false, true);
    ScriptedReport report;
    probe::OptionsRecords records(
        templates(), {.domain_id = kDomain,
                      .domain_name = {},
                      .interfaces = {},
                      .sampling = {.method = random ? probe::SamplingMethod::random
                                                    : probe::SamplingMethod::systematic,
                                   .population = 100,
                                   .seed = 0}});
    records.set_reporter(&report);
    report.now.observed_packets = 12'345;
    report.now.selected_packets = 123;
    Bench bench(one_copy(), 0, &records);
    bench.step();
    std::vector<strict::Record> told;
    const strict::Decoder decoder = bench.decode();
    for (const strict::Record& record : decoder.records()) {
        if (record.has(0, 302) || record.has(0, 301)) told.push_back(record);
    }
    REQUIRE(told.size() == 3);
    // The selector: its algorithm by IANA's number, and the parameters that go with it.
    CHECK(told[0].number(302) == 1);
    CHECK(told[0].number(304) == (random ? 3 : 1));
    CHECK(told[0].number(random ? 309 : 305) == 1);
    CHECK(told[0].number(random ? 310 : 306) == (random ? 100 : 99));
    CHECK(told[0].number(34) == 100);
    CHECK(told[0].number(35) == (random ? 2 : 1));
    // The selection sequence: which domain's packets pass it.
    CHECK(told[1].number(301) == 1);
    CHECK(told[1].number(149) == kDomain);
    CHECK(told[1].number(302) == 1);
    // How many there were, and how many went on, at this moment.
    CHECK(told[2].number(301) == 1);
    CHECK(told[2].number(318) == 12'345);
    CHECK(told[2].number(319) == 123);
}

TEST_CASE("interfaces and the domain have names", "[options]") {
    OptionsBench options;
    options.bench.step();
    const auto interfaces = options.with(kInterfaceName);
    REQUIRE(interfaces.size() == 1);
    CHECK(interfaces[0].number(10) == 3);
    CHECK(interfaces[0].text(0, kInterfaceName) == "net0");
    CHECK(interfaces[0].text(0, 83) == "the tap");
    const auto domain = options.with(kDomainName);
    REQUIRE(domain.size() == 1);
    CHECK(domain[0].text(0, kDomainName) == "upstream \xc3\xa4");

    const probe::OptionsRecords without(templates(), {});
    CHECK(without.count() == 3 + templates().size());
    CHECK(without.templates().size() == 4);
}

TEST_CASE("a name is cut between characters", "[options]") {
    std::string name(39, 'x');
    name += "\xc3\xa4\xc3\xa4"; // two octets each
    probe::OptionsRecords records(templates(),
                                  {.domain_id = 1, .domain_name = name, .interfaces = {}});
    const auto last = records.encode(records.count() - 1, {});
    CHECK(last.octets.size() == 4 + 1 + 39);
}

TEST_CASE("enterprise-specific elements in use are described", "[options][rfc5610]") {
    const auto* element =
        &*std::find_if(ipfix::enterprise_elements().begin(), ipfix::enterprise_elements().end(),
                       [](const auto& e) { return e.type == ipfix::AbstractDataType::unsigned8; });
    const std::vector<ipfix::TemplateRecord> one = {
        {300, "enterprise", {{element, 1}, {element, 1}}, 1}};
    probe::OptionsRecords records(one, {});
    REQUIRE(records.count() == 3 + 1 + 1); // described once
    CHECK(records.templates().back().scope_count() == 2);
    CHECK(records.templates()[0].id() == 301); // above the data templates'
    Bench bench({}, 0, &records);
    bench.step();
    const strict::Decoder decoder = bench.decode();
    const auto told = std::find_if(decoder.records().begin(), decoder.records().end(),
                                   [](const auto& r) { return r.has(0, kElementName); });
    REQUIRE(told != decoder.records().end());
    CHECK(told->number(346) == element->enterprise);
    CHECK(told->number(303) == element->id);
    CHECK(told->number(339) == 1); // unsigned8
    CHECK(told->text(0, kElementName) == std::string(element->name).substr(0, 40));
}

TEST_CASE("options records that did not leave are packed again with the figures of then",
          "[options]") {
    OptionsBench options;
    options.bench.wire->answers = {SendVerdict::too_large, SendVerdict::would_block,
                                   SendVerdict::transient_error};
    for (int i = 0; i < 10; ++i) {
        options.bench.step(kNsPerSecond);
    }
    CHECK(options.bench.session.ledger().options_sent == options.records.count());
    CHECK(options.bench.decode().data_records() == options.records.count());
}

TEST_CASE("the last thing a session sends is what it has sent", "[options]") {
    OptionsBench options;
    options.bench.step();
    options.bench.append(0, 100);
    options.bench.session.close(options.bench.now);
    for (int i = 0; i < 20 && !options.bench.session.idle(); ++i) {
        options.bench.step(kNsPerMs);
    }
    REQUIRE(options.bench.session.idle());
    CHECK(options.bench.wire->closed);
    CHECK(options.bench.session.ledger().options_sent == 2 * options.records.count());
    CHECK(options.with(kExportedFlowRecords).back().number(kExportedFlowRecords) == 100);
    check_balance(options.bench.session.ledger());
}

TEST_CASE("options records too large for the path are counted and hold nothing up", "[options]") {
    OptionsBench options;
    options.bench.wire->octets_max = 60;
    options.bench.step();
    options.bench.append(0, 3);
    for (int i = 0; i < 10; ++i) {
        options.bench.step(kNsPerSecond);
    }
    const probe::SessionLedger& ledger = options.bench.session.ledger();
    CHECK(ledger.options_too_large > 0);
    CHECK(ledger.sent.records == 3);
    check_balance(ledger);
}
