// SPDX-License-Identifier: BSD-3-Clause
// A collector over SCTP with a stream for each template (RFC 6526): a Template or Options Template
// and all its data travel on one stream, whose sequence numbers count that template's records
// alone. So what is given up or comes late holds up one template, and a gap says whose records are
// missing.
//
// Each template has a session of its own (collector_session.hpp) with a queue, and all of them
// share one association. A peer that grants fewer streams than there are templates gets several
// templates on a stream (it is said once for each association), which then counts the records of
// all of them.
//
// Data templates also tell in-band, on their own stream, whether their data can be given up
// (dataRecordsReliability). The last options records are sent when all flow records have left.
//
// A reload of templates gives such a collector a new association: the sessions here are those of
// the templates that were in use when it began.
//
// Thread: the exporter's lcore. `templates` and `options_records` must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/collector_session.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/exporting/sctp_transport.hpp"

namespace probe {

/// Streams that a collector is asked for.
[[nodiscard]] std::uint16_t sctp_streams_wanted(SctpStreamUse use, const TemplateView& templates,
                                                const OptionsRecords* options_records) noexcept;

class SctpStreams final : public RecordSink {
  public:
    /// `options_records`: nullptr for none. The queue is shared out among the data templates.
    SctpStreams(const CollectorOptions& collector, const ExportOptions& options,
                std::uint32_t domain_id, const TemplateView& templates,
                std::unique_ptr<SctpTransport> transport, OptionsRecords* options_records,
                LogLine log);
    ~SctpStreams() override;
    SctpStreams(const SctpStreams&) = delete;
    SctpStreams& operator=(const SctpStreams&) = delete;

    void append(const DataRecord& record, TimeNs now) noexcept override;
    void step(TimeNs now) noexcept override;
    void close(TimeNs now) noexcept override;
    void abandon() noexcept override;
    [[nodiscard]] bool idle() const noexcept override;
    [[nodiscard]] bool backlogged() const noexcept override;
    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] const SessionLedger& ledger() const noexcept override;
    [[nodiscard]] bool available() const noexcept override;
    [[nodiscard]] std::size_t message_octets() const noexcept override;
    void hand_over(RecordSink& other, TimeNs now) noexcept override;

  private:
    class Association;
    class Stream;
    class Reliability;
    class OptionsOfTemplate;
    class Taker;

    [[nodiscard]] std::size_t data_sessions() const noexcept { return places_.size(); }

    void add_data_session(const CollectorOptions& collector, const ExportOptions& options,
                          std::uint32_t domain_id, std::span<const ipfix::TemplateRecord> own,
                          std::unique_ptr<OptionsSource> reliability);
    void add_options_sessions(const CollectorOptions& collector, const ExportOptions& options,
                              std::uint32_t domain_id, OptionsRecords& records);
    [[nodiscard]] std::unique_ptr<Stream> next_stream();

    const std::string name_;
    const std::unique_ptr<Association> association_;
    std::vector<std::unique_ptr<OptionsSource>> sources_;
    /// Of the data templates, in their order, then of the options templates.
    std::vector<std::unique_ptr<CollectorSession>> sessions_;
    std::vector<std::size_t> places_;     ///< of the data templates, in the list of all templates
    std::vector<std::size_t> session_at_; ///< by place there; SIZE_MAX: no record comes
    bool closing_ = false;
    bool last_options_ = false; ///< the sessions of options templates are closing, too
    mutable SessionLedger ledger_;
};

} // namespace probe
