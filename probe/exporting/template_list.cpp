// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/template_list.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace probe {

bool same_content(const ipfix::TemplateRecord& a, const ipfix::TemplateRecord& b) {
    const auto layout_a = a.octets().subspan(2); // behind the id
    const auto layout_b = b.octets().subspan(2);
    return a.scope_count() == b.scope_count() &&
           std::equal(layout_a.begin(), layout_a.end(), layout_b.begin(), layout_b.end()) &&
           std::equal(a.fields().begin(), a.fields().end(), b.fields().begin(), b.fields().end(),
                      [](const ipfix::FieldSpecifier& one, const ipfix::FieldSpecifier& other) {
                          return one.key == other.key && one.list_of == other.list_of;
                      });
}

TemplateList::TemplateList(const TemplateList& before, Templates templates)
    : all_(before.all_), present_(before.all_.size(), false), leaving_(before.present_) {
    for (const std::span<const ipfix::TemplateRecord> some : templates) {
        for (const ipfix::TemplateRecord& record : some) {
            add(record);
        }
    }
}

void TemplateList::add(const ipfix::TemplateRecord& record) {
    const std::size_t place = place_of(record.id());
    if (place == SIZE_MAX) {
        all_.push_back(record);
        present_.push_back(true);
        leaving_.push_back(false);
        return;
    }
    if (!same_content(all_[place], record)) {
        throw std::logic_error("template " + std::to_string(record.id()) + " has two contents");
    }
    present_[place] = true;
}

std::size_t TemplateList::place_of(std::uint16_t id) const noexcept {
    const auto found = std::find_if(all_.begin(), all_.end(),
                                    [id](const auto& record) { return record.id() == id; });
    return found == all_.end() ? SIZE_MAX : static_cast<std::size_t>(found - all_.begin());
}

TemplateIds::TemplateIds(const TemplateList& known, TemplateList::Templates taken) : known_(known) {
    for (const std::span<const ipfix::TemplateRecord> some : taken) {
        for (const ipfix::TemplateRecord& record : some) {
            given_.insert(record.id());
            next_ = std::max<std::uint32_t>(next_, record.id() + 1U);
        }
    }
    for (const ipfix::TemplateRecord& record : known.all()) {
        next_ = std::max<std::uint32_t>(next_, record.id() + 1U);
    }
}

std::optional<std::uint16_t> TemplateIds::known_as(const ipfix::TemplateRecord& content) {
    std::optional<std::uint16_t> found;
    for (const ipfix::TemplateRecord& record : known_.all()) {
        if (given_.count(record.id()) != 0 || !same_content(record, content)) {
            continue;
        }
        if (record.name() == content.name()) {
            found = record.id();
            break;
        }
        found = found.value_or(record.id());
    }
    if (found) {
        given_.insert(*found);
    }
    return found;
}

bool TemplateIds::take(std::uint16_t id) {
    if (id > kHighest || known_.place_of(id) != SIZE_MAX || !given_.insert(id).second) {
        return false;
    }
    next_ = std::max<std::uint32_t>(next_, id + 1U);
    return true;
}

std::uint16_t TemplateIds::fresh() {
    if (next_ > kHighest) {
        throw std::runtime_error(
            "no template ids are left above those that were used since the start; restart, or "
            "give the templates lower ids");
    }
    const auto id = static_cast<std::uint16_t>(next_++);
    given_.insert(id);
    return id;
}

} // namespace probe
