// SPDX-License-Identifier: BSD-3-Clause
// A fixed number of objects, lent and given back: state that a flow needs for a while only.
//
// Thread: one worker. Memory: taken once, when the pool is made.
#pragma once

#include <cstdint>
#include <memory>

namespace probe {

/// T is default-constructible and has clear(), which makes an object as new.
template <class T>
class FixedPool {
  public:
    /// `size` at once in use; more are refused. 0 is allowed: all are refused.
    explicit FixedPool(std::uint32_t size)
        : objects_(std::make_unique<T[]>(size)),
          free_(std::make_unique<std::uint32_t[]>(size)),
          free_count_(size) {
        for (std::uint32_t i = 0; i < size; ++i) {
            free_[i] = i;
        }
    }

    /// A cleared object, or nullptr when all are in use, which is counted.
    [[nodiscard]] T* take() noexcept {
        if (free_count_ == 0) {
            ++refused_;
            return nullptr;
        }
        T* object = &objects_[free_[--free_count_]];
        object->clear();
        return object;
    }
    /// Of this pool's take(), once.
    void give_back(T* object) noexcept {
        free_[free_count_++] = static_cast<std::uint32_t>(object - objects_.get());
    }

    /// A number for an object of this pool, in place of a pointer to it.
    [[nodiscard]] std::uint32_t index_of(const T* object) const noexcept {
        return static_cast<std::uint32_t>(object - objects_.get());
    }
    [[nodiscard]] T& at(std::uint32_t index) const noexcept { return objects_[index]; }

    [[nodiscard]] std::uint32_t available() const noexcept { return free_count_; }
    /// How often take() answered nullptr.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

  private:
    std::unique_ptr<T[]> objects_;
    std::unique_ptr<std::uint32_t[]> free_; ///< the first free_count_ are numbers of free objects
    std::uint32_t free_count_;
    std::uint64_t refused_ = 0;
};

} // namespace probe
