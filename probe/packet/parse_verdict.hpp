// SPDX-License-Identifier: BSD-3-Clause
// What becomes of a packet in the parser. Verdicts and the ledger's counters are this one list:
// received = metered + ignored[class] + dropped[reason], so nothing disappears without a name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace probe {

enum class ParseVerdict : std::uint8_t {
    metered, ///< an IPv4 or IPv6 packet with headers that hold together
    // Ignored: well-formed as far as it was read, but not IP, so not metered.
    ignored_arp,
    ignored_llc, ///< 802.3 frames: spanning tree, CDP, IS-IS ...
    ignored_lldp,
    ignored_eapol,
    ignored_macsec,
    ignored_pppoe_control, ///< PPPoE discovery, and PPP protocols other than IPv4 and IPv6
    ignored_mpls_payload,  ///< what follows the bottom label is neither IPv4 nor IPv6
    ignored_other_ethertype,
    ignored_link_type,    ///< the capture's link type is not one of LinkType
    ignored_other_family, ///< cooked or loopback framing that announces neither IPv4 nor IPv6
    // Dropped: should have been IP, but the headers contradict themselves or the frame.
    dropped_link_truncated,
    dropped_vlan_depth,       ///< more tags than the bound
    dropped_mpls_depth,       ///< no bottom of stack within the bound
    dropped_ip_truncated,     ///< the frame ends inside the fixed IPv4 or IPv6 header
    dropped_ip_version,       ///< the version nibble is not what the layer below announced
    dropped_ip_header_length, ///< IHL below 5, or the total length is less than the header,
                              ///< or a jumbo payload is more than the wire carried
    count_
};

inline constexpr std::size_t kParseVerdicts = static_cast<std::size_t>(ParseVerdict::count_);

/// Names as printed in the ledger and in `--stats json`.
inline constexpr std::array<std::string_view, kParseVerdicts> kParseVerdictNames = {
    "metered",
    "ignored_arp",
    "ignored_llc",
    "ignored_lldp",
    "ignored_eapol",
    "ignored_macsec",
    "ignored_pppoe_control",
    "ignored_mpls_payload",
    "ignored_other_ethertype",
    "ignored_link_type",
    "ignored_other_family",
    "dropped_link_truncated",
    "dropped_vlan_depth",
    "dropped_mpls_depth",
    "dropped_ip_truncated",
    "dropped_ip_version",
    "dropped_ip_header_length",
};

} // namespace probe
