// SPDX-License-Identifier: BSD-3-Clause
// Which templates a collector has in this transport session, and which are due to be told or
// withdrawn.
//
// Every transport session starts with all of them, over UDP several times before the first data.
// There they come again by time and by message count, whichever is first (RFC 7011 section 8.4);
// where delivery is sure, each goes once (8.1).
// A template counts as announced from the message at hand on, so that records may follow it there.
//
// A reload makes some templates absent. Their records may still come from where flows of the
// configuration before leave, until retire(); later only from a spool. One that is absent is
// withdrawn when the last record that waited has left (8.1: in order behind it, on the same
// connection or stream), and announced again when a record of it comes nevertheless. Over UDP it
// is forgotten: nothing is withdrawn there (8.4), and the collector forgets it, too.
//
// Thread: its session's. The templates must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/export_message.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class TemplateAnnouncements {
  public:
    /// `refresh_messages`: 0 for by time only. The index of a template is its place in `templates`;
    /// those of common properties and of options records that are not there follow. `withdraws`:
    /// not over UDP.
    TemplateAnnouncements(const TemplateView& templates,
                          std::span<const ipfix::TemplateRecord> common_templates,
                          std::span<const ipfix::TemplateRecord> options_templates,
                          TimeNs refresh_interval, std::uint32_t refresh_messages, bool withdraws);

    /// A reload: `templates` begins with those that were there. Allocates; throws std::bad_alloc
    /// with nothing changed.
    void change(const TemplateView& templates,
                std::span<const ipfix::TemplateRecord> common_templates,
                std::span<const ipfix::TemplateRecord> options_templates);
    /// No record of an absent template comes any more, but out of a spool. Until then nothing is
    /// withdrawn.
    void retire() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] const ipfix::TemplateRecord& operator[](std::size_t index) const noexcept {
        return *entries_[index].record;
    }
    /// The index of this template of common properties.
    [[nodiscard]] std::size_t of_common(std::size_t number) const noexcept {
        return of_common_[number];
    }
    /// The index of this Options Template.
    [[nodiscard]] std::size_t of_options(std::size_t number) const noexcept {
        return of_options_[number];
    }

    /// A data record waits in the queue: its `number`th, counted from 1.
    void record_queued(std::size_t index, std::uint64_t number) noexcept {
        Entry& entry = entries_[index];
        if (!entry.present) [[unlikely]] {
            want_back(entry);
        }
        entry.last_record = number;
    }
    /// All records up to this one have left the queue. `may_withdraw`: none waits elsewhere.
    void records_left(std::uint64_t number, bool may_withdraw) noexcept {
        records_left_ = number;
        may_withdraw_ = may_withdraw;
    }

    /// The collector has none. `copies`: how often all of them go before data may follow.
    void start_session(std::uint32_t copies) noexcept;
    /// All go again at the front of the next message.
    void repeat() noexcept;
    [[nodiscard]] bool due() const noexcept { return due_ != 0 || withdrawal_due(); }
    /// UDP: by time, or by count when records wait for the message.
    [[nodiscard]] bool refresh_due(TimeNs now, bool records_wait) const noexcept;

    /// A message begins. Where `refresh`, what refresh_due says becomes due.
    void begin_message(TimeNs now, bool refresh) noexcept;
    /// Appends what is due and fits. One that fits no message stays unannounced.
    void pack(ExportMessage& message, TimeNs now) noexcept;
    /// Nothing is due behind what the message at hand holds: records may follow.
    [[nodiscard]] bool all_packed() const noexcept { return handled_ == due_ && copies_due_ == 1; }
    /// Template records in the message at hand.
    [[nodiscard]] std::uint64_t packed() const noexcept { return packed_; }
    /// Withdrawals in the message at hand.
    [[nodiscard]] std::uint64_t withdrawn() const noexcept { return withdrawn_; }
    /// The message at hand has left.
    void message_left(TimeNs now) noexcept;
    /// The latest messages that had left, none of them with templates, come back.
    void messages_back(std::size_t count) noexcept {
        messages_since_ -= static_cast<std::uint32_t>(count);
    }

    [[nodiscard]] bool announced(std::size_t index) const noexcept {
        return entries_[index].announced;
    }

  private:
    struct Entry {
        const ipfix::TemplateRecord* record;
        bool present;           ///< of the configuration that holds
        bool leaving = false;   ///< not, but flows of the one before may still make records of it
        bool announced = false; ///< the collector has it, or the message at hand
        bool due = false;
        bool handled = false;          ///< in the message at hand, or it fits none
        bool withdrawn = false;        ///< in the message at hand
        std::uint64_t last_record = 0; ///< number of the last one that was queued
    };

    /// Adds those that are not there.
    [[nodiscard]] static std::vector<std::size_t> places_of(
        std::span<const ipfix::TemplateRecord> some, std::vector<Entry>& entries);
    [[nodiscard]] bool wanted(const Entry& entry) const noexcept {
        return entry.present || entry.leaving || entry.last_record > records_left_;
    }
    /// Whether the session has to be told that it ended.
    [[nodiscard]] bool withdrawal_due(const Entry& entry) const noexcept {
        return entry.announced && !entry.withdrawn && !entry.due && !wanted(entry);
    }
    [[nodiscard]] bool withdrawal_due() const noexcept;
    void want_back(Entry& entry) noexcept;
    void make_due(Entry& entry) noexcept;
    void make_settled(Entry& entry) noexcept;
    void pack_withdrawals(ExportMessage& message) noexcept;

    const TimeNs refresh_interval_;
    const std::uint32_t refresh_messages_;
    const bool withdraws_;
    std::vector<Entry> entries_;
    std::vector<std::size_t> of_common_;
    std::vector<std::size_t> of_options_;
    bool some_absent_ = false;
    bool draining_ = false; ///< records of absent templates are on their way
    bool may_withdraw_ = true;
    std::uint64_t records_left_ = 0;
    std::size_t due_ = 0;          ///< entries that are
    std::uint32_t copies_ = 1;     ///< of all templates at the start of a session
    std::uint32_t copies_due_ = 1; ///< of all templates, the one at hand included
    TimeNs sent_at_ = 0;
    std::uint32_t messages_since_ = 0;
    std::size_t handled_ = 0;     ///< of those due, by the message at hand
    std::uint64_t packed_ = 0;    ///< template records in it
    std::uint64_t withdrawn_ = 0; ///< withdrawals in it
};

} // namespace probe
