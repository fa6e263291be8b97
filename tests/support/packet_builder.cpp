// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/packet_builder.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>

namespace probe::test {
namespace {

constexpr std::size_t kIpv6HeaderOctets = 40;
constexpr std::uint8_t kInet = 2;

} // namespace

void PacketBuilder::u16(std::uint16_t value) {
    u8(static_cast<std::uint8_t>(value >> 8));
    u8(static_cast<std::uint8_t>(value & 0xFF));
}

void PacketBuilder::u32(std::uint32_t value) {
    u16(static_cast<std::uint16_t>(value >> 16));
    u16(static_cast<std::uint16_t>(value & 0xFFFF));
}

void PacketBuilder::put_u16(std::size_t at, std::uint16_t value) {
    octets_.at(at) = static_cast<std::uint8_t>(value >> 8);
    octets_.at(at + 1) = static_cast<std::uint8_t>(value & 0xFF);
}

void PacketBuilder::address(int family, const std::string& text) {
    std::uint8_t octets[16];
    if (::inet_pton(family, text.c_str(), octets) != 1) {
        throw std::invalid_argument("not an address: " + text);
    }
    octets_.insert(octets_.end(), octets, octets + (family == AF_INET ? 4 : 16));
}

void PacketBuilder::slot(Slot kind, std::size_t at) {
    slot_ = kind;
    slot_at_ = at;
}

void PacketBuilder::announce(std::uint16_t ether_type, std::uint16_t ppp, std::uint8_t family,
                             std::uint8_t ip_protocol) {
    switch (slot_) {
        case Slot::none:
            break;
        case Slot::ether_type:
            put_u16(slot_at_, ether_type);
            break;
        case Slot::ppp:
            put_u16(slot_at_, ppp);
            break;
        case Slot::family:
            octets_.at(slot_at_ + (family_little_endian_ ? 0 : 3)) = family;
            break;
        case Slot::ip_protocol:
            octets_.at(slot_at_) = ip_protocol;
            break;
    }
    slot_ = Slot::none;
}

PacketBuilder& PacketBuilder::next_as(std::uint16_t type) {
    announce(type, type, static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(type));
    return *this;
}

PacketBuilder& PacketBuilder::ethernet() {
    const std::uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    octets_.insert(octets_.end(), std::begin(macs), std::end(macs));
    u16(0);
    slot(Slot::ether_type, octets_.size() - 2);
    return *this;
}

PacketBuilder& PacketBuilder::ethernet_802_3() {
    ethernet();
    length_802_3_at_ = octets_.size() - 2;
    slot(Slot::none, 0);
    return *this;
}

PacketBuilder& PacketBuilder::snap() {
    u32(0xAAAA0300);
    u16(0);
    u16(0);
    slot(Slot::ether_type, octets_.size() - 2);
    return *this;
}

PacketBuilder& PacketBuilder::vlan(std::uint16_t tci, std::uint16_t tag_type) {
    announce(tag_type, 0, 0, 0);
    u16(tci);
    u16(0);
    slot(Slot::ether_type, octets_.size() - 2);
    return *this;
}

PacketBuilder& PacketBuilder::mpls(std::uint32_t label, bool bottom, std::uint16_t ether_type) {
    announce(ether_type, 0, 0, 0);
    u32((label << 12) | (bottom ? 0x100u : 0u) | 64u);
    return *this;
}

PacketBuilder& PacketBuilder::pppoe() {
    announce(0x8864, 0, 0, 0);
    u16(0x1100);
    u16(1);
    u16(0);
    u16(0);
    slot(Slot::ppp, octets_.size() - 2);
    return *this;
}

PacketBuilder& PacketBuilder::ppp(bool hdlc) {
    if (hdlc) {
        u16(0xFF03);
    }
    u16(0);
    slot(Slot::ppp, octets_.size() - 2);
    return *this;
}

PacketBuilder& PacketBuilder::linux_cooked() {
    u16(0);
    u16(1);
    u16(6);
    payload(8, 0);
    u16(0);
    slot(Slot::ether_type, octets_.size() - 2);
    return *this;
}

PacketBuilder& PacketBuilder::linux_cooked_2() {
    payload(20, 0);
    slot(Slot::ether_type, octets_.size() - 20);
    return *this;
}

PacketBuilder& PacketBuilder::null_loopback(bool little_endian, std::uint8_t inet6) {
    family_little_endian_ = little_endian;
    inet6_ = inet6;
    u32(0);
    slot(Slot::family, octets_.size() - 4);
    return *this;
}

PacketBuilder& PacketBuilder::ipv4(const Ipv4Fields& fields) {
    announce(0x0800, 0x0021, kInet, 4);
    ip_at_ = octets_.size();
    ip_version_ = 4;
    u8(static_cast<std::uint8_t>(0x45 + fields.option_octets / 4));
    u8(fields.traffic_class);
    u16(0);
    u16(0x1234);
    u16(static_cast<std::uint16_t>((fields.dont_fragment ? 0x4000u : 0u) |
                                   (fields.more_fragments ? 0x2000u : 0u) |
                                   (fields.fragment_offset / 8u)));
    u8(fields.hop_limit);
    u8(0);
    u16(0);
    address(AF_INET, fields.source);
    address(AF_INET, fields.destination);
    payload(fields.option_octets, 1);
    slot(Slot::ip_protocol, ip_at_ + 9);
    return *this;
}

PacketBuilder& PacketBuilder::ipv6(const Ipv6Fields& fields) {
    announce(0x86DD, 0x0057, inet6_, 41);
    ip_at_ = octets_.size();
    ip_version_ = 6;
    u32(0x60000000u | (static_cast<std::uint32_t>(fields.traffic_class) << 20) | fields.flow_label);
    u16(0);
    u8(0);
    u8(fields.hop_limit);
    address(AF_INET6, fields.source);
    address(AF_INET6, fields.destination);
    slot(Slot::ip_protocol, ip_at_ + 6);
    return *this;
}

PacketBuilder& PacketBuilder::ip_octets_as(std::uint16_t octets) {
    put_u16(ip_at_ + (ip_version_ == 4 ? 2 : 4), octets);
    length_stated_ = true;
    return *this;
}

PacketBuilder& PacketBuilder::version_ihl_as(std::uint8_t octet) {
    octets_.at(ip_at_) = octet;
    return *this;
}

PacketBuilder& PacketBuilder::extension(std::uint8_t type, std::uint32_t octets) {
    upper(type);
    const std::size_t at = octets_.size();
    payload(octets, 0);
    octets_.at(at + 1) = static_cast<std::uint8_t>(octets / 8 - 1);
    slot(Slot::ip_protocol, at);
    return *this;
}

PacketBuilder& PacketBuilder::authentication(std::uint32_t octets) {
    upper(51);
    const std::size_t at = octets_.size();
    payload(octets, 0);
    octets_.at(at + 1) = static_cast<std::uint8_t>(octets / 4 - 2);
    slot(Slot::ip_protocol, at);
    return *this;
}

PacketBuilder& PacketBuilder::fragment(std::uint16_t offset, bool more) {
    upper(44);
    const std::size_t at = octets_.size();
    u16(0);
    u16(static_cast<std::uint16_t>(offset | (more ? 1u : 0u)));
    u32(0x12345678);
    slot(Slot::ip_protocol, at);
    return *this;
}

PacketBuilder& PacketBuilder::jumbo(std::uint32_t payload_octets) {
    ip_octets_as(0);
    upper(0);
    const std::size_t at = octets_.size();
    u16(0);
    u16(0xC204);
    u32(payload_octets);
    slot(Slot::ip_protocol, at);
    return *this;
}

void PacketBuilder::ports(std::uint8_t ip_protocol, std::uint16_t source,
                          std::uint16_t destination) {
    upper(ip_protocol);
    u16(source);
    u16(destination);
}

PacketBuilder& PacketBuilder::tcp(std::uint16_t source, std::uint16_t destination,
                                  std::uint16_t bits) {
    ports(6, source, destination);
    u32(1);
    u32(2);
    u16(static_cast<std::uint16_t>(0x5000u | bits));
    u16(1024);
    u32(0);
    return *this;
}

PacketBuilder& PacketBuilder::tcp_sequence_as(std::uint32_t sequence) {
    constexpr std::size_t kHeaderOctets = 20;
    constexpr std::size_t kSequenceAt = 4;
    const std::size_t at = octets_.size() - kHeaderOctets + kSequenceAt;
    put_u16(at, static_cast<std::uint16_t>(sequence >> 16));
    put_u16(at + 2, static_cast<std::uint16_t>(sequence));
    return *this;
}

PacketBuilder& PacketBuilder::udp(std::uint16_t source, std::uint16_t destination) {
    ports(17, source, destination);
    u32(0x00080000);
    return *this;
}

PacketBuilder& PacketBuilder::udp_lite(std::uint16_t source, std::uint16_t destination) {
    ports(136, source, destination);
    u32(0x00080000);
    return *this;
}

PacketBuilder& PacketBuilder::sctp(std::uint16_t source, std::uint16_t destination) {
    ports(132, source, destination);
    u32(1);
    u32(0);
    return *this;
}

PacketBuilder& PacketBuilder::dccp(std::uint16_t source, std::uint16_t destination) {
    ports(33, source, destination);
    u32(0x03000000);
    u32(0);
    return *this;
}

PacketBuilder& PacketBuilder::icmp(std::uint8_t type, std::uint8_t code) {
    upper(1);
    u8(type);
    u8(code);
    u16(0);
    u32(0);
    return *this;
}

PacketBuilder& PacketBuilder::icmpv6(std::uint8_t type, std::uint8_t code) {
    upper(58);
    u8(type);
    u8(code);
    u16(0);
    u32(0);
    return *this;
}

PacketBuilder& PacketBuilder::igmp() {
    upper(2);
    u32(0x16000000);
    u32(0xE0000001);
    return *this;
}

PacketBuilder& PacketBuilder::protocol(std::uint8_t number) {
    upper(number);
    return *this;
}

PacketBuilder& PacketBuilder::payload(std::uint32_t octets, std::uint8_t value) {
    octets_.insert(octets_.end(), octets, value);
    return *this;
}

PacketBuilder& PacketBuilder::payload(const std::vector<std::uint8_t>& octets) {
    octets_.insert(octets_.end(), octets.begin(), octets.end());
    return *this;
}

PacketBuilder& PacketBuilder::padding(std::uint32_t octets) {
    ip_end_ = octets_.size();
    return payload(octets, 0xEE);
}

std::vector<std::uint8_t> PacketBuilder::build() const {
    PacketBuilder done = *this;
    if (ip_version_ != 0 && !length_stated_) {
        const std::size_t end = ip_end_ != 0 ? ip_end_ : octets_.size();
        const std::size_t headers = ip_version_ == 4 ? 0 : kIpv6HeaderOctets;
        done.ip_octets_as(static_cast<std::uint16_t>(end - ip_at_ - headers));
    }
    if (length_802_3_at_ != 0) {
        done.put_u16(length_802_3_at_,
                     static_cast<std::uint16_t>(octets_.size() - length_802_3_at_ - 2));
    }
    return done.octets_;
}

ExactFrame::ExactFrame(Bytes octets)
    : octets_(new std::uint8_t[octets.size()]), size_(static_cast<std::uint32_t>(octets.size())) {
    std::copy(octets.begin(), octets.end(), octets_.get());
}

PacketView ExactFrame::view(LinkType link, std::uint32_t frame_octets) const noexcept {
    PacketView view{};
    view.octets = octets_.get();
    view.captured_octets = size_;
    view.frame_octets = frame_octets;
    view.link = link;
    return view;
}

} // namespace probe::test
