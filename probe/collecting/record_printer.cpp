// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/record_printer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace probe {

namespace {

/// As the table's printer wants it; nothing when it has elements that nobody registered.
std::optional<ipfix::TemplateRecord> printable(const ipfix::ReadTemplate& read) {
    std::vector<ipfix::FieldSpecifier> fields;
    for (const ipfix::ReadField& field : read.fields) {
        const auto found = ipfix::find_directed_element(field.enterprise, field.id);
        if (found.element == nullptr) {
            return std::nullopt;
        }
        fields.push_back({found.element, field.length, found.reverse});
    }
    try {
        return ipfix::TemplateRecord(read.id, "read", std::move(fields), 0);
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

} // namespace

RecordPrinter::RecordPrinter(Form form, unsigned columns, Write write)
    : form_(form), columns_(columns), write_(std::move(write)) {}

void RecordPrinter::set_printing(bool printing) {
    printing_ = printing;
    numbers_.clear();
}

void RecordPrinter::on_template(std::uint32_t /*domain_id*/,
                                const ipfix::ReadTemplate& description) {
    numbers_.erase(&description);
    if (form_ == Form::json || description.scope_fields != 0) {
        return;
    }
    auto record = printable(description);
    if (!record) {
        return;
    }
    const auto known = std::find_if(templates_.begin(), templates_.end(), [&](const auto& other) {
        return std::ranges::equal(other.octets(), record->octets());
    });
    numbers_[&description] = static_cast<std::size_t>(known - templates_.begin());
    if (known == templates_.end()) {
        table_.reset(); // it points into templates_
        templates_.push_back(std::move(*record));
    }
}

void RecordPrinter::on_record(const ipfix::ReadRecord& record) {
    if (!printing_) {
        return;
    }
    if (form_ == Form::json) {
        ipfix::append_json_record(line_, record);
        line_ += '\n';
    } else {
        const auto number = numbers_.find(record.description);
        if (number == numbers_.end()) {
            ++others_;
            return;
        }
        if (!table_) {
            table_.emplace(templates_, columns_);
        }
        table_->append_record(line_, number->second, record.octets);
    }
    write_(line_);
    line_.clear();
    ++shown_;
}

} // namespace probe
