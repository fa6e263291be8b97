// SPDX-License-Identifier: BSD-3-Clause
// The queue between two real threads. Worth most under ThreadSanitizer.
#include <cstring>
#include <thread>
#include <vector>

#include "probe/metering/spsc_queue.hpp"
#include "tests/support/catch.hpp"

using namespace probe;

namespace {

/// Fills an element with a pattern that shows a torn or stale one.
void write_pattern(std::uint8_t* at, std::size_t words, std::uint64_t number) {
    for (std::size_t i = 0; i < words; ++i) {
        const std::uint64_t word = number * 0x9e3779b97f4a7c15ULL + i;
        std::memcpy(at + i * 8, &word, 8);
    }
}

bool has_pattern(const std::uint8_t* at, std::size_t words, std::uint64_t number) {
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, at + i * 8, 8);
        if (word != number * 0x9e3779b97f4a7c15ULL + i) {
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("a consumer sees every element whole and in order while the producer runs",
          "[concurrency][queue]") {
    for (const std::size_t words : {1, 11}) {
        for (const std::size_t capacity : {1, 4, 1024}) {
            INFO(words << " words, capacity " << capacity);
            // A short queue changes threads for each element, which takes long on a busy machine.
            const std::uint64_t elements = capacity < 64 ? 20'000 : 200'000;
            SpscQueue queue(words * 8, capacity);
            std::uint64_t refused = 0;
            std::thread producer([&] {
                for (std::uint64_t n = 0; n < elements;) {
                    std::uint8_t* place = queue.reserve();
                    if (place == nullptr) {
                        ++refused;
                        std::this_thread::yield();
                        continue;
                    }
                    write_pattern(place, words, n++);
                    queue.publish();
                }
            });
            std::uint64_t wrong = 0;
            std::size_t most = 0;
            for (std::uint64_t n = 0; n < elements;) {
                const std::uint8_t* front = queue.front();
                if (front == nullptr) {
                    std::this_thread::yield();
                    continue;
                }
                wrong += has_pattern(front, words, n++) ? 0 : 1;
                queue.pop();
                most = std::max(most, queue.size());
            }
            producer.join();
            CHECK(wrong == 0);
            CHECK(most <= queue.capacity());
            CHECK(queue.front() == nullptr);
            CHECK(queue.size() == 0);
        }
    }
}

TEST_CASE("a third thread may ask how full the queue is", "[concurrency][queue]") {
    SpscQueue queue(8, 64);
    constexpr std::uint64_t kElements = 50'000;
    std::atomic<bool> done{false};
    std::thread producer([&] {
        for (std::uint64_t n = 0; n < kElements;) {
            if (std::uint8_t* place = queue.reserve(); place != nullptr) {
                write_pattern(place, 1, n++);
                queue.publish();
            } else {
                std::this_thread::yield();
            }
        }
    });
    std::thread watcher([&] {
        std::uint64_t sum = 0;
        while (!done.load(std::memory_order_relaxed)) { // a flag to stop by, it orders nothing
            sum += queue.size();
            std::this_thread::yield();
        }
        (void)sum;
    });
    for (std::uint64_t n = 0; n < kElements;) {
        if (queue.front() != nullptr) {
            ++n;
            queue.pop();
        } else {
            std::this_thread::yield();
        }
    }
    producer.join();
    done.store(true, std::memory_order_relaxed); // a flag to stop by, it orders nothing
    watcher.join();
    CHECK(queue.size() == 0);
}
