// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/text_sink.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "encoder/text_form.hpp"

namespace probe {
namespace {

constexpr std::size_t kFlushOctets = std::size_t{64} * 1024;
constexpr mode_t kFileMode = 0644;

} // namespace

TextSink::TextSink(CollectorOptions collector, const ExportOptions& options,
                   const TemplateView& templates, unsigned columns)
    : collector_(std::move(collector)),
      templates_(templates.all()),
      message_delay_(options.message_delay),
      fd_(STDOUT_FILENO) {
    const bool to_file = collector_.path != "-";
    if (collector_.transport == TransportKind::table) {
        table_.emplace(templates, to_file ? 0 : columns);
    }
    buffer_.reserve(2 * kFlushOctets);
    ledger_.sessions = 1;
    if (!to_file) return;
    fd_ = ::open(collector_.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
    if (fd_ < 0) {
        throw std::runtime_error("cannot write '" + collector_.path + "': " + std::strerror(errno) +
                                 "; name a file in a directory that exists and may be written");
    }
}

TextSink::~TextSink() {
    finish();
}

void TextSink::append(const DataRecord& record, TimeNs now) noexcept {
    const RecordWeight& weight = record.weight;
    ledger_.offered.add(weight);
    const std::size_t before = buffer_.size();
    const bool known = record.template_index < templates_.size();
    if (!broken_ && !closed_ && known) {
        try {
            if (table_) {
                table_->append_record(buffer_, record.template_index, record.octets);
            } else {
                ipfix::append_json_record(buffer_, templates_[record.template_index],
                                          record.octets);
                buffer_ += '\n';
            }
            buffered_.push_back({buffer_.size(), weight});
            if (before == 0) buffered_since_ = now;
            ledger_.queued.add(weight);
            if (buffer_.size() >= kFlushOctets) flush();
            return;
        } catch (...) { // out of memory: the record is lost and counted, the output goes on
            buffer_.resize(before);
        }
    }
    const auto reason = closed_  ? LossReason::shutdown
                        : !known ? LossReason::template_changed
                                 : LossReason::send_error;
    ledger_.lost[static_cast<std::size_t>(reason)].add(weight);
}

void TextSink::change_templates(const TemplateView& templates, OptionsRecords* /*options*/,
                                TimeNs /*now*/) noexcept {
    try {
        if (table_) table_->change(templates);
    } catch (...) { // out of memory: records of new templates are lost and counted
        return;
    }
    templates_ = templates.all();
}

void TextSink::step(TimeNs now) noexcept {
    if (!buffer_.empty() && now >= buffered_since_ + message_delay_) flush();
}

void TextSink::close(TimeNs /*now*/) noexcept {
    finish();
}

void TextSink::abandon() noexcept {
    finish();
}

void TextSink::flush() noexcept {
    const std::size_t written = write_buffer();
    ledger_.message_octets_sent += written;
    ledger_.messages_sent += written > 0 ? 1 : 0;
    RecordTally& lost = ledger_.lost[static_cast<std::size_t>(LossReason::send_error)];
    for (const BufferedRecord& record : buffered_) {
        (record.end <= written ? ledger_.sent : lost).add(record.weight);
    }
    ledger_.queued = {};
    buffered_.clear();
    buffer_.clear();
}

std::size_t TextSink::write_buffer() noexcept {
    std::size_t written = 0;
    while (!broken_ && written < buffer_.size()) {
        const ssize_t result = ::write(fd_, buffer_.data() + written, buffer_.size() - written);
        if (result >= 0) {
            written += static_cast<std::size_t>(result);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) { // somebody made the terminal or the pipe non-blocking
            pollfd poller{fd_, POLLOUT, 0};
            static_cast<void>(::poll(&poller, 1, -1));
            continue;
        }
        const bool gone = errno == EPIPE;
        const auto kind = gone ? SendError::disconnected : SendError::storage;
        ++ledger_.send_errors[static_cast<std::size_t>(kind)];
        broken_ = true;
    }
    return written;
}

void TextSink::finish() noexcept {
    if (closed_) return;
    closed_ = true;
    flush();
    if (table_ && !broken_) {
        try {
            table_->append_totals(buffer_, ledger_.sent);
        } catch (...) { // no memory for the last line: the ledger has the same numbers
        }
        flush();
    }
    if (fd_ != STDOUT_FILENO && ::close(fd_) != 0) {
        ++ledger_.send_errors[static_cast<std::size_t>(SendError::storage)];
    }
}

unsigned terminal_columns() noexcept {
    winsize size{};
    if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

} // namespace probe
