// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_format.hpp"

#include <limits>

namespace probe {
namespace {

__extension__ using Wide = __int128; // 64-bit units times 10^9 need 94 bits

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

std::string hexadecimal(std::uint64_t value) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string text;
    for (int shift = 28; shift >= 0; shift -= 4) {
        text += kDigits[(value >> shift) & 0xF];
    }
    return text;
}

std::string announces(const CaptureBreak& broken, const std::string& what) {
    return what + " announces " + number(broken.announced) + " octets, " + number(broken.left) +
           (broken.left == 1 ? " is left" : " are left");
}

std::string needs(const CaptureBreak& broken, const std::string& what) {
    return what + " takes " + number(broken.announced) + " octets, " + number(broken.left) +
           (broken.left == 1 ? " is left" : " are left");
}

} // namespace

std::string describe(const CaptureBreak& broken, std::uint64_t packet_number) {
    using Reason = CaptureBreak::Reason;
    const std::string packet = "packet " + number(packet_number);
    const std::string cut = "cut at octet " + number(broken.offset) + ": ";
    const std::string bad = "broken at octet " + number(broken.offset) + ": ";
    switch (broken.reason) {
        case Reason::none:
            return {};
        case Reason::record_header_cut:
            return cut + needs(broken, "the header of " + packet);
        case Reason::record_too_long:
            return bad + "a record announces " + number(broken.announced) +
                   " octets, the most is " + number(broken.left);
        case Reason::packet_cut:
            return cut + announces(broken, packet);
        case Reason::block_header_cut:
            return cut + needs(broken, "the header of a block");
        case Reason::block_cut:
            return cut + announces(broken, "a block");
        case Reason::block_length:
            return bad + "a block announces " + number(broken.announced) +
                   " octets, expected a multiple of 4 with room for its fields";
        case Reason::block_trailer:
            return bad + "a block of " + number(broken.left) + " octets ends with the length " +
                   number(broken.announced) + ", expected the same length twice";
        case Reason::block_fields:
            return bad + packet + " announces " + number(broken.announced) +
                   " octets, its block has room for " + number(broken.left);
        case Reason::byte_order_magic:
            return bad + "a section starts with " + hexadecimal(broken.announced) +
                   ", expected the byte-order magic 1A2B3C4D";
        case Reason::version:
            return bad + "a section has the major version " + number(broken.announced) +
                   ", expected 1";
        case Reason::unknown_interface:
            return bad + packet + " is of interface " + number(broken.announced) + ", but only " +
                   number(broken.left) + " are described before it";
        case Reason::interfaces_max:
            return bad + "a section describes more than " + number(broken.announced) +
                   " interfaces";
    }
    return {};
}

LinkType link_type_of(std::uint16_t linktype) noexcept {
    switch (linktype) {
        case 0:   // LINKTYPE_NULL
        case 108: // LINKTYPE_LOOP
            return LinkType::null_loopback;
        case 1:
            return LinkType::ethernet;
        case 9:
            return LinkType::ppp;
        case 12:  // DLT_RAW of most systems
        case 14:  // DLT_RAW of OpenBSD
        case 101: // LINKTYPE_RAW
        case 228: // LINKTYPE_IPV4
        case 229: // LINKTYPE_IPV6
            return LinkType::raw_ip;
        case 113:
            return LinkType::linux_cooked;
        case 276:
            return LinkType::linux_cooked_2;
        default:
            return LinkType::unsupported;
    }
}

TimestampScale TimestampScale::from_tsresol(std::uint8_t tsresol) noexcept {
    constexpr std::uint8_t kPowerOfTwo = 0x80;
    constexpr std::uint8_t kNanosecondExponent = 9;
    constexpr std::uint8_t kDivisorExponentMax = 19; // 10^19 is the largest in 64 bits
    TimestampScale scale;
    if ((tsresol & kPowerOfTwo) != 0) {
        scale.multiplier = kNsPerSecond;
        scale.shift = tsresol & 0x7F;
        return scale;
    }
    scale.multiplier = 1;
    for (std::uint8_t exponent = tsresol; exponent < kNanosecondExponent; ++exponent) {
        scale.multiplier *= 10;
    }
    for (std::uint8_t exponent = kNanosecondExponent; exponent < tsresol; ++exponent) {
        if (exponent - kNanosecondExponent >= kDivisorExponentMax) {
            scale.multiplier = 0; // 64 bits of such units are less than a nanosecond
            break;
        }
        scale.divisor *= 10;
    }
    return scale;
}

TimeNs TimestampScale::to_ns(std::uint64_t units) const noexcept {
    TimeNs plain = 0;
    if (divisor == 1 && shift == 0 && offset_s == 0 &&
        !__builtin_mul_overflow(units, multiplier, &plain)) [[likely]] {
        return plain; // nearly every file; 128-bit division costs more than all else here
    }
    constexpr Wide kTimeMax = std::numeric_limits<TimeNs>::max();
    Wide time = (static_cast<Wide>(units) * static_cast<Wide>(multiplier)) >> shift;
    if (divisor != 1) {
        time /= static_cast<Wide>(divisor);
    }
    time += static_cast<Wide>(offset_s) * static_cast<Wide>(kNsPerSecond);
    if (time < 0) {
        return 0;
    }
    return time > kTimeMax ? std::numeric_limits<TimeNs>::max() : static_cast<TimeNs>(time);
}

} // namespace probe
