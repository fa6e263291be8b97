// SPDX-License-Identifier: BSD-3-Clause
// A bounded queue between two threads: one producer, one consumer, elements of one size that is
// fixed at construction. It carries flow records to the exporter and expired slots to the table's
// owner.
//
// No lock, no allocation after construction, nothing blocks: a full queue refuses, an empty one
// gives nothing. Positions count up for ever and are reduced by a mask; each side keeps a copy of
// the other's position and reads the shared one only when the copy says full or empty, so that in
// steady state the two lines do not bounce.
//
// Memory order. The guard variables are tail_ (written by the producer) and head_ (written by the
// consumer).
//   P1: the producer's release store of tail_ publishes the element octets; pairs with C1.
//   C1: the consumer's acquire load of tail_.
//   C2: the consumer's release store of head_ says the octets have been read; pairs with P2.
//   P2: the producer's acquire load of head_ before it writes a slot again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>

#include "probe/packet/packet_batch.hpp"

namespace probe {

class SpscQueue {
  public:
    /// `capacity` is rounded up to a power of two. Throws std::bad_alloc, std::invalid_argument.
    SpscQueue(std::size_t element_octets, std::size_t capacity)
        : element_octets_((element_octets + 7) / 8 * 8), mask_(round_up(capacity) - 1) {
        if (element_octets == 0 || capacity == 0) {
            throw std::invalid_argument("a queue needs elements and a capacity");
        }
        storage_.reset(static_cast<std::uint8_t*>(
            ::operator new (element_octets_*(mask_ + 1), std::align_val_t{kCacheLineBytes})));
    }
    SpscQueue(const SpscQueue&) = delete;
    SpscQueue& operator=(const SpscQueue&) = delete;

    // --- producer ---

    /// Where the next element goes, or nullptr when the queue is full. Write it, then call
    /// publish().
    [[nodiscard]] std::uint8_t* reserve() noexcept {
        const std::uint64_t tail = producer_.tail;
        if (tail - producer_.head_seen > mask_) {
            producer_.head_seen = head_.load(std::memory_order_acquire); // P2, pairs with C2
            if (tail - producer_.head_seen > mask_) {
                return nullptr;
            }
        }
        return at(tail);
    }
    void publish() noexcept {
        ++producer_.tail;
        tail_.store(producer_.tail, std::memory_order_release); // P1, pairs with C1
    }

    /// Free places as the producer sees them.
    [[nodiscard]] std::size_t free_places() noexcept {
        producer_.head_seen = head_.load(std::memory_order_acquire); // P2, pairs with C2
        return static_cast<std::size_t>(mask_ + 1 - (producer_.tail - producer_.head_seen));
    }

    // --- consumer ---

    /// The oldest element, or nullptr when the queue is empty. Read it, then call pop().
    [[nodiscard]] const std::uint8_t* front() noexcept {
        const std::uint64_t head = consumer_.head;
        if (head == consumer_.tail_seen) {
            consumer_.tail_seen = tail_.load(std::memory_order_acquire); // C1, pairs with P1
            if (head == consumer_.tail_seen) {
                return nullptr;
            }
        }
        return at(head);
    }
    void pop() noexcept {
        ++consumer_.head;
        head_.store(consumer_.head, std::memory_order_release); // C2, pairs with P2
    }

    // --- anyone ---

    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }
    [[nodiscard]] std::size_t element_octets() const noexcept { return element_octets_; }
    [[nodiscard]] std::size_t memory_octets() const noexcept {
        return element_octets_ * capacity();
    }
    /// How many elements wait; exact only when both sides stand still.
    [[nodiscard]] std::size_t size() const noexcept {
        const std::uint64_t head = head_.load(std::memory_order_acquire);
        return static_cast<std::size_t>(tail_.load(std::memory_order_acquire) - head);
    }

  private:
    struct Free {
        void operator()(std::uint8_t* octets) const noexcept {
            ::operator delete (octets, std::align_val_t{kCacheLineBytes});
        }
    };

    [[nodiscard]] static std::size_t round_up(std::size_t capacity) noexcept {
        std::size_t size = 1;
        while (size < capacity) {
            size *= 2;
        }
        return size;
    }
    [[nodiscard]] std::uint8_t* at(std::uint64_t position) const noexcept {
        return storage_.get() + static_cast<std::size_t>(position & mask_) * element_octets_;
    }

    std::size_t element_octets_;
    std::uint64_t mask_;
    std::unique_ptr<std::uint8_t, Free> storage_;

    struct alignas(kCacheLineBytes) Producer { // producer: rw, nobody else
        std::uint64_t tail = 0;
        std::uint64_t head_seen = 0;
    } producer_;
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> tail_{0}; // producer: rw, consumer: ro
    struct alignas(kCacheLineBytes) Consumer {                    // consumer: rw, nobody else
        std::uint64_t head = 0;
        std::uint64_t tail_seen = 0;
    } consumer_;
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> head_{0}; // consumer: rw, producer: ro
};

} // namespace probe
