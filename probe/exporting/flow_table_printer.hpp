// SPDX-License-Identifier: BSD-3-Clause
// Data records as lines of a table for people: when, how long, who with whom, how much each way.
//
//   START    SECONDS PROTO SOURCE             DESTINATION       PKTS> OCTS> <PKTS <OCTS FLAGS END
//   01:02:03   1.203 TCP   192.0.2.1:51022    198.51.100.7:443     12  1234    10 98765 ...APRSF
//   end
//
// The columns are those that any template can fill, as many as the terminal's width allows; when
// the two directions have no room of their own, PKTS and OCTS are their sums. Lines come as records
// come, so widths are chosen once, from the templates: two long IPv6 addresses that do not fit side
// by side take two lines, and every number stays under its heading. What layer 7 knows of a flow is
// last, as long as it is.
//
// Thread: its sink's. `templates` must outlive it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "encoder/template_record.hpp"
#include "probe/exporting/flow_summary.hpp"
#include "probe/exporting/session_ledger.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class FlowTablePrinter {
  public:
    /// `columns`: the terminal's width, 80 at least; 0: as wide as everything needs.
    FlowTablePrinter(const TemplateView& templates, unsigned columns);

    /// A reload: `templates` begins with those that were there. Other columns get a new heading.
    void change(const TemplateView& templates);

    /// With a heading before the first record.
    void append_record(std::string& out, std::size_t template_index, Bytes data_record);

    /// "3 flow records, 45 packets, 6789 octets, 2026-11-22 01:02:03 to 2026-11-22 01:02:09 UTC"
    void append_totals(std::string& out, const RecordTally& tally) const;

  private:
    enum class Column : std::uint8_t {
        start,
        seconds,
        protocol,
        source,
        destination,
        packets,
        octets,
        reverse_packets,
        reverse_octets,
        flags,
        end_reason,
        name,
        count_
    };
    static constexpr std::size_t kColumns = static_cast<std::size_t>(Column::count_);
    using Cells = std::array<std::string, kColumns>;

    [[nodiscard]] std::size_t width(Column column) const {
        return widths_[static_cast<std::size_t>(column)];
    }
    void choose_columns(unsigned columns);
    void widen_endpoints(std::size_t left);
    void append_heading(std::string& out) const;
    void append_line(std::string& out, const Cells& cells, Column first, Column last) const;
    [[nodiscard]] std::string cell(Column column, const FlowSummary& flow) const;
    [[nodiscard]] std::string counter(const FlowSummary& flow, FlowRole role, FlowRole added) const;
    [[nodiscard]] static std::string flags_or_icmp(const FlowSummary& flow);

    FlowSummaryReader reader_;
    unsigned columns_;
    std::array<std::size_t, kColumns> widths_{}; ///< 0: not shown
    bool milliseconds_ = false;                  ///< START with its fraction
    bool heading_due_ = true;
    TimeNs earliest_ = std::numeric_limits<TimeNs>::max();
    TimeNs latest_ = 0;
};

} // namespace probe
