// SPDX-License-Identifier: BSD-3-Clause
// What the capture formats have in common: octet order, link types, where and why a file breaks.
// (Internal to capture_file.)
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// Bounds-checked reading of one capture in memory, in the octet order the file announces.
class CaptureOctets {
  public:
    CaptureOctets() = default;
    explicit CaptureOctets(Bytes octets) noexcept : octets_(octets) {}

    [[nodiscard]] std::uint64_t size() const noexcept { return octets_.size(); }
    [[nodiscard]] const std::uint8_t* at(std::uint64_t offset) const noexcept {
        return octets_.data() + offset;
    }
    void set_swapped(bool swapped) noexcept { swapped_ = swapped; }

    /// Whether `octets` octets are there from `offset` on; ask before the loads below.
    [[nodiscard]] bool has(std::uint64_t offset, std::uint64_t octets) const noexcept {
        return offset <= size() && octets <= size() - offset;
    }
    [[nodiscard]] std::uint64_t left(std::uint64_t offset) const noexcept {
        return offset <= size() ? size() - offset : 0;
    }
    [[nodiscard]] std::uint8_t u8(std::uint64_t offset) const noexcept { return octets_[offset]; }
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
    Bytes octets_;
    bool swapped_ = false;
};

/// Why reading stopped before the end. Plain values: no allocation where packets are read.
struct CaptureBreak {
    enum class Reason : std::uint8_t {
        none,
        record_header_cut, ///< `announced` octets of header, `left` are left
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

enum class CaptureRead : std::uint8_t { packet, end, broken };

} // namespace probe
