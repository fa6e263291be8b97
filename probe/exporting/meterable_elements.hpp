// SPDX-License-Identifier: BSD-3-Clause
// Which Information Elements the meter can fill, and from what: the table behind record_binding and
// `parshall elements`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "probe/application/application_fields.hpp"
#include "probe/metering/flow_key.hpp"

namespace probe {

/// Where a value comes from. Names follow the record's fields; units and forms follow the element.
enum class ValueSource : std::uint8_t {
    source_address,
    destination_address,
    source_port,
    destination_port,
    protocol, // the key only
    traffic_class,
    dscp,
    precedence,
    tcp_bits,
    ingress_interface,
    flow_label,
    icmp_type_code,
    icmp_type,
    icmp_code,
    source_mac,
    destination_mac,
    outer_vlan_id,
    outer_vlan_priority,
    inner_vlan_id,
    inner_vlan_priority,
    ether_type,
    hop_limit_first,
    hop_limit_min,
    hop_limit_max,
    ip_octets_min,
    ip_octets_max,
    octet_delta,
    packet_delta,
    octet_total,
    packet_total,
    frame_octet_delta,
    start_seconds,
    end_seconds,
    start_milliseconds,
    end_milliseconds,
    start_microseconds,
    end_microseconds,
    start_nanoseconds,
    end_nanoseconds,
    duration_milliseconds,
    duration_microseconds,
    ip_version,
    flow_direction,
    end_reason,
    flow_id,
    fragment_flags,
    is_multicast,
    biflow_direction,
    mpls_label,
    domain_id,
    sampling_interval,
    padding,
    application, // what MeterableEntry::field says
    packet_list,
};

/// Which address families have the element.
enum class ElementFamily : std::uint8_t { both, ipv4, ipv6 };

struct MeterableEntry {
    std::uint16_t id; ///< IANA's number, or its enterprise's
    ValueSource source;
    std::optional<KeyPart> key; ///< set: may be a key
    bool value;                 ///< may be a value
    bool reverse;               ///< may be a reverse value (RFC 5103)
    ElementFamily family;
    std::string_view meaning;
    std::uint32_t enterprise = 0;                      ///< Private Enterprise Number; 0: IANA
    ApplicationField field = ApplicationField::count_; ///< source application
};

/// By number, IANA's first.
[[nodiscard]] std::span<const MeterableEntry> meterable_entries();
/// nullptr when the meter cannot fill it.
[[nodiscard]] const MeterableEntry* find_meterable(std::uint32_t enterprise, std::uint16_t id);

} // namespace probe
