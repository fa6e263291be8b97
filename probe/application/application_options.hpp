// SPDX-License-Identifier: BSD-3-Clause
// What an operator says about application labels. Filled by config/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace probe {

/// Above them a rule file is refused: what compiling may take is known before it starts.
struct RuleLimits {
    std::size_t rules_max = 10'000;
    std::size_t patterns_max = 20'000;
    std::size_t expression_octets_max = 512;
    std::size_t match_octets_max = 1'024;               ///< the longest match of one expression
    std::size_t database_octets_max = 64 * 1024 * 1024; ///< compiled, of each transport

    friend bool operator==(const RuleLimits&, const RuleLimits&) = default;
};

struct ApplicationOptions {
    /// The first rule that holds wins, so the operator's files stand before the shipped one
    /// (templates/applications.yaml). Empty: no labels.
    std::vector<std::string> rule_files;
    /// A directory for compiled databases; empty: they are compiled at each start. Nothing: the
    /// operator did not say, and who loads the rules decides.
    std::optional<std::string> cache;
    /// Of each direction, packets without payload not counted; 1 to kLabelPacketsMax.
    std::uint8_t payload_packets_max = 6;
    /// Of each direction; 32 to kLabelOctetsMax, in steps of 32.
    std::uint16_t payload_octets_max = 2'048;
    /// The operator's Private Enterprise Number: rules then get applicationIds of engine 20
    /// (PANA-L7-PEN) instead of 6 (USER-Defined). 0: none.
    std::uint32_t enterprise_number = 0;
    RuleLimits limits;

    friend bool operator==(const ApplicationOptions&, const ApplicationOptions&) = default;
};

} // namespace probe
