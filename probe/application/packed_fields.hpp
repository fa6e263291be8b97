// SPDX-License-Identifier: BSD-3-Clause
// Fields as a string of octets: what is kept of a flow's ApplicationFields when nothing more will
// come, and what an encoder reads them from.
//
// In order: the field's number (1 octet); of a number its value (8 octets); of anything else how
// many octets it has (2) and those. Host byte order: it never leaves the process.
// Pure functions; a PackedFields refers to octets that somebody else keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "probe/application/application_fields.hpp"

namespace probe {

/// No ApplicationFields takes more.
inline constexpr std::size_t kPackedOctetsMax =
    ApplicationFields::kTextOctetsMax +
    ApplicationFields::kEntriesMax * (sizeof(std::uint8_t) + sizeof(std::uint64_t));

/// Writes those of `wanted` that are there to `out`, which has room for kPackedOctetsMax. Returns
/// how many octets; 0: none is there.
[[nodiscard]] std::size_t pack_fields(const ApplicationFields& fields, const FieldMask& wanted,
                                      std::span<std::uint8_t> out) noexcept;

class PackedFields {
  public:
    PackedFields() = default;
    explicit PackedFields(Bytes octets) noexcept : octets_(octets) {}

    /// Empty when absent.
    [[nodiscard]] std::string_view text(ApplicationField field) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> number(ApplicationField field) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return octets_.empty(); }

  private:
    /// The octets of the field's value; no data() when it is absent.
    [[nodiscard]] Bytes find(ApplicationField field) const noexcept;

    Bytes octets_;
};

} // namespace probe
