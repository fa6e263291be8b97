// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/template_announcements.hpp"

#include <algorithm>
#include <utility>

namespace probe {

TemplateAnnouncements::TemplateAnnouncements(
    const TemplateView& templates, std::span<const ipfix::TemplateRecord> common_templates,
    std::span<const ipfix::TemplateRecord> options_templates, TimeNs refresh_interval,
    std::uint32_t refresh_messages, bool withdraws)
    : refresh_interval_(refresh_interval),
      refresh_messages_(refresh_messages),
      withdraws_(withdraws) {
    change(templates, common_templates, options_templates);
}

std::vector<std::size_t> TemplateAnnouncements::places_of(
    std::span<const ipfix::TemplateRecord> some, std::vector<Entry>& entries) {
    std::vector<std::size_t> places;
    for (const ipfix::TemplateRecord& record : some) {
        const auto known = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
            return entry.record->id() == record.id();
        });
        places.push_back(static_cast<std::size_t>(known - entries.begin()));
        if (known == entries.end()) {
            entries.push_back({.record = &record, .present = true});
        } else {
            known->present = true;
        }
    }
    return places;
}

void TemplateAnnouncements::change(const TemplateView& templates,
                                   std::span<const ipfix::TemplateRecord> common_templates,
                                   std::span<const ipfix::TemplateRecord> options_templates) {
    std::vector<Entry> entries;
    entries.reserve(templates.all().size() + common_templates.size() + options_templates.size());
    for (std::size_t i = 0; i < templates.all().size(); ++i) {
        entries.push_back({.record = &templates.all()[i], .present = templates.present_data(i)});
    }
    std::vector<std::size_t> of_common = places_of(common_templates, entries);
    std::vector<std::size_t> of_options = places_of(options_templates, entries);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry next = entries_[i];
        next.record = entries[i].record;
        next.leaving = next.leaving || next.present;
        next.present = entries[i].present;
        entries[i] = next;
    }
    entries_ = std::move(entries);
    of_common_ = std::move(of_common);
    of_options_ = std::move(of_options);
    some_absent_ = false;
    for (Entry& entry : entries_) {
        entry.leaving = entry.leaving && !entry.present;
        some_absent_ = some_absent_ || !entry.present;
        if (entry.present && !entry.announced) make_due(entry);
    }
    draining_ = some_absent_;
    if (due_ != 0) copies_due_ = copies_;
}

void TemplateAnnouncements::retire() noexcept {
    draining_ = false;
    for (Entry& entry : entries_)
        entry.leaving = false;
}

void TemplateAnnouncements::start_session(std::uint32_t copies) noexcept {
    copies_ = copies_due_ = std::max<std::uint32_t>(copies, 1);
    for (Entry& entry : entries_) {
        entry.announced = entry.handled = entry.withdrawn = false;
        make_settled(entry);
    }
    handled_ = 0;
    packed_ = withdrawn_ = 0;
    repeat();
}

void TemplateAnnouncements::repeat() noexcept {
    for (Entry& entry : entries_) {
        if (wanted(entry)) make_due(entry);
    }
}

// A record of a template that was given up. Over UDP the collector may have forgotten it.
void TemplateAnnouncements::want_back(Entry& entry) noexcept {
    if (!wanted(entry) && !(withdraws_ && entry.announced)) make_due(entry);
}

void TemplateAnnouncements::make_due(Entry& entry) noexcept {
    due_ += entry.due ? 0 : 1;
    entry.due = true;
}

void TemplateAnnouncements::make_settled(Entry& entry) noexcept {
    due_ -= entry.due ? 1 : 0;
    entry.due = false;
}

bool TemplateAnnouncements::withdrawal_due() const noexcept {
    return some_absent_ && withdraws_ && may_withdraw_ && !draining_ &&
           std::any_of(entries_.begin(), entries_.end(),
                       [this](const Entry& entry) { return withdrawal_due(entry); });
}

bool TemplateAnnouncements::refresh_due(TimeNs now, bool records_wait) const noexcept {
    if (now >= sent_at_ + refresh_interval_) return true;
    return records_wait && refresh_messages_ > 0 && messages_since_ >= refresh_messages_;
}

void TemplateAnnouncements::begin_message(TimeNs now, bool refresh) noexcept {
    if (refresh && due_ == 0 && refresh_due(now, true)) repeat();
    if (handled_ != 0 || withdrawn_ != 0) {
        for (Entry& entry : entries_)
            entry.handled = entry.withdrawn = false;
    }
    handled_ = 0;
    packed_ = withdrawn_ = 0;
}

void TemplateAnnouncements::pack(ExportMessage& message, TimeNs now) noexcept {
    if (due_ == 0) return pack_withdrawals(message);
    const bool told = message.has_templates();
    for (Entry& entry : entries_) {
        if (!entry.due || entry.handled) continue;
        const auto verdict =
            told ? message.append_template(*entry.record) : ipfix::AppendVerdict::appended;
        if (verdict == ipfix::AppendVerdict::message_full) return;
        entry.handled = true;
        ++handled_;
        // The records of one that fits no message are lost by that name.
        if (verdict == ipfix::AppendVerdict::record_too_large) continue;
        entry.announced = true;
        packed_ += told ? 1 : 0;
    }
    if (packed_ > 0) return pack_withdrawals(message);
    // Nothing of it goes out.
    for (Entry& entry : entries_) {
        make_settled(entry);
        entry.handled = false;
    }
    handled_ = 0;
    copies_due_ = 1;
    sent_at_ = now;
}

void TemplateAnnouncements::pack_withdrawals(ExportMessage& message) noexcept {
    if (!withdrawal_due()) return;
    for (Entry& entry : entries_) {
        if (!withdrawal_due(entry)) continue;
        if (message.append_withdrawal(*entry.record) != ipfix::AppendVerdict::appended) return;
        entry.withdrawn = true;
        ++withdrawn_;
    }
}

void TemplateAnnouncements::message_left(TimeNs now) noexcept {
    ++messages_since_;
    if (withdrawn_ != 0) {
        for (Entry& entry : entries_) {
            if (!std::exchange(entry.withdrawn, false)) continue;
            entry.announced = false;
            if (wanted(entry)) make_due(entry); // a record came while the message waited
        }
        withdrawn_ = 0;
    }
    if (packed_ == 0) return;
    for (Entry& entry : entries_) {
        if (std::exchange(entry.handled, false)) make_settled(entry);
    }
    handled_ = 0;
    sent_at_ = now;
    messages_since_ = 0;
    if (due_ == 0 && copies_due_ > 1) {
        --copies_due_;
        repeat();
    }
}

} // namespace probe
