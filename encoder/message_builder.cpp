// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_builder.hpp"

#include <algorithm>
#include <cstring>

namespace ipfix {

namespace {

// The smallest message that can hold anything: a header, a Set Header and one octet.
constexpr std::size_t kMessageOctetsMin = kMessageHeaderOctets + kSetHeaderOctets + 1;

} // namespace

MessageBuilder::MessageBuilder(std::uint32_t domain_id, std::uint16_t message_octets_max)
    : domain_id_(domain_id),
      octets_max_(std::max<std::size_t>(message_octets_max, kMessageOctetsMin)),
      buffer_(octets_max_) {}

AppendVerdict MessageBuilder::append_template(const TemplateRecord& record) noexcept {
    return append(record.scope_count() > 0 ? kOptionsTemplateSetId : kTemplateSetId,
                  record.octets());
}

AppendVerdict MessageBuilder::append_data(std::uint16_t template_id,
                                          std::span<const std::uint8_t> record) noexcept {
    const AppendVerdict verdict = append(template_id, record);
    if (verdict == AppendVerdict::appended) ++data_records_;
    return verdict;
}

AppendVerdict MessageBuilder::append(std::uint16_t set_id,
                                     std::span<const std::uint8_t> record) noexcept {
    const bool opens_set = set_id != set_id_;
    const std::size_t needed = record.size() + (opens_set ? kSetHeaderOctets : 0);
    if (used_ + needed > octets_max_) {
        const std::size_t alone = kMessageHeaderOctets + kSetHeaderOctets + record.size();
        return alone > octets_max_ ? AppendVerdict::record_too_large : AppendVerdict::message_full;
    }
    if (opens_set) {
        set_start_ = used_;
        set_id_ = set_id;
        store_be(buffer_.data() + used_, set_id);
        used_ += kSetHeaderOctets;
    }
    std::memcpy(buffer_.data() + used_, record.data(), record.size());
    used_ += record.size();
    // Kept right at every append, so that closing a Set is nothing to do.
    store_be(buffer_.data() + set_start_ + kSetLengthOffset,
             static_cast<std::uint16_t>(used_ - set_start_));
    return AppendVerdict::appended;
}

void MessageBuilder::limit(std::uint16_t message_octets_max) noexcept {
    octets_max_ = std::clamp<std::size_t>(message_octets_max, kMessageOctetsMin, buffer_.size());
}

std::span<const std::uint8_t> MessageBuilder::finish(std::uint32_t export_time_s,
                                                     std::uint32_t sequence_number) noexcept {
    store_be(buffer_.data() + kVersionOffset, kVersion);
    store_be(buffer_.data() + kMessageLengthOffset, static_cast<std::uint16_t>(used_));
    store_be(buffer_.data() + kExportTimeOffset, export_time_s);
    store_be(buffer_.data() + kSequenceNumberOffset, sequence_number);
    store_be(buffer_.data() + kDomainIdOffset, domain_id_);
    return {buffer_.data(), used_};
}

void MessageBuilder::reset() noexcept {
    used_ = kMessageHeaderOctets;
    set_id_ = 0;
    data_records_ = 0;
}

} // namespace ipfix
