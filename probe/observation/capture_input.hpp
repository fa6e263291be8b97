// SPDX-License-Identifier: BSD-3-Clause
// The octets of a file or a stream in their order: a window on them that moves on, in memory that
// is used again and again, so that a capture of any size takes no more than a small one and what is
// read lies in the cache already. (Internal to capture_file.)
//
// Thread: one. Pointers into the window hold until it moves.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// A capture that cannot be read at all; what() is a sentence that starts with the file's name.
class CaptureError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class CaptureInput {
  public:
    /// Fits the second level cache beside what else a worker needs.
    static constexpr std::size_t kWindowOctets = std::size_t{256} * 1024;
    /// octets_total() of a stream that goes on.
    static constexpr std::uint64_t kUnknown = UINT64_MAX;

    /// "-" is standard input. The window grows when `window_octets` are not enough for what is
    /// asked. Throws CaptureError: missing, a directory, not readable.
    explicit CaptureInput(const std::string& path, std::size_t window_octets = kWindowOctets);
    /// All of it is there, and outlives this.
    explicit CaptureInput(Bytes whole) noexcept;
    ~CaptureInput();
    CaptureInput(const CaptureInput&) = delete;
    CaptureInput& operator=(const CaptureInput&) = delete;

    [[nodiscard]] Bytes window() const noexcept { return {data_, size_}; }
    /// Of the window's first octet.
    [[nodiscard]] std::uint64_t begin() const noexcept { return begin_; }
    /// Of the whole input, as far as that is known: of a file from the start, of a stream once it
    /// has ended.
    [[nodiscard]] std::uint64_t octets_total() const noexcept { return total_; }

    enum class Moved : std::uint8_t {
        on,          ///< there is more in the window, or octets_total() is its end
        nothing_yet, ///< a stream had nothing new for some time
        failed,      ///< error() says why
    };
    /// Drops what lies before the octet `from` of the input, which is within the window or its end,
    /// and reads on.
    [[nodiscard]] Moved move_to(std::uint64_t from) noexcept;
    /// errno
    [[nodiscard]] int error() const noexcept { return error_; }

  private:
    [[nodiscard]] bool make_room() noexcept;
    [[nodiscard]] bool has_news() const noexcept;

    int descriptor_ = -1; ///< -1: all is in the window
    bool stream_ = false;
    std::uint8_t* memory_ = nullptr; ///< ours
    std::size_t capacity_ = 0;
    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t begin_ = 0;
    std::uint64_t total_ = kUnknown;
    int error_ = 0;
};

} // namespace probe
