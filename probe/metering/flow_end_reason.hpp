// SPDX-License-Identifier: BSD-3-Clause
// Why a flow record was made: the values of flowEndReason (element 136).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace probe {

enum class FlowEndReason : std::uint8_t {
    none = 0,
    idle_timeout = 1,
    active_timeout = 2,
    end_of_flow_detected = 3,
    forced_end = 4,
    lack_of_resources = 5,
};

inline constexpr std::size_t kFlowEndReasons = 6;

inline constexpr std::array<std::string_view, kFlowEndReasons> kFlowEndReasonNames = {
    "none",       "idle_timeout",      "active_timeout", "end_of_flow_detected",
    "forced_end", "lack_of_resources",
};

} // namespace probe
