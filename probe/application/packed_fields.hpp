// SPDX-License-Identifier: BSD-3-Clause
// Fields as a string of octets: what is kept of a flow's layer 7 when nothing more will come, and
// what an encoder reads them from.
//
// In order: the field's number (1 octet); of a number or a label its value (8 octets); of anything
// else how many octets it has (2) and those. Host byte order: it never leaves the process.
// No state but the octets, which somebody else keeps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "probe/application/application_fields.hpp"
#include "probe/application/application_label.hpp"

namespace probe {

/// No flow's layer 7 takes more: ApplicationFields, a label, two payload heads and entropies.
inline constexpr std::size_t kPackedOctetsMax =
    ApplicationFields::kTextOctetsMax + 2 * kPayloadHeadMax +
    (ApplicationFields::kEntriesMax + 5) * (sizeof(std::uint8_t) + sizeof(std::uint64_t));

class FieldPacker {
  public:
    /// `out` has room for kPackedOctetsMax.
    explicit FieldPacker(std::span<std::uint8_t> out) noexcept : out_(out) {}

    /// Those of `wanted` that are there.
    void add(const ApplicationFields& fields, const FieldMask& wanted) noexcept;
    void add_number(ApplicationField field, std::uint64_t value) noexcept;
    void add_octets(ApplicationField field, Bytes octets) noexcept;
    void add_label(const ApplicationId& id) noexcept;

    [[nodiscard]] Bytes octets() const noexcept { return out_.first(used_); }

  private:
    std::span<std::uint8_t> out_;
    std::size_t used_ = 0;
};

/// Walks the octets once and remembers where each field is, since a template asks for many that a
/// flow does not have.
class PackedFields {
  public:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): places_ of present_ are read
    PackedFields() noexcept {}
    explicit PackedFields(Bytes octets) noexcept;

    /// Empty when absent. Also of a field of kind octets.
    [[nodiscard]] std::string_view text(ApplicationField field) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> number(ApplicationField field) const noexcept;
    [[nodiscard]] std::optional<ApplicationId> label() const noexcept;
    [[nodiscard]] bool has(ApplicationField field) const noexcept { return present_.has(field); }
    [[nodiscard]] bool empty() const noexcept { return octets_.empty(); }

  private:
    Bytes octets_;
    FieldMask present_;
    std::array<std::uint16_t, kApplicationFields> places_; ///< of values, or of their lengths
};

} // namespace probe
