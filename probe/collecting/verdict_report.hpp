// SPDX-License-Identifier: BSD-3-Clause
// What a session's checker found, for people (a table) and for scripts (a line of JSON).
#pragma once

#include <string>

#include "encoder/message_checker.hpp"

namespace probe {

/// Lines for a terminal: what came, each rule that was broken, and what that means.
[[nodiscard]] std::string verdict_table(const std::string& session,
                                        const ipfix::MessageChecker& checker);
/// One object, with a newline.
[[nodiscard]] std::string verdict_json(const std::string& session,
                                       const ipfix::MessageChecker& checker);
/// "message 3, octet 16: data sets for template 256 of domain 1 wait for a template"
[[nodiscard]] std::string finding_text(const ipfix::Finding& finding);

} // namespace probe
