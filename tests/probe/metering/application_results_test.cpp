// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/application_results.hpp"

#include <array>
#include <deque>
#include <numeric>
#include <random>
#include <vector>

#include "probe/application/packed_fields.hpp"
#include "tests/support/catch.hpp"

namespace probe {
namespace {

std::vector<std::uint8_t> octets_of(std::size_t count, std::uint8_t first) {
    std::vector<std::uint8_t> octets(count);
    std::iota(octets.begin(), octets.end(), first);
    return octets;
}

std::vector<std::uint8_t> read(const ApplicationResults& results, ResultHandle handle) {
    std::array<std::uint8_t, kPackedOctetsMax> out;
    const std::size_t used = results.read(handle, out);
    return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(used)};
}

TEST_CASE("a result of any length is read as it was stored", "[metering][application]") {
    ApplicationResults results(64 * ApplicationResults::kChunkOctets, 8);
    for (const std::size_t length : {std::size_t{1}, std::size_t{119}, std::size_t{120},
                                     std::size_t{121}, std::size_t{240}, kPackedOctetsMax}) {
        INFO(length);
        const auto octets = octets_of(length, 7);
        const ResultHandle handle = results.store(octets);
        REQUIRE(handle != kNoResult);
        CHECK(read(results, handle) == octets);
        results.drop(handle);
        CHECK(results.chunks_free() == results.chunks());
    }
}

TEST_CASE("a result that finds no room is refused, and nothing else changes",
          "[metering][application]") {
    ApplicationResults results(4 * ApplicationResults::kChunkOctets, 8);
    const auto two = octets_of(200, 1);
    const ResultHandle first = results.store(two);
    CHECK(results.store(octets_of(400, 9)) == kNoResult);
    const ResultHandle second = results.store(octets_of(200, 3));
    REQUIRE(second != kNoResult);
    CHECK(results.store(octets_of(1, 9)) == kNoResult);
    CHECK(read(results, first) == two);
    CHECK(read(results, second) == octets_of(200, 3));
}

TEST_CASE("a result lives as long as a flow or a record refers to it", "[metering][application]") {
    ApplicationResults results(1 * ApplicationResults::kChunkOctets, 8);
    const ResultHandle handle = results.store(octets_of(10, 1));
    results.lend(handle);
    results.lend(handle);
    results.drop(handle); // the flow's own
    CHECK(results.store(octets_of(1, 1)) == kNoResult);
    results.give_back(handle);
    results.take_returns();
    CHECK(read(results, handle) == octets_of(10, 1));
    results.give_back(handle);
    CHECK(results.store(octets_of(5, 4)) != kNoResult); // store looks for returns itself
    CHECK(results.chunks_free() == 0);
}

TEST_CASE("the exporter always finds a place for what it gives back", "[metering][application]") {
    constexpr std::size_t kRecordsMax = 4;
    ApplicationResults results(2 * ApplicationResults::kChunkOctets, kRecordsMax);
    const ResultHandle flow = results.store(octets_of(10, 1));
    std::deque<ResultHandle> on_the_way;
    std::mt19937_64 random(1);
    std::size_t lent = 0;
    for (int step = 0; step < 20'000; ++step) {
        if (random() % 2 == 0 && on_the_way.size() < kRecordsMax) {
            results.lend(flow);
            on_the_way.push_back(flow);
            ++lent;
        } else if (!on_the_way.empty()) {
            results.give_back(on_the_way.front());
            on_the_way.pop_front();
        }
    }
    CHECK(lent > 5'000);
    for (const ResultHandle handle : on_the_way) {
        results.give_back(handle);
    }
    results.take_returns();
    results.drop(flow);
    CHECK(results.chunks_free() == results.chunks()); // no return was lost
}

} // namespace
} // namespace probe
