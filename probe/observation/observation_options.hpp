// SPDX-License-Identifier: BSD-3-Clause
// What an operator says about observation (RFC 5470: where packets are seen). Filled by config/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace probe {

enum class ObservationDirection : std::uint8_t {
    ingress = 0,
    egress = 1
}; // values of flowDirection (61)

struct ObservationPointOptions {
    std::string port; ///< PCI address or vdev name, as `port:` in the YAML; never an index
    std::uint16_t queues = 1;
    std::uint16_t descriptors = 2048;  ///< receive descriptors a queue
    std::uint32_t interface_index = 0; ///< ingressInterface (10); 0: 1-based position in `points`
    ObservationDirection direction = ObservationDirection::ingress;
    bool promiscuous = true;
    std::uint16_t mtu = 0; ///< 0: leave as the device has it
    friend bool operator==(const ObservationPointOptions&,
                           const ObservationPointOptions&) = default;
};

struct ObservationOptions {
    std::uint32_t domain_id = 1;  ///< observationDomainId of every message
    std::string domain_name;      ///< observationDomainName in options records; empty: not sent
    std::vector<std::string> eal; ///< EAL arguments from the YAML, before those of the command line
    std::vector<ObservationPointOptions> points;
};

} // namespace probe
