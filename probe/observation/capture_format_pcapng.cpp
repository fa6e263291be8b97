// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_format_pcapng.hpp"

#include <algorithm>

namespace probe {
namespace {

using Reason = CaptureBreak::Reason;

constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kPacketBlock = 2; // obsolete
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kOptionTsresol = 9;
constexpr std::uint16_t kOptionTsoffset = 14;

constexpr std::uint64_t join(std::uint32_t high, std::uint32_t low) noexcept {
    return (static_cast<std::uint64_t>(high) << 32) | low;
}

} // namespace

PcapngReader::PcapngReader(const CaptureOctets& octets) : octets_(octets) {
    interfaces_.reserve(kInterfacesMax);
}

bool PcapngReader::break_at(Reason reason, std::uint64_t announced, std::uint64_t left) noexcept {
    broken_ = {reason, offset_, announced, left};
    return false;
}

CaptureRead PcapngReader::next(PacketView& packet) noexcept {
    while (true) { // every round ends, breaks or passes a block
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): take_block fills it
        Block block;
        if (const CaptureRead taken = take_block(block); taken != CaptureRead::packet) {
            return taken;
        }
        const std::uint64_t after = block.body + block.body_octets + 4;
        switch (block.type) {
            case kInterfaceDescription:
                if (!add_interface(block)) {
                    return CaptureRead::broken;
                }
                break;
            case kPacketBlock:
            case kSimplePacket:
            case kEnhancedPacket:
                if (!take_packet(block, packet)) {
                    return CaptureRead::broken;
                }
                offset_ = after;
                return CaptureRead::packet;
            default:
                break;
        }
        offset_ = after;
    }
}

/// A section's magic comes before any length can be understood. Its first 16 octets are there.
bool PcapngReader::start_section() noexcept {
    octets_.set_swapped(false);
    if (octets_.u32(offset_ + 8) != kByteOrderMagic) {
        octets_.set_swapped(true);
        if (octets_.u32(offset_ + 8) != kByteOrderMagic) {
            return break_at(Reason::byte_order_magic, octets_.u32(offset_ + 8), 0);
        }
    }
    if (octets_.u16(offset_ + 12) != 1) {
        return break_at(Reason::version, octets_.u16(offset_ + 12), 0);
    }
    interfaces_.clear();
    return true;
}

CaptureRead PcapngReader::take_block(Block& block) noexcept {
    constexpr std::uint32_t kSectionOctetsMin = 28;
    constexpr std::uint32_t kSectionFieldsOctets = 16; // type, length, magic, version
    const std::uint64_t left = octets_.left(offset_);
    const auto broken = [this](Reason reason, std::uint64_t announced, std::uint64_t room) {
        break_at(reason, announced, room);
        return CaptureRead::broken;
    };
    const auto lacks = [&](std::uint32_t octets) {
        return left < octets ? broken(Reason::block_header_cut, octets, left) : CaptureRead::more;
    };
    if (!octets_.has(offset_, kBlockOctetsMin)) [[unlikely]] {
        return left == 0 ? CaptureRead::end : lacks(kBlockOctetsMin);
    }
    block.type = octets_.u32(offset_);
    std::uint32_t octets_min = kBlockOctetsMin;
    if (block.type == kSectionHeader) {
        if (!octets_.has(offset_, kSectionFieldsOctets)) {
            return lacks(kSectionFieldsOctets);
        }
        if (!start_section()) {
            return CaptureRead::broken;
        }
        octets_min = kSectionOctetsMin;
    }
    const std::uint32_t octets = octets_.u32(offset_ + 4);
    if (octets < octets_min || octets % 4 != 0) {
        return broken(Reason::block_length, octets, 0);
    }
    if (!octets_.has(offset_, octets)) [[unlikely]] {
        if (octets > left) {
            return broken(Reason::block_cut, octets, left);
        }
        return octets > kRecordOctetsMax ? broken(Reason::record_too_long, octets, kRecordOctetsMax)
                                         : CaptureRead::more;
    }
    const std::uint32_t trailer = octets_.u32(offset_ + octets - 4);
    if (trailer != octets) {
        return broken(Reason::block_trailer, trailer, octets);
    }
    block.body = offset_ + 8;
    block.body_octets = octets - static_cast<std::uint32_t>(kBlockOctetsMin);
    return CaptureRead::packet;
}

bool PcapngReader::add_interface(const Block& block) noexcept {
    constexpr std::uint32_t kFieldsOctets = 8;
    if (block.body_octets < kFieldsOctets) {
        return break_at(Reason::block_length, block.body_octets + kBlockOctetsMin, 0);
    }
    if (interfaces_.size() >= kInterfacesMax) {
        return break_at(Reason::interfaces_max, kInterfacesMax, 0);
    }
    Interface interface {};
    interface.link = link_type_of(octets_.u16(block.body));
    interface.snap_octets = octets_.u32(block.body + 4);
    take_interface_options(
        {block.type, block.body + kFieldsOctets, block.body_octets - kFieldsOctets}, interface);
    interfaces_.push_back(interface); // within the reserved memory
    return true;
}

/// Options are a code, a length and a value padded to 4 octets. Damaged options end the list: the
/// interface keeps its defaults, as other readers do.
void PcapngReader::take_interface_options(const Block& block, Interface& interface) const noexcept {
    std::int64_t offset_s = 0;
    std::uint64_t at = block.body;
    const std::uint64_t end = block.body + block.body_octets;
    while (end - at >= 4) {
        const std::uint16_t code = octets_.u16(at);
        const std::uint16_t octets = octets_.u16(at + 2);
        const std::uint64_t padded = (octets + 3u) & ~3u;
        at += 4;
        if (code == kOptionEnd || padded > end - at) {
            break;
        }
        if (code == kOptionTsresol && octets == 1) {
            interface.scale = TimestampScale::from_tsresol(octets_.u8(at));
        } else if (code == kOptionTsoffset && octets == 8) {
            offset_s = static_cast<std::int64_t>(octets_.u64(at));
        }
        at += padded;
    }
    interface.scale.offset_s = offset_s;
}

bool PcapngReader::take_packet_fields(const Block& block, PacketFields& fields) noexcept {
    constexpr std::uint32_t kSimpleOctets = 4;
    constexpr std::uint32_t kOthersOctets = 20;
    fields.header_octets = block.type == kSimplePacket ? kSimpleOctets : kOthersOctets;
    if (block.body_octets < fields.header_octets) {
        return break_at(Reason::block_length, block.body_octets + kBlockOctetsMin, 0);
    }
    const std::uint64_t body = block.body;
    fields.untimed = block.type == kSimplePacket;
    if (block.type == kSimplePacket) {
        fields.interface = 0;
        fields.units = 0;
        fields.frame_octets = octets_.u32(body);
        fields.captured_octets = fields.frame_octets; // but see the snap length
        return true;
    }
    // The obsolete block differs by a 16-bit interface with a drop count behind it.
    fields.interface = block.type == kPacketBlock ? octets_.u16(body) : octets_.u32(body);
    fields.units = join(octets_.u32(body + 4), octets_.u32(body + 8));
    fields.captured_octets = octets_.u32(body + 12);
    fields.frame_octets = octets_.u32(body + 16);
    return true;
}

bool PcapngReader::take_packet(const Block& block, PacketView& packet) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): the next line fills it
    PacketFields fields;
    if (!take_packet_fields(block, fields)) {
        return false;
    }
    if (fields.interface >= interfaces_.size()) {
        return break_at(Reason::unknown_interface, fields.interface, interfaces_.size());
    }
    const Interface& interface = interfaces_[fields.interface];
    const std::uint32_t room = block.body_octets - fields.header_octets;
    if (fields.untimed) {
        // A simple packet block leaves its captured length to the snap length.
        if (interface.snap_octets != 0) {
            fields.captured_octets = std::min(fields.captured_octets, interface.snap_octets);
        }
    }
    if (fields.captured_octets > room) {
        return break_at(Reason::block_fields, fields.captured_octets, room);
    }
    // A packet without a time was seen when the last one was: the only statement that cannot make
    // time run backwards.
    last_time_ns_ = fields.untimed ? last_time_ns_ : interface.scale.to_ns(fields.units);
    packet.octets = octets_.at(block.body + fields.header_octets);
    packet.captured_octets = fields.captured_octets;
    packet.frame_octets = std::max(fields.captured_octets, fields.frame_octets);
    packet.time_ns = last_time_ns_;
    packet.stripped_vlan_tci = 0;
    packet.vlan_stripped = false;
    packet.link = interface.link;
    packet.ingress_interface = fields.interface + 1;
    return true;
}

} // namespace probe
