// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_builder.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace ipfix {

namespace {

// The smallest message that can hold anything: a header, a Set Header and one octet.
constexpr std::size_t kMessageOctetsMin = kMessageHeaderOctets + kSetHeaderOctets + 1;

// The shortest records of a Template Set are withdrawals, headers without fields.
constexpr std::size_t kTemplateRecordOctetsMin = kTemplateHeaderOctets;

} // namespace

MessageBuilder::MessageBuilder(std::uint32_t domain_id, std::uint16_t message_octets_max,
                               std::uint16_t set_padding)
    : domain_id_(domain_id),
      octets_max_(std::max<std::size_t>(message_octets_max, kMessageOctetsMin)),
      set_padding_(std::max<std::size_t>(set_padding, 1)),
      buffer_(octets_max_) {}

AppendVerdict MessageBuilder::append_template(const TemplateRecord& record) noexcept {
    return append(record.scope_count() > 0 ? kOptionsTemplateSetId : kTemplateSetId,
                  record.octets(), kTemplateRecordOctetsMin);
}

AppendVerdict MessageBuilder::append_withdrawal(const TemplateRecord& record) noexcept {
    std::array<std::uint8_t, kTemplateRecordOctetsMin> withdrawal{};
    store_be(withdrawal.data(), record.id());
    return append(record.scope_count() > 0 ? kOptionsTemplateSetId : kTemplateSetId, withdrawal,
                  kTemplateRecordOctetsMin);
}

AppendVerdict MessageBuilder::append_data(std::uint16_t template_id,
                                          std::span<const std::uint8_t> record,
                                          std::size_t record_octets_min) noexcept {
    const AppendVerdict verdict = append(template_id, record, record_octets_min);
    if (verdict == AppendVerdict::appended) ++data_records_;
    return verdict;
}

AppendVerdict MessageBuilder::append(std::uint16_t set_id, std::span<const std::uint8_t> record,
                                     std::size_t record_octets_min) noexcept {
    const bool opens_set = set_id != set_id_;
    const std::size_t start = opens_set ? octets() : set_start_;
    std::size_t set_octets = (opens_set ? kSetHeaderOctets : used_ - set_start_) + record.size();
    set_octets += padding(set_octets, record_octets_min);
    if (start + set_octets > octets_max_) {
        std::size_t alone = kSetHeaderOctets + record.size();
        alone += padding(alone, record_octets_min);
        return kMessageHeaderOctets + alone > octets_max_ ? AppendVerdict::record_too_large
                                                          : AppendVerdict::message_full;
    }
    if (opens_set) {
        used_ = end_set();
        set_start_ = used_;
        record_octets_min_ = record_octets_min;
        set_id_ = set_id;
        store_be(buffer_.data() + used_, set_id);
        used_ += kSetHeaderOctets;
    }
    std::memcpy(buffer_.data() + used_, record.data(), record.size());
    used_ += record.size();
    return AppendVerdict::appended;
}

std::size_t MessageBuilder::end_set() noexcept {
    if (set_id_ == 0) return used_;
    const std::size_t end = octets();
    std::memset(buffer_.data() + used_, 0, end - used_);
    store_be(buffer_.data() + set_start_ + kSetLengthOffset,
             static_cast<std::uint16_t>(end - set_start_));
    return end;
}

void MessageBuilder::limit(std::uint16_t message_octets_max) noexcept {
    octets_max_ = std::clamp<std::size_t>(message_octets_max, kMessageOctetsMin, buffer_.size());
}

std::span<const std::uint8_t> MessageBuilder::finish(std::uint32_t export_time_s,
                                                     std::uint32_t sequence_number) noexcept {
    const std::size_t end = end_set();
    store_be(buffer_.data() + kVersionOffset, kVersion);
    store_be(buffer_.data() + kMessageLengthOffset, static_cast<std::uint16_t>(end));
    store_be(buffer_.data() + kExportTimeOffset, export_time_s);
    store_be(buffer_.data() + kSequenceNumberOffset, sequence_number);
    store_be(buffer_.data() + kDomainIdOffset, domain_id_);
    return {buffer_.data(), end};
}

void MessageBuilder::overwrite_tail(std::span<const std::uint8_t> octets) noexcept {
    std::memcpy(buffer_.data() + used_ - octets.size(), octets.data(), octets.size());
}

void MessageBuilder::reset() noexcept {
    used_ = kMessageHeaderOctets;
    set_start_ = kMessageHeaderOctets;
    set_id_ = 0;
    record_octets_min_ = 1;
    data_records_ = 0;
}

} // namespace ipfix
