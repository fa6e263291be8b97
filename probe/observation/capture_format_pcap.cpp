// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_format_pcap.hpp"

#include <algorithm>
#include <utility>

namespace probe {
namespace {

constexpr std::uint32_t kMagicMicroseconds = 0xA1B2C3D4;
constexpr std::uint32_t kMagicNanoseconds = 0xA1B23C4D;
constexpr std::uint32_t kMagicModified = 0xA1B2CD34; // microseconds, longer record headers
constexpr std::uint32_t kRecordHeaderOctets = 16;
constexpr std::uint32_t kModifiedRecordHeaderOctets = 24;

constexpr bool is_magic(std::uint32_t magic) noexcept {
    return magic == kMagicMicroseconds || magic == kMagicNanoseconds || magic == kMagicModified;
}

} // namespace

bool PcapReader::recognises(std::uint32_t magic) noexcept {
    return is_magic(magic) || is_magic(__builtin_bswap32(magic));
}

PcapReader::PcapReader(const CaptureOctets& octets) noexcept
    : octets_(octets), offset_(kFileHeaderOctets) {
    octets_.set_swapped(!is_magic(octets_.u32(0)));
    const std::uint32_t magic = octets_.u32(0);
    ns_per_unit_ = magic == kMagicNanoseconds ? 1 : kNsPerUs;
    record_header_octets_ =
        magic == kMagicModified ? kModifiedRecordHeaderOctets : kRecordHeaderOctets;
    constexpr std::uint16_t kLengthsInOrderMinor = 3;
    if (octets_.u16(4) == 2 && octets_.u16(6) < kLengthsInOrderMinor) {
        std::swap(captured_at_, frame_at_);
    }
    // The upper half says whether frames end with a frame check sequence, and is ignored.
    link_ = link_type_of(static_cast<std::uint16_t>(octets_.u32(20) & 0xFFFF));
}

/// Nothing follows, or it is cut, or the window ends.
CaptureRead PcapReader::without_header() noexcept {
    const std::uint64_t left = octets_.left(offset_);
    if (left >= record_header_octets_) {
        return CaptureRead::more;
    }
    if (left == 0) {
        return CaptureRead::end;
    }
    broken_ = {CaptureBreak::Reason::record_header_cut, offset_, record_header_octets_, left};
    return CaptureRead::broken;
}

CaptureRead PcapReader::without_packet(std::uint32_t captured) noexcept {
    const std::uint64_t left = octets_.left(offset_) - record_header_octets_;
    if (captured > left) {
        broken_ = {CaptureBreak::Reason::packet_cut, offset_, captured, left};
        return CaptureRead::broken;
    }
    if (captured > kRecordOctetsMax) {
        broken_ = {CaptureBreak::Reason::record_too_long, offset_, captured, kRecordOctetsMax};
        return CaptureRead::broken;
    }
    return CaptureRead::more;
}

CaptureRead PcapReader::next(PacketView& packet) noexcept {
    if (!octets_.has(offset_, record_header_octets_)) [[unlikely]] {
        return without_header();
    }
    const std::uint32_t captured = octets_.u32(offset_ + captured_at_);
    if (!octets_.has(offset_ + record_header_octets_, captured)) [[unlikely]] {
        return without_packet(captured);
    }
    packet.octets = octets_.at(offset_ + record_header_octets_);
    packet.captured_octets = captured;
    packet.frame_octets = std::max(captured, octets_.u32(offset_ + frame_at_));
    packet.time_ns = octets_.u32(offset_) * kNsPerSecond + octets_.u32(offset_ + 4) * ns_per_unit_;
    packet.stripped_vlan_tci = 0;
    packet.vlan_stripped = false;
    packet.link = link_;
    packet.ingress_interface = 0;
    offset_ += record_header_octets_ + captured;
    return CaptureRead::packet;
}

} // namespace probe
