// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/record_backlog.hpp"

#include <deque>
#include <random>

#include "tests/support/catch.hpp"

namespace {

using Octets = std::vector<std::uint8_t>;

probe::QueuedRecord header(std::uint64_t number) {
    probe::QueuedRecord record;
    record.queued_at = number;
    record.weight = {number + 1, number + 2};
    record.template_index = static_cast<std::uint16_t>(number % 5);
    return record;
}

} // namespace

TEST_CASE("the backlog behaves like a queue of records for any mix of calls", "[backlog]") {
    const unsigned seed = GENERATE(1U, 2U, 3U, 4U);
    INFO("seed " << seed);
    std::mt19937 random(seed);
    probe::RecordBacklog backlog(150'000);
    std::deque<Octets> model;
    std::deque<std::uint64_t> numbers;
    std::size_t read = 0;
    std::uint64_t next = 0;
    std::uint64_t refused = 0;
    for (int call = 0; call < 40'000; ++call) {
        const auto dice = static_cast<unsigned>(random() % 100);
        if (dice < 45) {
            const Octets octets(random() % (seed % 2 == 0 ? 200 : 20'000),
                                static_cast<std::uint8_t>(next));
            if (backlog.push(header(next), octets)) {
                model.push_back(octets);
                numbers.push_back(next);
            } else {
                ++refused;
            }
            ++next;
        } else if (dice < 90) {
            probe::QueuedRecord record;
            probe::Bytes octets;
            REQUIRE(backlog.peek(record, octets) == (read < model.size()));
            if (read == model.size()) continue;
            REQUIRE(record.queued_at == numbers[read]);
            REQUIRE(record.weight.octets == numbers[read] + 2);
            REQUIRE(Octets(octets.begin(), octets.end()) == model[read]);
            backlog.advance();
            ++read;
        } else if (dice < 97) {
            backlog.release();
            const auto count = static_cast<std::ptrdiff_t>(read);
            model.erase(model.begin(), model.begin() + count);
            numbers.erase(numbers.begin(), numbers.begin() + count);
            read = 0;
        } else {
            backlog.rewind();
            read = 0;
        }
        std::size_t unread = 0;
        for (std::size_t at = read; at < model.size(); ++at)
            unread += model[at].size();
        REQUIRE(backlog.unread_octets() == unread);
        REQUIRE(backlog.empty() == model.empty());
        REQUIRE(backlog.all_read() == (read == model.size()));
    }
    CHECK(next > 10'000);
    CHECK((refused > 0 || seed % 2 == 0));
}

TEST_CASE("even the smallest backlog takes two records of the largest size", "[backlog]") {
    probe::RecordBacklog backlog(1);
    const Octets largest(65535, 1);
    for (int round = 0; round < 3; ++round) {
        CHECK(backlog.push(header(1), largest));
        CHECK(backlog.push(header(2), largest));
        CHECK_FALSE(backlog.push(header(3), {}));
        CHECK(backlog.over_half());
        backlog.advance();
        backlog.advance();
        backlog.release();
        CHECK(backlog.empty());
    }
}

TEST_CASE("a cleared backlog is as new", "[backlog]") {
    probe::RecordBacklog backlog(200'000);
    while (backlog.push(header(1), Octets(1000, 1))) {
    }
    backlog.advance();
    backlog.clear();
    CHECK(backlog.empty());
    CHECK(backlog.unread_octets() == 0);
    CHECK_FALSE(backlog.over_half());
    CHECK(backlog.push(header(9), Octets(10, 9)));
}
