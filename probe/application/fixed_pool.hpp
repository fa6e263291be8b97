// SPDX-License-Identifier: BSD-3-Clause
// A fixed number of objects, lent and given back: state that a flow needs for a while only.
//
// Thread: one worker. Memory: taken once, when the pool is made; an object's pages are touched when
// it is first lent.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

namespace probe {

/// T is default-constructible and has clear(), which makes an object as new.
template <class T>
class FixedPool {
    static_assert(std::is_trivially_destructible_v<T>, "the memory goes, the objects do not");

  public:
    /// `size` at once in use; more are refused. 0 is allowed: all are refused.
    explicit FixedPool(std::uint32_t size)
        : size_(size),
          memory_(static_cast<std::uint8_t*>(
              ::operator new (std::size_t{size} * sizeof(T), std::align_val_t{alignof(T)}))),
          free_(std::make_unique_for_overwrite<std::uint32_t[]>(size)) {}

    /// A cleared object, or nullptr when all are in use, which is counted.
    [[nodiscard]] T* take() noexcept {
        if (free_count_ == 0 && fresh_ == size_) {
            ++refused_;
            return nullptr;
        }
        T* const object = free_count_ != 0 ? &at(free_[--free_count_]) : new (place(fresh_++)) T;
        object->clear();
        return object;
    }
    /// Of this pool's take(), once.
    void give_back(T* object) noexcept { free_[free_count_++] = index_of(object); }

    /// A number for an object of this pool, in place of a pointer to it.
    [[nodiscard]] std::uint32_t index_of(const T* object) const noexcept {
        return static_cast<std::uint32_t>(object - &at(0));
    }
    [[nodiscard]] T& at(std::uint32_t index) const noexcept {
        return *std::launder(reinterpret_cast<T*>(place(index)));
    }

    [[nodiscard]] std::uint32_t available() const noexcept {
        return free_count_ + (size_ - fresh_);
    }
    /// How often take() answered nullptr.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

  private:
    struct Free {
        void operator()(std::uint8_t* memory) const noexcept {
            ::operator delete (memory, std::align_val_t{alignof(T)});
        }
    };

    [[nodiscard]] std::uint8_t* place(std::uint32_t index) const noexcept {
        return memory_.get() + std::size_t{index} * sizeof(T);
    }

    std::uint32_t size_;
    std::unique_ptr<std::uint8_t, Free> memory_;
    std::unique_ptr<std::uint32_t[]> free_; ///< the first free_count_ are numbers of free objects
    std::uint32_t free_count_ = 0;
    std::uint32_t fresh_ = 0; ///< objects from here on were never lent
    std::uint64_t refused_ = 0;
};

} // namespace probe
