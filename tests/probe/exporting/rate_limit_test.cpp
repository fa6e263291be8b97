// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/rate_limit.hpp"

#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;

TEST_CASE("a bucket lets out its rate, and a tenth of a second's worth after a rest", "[rate]") {
    probe::TokenBucket bucket(1000);
    std::uint64_t taken = 0;
    for (probe::TimeNs now = kStart; now < kStart + 10 * kNsPerSecond; now += kNsPerMs / 3) {
        while (bucket.has_any(now)) {
            bucket.take(1, now);
            ++taken;
        }
    }
    CHECK(taken >= 10'000);
    CHECK(taken <= 10'000 + 100 + 1);
}

TEST_CASE("a session keeps to its records a second, and what it cannot queue is counted so",
          "[rate]") {
    probe::ExportOptions options;
    options.queue_octets = 128 * 1024; // some 2,700 records of 12 octets
    probe::CollectorOptions limited = collector_named("test");
    limited.records_per_second = 500;
    Bench bench(options, 0, nullptr, limited);
    bench.append(0, 200);
    bench.step(kNsPerSecond); // and the bucket is empty
    bench.append(200, 9'800);
    const auto& ledger = bench.session.ledger();
    const std::uint64_t taken = ledger.queued.records + ledger.sent.records;
    REQUIRE(taken > 2000);
    CHECK(lost(ledger, LossReason::rate_limit).records == 10'000 - taken);
    const std::uint64_t before = ledger.sent.records;
    for (std::uint64_t second = 1; second <= 3; ++second) {
        for (int step = 0; step < 100; ++step)
            bench.step(10 * kNsPerMs);
        const std::uint64_t sent = ledger.sent.records - before;
        CHECK(sent >= 500 * second - 50);
        CHECK(sent <= 500 * second + 50 + 50);
    }
    CHECK(numbers(bench.decode()) == counting(0, ledger.sent.records));
}

TEST_CASE("a session keeps to its bits a second, templates included", "[rate]") {
    probe::CollectorOptions limited = collector_named("test");
    limited.bits_per_second = 1'000'000;
    Bench bench({}, 0, nullptr, limited);
    bench.append(0, 100'000);
    for (int step = 0; step < 400; ++step)
        bench.step(10 * kNsPerMs);
    const std::uint64_t bits = bench.session.ledger().message_octets_sent * 8;
    CHECK(bits >= 4'000'000);
    CHECK(bits <= 4'000'000 + 100'000 + 1472 * 8);
}
