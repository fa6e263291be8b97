// SPDX-License-Identifier: BSD-3-Clause
// What many patterns have in common: a few short literals, of which every match holds one.
//
// Patterns that may stand anywhere in a payload cannot be told by its first octets, and hundreds of
// them take tables that are cold at every scan. An operator's often share a beginning ("\r\nX-",
// "/api/"); then a payload is searched for that first. Used while rules are loaded.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "probe/application/pattern_database.hpp"

namespace probe {

/// Expressions for octets near the beginning of the patterns' matches, letters of either case:
/// where one of the patterns matches, one of these does. Nothing when the patterns are too few, or
/// have too little in common, for that to be worth a search of its own.
[[nodiscard]] std::optional<std::vector<PatternExpression>> shared_literals(
    std::span<const PatternExpression> patterns);

} // namespace probe
