// SPDX-License-Identifier: BSD-3-Clause
// A counter with one writer and any number of readers.
#pragma once

#include <atomic>
#include <cstdint>

namespace probe {

class Counter {
  public:
    /// Writer only. A plain load, add and store: no other thread ever stores, so nothing is lost.
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    /// Anyone. Relaxed: a reader wants a recent value, not an order among counters.
    [[nodiscard]] std::uint64_t get() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint64_t> value_{0};
};

} // namespace probe
