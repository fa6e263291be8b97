// SPDX-License-Identifier: BSD-3-Clause
// The one way to read a payload: a cursor over nested lengths that latches its first failure.
//
// Beside PacketCursor (probe/packet), whose headers have fixed sizes and whose failures are
// verdicts: here formats are lists within lists whose lengths may lie at every level, so a read
// beyond the end answers 0 or nothing, ok() becomes false for good, and a parser asks once at the
// end of a step. Loops over a reader end because every failed or successful read consumes octets
// or leaves none: loop on `left() > 0`.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// Octets as the characters they may be; not checked for UTF-8.
[[nodiscard]] inline std::string_view as_text(Bytes octets) noexcept {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

class PayloadReader {
  public:
    explicit PayloadReader(Bytes octets) noexcept : octets_(octets) {}

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] std::size_t left() const noexcept { return octets_.size() - at_; }
    /// Octets read so far.
    [[nodiscard]] std::size_t offset() const noexcept { return at_; }

    /// Big-endian numbers; 0 beyond the end.
    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() noexcept { return __builtin_bswap16(load<std::uint16_t>()); }
    std::uint32_t u24() noexcept { return static_cast<std::uint32_t>(number(3)); }
    std::uint32_t u32() noexcept { return __builtin_bswap32(load<std::uint32_t>()); }
    std::uint64_t u64() noexcept { return __builtin_bswap64(load<std::uint64_t>()); }
    /// Little-endian, for the protocols of Intel's and Microsoft's machines.
    std::uint16_t u16_little() noexcept { return load<std::uint16_t>(); }
    std::uint32_t u32_little() noexcept { return load<std::uint32_t>(); }
    /// QUIC's variable-length integer (RFC 9000 section 16).
    std::uint64_t varint() noexcept {
        const std::uint8_t first = left() > 0 ? octets_[at_] : std::uint8_t{0};
        const std::uint32_t octets = 1U << (first >> 6);
        const std::uint64_t value = number(octets);
        return value & ((std::uint64_t{1} << (octets * 8 - 2)) - 1);
    }

    /// The next `octets` octets; nothing, and a failure, when fewer are left.
    Bytes take(std::uint64_t octets) noexcept {
        if (octets > left()) {
            fail();
            return {};
        }
        const Bytes taken = octets_.subspan(at_, static_cast<std::size_t>(octets));
        at_ += static_cast<std::size_t>(octets);
        return taken;
    }
    /// As take, but what is there when fewer are left: for messages cut by a packet's end.
    Bytes take_up_to(std::uint64_t octets) noexcept {
        return take(octets < left() ? octets : left());
    }
    Bytes rest() noexcept { return take(left()); }
    void skip(std::uint64_t octets) noexcept { static_cast<void>(take(octets)); }
    /// Nothing can be read any more.
    void fail() noexcept {
        ok_ = false;
        at_ = octets_.size();
    }

  private:
    static_assert(std::endian::native == std::endian::little);

    /// A number as it lies there, little-endian.
    template <class Number>
    Number load() noexcept {
        Number value = 0;
        if (sizeof value > left()) {
            fail();
            return 0;
        }
        std::memcpy(&value, octets_.data() + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    std::uint64_t number(std::uint32_t octets) noexcept {
        if (octets > left()) {
            fail();
            return 0;
        }
        std::uint64_t value = 0;
        for (std::uint32_t i = 0; i < octets; ++i) {
            value = value << 8 | octets_[at_ + i];
        }
        at_ += octets;
        return value;
    }

    Bytes octets_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

} // namespace probe
