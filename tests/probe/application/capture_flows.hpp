// SPDX-License-Identifier: BSD-3-Clause
// A capture's flows, each inspected as a worker would: the test's own idea of flows and payload.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probe/application/application_classifier.hpp"
#include "probe/application/application_inspector.hpp"
#include "probe/application/application_rules.hpp"

namespace probe::test {

struct InspectedFlow {
    std::string source; ///< address of the first packet, as inet_ntop writes it
    std::string destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t protocol = 0;
    std::unique_ptr<ApplicationFlow> found;
    bool from_start = false; ///< the first packet is a SYN
    LabelState state{};      ///< when a classifier was given
};

/// The label that all evidence of a flow gives.
ApplicationLabel label_of(const InspectedFlow& flow, const ApplicationRules& rules);

/// In the order of their first packets. A SYN after payload begins another flow. Throws
/// CaptureError.
std::vector<InspectedFlow> inspect_capture(const std::string& path, ApplicationInspector& inspector,
                                           ApplicationClassifier* classifier = nullptr);

/// Where the captures of other projects are: PARSHALL_SHARED_CAPTURES, or ../shared/captures.
/// Empty, after a warning, when they are not there.
std::string shared_captures();

} // namespace probe::test
