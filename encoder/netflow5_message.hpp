// SPDX-License-Identifier: BSD-3-Clause
// One NetFlow version 5 export packet under construction: a header of 24 octets and at most 30
// records of 48, IPv4 only, no templates (Cisco, "NetFlow Export Datagram Format"). Knows no clock
// and allocates nothing after construction; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "encoder/message_builder.hpp"

namespace ipfix {

inline constexpr std::uint16_t kNetflow5Version = 5;
inline constexpr std::size_t kNetflow5HeaderOctets = 24;
inline constexpr std::size_t kNetflow5RecordOctets = 48;
inline constexpr std::size_t kNetflow5RecordsMax = 30;
inline constexpr std::size_t kNetflow5PacketOctetsMax =
    kNetflow5HeaderOctets + kNetflow5RecordsMax * kNetflow5RecordOctets;

/// Numbers in host order. What is not here (next hop, masks) is zero on the wire.
struct Netflow5Record {
    std::uint32_t source_address = 0;
    std::uint32_t destination_address = 0;
    std::uint16_t input_interface = 0;
    std::uint16_t output_interface = 0;
    std::uint32_t packets = 0;
    std::uint32_t octets = 0;
    std::uint32_t first_ms = 0; ///< sysUpTime
    std::uint32_t last_ms = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0; ///< ICMP: type * 256 + code
    std::uint8_t tcp_flags = 0;
    std::uint8_t protocol = 0;
    std::uint8_t type_of_service = 0;
};

class Netflow5Message {
  public:
    /// `engine`: type in the high octet, id in the low one.
    explicit Netflow5Message(std::uint16_t engine) : engine_(engine) {}

    /// Room for how many records more.
    [[nodiscard]] std::size_t room() const noexcept { return records_max_ - records_; }
    [[nodiscard]] std::size_t records_max() const noexcept { return records_max_; }
    [[nodiscard]] std::size_t records() const noexcept { return records_; }
    [[nodiscard]] bool empty() const noexcept { return records_ == 0; }

    /// There must be room().
    void append(const Netflow5Record& record) noexcept;

    /// Starts the next packet, of at most this size.
    void reset(std::uint16_t packet_octets_max) noexcept;
    /// `sequence_number` counts the records sent before. Valid until reset().
    [[nodiscard]] std::span<const std::uint8_t> finish(std::uint32_t system_uptime_ms,
                                                       std::uint32_t unix_s,
                                                       std::uint32_t sequence_number) noexcept;

  private:
    std::uint16_t engine_;
    std::size_t records_ = 0;
    std::size_t records_max_ = kNetflow5RecordsMax;
    std::array<std::uint8_t, kNetflow5PacketOctetsMax> buffer_{};
};

} // namespace ipfix
