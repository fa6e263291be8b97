// SPDX-License-Identifier: BSD-3-Clause
// Data records as text for people and scripts: JSON Lines (one object per data record, IANA's
// element names, RFC 7373 values) or a table that follows the terminal's width.
//
// Records appear in the order they are exported. Writes go through a buffer; a reader that is slow
// (a pipe with `less`) makes the writer wait, one that is gone (EPIPE) ends the output: what is not
// written is lost[send_error], counted. The program ignores SIGPIPE. Thread: the exporter's lcore.
// `templates` must outlive the sink. Errors at start: std::runtime_error with the remedy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/flow_table_printer.hpp"
#include "probe/exporting/record_sink.hpp"

namespace probe {

class TextSink final : public RecordSink {
  public:
    /// `collector.transport` is json or table, its path "-" or a file to (over)write.
    /// `columns`: the terminal's width; 0: wide enough for everything.
    TextSink(CollectorOptions collector, const ExportOptions& options,
             const TemplateView& templates, unsigned columns);
    ~TextSink() override;
    TextSink(const TextSink&) = delete;
    TextSink& operator=(const TextSink&) = delete;

    void append(const DataRecord& record, TimeNs now) noexcept override;
    void step(TimeNs now) noexcept override;
    void change_templates(const TemplateView& templates, OptionsRecords* options,
                          TimeNs now) noexcept override;
    void close(TimeNs now) noexcept override;
    void abandon() noexcept override;
    [[nodiscard]] bool idle() const noexcept override { return ledger_.queued.records == 0; }
    [[nodiscard]] bool backlogged() const noexcept override { return false; }
    [[nodiscard]] const std::string& name() const noexcept override { return collector_.url; }
    [[nodiscard]] const SessionLedger& ledger() const noexcept override { return ledger_; }

  private:
    struct BufferedRecord {
        std::size_t end; ///< where its text ends in buffer_
        RecordWeight weight;
    };
    void flush() noexcept;
    [[nodiscard]] std::size_t write_buffer() noexcept;
    void finish() noexcept;

    CollectorOptions collector_;
    std::span<const ipfix::TemplateRecord> templates_;
    std::optional<FlowTablePrinter> table_; ///< none: JSON Lines
    const TimeNs message_delay_;
    std::string buffer_;
    std::vector<BufferedRecord> buffered_;
    TimeNs buffered_since_ = 0;
    int fd_ = -1;
    bool broken_ = false;
    bool closed_ = false;
    SessionLedger ledger_;
};

/// The width of the terminal on standard output; 0 when it is not a terminal.
[[nodiscard]] unsigned terminal_columns() noexcept;

} // namespace probe
