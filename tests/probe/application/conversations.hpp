// SPDX-License-Identifier: BSD-3-Clause
// One conversation of each protocol, by hand, and what must be known of it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/probe/application/octets.hpp"

namespace probe::test {

struct Sent {
    int direction;
    Octets payload;
};

struct Conversation {
    ApplicationProtocol protocol;
    std::uint8_t transport;
    std::uint16_t port;
    std::vector<Sent> packets;
    std::vector<std::pair<ApplicationField, std::string>> texts;
    std::vector<std::pair<ApplicationField, std::uint64_t>> numbers;
};

[[nodiscard]] std::vector<Conversation> conversations();

} // namespace probe::test
