// SPDX-License-Identifier: BSD-3-Clause
// The message at hand of a session, in the format its collector wants: IPFIX, NetFlow v9 or v5. The
// session, its announcements and its options records pack all of them by the same calls; IPFIX
// costs one branch that always goes the same way.
//
// In a file with checksums every IPFIX message ends with a record that has the message's own MD5
// (RFC 5655 section 8.1.1); a message with templates has the Options Template for it, too. Such
// records count in sequence numbers as any others do.
//
// Thread: its session's. No allocation after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "encoder/message_builder.hpp"
#include "encoder/template_record.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/file_time_window.hpp"
#include "probe/exporting/message_checksum.hpp"
#include "probe/exporting/netflow_messages.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class ExportMessage {
  public:
    /// Throws std::invalid_argument, with the remedy, for templates that the format cannot carry,
    /// and std::runtime_error where checksums cannot be made. `templates` must outlive it.
    /// `set_padding`: of IPFIX, as MessageBuilder's.
    ExportMessage(const CollectorOptions& collector, std::uint32_t domain_id,
                  const TemplateView& templates, std::uint16_t set_padding);

    /// A reload: `templates` begins with those that were there. Allocates.
    void change(const TemplateView& templates);

    /// The time window of a file is that of a session.
    void start_session() noexcept {
        if (window_) window_->start();
    }
    /// The message at hand has left.
    void left() noexcept {
        if (window_) window_->left();
    }
    /// The File Time Window of the session (RFC 5655 section 8.1.2) as the last record in it, with
    /// its Options Template. Nothing when there were no flows or nobody asked for it.
    void append_time_window() noexcept;
    [[nodiscard]] bool time_window_due() const noexcept { return window_ && window_->any(); }

    /// Starts the next message. Its Export Time is rounded up: no flow in it ends later.
    void begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept;

    /// Whether records of this template can be told in this format at all.
    [[nodiscard]] bool carries(const ipfix::TemplateRecord& record) const noexcept {
        return netflow_ == nullptr || netflow_->carries(record);
    }
    /// False: records need no templates.
    [[nodiscard]] bool has_templates() const noexcept {
        return netflow_ == nullptr || netflow_->has_templates();
    }

    [[nodiscard]] ipfix::AppendVerdict append_template(
        const ipfix::TemplateRecord& record) noexcept {
        if (netflow_ != nullptr) return netflow_->append_template(record);
        const ipfix::AppendVerdict verdict = ipfix_.append_template(record);
        templates_ = templates_ || verdict == ipfix::AppendVerdict::appended;
        return verdict;
    }
    /// Of IPFIX alone: older formats know no sure transports.
    [[nodiscard]] ipfix::AppendVerdict append_withdrawal(
        const ipfix::TemplateRecord& record) noexcept {
        return netflow_ == nullptr ? ipfix_.append_withdrawal(record)
                                   : ipfix::AppendVerdict::appended;
    }
    [[nodiscard]] ipfix::AppendVerdict append_data(const ipfix::TemplateRecord& description,
                                                   Bytes record) noexcept {
        const ipfix::AppendVerdict verdict = netflow_ == nullptr
                                                 ? ipfix_.append_data(description, record)
                                                 : netflow_->append_data(description.id(), record);
        if (verdict != ipfix::AppendVerdict::appended) return verdict;
        ++appended_;
        if (window_) window_->take(description.id(), record);
        return verdict;
    }

    [[nodiscard]] bool empty() const noexcept {
        return netflow_ == nullptr ? ipfix_.empty() : netflow_->empty();
    }
    /// Data records given to append_data().
    [[nodiscard]] std::uint32_t data_records() const noexcept { return appended_; }
    /// What the next message's sequence number grows by, once finished.
    [[nodiscard]] std::uint32_t sequence_step() const noexcept {
        return netflow_ == nullptr ? ipfix_.data_records() : netflow_->sequence_step();
    }

    /// Valid until begin().
    [[nodiscard]] Bytes finish(std::uint32_t sequence_number) noexcept;

  private:
    [[nodiscard]] Bytes finish_with_checksum(std::uint32_t sequence_number) noexcept;

    ipfix::MessageBuilder ipfix_;
    std::unique_ptr<NetflowMessages> netflow_;
    std::optional<ipfix::TemplateRecord> checksum_;
    std::unique_ptr<Md5Digest> digest_;
    std::unique_ptr<FileTimeWindow> window_;
    std::size_t known_ = 0; ///< templates
    std::uint32_t export_time_s_ = 0;
    std::uint32_t appended_ = 0;
    bool templates_ = false; ///< in the message at hand
};

} // namespace probe
