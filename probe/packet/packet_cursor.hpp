// SPDX-License-Identifier: BSD-3-Clause
// The one way to read a packet: a cursor that checks bounds when it moves or looks, and a view of a
// fixed header whose field offsets are checked by the compiler. Network order in, host order out.
//
// Nothing here owns memory; a cursor is as short-lived as the PacketView it was made of.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace probe {

/// `kOctets` octets that are known to be there, or nothing: test it before reading.
template <std::uint32_t kOctets>
class HeaderView {
  public:
    explicit HeaderView(const std::uint8_t* octets) noexcept : octets_(octets) {}

    [[nodiscard]] explicit operator bool() const noexcept { return octets_ != nullptr; }

    template <std::uint32_t kAt>
    [[nodiscard]] std::uint8_t u8() const noexcept {
        static_assert(kAt < kOctets, "field beyond the header");
        return octets_[kAt];
    }

    template <std::uint32_t kAt>
    [[nodiscard]] std::uint16_t u16() const noexcept {
        static_assert(kAt + 2 <= kOctets, "field beyond the header");
        std::uint16_t value;
        std::memcpy(&value, octets_ + kAt, sizeof value);
        if constexpr (std::endian::native == std::endian::little) {
            value = static_cast<std::uint16_t>(__builtin_bswap16(value));
        }
        return value;
    }

    template <std::uint32_t kAt>
    [[nodiscard]] std::uint32_t u32() const noexcept {
        static_assert(kAt + 4 <= kOctets, "field beyond the header");
        std::uint32_t value;
        std::memcpy(&value, octets_ + kAt, sizeof value);
        if constexpr (std::endian::native == std::endian::little) {
            value = __builtin_bswap32(value);
        }
        return value;
    }

  private:
    const std::uint8_t* octets_;
};

class PacketCursor {
  public:
    PacketCursor(const std::uint8_t* frame, std::uint32_t octets) noexcept
        : frame_(frame), end_(octets) {}

    /// From the frame's first octet.
    [[nodiscard]] std::uint32_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint32_t left() const noexcept { return end_ - offset_; }

    /// The next `kOctets` octets; an empty view when fewer are left.
    template <std::uint32_t kOctets>
    [[nodiscard]] HeaderView<kOctets> peek() const noexcept {
        return HeaderView<kOctets>(left() >= kOctets ? frame_ + offset_ : nullptr);
    }

    /// Moves on; false, without moving, when fewer octets are left.
    [[nodiscard]] bool skip(std::uint32_t octets) noexcept {
        if (octets > left()) {
            return false;
        }
        offset_ += octets;
        return true;
    }

    /// Hides everything after the next `octets` octets: padding is no part of a packet.
    void limit(std::uint32_t octets) noexcept {
        if (octets < left()) {
            end_ = offset_ + octets;
        }
    }

  private:
    const std::uint8_t* frame_;
    std::uint32_t offset_ = 0;
    std::uint32_t end_;
};

} // namespace probe
