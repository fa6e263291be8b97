// SPDX-License-Identifier: BSD-3-Clause
// A template's filter: pcap-filter(7) text that sees the IP packet, whatever framing it came in.
//
// Because VLAN, MPLS and PPPoE are gone when the filter looks, words about them and about
// link-layer addresses are refused. Most filters of templates ("ip and not icmp", "tcp or udp") ask
// only for family and protocol; those are tables of 2 x 256 answers, made when the filter is
// loaded.
//
// Thread: matching any number at once, it writes nothing.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

/// what() is a sentence without a location; whoever read the text knows where it stood.
class FilterError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class PacketFilter {
  public:
    static constexpr std::size_t kExpressionOctetsMax = 4096;

    /// Matches everything when `expression` is empty. Throws FilterError.
    explicit PacketFilter(std::string_view expression);
    ~PacketFilter();
    PacketFilter(PacketFilter&&) noexcept;
    PacketFilter& operator=(PacketFilter&&) noexcept;

    /// The answer is the same for all packets of a family and protocol: matches_family_protocol
    /// says it.
    [[nodiscard]] bool depends_only_on_family_and_protocol() const noexcept { return tabulated_; }

    /// `protocol` is the parser's upper-layer protocol, so that "icmp6" is true also behind IPv6
    /// extension headers, which libpcap's own code looks through only in part. Meaningful when
    /// depends_only_on_family_and_protocol().
    [[nodiscard]] bool matches_family_protocol(IpFamily family,
                                               std::uint8_t protocol) const noexcept {
        return table_[static_cast<std::size_t>(family)][protocol];
    }

    /// `ip_packet` starts with the IP header and ends where the capture does; `ip_octets` is its
    /// length by the header, what "greater" and "len" see. No allocation.
    [[nodiscard]] bool matches(Bytes ip_packet, std::uint32_t ip_octets) const noexcept;

  private:
    struct Program;

    [[nodiscard]] bool tabulate();

    std::unique_ptr<const Program> program_; ///< null: everything matches
    std::array<std::bitset<256>, 2> table_;
    bool tabulated_ = false;
};

} // namespace probe
