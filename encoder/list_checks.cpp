// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/list_checks.hpp"

#include "encoder/message_reader.hpp"
#include "encoder/structured_data.hpp"
#include "encoder/text_form.hpp"

namespace ipfix {

namespace {

using Octets = std::span<const std::uint8_t>;

constexpr std::size_t kTemplateIdOctets = 2;
constexpr std::size_t kGroupHeaderOctets = 4; // Template ID and Data Records Length

/// One value of a field being looked at, with the lists in it; the first fault stays.
class ListWalker {
  public:
    ListWalker(const TemplateFinder* templates, std::uint32_t domain_id) noexcept
        : templates_(templates), domain_id_(domain_id) {}

    // NOLINTNEXTLINE(misc-no-recursion): as deep as kListDepthMax
    void list(AbstractDataType type, Octets value, unsigned depth) noexcept {
        if (depth >= kListDepthMax) return; // may be right, and is not read any further
        if (value.size() < kListSemanticOctets) return found(ListFault::form);
        if (semantic_name(value[0]) == nullptr) found(ListFault::semantic, value[0]);
        if (type == AbstractDataType::basicList) return basic_list(value, depth);
        value = value.subspan(kListSemanticOctets);
        if (type == AbstractDataType::subTemplateMultiList) return groups(value, depth);
        if (value.size() < kTemplateIdOctets) return found(ListFault::form);
        records(load_be<std::uint16_t>(value.data()), value.subspan(kTemplateIdOctets), depth);
    }

    [[nodiscard]] const ListFinding& finding() const noexcept { return finding_; }

  private:
    // NOLINTNEXTLINE(misc-no-recursion)
    void basic_list(Octets value, unsigned depth) noexcept {
        BasicListHeader header;
        if (!take_basic_list_header(value, header)) return found(ListFault::form);
        const DirectedElement known = find_directed_element(header.enterprise, header.element_id);
        const AbstractDataType type =
            known.element == nullptr ? AbstractDataType::octetArray : known.element->type;
        if (header.element_length == 0 || !allows_length(type, header.element_length)) {
            found(ListFault::element_length, header.element_length);
        }
        if (header.element_length == 0) return;
        while (!value.empty()) {
            if (!field(type, header.element_length, value, depth)) return;
        }
    }

    // NOLINTNEXTLINE(misc-no-recursion)
    void groups(Octets value, unsigned depth) noexcept {
        while (!value.empty()) {
            if (value.size() < kGroupHeaderOctets) return found(ListFault::form);
            const std::size_t octets = load_be<std::uint16_t>(value.data() + kTemplateIdOctets);
            if (octets < kGroupHeaderOctets || octets > value.size()) {
                return found(ListFault::form);
            }
            records(load_be<std::uint16_t>(value.data()),
                    value.subspan(kGroupHeaderOctets, octets - kGroupHeaderOctets), depth);
            value = value.subspan(octets);
        }
    }

    // NOLINTNEXTLINE(misc-no-recursion)
    void records(std::uint16_t template_id, Octets value, unsigned depth) noexcept {
        if (value.empty()) return; // a list of nothing
        const ReadTemplate* const description =
            templates_ == nullptr ? nullptr : templates_->find_template(domain_id_, template_id);
        if (description == nullptr) return found(ListFault::template_unknown, template_id);
        while (!value.empty()) {
            for (const ReadField& one : description->fields) {
                if (!field(one.type, one.length, value, depth)) return;
            }
        }
    }

    // NOLINTNEXTLINE(misc-no-recursion)
    bool field(AbstractDataType type, std::uint16_t length, Octets& octets,
               unsigned depth) noexcept {
        Octets value;
        if (!take_field(length, octets, value)) {
            found(ListFault::form);
            return false;
        }
        if (is_list(type)) list(type, value, depth + 1);
        return true;
    }

    void found(ListFault fault, std::uint16_t detail = 0) noexcept {
        if (finding_.fault == ListFault::none) finding_ = {fault, detail};
    }

    const TemplateFinder* templates_;
    std::uint32_t domain_id_;
    ListFinding finding_;
};

} // namespace

ListFinding check_list(AbstractDataType type, Octets value, const TemplateFinder* templates,
                       std::uint32_t domain_id) noexcept {
    ListWalker walker(templates, domain_id);
    walker.list(type, value, 0);
    return walker.finding();
}

} // namespace ipfix
