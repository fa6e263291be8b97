// SPDX-License-Identifier: BSD-3-Clause
// A Template Record (RFC 7011 section 3.4.1) or an Options Template Record (section 3.4.2): what a
// Data Record of this Template ID looks like.
// Immutable once made; may be read from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "encoder/information_elements.hpp"

namespace ipfix {

struct FieldSpecifier {
    const InformationElement* element; ///< from the registry, never nullptr
    std::uint16_t length;              ///< octets; kVariableLength: variable
    bool reverse = false;              ///< goes out under kReversePen (RFC 5103)
    bool key = false;                  ///< part of the Flow Key
    /// basicList only: the element it is of, when that is known beforehand.
    const InformationElement* list_of = nullptr;
    bool common = false; ///< told apart from the records that share its value (RFC 5473)

    /// The name a reader of the record sees: "packetDeltaCount", "reversePacketDeltaCount".
    [[nodiscard]] std::string name() const;
};

/// The canonical order: fields of a multiple of 8 octets first, which keeps what follows aligned,
/// then those of 4, of 2, single octets, and last what has no fixed length; within these the longer
/// first, then by number. So every listing of the same elements has one order.
[[nodiscard]] bool canonically_before(const FieldSpecifier& a, const FieldSpecifier& b) noexcept;

class TemplateRecord {
  public:
    /// Throws std::invalid_argument for what RFC 7011 does not allow: an id below 256, no fields, a
    /// length the type cannot have, a record that fits no message. Descriptions from files are
    /// checked earlier, with better messages (template_description.hpp).
    /// `scope_count` above 0 makes it an Options Template, whose first fields are the scope.
    TemplateRecord(std::uint16_t id, std::string name, std::vector<FieldSpecifier> fields,
                   std::size_t scope_count = 0);

    [[nodiscard]] std::uint16_t id() const noexcept { return id_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::span<const FieldSpecifier> fields() const noexcept { return fields_; }
    [[nodiscard]] std::size_t key_count() const noexcept;
    /// 0: an ordinary Template.
    [[nodiscard]] std::size_t scope_count() const noexcept { return scope_count_; }

    /// True when no field is of variable length; then every record has record_octets() octets.
    [[nodiscard]] bool fixed_length() const noexcept { return fixed_length_; }
    /// The length of a record; with variable-length fields, of one in which they are all empty.
    [[nodiscard]] std::uint16_t record_octets() const noexcept { return record_octets_; }
    /// Where a field starts in a record. Defined up to and including the first variable-length
    /// field.
    [[nodiscard]] std::uint16_t offset(std::size_t field) const noexcept { return offsets_[field]; }
    /// Fields that do not lie where a struct would have them: at a multiple of natural_alignment().
    /// Fields behind one of variable length are not looked at.
    [[nodiscard]] std::size_t misaligned_fields() const noexcept;
    /// The Template Record as it goes on the wire, without a Set Header.
    [[nodiscard]] std::span<const std::uint8_t> octets() const noexcept { return octets_; }

  private:
    std::uint16_t id_;
    std::string name_;
    std::vector<FieldSpecifier> fields_;
    std::size_t scope_count_;
    bool fixed_length_ = true;
    std::uint16_t record_octets_ = 0;
    std::vector<std::uint16_t> offsets_;
    std::vector<std::uint8_t> octets_;
};

} // namespace ipfix
