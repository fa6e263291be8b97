// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/core.h>

#include <array>
#include <charconv>
#include <stdexcept>

#include "encoder/yaml_document.hpp"
#include "probe/config/probe_config.hpp"

namespace probe {
namespace {

struct Unit {
    std::string_view name;
    TimeNs ns;
};
constexpr std::array<Unit, 7> kUnits = {{{"ns", 1},
                                         {"us", kNsPerUs},
                                         {"ms", kNsPerMs},
                                         {"s", kNsPerSecond},
                                         {"m", 60 * kNsPerSecond},
                                         {"h", kNsPerHour},
                                         {"d", 24 * kNsPerHour}}};

/// False: not a number with a unit, or more than a TimeNs holds.
bool scan(std::string_view text, TimeNs& ns) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || number < 0) {
        return false;
    }
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    for (const Unit& known : kUnits) {
        const double value = number * static_cast<double>(known.ns);
        if (known.name == unit && value < 1e19) {
            ns = static_cast<TimeNs>(value);
            return true;
        }
    }
    return false;
}

} // namespace

TimeNs parse_duration(std::string_view text, DurationLimits limits, bool off_allowed) {
    if (off_allowed && text == "off") {
        return kNever;
    }
    TimeNs ns = 0;
    if (scan(text, ns) && ns >= limits.min && ns <= limits.max) {
        return ns;
    }
    throw std::invalid_argument(fmt::format(
        "expected a duration from {} to {}{}, found '{}'", ipfix::duration_text(limits.min),
        ipfix::duration_text(limits.max), off_allowed ? ", or off" : "", text));
}

} // namespace probe
