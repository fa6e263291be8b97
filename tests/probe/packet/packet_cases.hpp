// SPDX-License-Identifier: BSD-3-Clause
// Described frames and what the parser makes of them, for the tests that walk over all of them.
#pragma once

#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"
#include "probe/packet/parse_verdict.hpp"

namespace probe::test {

struct PacketCase {
    std::string description;
    LinkType link;
    std::vector<std::uint8_t> frame;
    /// What outcome() gives: the headers in words, or the verdict's name.
    std::string expected;
};

[[nodiscard]] std::vector<PacketCase> packet_cases();

/// "v4 p17 1000>53 o28 at 14/34", then only what differs from an ordinary packet.
[[nodiscard]] std::string outcome(ParseVerdict verdict, const PacketHeaders& headers);

} // namespace probe::test
