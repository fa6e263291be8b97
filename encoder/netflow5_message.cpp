// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/netflow5_message.hpp"

#include <algorithm>

namespace ipfix {
namespace {

/// Numbers one after the other, most significant octet first.
class Cursor {
  public:
    explicit Cursor(std::uint8_t* at) : at_(at) {}
    template <typename Unsigned>
    Cursor& put(Unsigned value) noexcept {
        store_be(at_, value);
        at_ += sizeof value;
        return *this;
    }

  private:
    std::uint8_t* at_;
};

constexpr std::uint32_t kNoNextHop = 0;
constexpr std::uint8_t kPadding = 0;
constexpr std::uint32_t kNoSystemNumbers = 0; // of source and destination, 16 bits each
constexpr std::uint32_t kNoMasks = 0;         // of both, 8 bits each, and padding
constexpr std::uint32_t kNoNanoseconds = 0;
constexpr std::uint16_t kNotSampled = 0;

} // namespace

void Netflow5Message::reset(std::uint16_t packet_octets_max) noexcept {
    records_ = 0;
    const std::size_t body =
        std::max<std::size_t>(packet_octets_max, kNetflow5HeaderOctets) - kNetflow5HeaderOctets;
    records_max_ = std::min(body / kNetflow5RecordOctets, kNetflow5RecordsMax);
}

void Netflow5Message::append(const Netflow5Record& record) noexcept {
    Cursor(buffer_.data() + kNetflow5HeaderOctets + records_ * kNetflow5RecordOctets)
        .put(record.source_address)
        .put(record.destination_address)
        .put(kNoNextHop)
        .put(record.input_interface)
        .put(record.output_interface)
        .put(record.packets)
        .put(record.octets)
        .put(record.first_ms)
        .put(record.last_ms)
        .put(record.source_port)
        .put(record.destination_port)
        .put(kPadding)
        .put(record.tcp_flags)
        .put(record.protocol)
        .put(record.type_of_service)
        .put(kNoSystemNumbers)
        .put(kNoMasks);
    ++records_;
}

std::span<const std::uint8_t> Netflow5Message::finish(std::uint32_t system_uptime_ms,
                                                      std::uint32_t unix_s,
                                                      std::uint32_t sequence_number) noexcept {
    Cursor(buffer_.data())
        .put(kNetflow5Version)
        .put(static_cast<std::uint16_t>(records_))
        .put(system_uptime_ms)
        .put(unix_s)
        .put(kNoNanoseconds)
        .put(sequence_number)
        .put(engine_)
        .put(kNotSampled);
    return {buffer_.data(), kNetflow5HeaderOctets + records_ * kNetflow5RecordOctets};
}

} // namespace ipfix
