// SPDX-License-Identifier: BSD-3-Clause
// What the first packets of common protocols carry, and an operator's rules to label them by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct OnePayload {
    std::string octets;
    std::uint8_t protocol;
    std::uint16_t port;
    std::size_t flow = 0;
    std::uint8_t direction = 0;
};

/// In the order of packets.
using Payloads = std::vector<OnePayload>;

/// Of many flows with one payload each: two in three are of a protocol that the rules know; lengths
/// as such packets have them.
[[nodiscard]] Payloads common_payloads();

/// The same octets for the same seed.
[[nodiscard]] std::string noise(std::uint64_t seed, std::size_t octets);

/// A file of a thousand rules, as many as an operator may bring: services with a start and,
/// anywhere in a payload, a header each, or a word that has nothing in common with the others'
/// words. It goes with the object.
class OwnRules {
  public:
    enum class Anywhere : std::uint8_t { header, word };
    explicit OwnRules(Anywhere anywhere = Anywhere::header);
    ~OwnRules();
    OwnRules(const OwnRules&) = delete;
    OwnRules& operator=(const OwnRules&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

} // namespace bench
