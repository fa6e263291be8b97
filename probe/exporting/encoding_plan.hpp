// SPDX-License-Identifier: BSD-3-Clause
// From a flow record to the octets of a data record: a flat list of steps, made once at start by
// record_binding.
//
// A step copies octets that already lie in network order, or turns a number around, or derives a
// value. Every step has two places to read from, since a biflow's source may be the first or the
// second endpoint of its canonical key. encode() reads a copy of a FlowRecord (RecordQueue) and is
// pure, bounded and without allocation.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "probe/application/application_rules.hpp"
#include "probe/application/packed_fields.hpp"
#include "probe/exporting/session_ledger.hpp"
#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

enum class EncodingStepKind : std::uint8_t {
    copy,    ///< octets in network order: addresses, ports of the key, MAC addresses
    number8, ///< host-order numbers of 1, 2, 4, 8 octets, written big-endian in `width` octets
    number16,
    number32,
    number64,
    vlan_id,       ///< 12 bits of a TCI
    vlan_priority, ///< 3 bits of a TCI
    high_octet,    ///< of a 16-bit number: ICMP type
    low_octet,     ///< ICMP code
    dscp,          ///< upper six bits of the traffic class
    precedence,    ///< upper three bits
    total,         ///< number64 or number32 at `from` + number64 at `also`
    total32,
    seconds, ///< times: nanoseconds since the epoch at `from`
    milliseconds,
    microseconds, ///< NTP format, RFC 7011 section 6.1.9
    nanoseconds,  ///< NTP format, RFC 7011 section 6.1.10
    duration_ms,  ///< from `from` to `also`
    duration_us,
    constant, ///< `value`, big-endian
    flow_id,
    is_multicast4,
    is_multicast6,
    flow_direction, ///< of the interface whose number is at `from`
    biflow_direction,
    mpls_label,         ///< fixed: three octets, zero without a label
    mpls_variable,      ///< variable length: three octets or none
    zero,               ///< paddingOctets
    application_number, ///< `value`: the ApplicationField; 0 when it is absent
    application_text,   ///< the same, of variable length; empty when absent
    application_octets, ///< the same, cut anywhere
    label_id,           ///< applicationId in `width` octets; 0: variable length
    label_name,         ///< of variable length; empty when nothing is known
    label_category,
    packet_list, ///< basicList of the PacketListBlock at `from`, of element number `value`
    common_id,   ///< commonPropertiesId (RFC 5473): RecordNames::common_id
};

struct EncodingStep {
    EncodingStepKind kind;
    std::uint8_t width; ///< octets written; mpls_variable: at most 1 more; packet_list: a value's
    std::array<std::uint16_t, 2>
        from{}; ///< offset in the record; [1] when the source is the key's second endpoint
    std::uint16_t also = 0;
    std::uint64_t value = 0;
};

/// What was read out of the flow's payloads, and what became of it.
struct RecordNames {
    PackedFields fields;
    const ApplicationRules* rules = nullptr; ///< nullptr: no labels
    bool inspected = false;                  ///< then there is no label but the one in `fields`
    std::uint16_t common_id = 0;             ///< of the record's common properties; 0: none
    std::uint32_t texts_cut = 0;             ///< added by encode(): for want of room in the record
};

/// Where the base of a record has what every plan needs (FlowRecord<Key> for this plan's Key).
struct RecordBase {
    std::uint16_t key_octets;
    std::uint16_t first_ns;
    std::uint16_t last_ns;
    std::uint16_t octets;
    std::uint16_t packets;
    std::uint16_t tcp_control_bits;
    std::uint16_t order;
    std::uint16_t end_reason;
    std::uint16_t protocol;
    std::array<std::uint16_t, 2> ports; ///< of the key's first and second endpoint
};

/// Direction (61) of each interface, by ifIndex; the last entry serves the unknown ones.
struct InterfaceDirection {
    std::uint32_t interface_index;
    std::uint8_t direction;
};

/// Octets that the largest value of a step may need; 0: as many as it writes.
[[nodiscard]] std::size_t octets_needed(const EncodingStep& step) noexcept;

class EncodingPlan {
  public:
    /// What becomes of a record with a number that its field cannot hold (RFC 7011 section 6.2:
    /// none is ever cut).
    enum class LargeNumbers : std::uint8_t {
        none,    ///< there are none
        refused, ///< another plan has wider fields
    };
    /// Texts share what is left of `record_octets_max` by the other fields: what does not fit is
    /// cut between characters, the first ones have their whole length.
    EncodingPlan(const RecordBase& base, std::vector<EncodingStep> steps,
                 std::vector<InterfaceDirection> interfaces, std::size_t record_octets_max,
                 LargeNumbers large_numbers = LargeNumbers::none);

    /// Writes the data record to `out`, which has room for octets_max(). Returns how many octets it
    /// has; 0: it is refused (a number does not fit, or its common properties have no id), and
    /// `names` is as before.
    [[nodiscard]] std::size_t encode(const std::uint8_t* record, RecordNames& names,
                                     std::uint8_t* out) const noexcept;

    [[nodiscard]] RecordWeight weight(const std::uint8_t* record) const noexcept;
    [[nodiscard]] std::size_t octets_max() const noexcept { return octets_max_; }
    [[nodiscard]] const std::vector<EncodingStep>& steps() const noexcept { return steps_; }

  private:
    [[nodiscard]] ApplicationId label_of(const std::uint8_t* record, std::size_t order,
                                         const RecordNames& names) const noexcept;
    [[nodiscard]] std::uint64_t derived(const EncodingStep& step, std::uint16_t from,
                                        const std::uint8_t* record) const noexcept;
    [[nodiscard]] std::uint64_t flow_id(const std::uint8_t* record) const noexcept;
    [[nodiscard]] std::uint8_t direction_of(std::uint32_t interface) const noexcept;

    RecordBase base_;
    std::vector<EncodingStep> steps_;
    std::vector<InterfaceDirection> interfaces_;
    LargeNumbers large_numbers_;
    bool labels_ = false; ///< some step needs the label
    std::size_t octets_max_ = 0;
    std::size_t text_octets_max_ = 0; ///< of all texts of a record together
};

} // namespace probe
