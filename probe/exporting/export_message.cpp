// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/export_message.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

namespace probe {
namespace {

constexpr std::size_t kScopeOctets = 1;
constexpr std::size_t kPaddingMax = 7; // of a Set
constexpr std::size_t kChecksumOctets = kScopeOctets + Md5().size();

/// messageScope, messageMD5Checksum.
ipfix::TemplateRecord checksum_template(std::span<const ipfix::TemplateRecord> templates) {
    return {free_template_id(templates, UINT16_MAX),
            "message_checksum",
            {{ipfix::find_element("messageScope"), kScopeOctets},
             {ipfix::find_element("messageMD5Checksum"), std::uint16_t{Md5().size()}}},
            1};
}

} // namespace

ExportMessage::ExportMessage(const CollectorOptions& collector, std::uint32_t domain_id,
                             const TemplateView& templates, std::uint16_t set_padding)
    : ipfix_(domain_id, static_cast<std::uint16_t>(ipfix::kMessageOctetsMax), set_padding),
      netflow_(make_netflow_messages(collector.format, domain_id, templates)) {
    known_ = templates.all().size();
    if (collector.file.time_window) window_ = std::make_unique<FileTimeWindow>(templates.all());
    if (!collector.file.checksum) return;
    checksum_ = checksum_template(templates.all());
    digest_ = std::make_unique<Md5Digest>();
}

void ExportMessage::change(const TemplateView& templates) {
    for (; known_ < templates.all().size(); ++known_) {
        if (!templates.present_data(known_)) continue;
        const ipfix::TemplateRecord& record = templates.all()[known_];
        if (netflow_ != nullptr) netflow_->add(record);
        if (window_) window_->add(record);
    }
}

void ExportMessage::begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept {
    export_time_s_ = export_time_s;
    appended_ = 0;
    templates_ = false;
    if (netflow_ != nullptr) return netflow_->begin(octets_max, export_time_s);
    if (window_) window_->begin_message();
    std::size_t reserved = 0;
    if (checksum_) {
        reserved = 2 * (ipfix::kSetHeaderOctets + kPaddingMax) + checksum_->octets().size() +
                   kChecksumOctets;
    }
    ipfix_.reset();
    ipfix_.limit(
        static_cast<std::uint16_t>(octets_max - std::min<std::size_t>(reserved, octets_max)));
}

void ExportMessage::append_time_window() noexcept {
    if (!time_window_due()) return;
    const FileTimeWindow::Record record = window_->record();
    if (ipfix_.append_template(window_->options_template()) != ipfix::AppendVerdict::appended ||
        ipfix_.append_data(window_->options_template(), record) != ipfix::AppendVerdict::appended) {
        return; // the message is full: a file without its time window is whole
    }
    templates_ = true;
    window_->start();
}

Bytes ExportMessage::finish(std::uint32_t sequence_number) noexcept {
    if (netflow_ != nullptr) return netflow_->finish(sequence_number);
    if (checksum_) return finish_with_checksum(sequence_number);
    return ipfix_.finish(export_time_s_, sequence_number);
}

Bytes ExportMessage::finish_with_checksum(std::uint32_t sequence_number) noexcept {
    ipfix_.limit(static_cast<std::uint16_t>(ipfix::kMessageOctetsMax));
    if (templates_) static_cast<void>(ipfix_.append_template(*checksum_)); // there is room for both
    constexpr std::array<std::uint8_t, kChecksumOctets> kZero{};
    static_cast<void>(ipfix_.append_data(checksum_->id(), kZero));
    const Md5 md5 = digest_->of(ipfix_.finish(export_time_s_, sequence_number));
    ipfix_.overwrite_tail(md5);
    return ipfix_.finish(export_time_s_, sequence_number);
}

} // namespace probe
