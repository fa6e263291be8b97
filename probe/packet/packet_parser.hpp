// SPDX-License-Identifier: BSD-3-Clause
// One packet in, its headers or the reason for not having any out.
//
// Outer headers only: tunnels are payload. Policy, where the RFCs leave room: octets are what the
// IP header says, also when the frame is cut by a snap length or shorter than announced (it is what
// is billed); octets after the IP length are padding and never read; fragments but the first have
// no ports; the protocol of IPv6 is the one after its extension headers.
//
// Thread: any, no state. Reads nothing outside [octets, octets + captured_octets).
#pragma once

#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"
#include "probe/packet/parse_verdict.hpp"

namespace probe {

// Bounds on what a sender may make the parser do. Each is far beyond real traffic.
inline constexpr std::uint32_t kVlanTagsMax = 32;
inline constexpr std::uint32_t kMplsLabelsMax = 16;
inline constexpr std::uint32_t kExtensionHeadersMax = 32;

/// `headers` is filled completely when the verdict is `metered`, and is undetermined otherwise.
[[nodiscard]] ParseVerdict parse_packet(const PacketView& packet, PacketHeaders& headers) noexcept;

/// parse_packet in two halves, for who treats the frames that nearly all traffic is made of apart:
/// they are metered, whole and no fragments. False: the frame is of another kind, nothing was
/// written.
[[nodiscard]] bool parse_common_frame(const PacketView& packet, PacketHeaders& headers) noexcept;
[[nodiscard]] ParseVerdict parse_any_frame(const PacketView& packet,
                                           PacketHeaders& headers) noexcept;

} // namespace probe
