// SPDX-License-Identifier: BSD-3-Clause
// Whether a Toeplitz key sends both directions of a flow to one queue. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace probe {

/// 0x6d5a repeated: with a key of a 16-bit period, swapping addresses and ports (all at even
/// offsets from each other in multiples of 16 bits) leaves the Toeplitz hash as it is (Woo and
/// Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
[[nodiscard]] std::vector<std::uint8_t> symmetric_rss_key(std::size_t octets);

/// Hashes sample IPv4 and IPv6 tuples, with ports and without, in both directions. False also for a
/// key too short to hash IPv6 with ports (40 octets).
[[nodiscard]] bool is_symmetric_rss_key(std::span<const std::uint8_t> key);

} // namespace probe
