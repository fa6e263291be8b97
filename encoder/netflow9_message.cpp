// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/netflow9_message.hpp"

#include <algorithm>
#include <cstring>

namespace ipfix {
namespace {

constexpr std::size_t kAlignment = 4;
constexpr std::size_t kCountOffset = 2;
constexpr std::size_t kUptimeOffset = 4;
constexpr std::size_t kUnixOffset = 8;
constexpr std::size_t kSequenceOffset = 12;
constexpr std::size_t kSourceIdOffset = 16;

constexpr std::size_t padded(std::size_t octets) noexcept {
    return (octets + kAlignment - 1) / kAlignment * kAlignment;
}

} // namespace

Netflow9Message::Netflow9Message(std::uint32_t source_id)
    : source_id_(source_id), octets_max_(kMessageOctetsMax), buffer_(kMessageOctetsMax) {}

void Netflow9Message::reset(std::uint16_t packet_octets_max) noexcept {
    octets_max_ = packet_octets_max;
    used_ = kNetflow9HeaderOctets;
    set_id_ = kNoSet;
    records_ = 0;
}

AppendVerdict Netflow9Message::room_for(std::uint16_t flow_set_id,
                                        std::size_t octets) const noexcept {
    const std::size_t start = flow_set_id != set_id_ ? padded(used_) + kSetHeaderOctets : used_;
    if (padded(start + octets) <= octets_max_) return AppendVerdict::appended;
    const std::size_t alone = padded(kNetflow9HeaderOctets + kSetHeaderOctets + octets);
    return alone > octets_max_ ? AppendVerdict::record_too_large : AppendVerdict::message_full;
}

AppendVerdict Netflow9Message::append(std::uint16_t flow_set_id,
                                      std::span<const std::uint8_t> record) noexcept {
    const AppendVerdict verdict = room_for(flow_set_id, record.size());
    if (verdict != AppendVerdict::appended) return verdict;
    const bool opens_set = flow_set_id != set_id_;
    if (opens_set) {
        pad();
        set_start_ = used_;
        set_id_ = flow_set_id;
        store_be(buffer_.data() + used_, flow_set_id);
        used_ += kSetHeaderOctets;
    }
    std::memcpy(buffer_.data() + used_, record.data(), record.size());
    used_ += record.size();
    ++records_;
    return AppendVerdict::appended;
}

/// Ends the open FlowSet; its length has the padding in it (section 5.3).
void Netflow9Message::pad() noexcept {
    if (set_id_ == kNoSet) return;
    const std::size_t end = padded(used_);
    std::fill(buffer_.data() + used_, buffer_.data() + end, std::uint8_t{0});
    used_ = end;
    store_be(buffer_.data() + set_start_ + kSetLengthOffset,
             static_cast<std::uint16_t>(used_ - set_start_));
}

std::span<const std::uint8_t> Netflow9Message::finish(std::uint32_t system_uptime_ms,
                                                      std::uint32_t unix_s,
                                                      std::uint32_t sequence_number) noexcept {
    pad();
    store_be(buffer_.data(), kNetflow9Version);
    store_be(buffer_.data() + kCountOffset, records_);
    store_be(buffer_.data() + kUptimeOffset, system_uptime_ms);
    store_be(buffer_.data() + kUnixOffset, unix_s);
    store_be(buffer_.data() + kSequenceOffset, sequence_number);
    store_be(buffer_.data() + kSourceIdOffset, source_id_);
    return {buffer_.data(), used_};
}

} // namespace ipfix
