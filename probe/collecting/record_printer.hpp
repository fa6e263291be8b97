// SPDX-License-Identifier: BSD-3-Clause
// Records of any exporter as JSON Lines or as a table on a terminal: what `show` and `collect`
// print. A table has the columns that the templates so far can fill, and begins anew, with a
// heading, when a template brings others. One printer serves any number of sessions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "encoder/message_reader.hpp"
#include "encoder/template_record.hpp"
#include "probe/exporting/flow_table_printer.hpp"

namespace probe {

class RecordPrinter final : public ipfix::RecordVisitor {
  public:
    enum class Form : std::uint8_t { json, table };
    /// Takes lines of text, and leaves none.
    using Write = std::function<void(std::string& text)>;

    /// `columns`: the terminal's width; 0: as wide as everything needs.
    RecordPrinter(Form form, unsigned columns, Write write);

    /// While false, templates are learnt and nothing is printed, so that the widths of a whole
    /// file's table are known before its first line.
    void set_printing(bool printing);

    void on_template(std::uint32_t domain_id, const ipfix::ReadTemplate& description) override;
    void on_record(const ipfix::ReadRecord& record) override;

    /// Records printed, and records that a table does not show (of options, or without a column).
    [[nodiscard]] std::uint64_t shown() const noexcept { return shown_; }
    [[nodiscard]] std::uint64_t others() const noexcept { return others_; }

  private:
    const Form form_;
    const unsigned columns_;
    Write write_;
    bool printing_ = true;
    std::string line_;
    std::vector<ipfix::TemplateRecord> templates_;
    std::optional<FlowTablePrinter> table_; ///< of templates_; none: they have changed
    std::unordered_map<const ipfix::ReadTemplate*, std::size_t> numbers_; ///< in templates_
    std::uint64_t shown_ = 0;
    std::uint64_t others_ = 0;
};

} // namespace probe
