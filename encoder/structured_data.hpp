// SPDX-License-Identifier: BSD-3-Clause
// Structured data (RFC 6313): lists as the value of a field, written in place and read strictly.
//
//   basicList             semantic, one Field Specifier, its values         section 4.5.1
//   subTemplateList       semantic, a Template ID, Data Records of it       section 4.5.2
//   subTemplateMultiList  semantic, groups of (Template ID, Length, records)  section 4.5.3
//
// Lists may hold lists. All of them are fields of variable length; they are written with the
// three-octet form of the length, which RFC 7011 section 7 allows for any length, so that the
// length can be put in when the list ends. No allocation, no clock; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "encoder/template_record.hpp"

namespace ipfix {

/// The values are IANA's (IPFIX Structured Data Types Semantics).
enum class ListSemantic : std::uint8_t {
    noneOf = 0,
    exactlyOneOf = 1,
    oneOrMoreOf = 2,
    allOf = 3,
    ordered = 4,
    undefined = 255,
};

/// IANA's name; nullptr for a number that nobody assigned.
[[nodiscard]] const char* semantic_name(std::uint8_t semantic) noexcept;

inline constexpr std::size_t kListLengthOctets = 3; ///< 255, and two octets of length
inline constexpr std::size_t kListSemanticOctets = 1;
/// What a basicList of IANA's element has before its values, with its length.
inline constexpr std::size_t kBasicListHeaderOctets =
    kListLengthOctets + kListSemanticOctets + kFieldSpecifierOctets;
inline constexpr std::size_t kListDepthMax = 8; ///< lists within lists

/// Writes list fields one after the other. What does not fit `out` is not written: fits() is false
/// from then on, and the octets are of no use.
class ListWriter {
  public:
    explicit ListWriter(std::span<std::uint8_t> out) noexcept : out_(out) {}

    /// Values follow: append() for those of fixed length, append_variable() for the others, or
    /// lists.
    ListWriter& begin_basic_list(ListSemantic semantic, const FieldSpecifier& element) noexcept;
    /// Data Records follow, each by append() as a whole, or field by field.
    ListWriter& begin_sub_template_list(ListSemantic semantic, std::uint16_t template_id) noexcept;
    /// begin_records() follows for each Template.
    ListWriter& begin_sub_template_multi_list(ListSemantic semantic) noexcept;
    ListWriter& begin_records(std::uint16_t template_id) noexcept;
    /// Ends what was begun last.
    ListWriter& end() noexcept;

    ListWriter& append(std::span<const std::uint8_t> octets) noexcept;
    /// With its length before it, RFC 7011 section 7.
    ListWriter& append_variable(std::span<const std::uint8_t> value) noexcept;
    /// Big-endian in `octets` octets.
    ListWriter& append_number(std::uint64_t value, std::size_t octets) noexcept;

    [[nodiscard]] bool fits() const noexcept { return fits_; }
    [[nodiscard]] std::span<const std::uint8_t> octets() const noexcept {
        return out_.first(used_);
    }

  private:
    /// What was begun: where its two octets of length lie, and where counting them begins.
    struct Open {
        std::size_t length_at;
        std::size_t counted_from;
    };
    void begin_list(ListSemantic semantic) noexcept;
    void open(std::size_t length_at, std::size_t counted_from) noexcept;

    std::span<std::uint8_t> out_;
    std::size_t used_ = 0;
    bool fits_ = true;
    std::size_t depth_ = 0;
    std::array<Open, 2 * kListDepthMax> open_{};
};

/// The beginning of a basicList's value.
struct BasicListHeader {
    std::uint8_t semantic = 0;
    std::uint32_t enterprise = 0;
    std::uint16_t element_id = 0;
    std::uint16_t element_length = 0; ///< kVariableLength: each value has its own
};
/// Takes the header off; false when there is none.
[[nodiscard]] bool take_basic_list_header(std::span<const std::uint8_t>& list,
                                          BasicListHeader& header) noexcept;

} // namespace ipfix
