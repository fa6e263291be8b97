// SPDX-License-Identifier: BSD-3-Clause
// Frames with payload: conversations of common protocols, or those of a capture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

using Frames = std::vector<std::vector<std::uint8_t>>; ///< without FCS

/// `flows` conversations over IPv4, some hundred of them at a time: TCP from SYN to FIN in twelve
/// packets, UDP in two to six, the first payloads those of common_payloads(). The same each time.
[[nodiscard]] Frames mixed_frames(std::size_t flows);

/// Acknowledgements without payload, 64 octets with FCS, of so many connections in random order.
[[nodiscard]] Frames empty_frames(std::size_t flows, std::size_t count);

/// The capture's whole frames, at most `frames_max` of them. Throws std::runtime_error.
[[nodiscard]] Frames capture_frames(const std::string& path, std::size_t frames_max);

} // namespace bench
