// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/options_cycle.hpp"

namespace probe {

void OptionsCycle::start_session(TimeNs now) noexcept {
    next_ = 0;
    begun_at_ = now;
}

// What the message at hand holds of those before counts when it leaves; of these it has none.
void OptionsCycle::change(OptionsSource* records, TimeNs now) noexcept {
    records_ = records;
    count_ = records->count();
    start_session(now);
    packed_next_ = 0;
}

void OptionsCycle::start_when_due(TimeNs now, bool ending) noexcept {
    if (count_ == 0 || due()) return;
    const bool last = ending && !last_begun_;
    if (!last && now - begun_at_ < interval_) return;
    last_begun_ = last_begun_ || last;
    next_ = 0;
    begun_at_ = now;
}

void OptionsCycle::begin_message() noexcept {
    packed_next_ = next_;
    packed_ = 0;
}

void OptionsCycle::pack(ExportMessage& message, const TemplateAnnouncements& announcements,
                        SessionLedger& ledger) noexcept {
    for (; packed_next_ < count_; ++packed_next_) {
        const OptionsSource::Encoded record = records_->encode(packed_next_, ledger);
        const std::size_t index = announcements.of_options(record.template_index);
        const auto verdict = announcements.announced(index)
                                 ? message.append_data(announcements[index], record.octets)
                                 : ipfix::AppendVerdict::record_too_large;
        if (verdict == ipfix::AppendVerdict::message_full) return;
        if (verdict == ipfix::AppendVerdict::appended) {
            ++packed_;
        } else {
            ++ledger.options_too_large;
        }
    }
    if (packed_ == 0) next_ = count_; // nothing of the cycle goes out
}

} // namespace probe
