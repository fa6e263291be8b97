// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/spsc_queue.hpp"

#include <cstring>
#include <deque>
#include <random>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

bool put(SpscQueue& queue, std::uint64_t value) {
    std::uint8_t* place = queue.reserve();
    if (place == nullptr) {
        return false;
    }
    std::memcpy(place, &value, sizeof value);
    queue.publish();
    return true;
}

} // namespace

TEST_CASE("a queue gives back what was put in, in order, and refuses when full",
          "[metering][queue]") {
    SpscQueue queue(8, 4);
    CHECK(queue.capacity() == 4);
    CHECK(queue.front() == nullptr);
    for (std::uint64_t round = 0; round < 10; ++round) {
        for (std::uint64_t n = 0; n < 4; ++n) {
            REQUIRE(queue.free_places() == 4 - n);
            REQUIRE(put(queue, round * 4 + n));
        }
        REQUIRE_FALSE(put(queue, 99));
        REQUIRE(queue.size() == 4);
        for (std::uint64_t n = 0; n < 4; ++n) {
            std::uint64_t value = 0;
            REQUIRE(queue.front() != nullptr);
            std::memcpy(&value, queue.front(), sizeof value);
            REQUIRE(value == round * 4 + n);
            queue.pop();
        }
        REQUIRE(queue.front() == nullptr);
        REQUIRE(queue.size() == 0);
    }
}

TEST_CASE("a place that is reserved and not published is not there", "[metering][queue]") {
    SpscQueue queue(8, 2);
    REQUIRE(queue.reserve() != nullptr);
    CHECK(queue.front() == nullptr);
    CHECK(queue.reserve() == queue.reserve());
    CHECK(queue.size() == 0);
}

TEST_CASE("capacities are powers of two and elements whole words", "[metering][queue]") {
    CHECK(SpscQueue(1, 1).capacity() == 1);
    CHECK(SpscQueue(1, 5).capacity() == 8);
    CHECK(SpscQueue(13, 8).element_octets() == 16);
    CHECK(SpscQueue(13, 8).memory_octets() == 128);
    CHECK_THROWS_AS(SpscQueue(0, 8), std::invalid_argument);
    CHECK_THROWS_AS(SpscQueue(8, 0), std::invalid_argument);
}

TEST_CASE("a queue behaves as a bounded list under random use", "[metering][queue]") {
    std::mt19937 random(3);
    for (const std::size_t capacity : {1U, 2U, 8U, 64U}) {
        SpscQueue queue(8, capacity);
        std::deque<std::uint64_t> model;
        for (std::uint64_t n = 0; n < 20'000; ++n) {
            if (random() % 2 == 0) {
                REQUIRE(put(queue, n) == (model.size() < capacity));
                if (model.size() < capacity) {
                    model.push_back(n);
                }
            } else {
                const std::uint8_t* front = queue.front();
                REQUIRE((front == nullptr) == model.empty());
                if (front != nullptr) {
                    std::uint64_t value = 0;
                    std::memcpy(&value, front, sizeof value);
                    REQUIRE(value == model.front());
                    model.pop_front();
                    queue.pop();
                }
            }
            REQUIRE(queue.size() == model.size());
        }
    }
}
