// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/structured_data.hpp"

#include <cstring>

namespace ipfix {

const char* semantic_name(std::uint8_t semantic) noexcept {
    switch (static_cast<ListSemantic>(semantic)) {
        case ListSemantic::noneOf:
            return "noneOf";
        case ListSemantic::exactlyOneOf:
            return "exactlyOneOf";
        case ListSemantic::oneOrMoreOf:
            return "oneOrMoreOf";
        case ListSemantic::allOf:
            return "allOf";
        case ListSemantic::ordered:
            return "ordered";
        case ListSemantic::undefined:
            return "undefined";
    }
    return nullptr;
}

void ListWriter::open(std::size_t length_at, std::size_t counted_from) noexcept {
    if (depth_ == open_.size()) {
        fits_ = false;
        return;
    }
    open_[depth_++] = {length_at, counted_from};
}

void ListWriter::begin_list(ListSemantic semantic) noexcept {
    append_number(kLongVariableLength, 1);
    append_number(0, 2);
    open(used_ - 2, used_);
    append_number(static_cast<std::uint8_t>(semantic), kListSemanticOctets);
}

ListWriter& ListWriter::begin_basic_list(ListSemantic semantic,
                                         const FieldSpecifier& element) noexcept {
    begin_list(semantic);
    const std::uint32_t enterprise = element.reverse ? kReversePen : element.element->enterprise;
    append_number(element.element->id | (enterprise != 0 ? kEnterpriseBit : 0U), 2);
    append_number(element.length, 2);
    if (enterprise != 0) append_number(enterprise, kEnterpriseNumberOctets);
    return *this;
}

ListWriter& ListWriter::begin_sub_template_list(ListSemantic semantic,
                                                std::uint16_t template_id) noexcept {
    begin_list(semantic);
    return append_number(template_id, 2);
}

ListWriter& ListWriter::begin_sub_template_multi_list(ListSemantic semantic) noexcept {
    begin_list(semantic);
    return *this;
}

// RFC 6313 section 4.5.3: the Data Records Length counts the Template ID and itself.
ListWriter& ListWriter::begin_records(std::uint16_t template_id) noexcept {
    append_number(template_id, 2);
    append_number(0, 2);
    open(used_ - 2, used_ - 4);
    return *this;
}

ListWriter& ListWriter::end() noexcept {
    if (!fits_ || depth_ == 0) return *this;
    const Open& begun = open_[--depth_];
    const std::size_t octets = used_ - begun.counted_from;
    fits_ = octets <= UINT16_MAX;
    store_be(out_.data() + begun.length_at, static_cast<std::uint16_t>(octets));
    return *this;
}

ListWriter& ListWriter::append(std::span<const std::uint8_t> octets) noexcept {
    fits_ = fits_ && octets.size() <= out_.size() - used_;
    if (!fits_ || octets.empty()) return *this;
    std::memcpy(out_.data() + used_, octets.data(), octets.size());
    used_ += octets.size();
    return *this;
}

ListWriter& ListWriter::append_variable(std::span<const std::uint8_t> value) noexcept {
    if (value.size() > UINT16_MAX) {
        fits_ = false;
        return *this;
    }
    if (value.size() <= kShortVariableLengthMax) {
        append_number(value.size(), 1);
    } else {
        append_number(kLongVariableLength, 1);
        append_number(value.size(), 2);
    }
    return append(value);
}

ListWriter& ListWriter::append_number(std::uint64_t value, std::size_t octets) noexcept {
    fits_ = fits_ && octets <= out_.size() - used_;
    if (!fits_) return *this;
    store_be(out_.data() + used_, value, octets);
    used_ += octets;
    return *this;
}

bool take_basic_list_header(std::span<const std::uint8_t>& list, BasicListHeader& header) noexcept {
    constexpr std::size_t kShort = kListSemanticOctets + kFieldSpecifierOctets;
    if (list.size() < kShort) return false;
    const auto number = load_be<std::uint16_t>(list.data() + 1);
    const bool enterprise = (number & kEnterpriseBit) != 0;
    const std::size_t octets = kShort + (enterprise ? kEnterpriseNumberOctets : 0);
    if (list.size() < octets) return false;
    header.semantic = list[0];
    header.element_id = static_cast<std::uint16_t>(number & ~kEnterpriseBit);
    header.element_length = load_be<std::uint16_t>(list.data() + 3);
    header.enterprise = enterprise ? load_be<std::uint32_t>(list.data() + kShort) : 0;
    list = list.subspan(octets);
    return true;
}

} // namespace ipfix
