// SPDX-License-Identifier: BSD-3-Clause
// The registry of Information Elements: IANA's own and published enterprise-specific ones, as
// constexpr tables built from encoder/registry/*.csv. Everything here is read-only and lives for
// the whole program; all lookups are binary searches and safe from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "encoder/abstract_data_type.hpp"
#include "encoder/information_element_ids.hpp"

namespace ipfix {

/// The values are IANA's numbers (informationElementSemantics, RFC 5610 section 3.6).
enum class DataTypeSemantics : std::uint8_t {
    defaultSemantics = 0,
    quantity = 1,
    totalCounter = 2,
    deltaCounter = 3,
    identifier = 4,
    flags = 5,
    list = 6,
    snmpCounter = 7,
    snmpGauge = 8,
};

enum class Status : std::uint8_t { current, deprecated };

struct InformationElement {
    std::uint32_t enterprise; ///< Private Enterprise Number; 0: IANA
    std::uint16_t id;
    AbstractDataType type;
    DataTypeSemantics semantics;
    Status status;
    std::string_view name;
    std::string_view units; ///< empty: none
    std::string_view range; ///< empty: the whole type; otherwise as IANA writes it ("0-63")
};

/// By exact name; IANA's names win over enterprise ones, nullptr when nobody registered it.
[[nodiscard]] const InformationElement* find_element(std::string_view name) noexcept;
/// By number; `enterprise` 0 is IANA. Knows nothing of the Reverse PEN.
[[nodiscard]] const InformationElement* find_element(std::uint32_t enterprise,
                                                     std::uint16_t id) noexcept;

[[nodiscard]] std::span<const InformationElement> iana_elements() noexcept; // by number
[[nodiscard]] std::span<const InformationElement>
enterprise_elements() noexcept; // by (PEN, number)

/// An element as a template uses it: forward, or its reverse under kReversePen (RFC 5103).
struct DirectedElement {
    const InformationElement* element = nullptr; ///< nullptr: no such name or number
    bool reverse = false;
};
/// Understands "packetDeltaCount" and "reversePacketDeltaCount". A reverse name is answered also
/// for elements that are not reversible, so that the caller can say what is wrong: see
/// is_reversible.
[[nodiscard]] DirectedElement find_directed_element(std::string_view name) noexcept;
/// As numbers in a Field Specifier, kReversePen included.
[[nodiscard]] DirectedElement find_directed_element(std::uint32_t enterprise,
                                                    std::uint16_t id) noexcept;

/// RFC 5103 section 6.1. Enterprise-specific elements have no reverse there (section 6.2).
[[nodiscard]] bool is_reversible(const InformationElement& element) noexcept;
/// "reversePacketDeltaCount" for packetDeltaCount (RFC 5103 section 6.1's naming).
[[nodiscard]] std::string reverse_name(const InformationElement& element);
/// The known name, forward or reverse, with the fewest edits; for "did you mean".
[[nodiscard]] std::string nearest_element_name(std::string_view wrong);

} // namespace ipfix
