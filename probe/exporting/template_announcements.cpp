// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/template_announcements.hpp"

#include <algorithm>

namespace probe {

TemplateAnnouncements::TemplateAnnouncements(
    std::span<const ipfix::TemplateRecord> data_templates,
    std::span<const ipfix::TemplateRecord> common_templates,
    std::span<const ipfix::TemplateRecord> options_templates, TimeNs refresh_interval,
    std::uint32_t refresh_messages)
    : refresh_interval_(refresh_interval), refresh_messages_(refresh_messages) {
    for (const auto& some : {data_templates, common_templates, options_templates}) {
        for (const ipfix::TemplateRecord& t : some)
            templates_.push_back(&t);
    }
    announced_.assign(templates_.size(), false);
}

void TemplateAnnouncements::start_session(std::uint32_t copies) noexcept {
    next_ = 0;
    copies_due_ = std::max<std::uint32_t>(copies, 1);
    announced_.assign(templates_.size(), false);
}

bool TemplateAnnouncements::refresh_due(TimeNs now, bool records_wait) const noexcept {
    if (now >= sent_at_ + refresh_interval_) return true;
    return records_wait && refresh_messages_ > 0 && messages_since_ >= refresh_messages_;
}

void TemplateAnnouncements::begin_message(TimeNs now, bool refresh) noexcept {
    if (refresh && !due() && refresh_due(now, true)) repeat();
    packed_next_ = next_;
    packed_ = 0;
}

void TemplateAnnouncements::pack(ExportMessage& message, TimeNs now) noexcept {
    if (!due()) return;
    if (!message.has_templates()) {
        announced_.assign(templates_.size(), true);
        packed_next_ = templates_.size();
    }
    for (; packed_next_ < templates_.size(); ++packed_next_) {
        const auto verdict = message.append_template(*templates_[packed_next_]);
        if (verdict == ipfix::AppendVerdict::message_full) return;
        // The records of one that fits no message are lost by that name.
        if (verdict == ipfix::AppendVerdict::record_too_large) continue;
        announced_[packed_next_] = true;
        ++packed_;
    }
    if (packed_ > 0) return;
    next_ = packed_next_;
    copies_due_ = 1;
    sent_at_ = now;
}

void TemplateAnnouncements::message_left(TimeNs now) noexcept {
    ++messages_since_;
    if (packed_ == 0) return;
    next_ = packed_next_;
    sent_at_ = now;
    messages_since_ = 0;
    if (!due() && copies_due_ > 1) {
        --copies_due_;
        repeat();
    }
}

} // namespace probe
