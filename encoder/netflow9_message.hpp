// SPDX-License-Identifier: BSD-3-Clause
// One NetFlow version 9 Export Packet under construction (RFC 3954), beside MessageBuilder for
// IPFIX: what differs is the header, that FlowSets end at multiples of four octets, and that a
// packet is counted as one. Knows no clock and allocates nothing after construction; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoder/message_builder.hpp"

namespace ipfix {

// Packet Header, RFC 3954 section 5.1
//
//    |       Version Number          |            Count              |
//    |                           sysUpTime                           |
//    |                           UNIX Secs                           |
//    |                       Sequence Number                         |
//    |                        Source ID                              |
inline constexpr std::uint16_t kNetflow9Version = 9;
inline constexpr std::size_t kNetflow9HeaderOctets = 20;
inline constexpr std::uint16_t kNetflow9TemplateFlowSetId = 0;
inline constexpr std::uint16_t kNetflow9OptionsFlowSetId = 1;

/// Field Types that IPFIX has no element for (RFC 3954 section 8): sysUpTime in ms.
inline constexpr std::uint16_t kNetflow9FirstSwitched = 22;
inline constexpr std::uint16_t kNetflow9LastSwitched = 21;
/// Scope Field Type of an Options Template (section 6.1).
inline constexpr std::uint16_t kNetflow9ScopeSystem = 1;

class Netflow9Message {
  public:
    explicit Netflow9Message(std::uint32_t source_id);

    /// `record` is a Template Record (FlowSet 0), an Options Template Record (1) or a Data Record
    /// of the template with this id.
    [[nodiscard]] AppendVerdict append(std::uint16_t flow_set_id,
                                       std::span<const std::uint8_t> record) noexcept;

    /// What append() would say to so many octets of records.
    [[nodiscard]] AppendVerdict room_for(std::uint16_t flow_set_id,
                                         std::size_t octets) const noexcept;

    [[nodiscard]] bool empty() const noexcept { return records_ == 0; }
    /// Of all kinds: the header's Count.
    [[nodiscard]] std::uint16_t records() const noexcept { return records_; }

    /// Starts the next packet, of at most this size.
    void reset(std::uint16_t packet_octets_max) noexcept;

    /// `sequence_number` counts the packets sent before. Valid until reset().
    [[nodiscard]] std::span<const std::uint8_t> finish(std::uint32_t system_uptime_ms,
                                                       std::uint32_t unix_s,
                                                       std::uint32_t sequence_number) noexcept;

  private:
    void pad() noexcept;

    std::uint32_t source_id_;
    std::size_t octets_max_;
    std::size_t used_ = kNetflow9HeaderOctets;
    std::size_t set_start_ = 0;
    std::uint32_t set_id_ = kNoSet;
    std::uint16_t records_ = 0;
    std::vector<std::uint8_t> buffer_;

    static constexpr std::uint32_t kNoSet = UINT32_MAX;
};

} // namespace ipfix
