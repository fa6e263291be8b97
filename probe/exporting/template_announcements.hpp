// SPDX-License-Identifier: BSD-3-Clause
// Which templates a collector has in this transport session, and which are due.
//
// Every transport session starts with all of them, over UDP several times before the first data.
// There they come again by time and by message count, whichever is first (RFC 7011 section 8.4);
// where delivery is sure, each goes once (8.1).
// A template counts as announced from the message at hand on, so that records may follow it there.
//
// Thread: its session's. The templates must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/export_message.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class TemplateAnnouncements {
  public:
    /// `refresh_messages`: 0 for by time only. The index of a template is its place in
    /// `data_templates`; those of common properties and of options records follow.
    TemplateAnnouncements(std::span<const ipfix::TemplateRecord> data_templates,
                          std::span<const ipfix::TemplateRecord> common_templates,
                          std::span<const ipfix::TemplateRecord> options_templates,
                          TimeNs refresh_interval, std::uint32_t refresh_messages);

    [[nodiscard]] const ipfix::TemplateRecord& operator[](std::size_t index) const noexcept {
        return *templates_[index];
    }

    /// The collector has none. `copies`: how often all of them go before data may follow.
    void start_session(std::uint32_t copies) noexcept;
    /// All go again at the front of the next message.
    void repeat() noexcept { next_ = 0; }
    [[nodiscard]] bool due() const noexcept { return next_ < templates_.size(); }
    /// UDP: by time, or by count when records wait for the message.
    [[nodiscard]] bool refresh_due(TimeNs now, bool records_wait) const noexcept;

    /// A message begins. Where `refresh`, what refresh_due says becomes due.
    void begin_message(TimeNs now, bool refresh) noexcept;
    /// Appends what is due and fits. One that fits no message stays unannounced.
    void pack(ExportMessage& message, TimeNs now) noexcept;
    /// Nothing is due behind what the message at hand holds: records may follow.
    [[nodiscard]] bool all_packed() const noexcept {
        return packed_next_ == templates_.size() && copies_due_ == 1;
    }
    /// Template records in the message at hand.
    [[nodiscard]] std::uint64_t packed() const noexcept { return packed_; }
    /// The message at hand has left.
    void message_left(TimeNs now) noexcept;
    /// The latest messages that had left, none of them with templates, come back.
    void messages_back(std::size_t count) noexcept {
        messages_since_ -= static_cast<std::uint32_t>(count);
    }

    [[nodiscard]] bool announced(std::size_t index) const noexcept { return announced_[index]; }

  private:
    const TimeNs refresh_interval_;
    const std::uint32_t refresh_messages_;
    std::vector<const ipfix::TemplateRecord*> templates_;
    std::vector<bool> announced_;
    std::size_t next_ = 0;         ///< templates from here on are due
    std::uint32_t copies_due_ = 1; ///< of all templates, the one at hand included
    TimeNs sent_at_ = 0;
    std::uint32_t messages_since_ = 0;
    std::size_t packed_next_ = 0; ///< next_ once the message at hand has left
    std::uint64_t packed_ = 0;
};

} // namespace probe
