// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/flow_table.hpp"

#include <algorithm>
#include <deque>
#include <numeric>
#include <random>
#include <set>
#include <unordered_map>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/eal_fixture.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

using Table = FlowTable<Ipv4Key>;

Ipv4Key key_number(std::uint32_t n) {
    Ipv4Key key{};
    std::memcpy(key.source.data(), &n, 4);
    return key;
}

Table make_table(std::size_t flows_max, SipKey hash_key = {3, 4}) {
    start_eal();
    return Table({.name = unique_name(),
                  .flows_max = flows_max,
                  .stride = 64,
                  .socket = -1,
                  .hash_key = hash_key});
}

std::int32_t add(Table& table, const Ipv4Key& key) {
    std::int32_t slot = FlowIndex::kNoSlot;
    if (table.insert(key, table.hash_of(key), slot) != InsertVerdict::inserted) {
        return FlowIndex::kNoSlot;
    }
    table.record(slot).key = key;
    publish(table.record(slot).state, FlowState::kLive);
    return slot;
}

std::int32_t find(const Table& table, const Ipv4Key& key) {
    return table.find(key, table.hash_of(key));
}

} // namespace

TEST_CASE("a table holds as many flows as were asked for, and says when it is full",
          "[metering][table]") {
    for (const std::size_t flows_max :
         {1U, 63U, 64U, 65U, 600U, 900U, 1000U, 1024U, 4096U, 7000U}) {
        INFO("flows_max " << flows_max);
        Table table = make_table(flows_max);
        for (std::uint32_t n = 0; n < flows_max; ++n) {
            REQUIRE(add(table, key_number(n)) >= 0);
        }
        CHECK(table.flows() == flows_max);
        CHECK(table.slots_used() <= table.slots());
        std::int32_t slot = 0;
        const Ipv4Key one_more = key_number(0xffffffff);
        CHECK(table.insert(one_more, table.hash_of(one_more), slot) == InsertVerdict::table_full);
        CHECK(table.selfcheck());
        table.erase(find(table, key_number(0)));
        CHECK(find(table, key_number(0)) == FlowIndex::kNoSlot);
        CHECK(add(table, one_more) >= 0);
        CHECK(table.selfcheck());
    }
}

TEST_CASE("keys with one signature are different flows", "[metering][table]") {
    Table table = make_table(1024);
    // 2^17 keys have about two pairs with the same 32 bits
    std::unordered_map<std::uint32_t, std::uint32_t> seen;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (std::uint32_t n = 0; n < (1U << 18) && pairs.size() < 3; ++n) {
        const auto [at, fresh] = seen.emplace(index_signature(table.hash_of(key_number(n))), n);
        if (!fresh) {
            pairs.emplace_back(at->second, n);
        }
    }
    REQUIRE(!pairs.empty());
    for (const auto& [a, b] : pairs) {
        REQUIRE(index_signature(table.hash_of(key_number(a))) ==
                index_signature(table.hash_of(key_number(b))));
        const std::int32_t slot_a = add(table, key_number(a));
        CHECK(find(table, key_number(b)) == FlowIndex::kNoSlot);
        const std::int32_t slot_b = add(table, key_number(b));
        REQUIRE(slot_a >= 0);
        REQUIRE(slot_b >= 0);
        CHECK(slot_a != slot_b);
        CHECK(find(table, key_number(a)) == slot_a);
        CHECK(find(table, key_number(b)) == slot_b);
        table.erase(slot_a);
        CHECK(find(table, key_number(a)) == FlowIndex::kNoSlot);
        CHECK(find(table, key_number(b)) == slot_b);
    }
    CHECK(table.selfcheck());
}

TEST_CASE("flows that find their bucket full are kept by rte_hash, and leave it",
          "[metering][table]") {
    constexpr std::size_t kFlows = 4096;
    constexpr std::uint64_t kBuckets = 1024;
    Table table = make_table(kFlows);
    std::vector<std::uint32_t> aimed;
    for (std::uint32_t n = 0; aimed.size() < 40; ++n) {
        if (table.hash_of(key_number(n)) % kBuckets == 77) {
            aimed.push_back(n);
        }
    }
    std::mt19937 random(3);
    for (int round = 0; round < 20; ++round) {
        for (const std::uint32_t n : aimed) {
            REQUIRE(find(table, key_number(n)) == FlowIndex::kNoSlot);
            REQUIRE(add(table, key_number(n)) >= 0);
        }
        CHECK(table.flows_left_out() == aimed.size() - 8);
        std::set<std::int32_t> slots;
        for (const std::uint32_t n : aimed) {
            slots.insert(find(table, key_number(n)));
        }
        CHECK(slots.size() == aimed.size());
        CHECK(*slots.begin() >= 0);
        REQUIRE(table.selfcheck());
        std::shuffle(aimed.begin(), aimed.end(), random);
        for (std::size_t i = 0; i < aimed.size(); ++i) {
            table.erase(find(table, key_number(aimed[i])));
            if (i % 8 == 0) {
                REQUIRE(table.selfcheck());
            }
        }
        CHECK(table.flows() == 0);
        CHECK(table.flows_left_out() == 0);
    }
}

TEST_CASE("the oldest entry of a bucket and its neighbour is known without its record",
          "[metering][table]") {
    start_eal();
    constexpr std::uint64_t kTag = std::uint64_t{1} << 48;
    FrontIndex index(unique_name(), 64, -1); // a tick an insert
    CHECK(index.oldest(4).slot == FrontIndex::kNoSlot);
    for (std::int32_t slot = 0; slot < 6; ++slot) { // buckets 4 and 5 in turn
        REQUIRE(index.insert(
            4 + static_cast<std::uint64_t>(slot % 2) + kTag * static_cast<std::uint64_t>(2 * slot),
            slot));
    }
    REQUIRE(index.insert(6, 99)); // elsewhere
    CHECK(index.oldest(4).slot == 0);
    CHECK(index.oldest(5).slot == 0);
    CHECK(index.candidate(4) == 0); // a packet: it is young again
    CHECK(index.oldest(4).slot == 1);
    const FrontIndex::Entry second = index.oldest(5);
    CHECK(index.stands(second, 5));
    index.replace(second, 7, 50); // a new flow, elsewhere
    CHECK_FALSE(index.stands(second, 5));
    CHECK(index.candidate(7) == 50);
    CHECK(index.oldest(4).slot == 2);
    CHECK(index.erase(4 + 2 * 2 * kTag, 2));
    CHECK_FALSE(index.erase(4 + 2 * 2 * kTag, 2));
    CHECK(index.oldest(4).slot == 3);
}

TEST_CASE("a flow whose bucket is full takes the place of that bucket's oldest",
          "[metering][table]") {
    start_eal();
    constexpr std::uint64_t kTag = std::uint64_t{1} << 48;
    FrontIndex index(unique_name(), 64, -1);
    REQUIRE(index.insert(5, 100)); // the neighbour has an older one
    const auto hash = [](std::int32_t n) { return 4 + kTag * 2 * static_cast<std::uint64_t>(n); };
    for (std::int32_t n = 0; n < 8; ++n) {
        CHECK(index.oldest(4).slot == 100); // while there is room
        REQUIRE(index.insert(hash(n), n));
    }
    REQUIRE_FALSE(index.insert(hash(8), 8));
    for (std::int32_t n = 8; n < 20; ++n) {
        const FrontIndex::Entry oldest = index.oldest(hash(n));
        CHECK(oldest.slot == n - 8);
        index.replace(oldest, hash(n), n);
        CHECK(index.candidate(hash(n)) == n);
        CHECK(index.candidate(hash(n - 8)) == FrontIndex::kNoSlot);
        CHECK(index.complete(4));
    }
    CHECK(index.candidate(5) == 100);
}

TEST_CASE("a flow of the next bucket does not leave for one whose bucket has filled up since",
          "[metering][table]") {
    start_eal();
    constexpr std::uint64_t kTag = std::uint64_t{1} << 48;
    FrontIndex index(unique_name(), 64, -1);
    REQUIRE(index.insert(5, 100));
    REQUIRE(index.insert(4, 0));
    const FrontIndex::Entry chosen = index.oldest(4 + 2 * kTag);
    CHECK(chosen.slot == 100);
    for (std::int32_t n = 1; n < 8; ++n) {
        CHECK(index.stands(chosen, 4 + 2 * kTag));
        REQUIRE(index.insert(4 + kTag * 4 * static_cast<std::uint64_t>(n), n));
    }
    CHECK_FALSE(index.stands(chosen, 4 + 2 * kTag));
    CHECK(index.oldest(4 + 2 * kTag).slot == 0);
}

TEST_CASE("slots are used again through a hundred times the capacity of adds and deletes",
          "[metering][table]") {
    constexpr std::size_t kFlows = 2000;
    Table table = make_table(kFlows);
    std::deque<std::uint32_t> live;
    std::mt19937 random(11);
    std::uint32_t next = 0;
    for (std::size_t adds = 0; adds < 100 * kFlows; ++adds) {
        if (live.size() == kFlows) {
            const std::size_t leaving = random() % live.size();
            std::swap(live[leaving], live.front());
            table.erase(find(table, key_number(live.front())));
            live.pop_front();
        }
        REQUIRE(add(table, key_number(next)) >= 0);
        live.push_back(next++);
        if (adds % 20'000 == 0) {
            REQUIRE(table.selfcheck());
        }
    }
    CHECK(table.flows() == kFlows);
    CHECK(table.slots_used() <= table.slots());
    CHECK(table.selfcheck());
}

TEST_CASE("the same keys get the same slots whatever the hash key is", "[metering][table]") {
    Table a = make_table(500, {1, 1});
    Table b = make_table(500, {0xdeadbeef, 42});
    std::mt19937 random(5);
    std::set<std::uint32_t> live;
    for (std::uint32_t n = 0; n < 5000; ++n) {
        if (live.size() == 500 || (!live.empty() && random() % 3 == 0)) {
            const auto gone = std::next(live.begin(), static_cast<long>(random() % live.size()));
            a.erase(find(a, key_number(*gone)));
            b.erase(find(b, key_number(*gone)));
            live.erase(gone);
        }
        REQUIRE(add(a, key_number(n)) == add(b, key_number(n)));
        live.insert(n);
    }
}

TEST_CASE("selfcheck notices a record that is not where its key is", "[metering][table]") {
    Table table = make_table(100);
    const std::int32_t slot = add(table, key_number(1));
    REQUIRE(add(table, key_number(2)) >= 0);
    REQUIRE(table.selfcheck());
    table.record(slot).key = key_number(3);
    CHECK_FALSE(table.selfcheck());
    table.record(slot).key = key_number(1);
    REQUIRE(table.selfcheck());
    publish(table.record(slot).state, std::uint8_t{0});
    CHECK_FALSE(table.selfcheck());
}

TEST_CASE("an index that memory cannot hold says what to change", "[metering][table]") {
    start_eal();
    CHECK_THROWS_WITH(FlowIndex("toolarge", 1U << 29, 64, -1),
                      Catch::Contains("no memory for a flow index of ") &&
                          Catch::Contains("lower metering.flows_max, or give DPDK more memory"));
}

TEST_CASE("offline, rte_hash takes memory when the first flow needs it, and has no room without",
          "[metering][table]") {
    start_eal();
    int started = 0;
    FlowIndex index(unique_name(), 64, sizeof(Ipv4Key), -1, [&] {
        ++started;
        return true;
    });
    const Ipv4Key key = key_number(1);
    const void* const pointer = &key;
    const std::uint32_t signature = 7;
    std::int32_t slot = 0;
    index.lookup_burst(&pointer, &signature, 1, &slot);
    CHECK(slot == FlowIndex::kNoSlot);
    CHECK(started == 0);
    REQUIRE(index.insert(&key, signature, 5));
    CHECK(started == 1);
    index.lookup_burst(&pointer, &signature, 1, &slot);
    CHECK(slot == 5);

    FlowIndex refused(unique_name(), 64, sizeof(Ipv4Key), -1, [&] {
        ++started;
        return false;
    });
    CHECK_FALSE(refused.insert(&key, signature, 5));
    CHECK_FALSE(refused.insert(&key, signature, 5));
    CHECK(started == 2); // asked once
    CHECK(refused.flows() == 0);
}
