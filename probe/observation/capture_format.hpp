// SPDX-License-Identifier: BSD-3-Clause
// What the capture formats have in common: octet order, link types, where and why a file breaks.
// (Internal to capture_file.)
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// A record of more is broken: no link has such packets, and a wrong length must not make us read
/// all that follows into memory.
inline constexpr std::uint32_t kRecordOctetsMax = std::uint32_t{128} * 1024 * 1024;

/// Bounds-checked reading of a window on one capture, in the octet order the file announces.
/// Offsets are the capture's.
class CaptureOctets {
  public:
    /// What is in memory, the offset of its first octet, and the capture's end (UINT64_MAX: not
    /// known).
    void set_window(Bytes window, std::uint64_t begin, std::uint64_t total) noexcept {
        data_ = window.data();
        begin_ = begin;
        end_ = begin + window.size();
        total_ = total;
    }

    [[nodiscard]] const std::uint8_t* at(std::uint64_t offset) const noexcept {
        return data_ + (offset - begin_);
    }
    void set_swapped(bool swapped) noexcept { swapped_ = swapped; }

    /// Whether `octets` octets are in the window from `offset` on, which lies in it; ask before the
    /// loads below.
    [[nodiscard]] bool has(std::uint64_t offset, std::uint64_t octets) const noexcept {
        return octets <= end_ - offset;
    }
    /// Of the capture, as far as its end is known.
    [[nodiscard]] std::uint64_t left(std::uint64_t offset) const noexcept {
        return total_ - offset;
    }
    [[nodiscard]] std::uint8_t u8(std::uint64_t offset) const noexcept { return *at(offset); }
    [[nodiscard]] std::uint16_t u16(std::uint64_t offset) const noexcept {
        std::uint16_t value;
        std::memcpy(&value, at(offset), sizeof value);
        return swapped_ ? static_cast<std::uint16_t>(__builtin_bswap16(value)) : value;
    }
    [[nodiscard]] std::uint32_t u32(std::uint64_t offset) const noexcept {
        std::uint32_t value;
        std::memcpy(&value, at(offset), sizeof value);
        return swapped_ ? __builtin_bswap32(value) : value;
    }
    [[nodiscard]] std::uint64_t u64(std::uint64_t offset) const noexcept {
        std::uint64_t value;
        std::memcpy(&value, at(offset), sizeof value);
        return swapped_ ? __builtin_bswap64(value) : value;
    }

  private:
    const std::uint8_t* data_ = nullptr;
    std::uint64_t begin_ = 0;
    std::uint64_t end_ = 0; ///< of the window
    std::uint64_t total_ = 0;
    bool swapped_ = false;
};

/// Why reading stopped before the end. Plain values: no allocation where packets are read.
struct CaptureBreak {
    enum class Reason : std::uint8_t {
        none,
        record_header_cut, ///< `announced` octets of header, `left` are left
        record_too_long,   ///< `announced` octets, of which `left` are the most
        packet_cut,        ///< `announced` octets of packet, `left` are left
        block_header_cut,  ///< pcapng
        block_cut,         ///< pcapng: `announced` octets of block
        block_length,      ///< pcapng: `announced` is no possible length of this block
        block_trailer,     ///< pcapng: the length behind the block is `announced`, before it `left`
        block_fields, ///< pcapng: a packet of `announced` octets in a block with room for `left`
        byte_order_magic,  ///< pcapng: a section starts with neither form of 1A2B3C4D but
                           ///< `announced`
        version,           ///< pcapng: major version `announced`
        unknown_interface, ///< pcapng: interface `announced` of `left` described
        interfaces_max,    ///< pcapng: more than `announced` interfaces
    };
    Reason reason = Reason::none;
    std::uint64_t offset = 0; ///< of the record or block that could not be read
    std::uint64_t announced = 0;
    std::uint64_t left = 0;
};

/// "cut at octet 1234: packet 17 announces 98 octets, 40 are left"
[[nodiscard]] std::string describe(const CaptureBreak& broken, std::uint64_t packet_number);

/// LINKTYPE_ numbers (www.tcpdump.org/linktypes.html), and the DLT_RAW values that some systems
/// wrote into files instead.
[[nodiscard]] LinkType link_type_of(std::uint16_t linktype) noexcept;

/// How one interface's timestamps become nanoseconds: pcapng's if_tsresol and if_tsoffset, or the
/// two resolutions of pcap.
struct TimestampScale {
    std::uint64_t multiplier = 1'000; ///< nanoseconds a unit; microseconds unless said otherwise
    std::uint64_t divisor = 1;        ///< for units below a nanosecond
    std::uint8_t shift = 0;           ///< for units of 2^-shift seconds
    std::int64_t offset_s = 0;

    [[nodiscard]] static TimestampScale from_tsresol(std::uint8_t tsresol) noexcept;
    /// Saturates at both ends of TimeNs.
    [[nodiscard]] TimeNs to_ns(std::uint64_t units) const noexcept;
};

enum class CaptureRead : std::uint8_t {
    packet,
    more, ///< the next record is not wholly in the window: move it to offset(), then ask again
    end,
    broken,
};

} // namespace probe
