// SPDX-License-Identifier: BSD-3-Clause
#include <map>
#include <random>
#include <set>

#include "probe/application/host_table.hpp"
#include "probe/application/number_table.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

TEST_CASE("a number's first value stays, whatever else is in the table", "[application]") {
    NumberTable<std::uint16_t> table;
    CHECK(table.find(0) == nullptr);
    std::map<std::uint32_t, std::uint16_t> truth;
    std::mt19937 random(7);
    for (int i = 0; i < 5'000; ++i) {
        // engine and selector: high bits few, low bits dense
        const auto key = static_cast<std::uint32_t>((random() % 3) << 24 | random() % 6'000);
        const auto value = static_cast<std::uint16_t>(i);
        CHECK(table.add(key, value) == truth.emplace(key, value).first->second);
    }
    for (std::uint32_t key = 0; key < 7'000; ++key) {
        const std::uint16_t* const found = table.find(key);
        const auto known = truth.find(key);
        REQUIRE((found != nullptr) == (known != truth.end()));
        if (found != nullptr) {
            REQUIRE(*found == known->second);
        }
    }
}

TEST_CASE("a name finds the hosts at and above it, and no others", "[application]") {
    HostTable<int> table;
    std::set<int> found;
    const auto ask = [&](std::string_view name) {
        found.clear();
        table.for_each(name, [&found](int value) { found.insert(value); });
        return found;
    };
    CHECK(ask("flume.example").empty());
    table.add("flume.example", 1);
    table.add("example", 2);
    table.add("www.flume.example", 3);
    table.add("flume.example", 4);
    CHECK(ask("flume.example") == std::set{1, 2, 4});
    CHECK(ask("www.flume.example") == std::set{1, 2, 3, 4});
    CHECK(ask("a.b.www.flume.example") == std::set{1, 2, 3, 4});
    CHECK(ask("WWW.Flume.Example") == std::set{1, 2, 3, 4});
    CHECK(ask("notflume.example") == std::set{2});
    CHECK(ask("flume.example.org").empty());
    CHECK(ask("").empty());
    CHECK(ask("..flume.example") == std::set{1, 2, 4});
    for (int i = 0; i < 2'000; ++i) {
        table.add("host" + std::to_string(i) + ".weir.example", 100 + i);
    }
    for (int i = 0; i < 2'000; ++i) {
        REQUIRE(ask("x.host" + std::to_string(i) + ".weir.example") == std::set{2, 100 + i});
    }
}

} // namespace
} // namespace probe::test
