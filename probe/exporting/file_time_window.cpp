// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_time_window.hpp"

#include <algorithm>

namespace probe {
namespace {

/// Whether every record has this field at the same place.
bool at_fixed_place(const ipfix::TemplateRecord& record, std::size_t field) {
    const auto fields = record.fields().first(field);
    return std::none_of(fields.begin(), fields.end(), [](const ipfix::FieldSpecifier& before) {
        return before.length == ipfix::kVariableLength;
    });
}

} // namespace

std::uint16_t free_template_id(std::span<const ipfix::TemplateRecord> templates,
                               std::uint16_t highest) noexcept {
    while (std::any_of(templates.begin(), templates.end(),
                       [&](const ipfix::TemplateRecord& other) { return other.id() == highest; })) {
        --highest;
    }
    return highest;
}

FileTimeWindow::FileTimeWindow(std::span<const ipfix::TemplateRecord> templates)
    : options_template_(
          // The message checksum's template may have the highest free id.
          free_template_id(templates,
                           static_cast<std::uint16_t>(free_template_id(templates, UINT16_MAX) - 1)),
          "file_time_window",
          {{ipfix::find_element("sessionScope"), 1},
           {ipfix::find_element("minFlowStartMilliseconds"), 8},
           {ipfix::find_element("maxFlowEndMilliseconds"), 8}},
          1) {
    for (const ipfix::TemplateRecord& record : templates) {
        add(record);
    }
}

void FileTimeWindow::add(const ipfix::TemplateRecord& record) {
    const NetflowFields fields(record);
    const bool both = fields.start() && fields.end() &&
                      at_fixed_place(record, fields.start()->index) &&
                      at_fixed_place(record, fields.end()->index);
    if (both) known_.push_back({record.id(), *fields.start(), *fields.end()});
}

void FileTimeWindow::take(std::uint16_t template_id, Bytes record) noexcept {
    for (const Known& known : known_) {
        if (known.id != template_id) continue;
        pending_.add({known.start.load_ms(record.data()), known.end.load_ms(record.data())});
        return;
    }
}

FileTimeWindow::Record FileTimeWindow::record() const noexcept {
    Record record{}; // the scope's value is 0 and means nothing
    ipfix::store_be(record.data() + 1, written_.first_ms);
    ipfix::store_be(record.data() + 9, written_.last_ms);
    return record;
}

} // namespace probe
