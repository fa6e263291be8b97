// SPDX-License-Identifier: BSD-3-Clause
// Frames for tests, layer by layer: PacketBuilder().ethernet().vlan(10).ipv4().udp(1000,
// 53).build().
//
// Each layer tells the one before it what it is, and lengths are filled in at the end; a setter
// called `..._as` states a value of its own instead, right or wrong. No checksums.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe::test {

struct Ipv4Fields {
    std::string source = "192.0.2.1";
    std::string destination = "198.51.100.2";
    std::uint8_t traffic_class = 0;
    std::uint8_t hop_limit = 64;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0; ///< octets, a multiple of 8
    std::uint8_t option_octets = 0;    ///< a multiple of 4
};

struct Ipv6Fields {
    std::string source = "2001:db8::1";
    std::string destination = "2001:db8::2";
    std::uint8_t traffic_class = 0;
    std::uint8_t hop_limit = 64;
    std::uint32_t flow_label = 0;
};

class PacketBuilder {
  public:
    PacketBuilder& ethernet();
    PacketBuilder& ethernet_802_3(); ///< with a length where Ethernet II has its type
    PacketBuilder& snap();           ///< LLC and SNAP, OUI 0
    PacketBuilder& vlan(std::uint16_t tci, std::uint16_t tag_type = 0x8100);
    PacketBuilder& mpls(std::uint32_t label, bool bottom, std::uint16_t ether_type = 0x8847);
    PacketBuilder& pppoe();
    PacketBuilder& ppp(bool hdlc); ///< LINKTYPE_PPP, with address and control or without
    PacketBuilder& linux_cooked();
    PacketBuilder& linux_cooked_2();
    PacketBuilder& null_loopback(bool little_endian, std::uint8_t inet6 = 30);
    /// What the last layer announces, when no layer of this builder follows.
    PacketBuilder& next_as(std::uint16_t type);

    PacketBuilder& ipv4(const Ipv4Fields& fields = {});
    PacketBuilder& ipv6(const Ipv6Fields& fields = {});
    PacketBuilder& ip_octets_as(std::uint16_t octets); ///< IPv4 total or IPv6 payload length
    PacketBuilder& version_ihl_as(std::uint8_t octet); ///< first octet of the last IP header
    PacketBuilder& extension(std::uint8_t type, std::uint32_t octets = 8); ///< a multiple of 8
    PacketBuilder& authentication(std::uint32_t octets = 24);              ///< a multiple of 4
    PacketBuilder& fragment(std::uint16_t offset, bool more);
    PacketBuilder& jumbo(std::uint32_t payload_octets); ///< a hop-by-hop header; payload length 0

    PacketBuilder& tcp(std::uint16_t source, std::uint16_t destination, std::uint16_t bits = 0x02);
    PacketBuilder& tcp_sequence_as(std::uint32_t sequence); ///< of the TCP header just added
    PacketBuilder& udp(std::uint16_t source, std::uint16_t destination);
    PacketBuilder& udp_lite(std::uint16_t source, std::uint16_t destination);
    PacketBuilder& sctp(std::uint16_t source, std::uint16_t destination);
    PacketBuilder& dccp(std::uint16_t source, std::uint16_t destination);
    PacketBuilder& icmp(std::uint8_t type, std::uint8_t code);
    PacketBuilder& icmpv6(std::uint8_t type, std::uint8_t code);
    PacketBuilder& igmp();
    PacketBuilder& protocol(std::uint8_t number); ///< no header of its own

    PacketBuilder& payload(std::uint32_t octets, std::uint8_t value = 0xA5);
    PacketBuilder& payload(const std::vector<std::uint8_t>& octets);
    /// Ends the IP packet: what is added later is Ethernet padding.
    PacketBuilder& padding(std::uint32_t octets);

    [[nodiscard]] std::vector<std::uint8_t> build() const;

  private:
    enum class Slot : std::uint8_t { none, ether_type, ppp, family, ip_protocol };

    void u8(std::uint8_t value) { octets_.push_back(value); }
    void u16(std::uint16_t value);
    void u32(std::uint32_t value);
    void address(int family, const std::string& text);
    void put_u16(std::size_t at, std::uint16_t value);
    void slot(Slot kind, std::size_t at);
    void announce(std::uint16_t ether_type, std::uint16_t ppp, std::uint8_t family,
                  std::uint8_t ip_protocol);
    void upper(std::uint8_t ip_protocol) { announce(0, 0, 0, ip_protocol); }
    void ports(std::uint8_t ip_protocol, std::uint16_t source, std::uint16_t destination);

    std::vector<std::uint8_t> octets_;
    Slot slot_ = Slot::none;
    std::size_t slot_at_ = 0;
    bool family_little_endian_ = false;
    std::uint8_t inet6_ = 30;
    std::size_t ip_at_ = 0;
    std::size_t ip_end_ = 0; ///< 0: the packet ends with the frame
    int ip_version_ = 0;
    bool length_stated_ = false;
    std::size_t length_802_3_at_ = 0;
};

/// A frame in heap memory of exactly its size, so that AddressSanitizer sees one octet too many.
class ExactFrame {
  public:
    explicit ExactFrame(Bytes octets);
    [[nodiscard]] PacketView view(LinkType link, std::uint32_t frame_octets) const noexcept;

  private:
    std::unique_ptr<std::uint8_t[]> octets_;
    std::uint32_t size_;
};

} // namespace probe::test
