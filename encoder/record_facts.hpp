// SPDX-License-Identifier: BSD-3-Clause
// What a checker wants to know of one Data Record: which of its values can be wrong, its times, and
// what it tells of the exporter if it is an options record. A template is compiled once; records of
// templates without anything of interest are not walked at all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "encoder/message_reader.hpp"

namespace ipfix {

enum class FieldRole : std::uint8_t {
    none,
    boolean,
    text,
    flow_start,
    flow_end,
    reverse_start,
    reverse_end,
    template_id,
    flow_keys,
    total_octets,
    total_messages,
    total_records,
    element_id,
    element_enterprise,
    common_properties,
    count_
};
inline constexpr std::size_t kFieldRoles = static_cast<std::size_t>(FieldRole::count_);

struct RecordFacts {
    static constexpr std::size_t kNone = SIZE_MAX;
    std::size_t wrong_boolean = kNone; ///< number of the field
    std::size_t wrong_text = kNone;
    /// Numbers by role; times in nanoseconds since 1970.
    std::optional<std::uint64_t> values[kFieldRoles];

    [[nodiscard]] const std::optional<std::uint64_t>& of(FieldRole role) const noexcept {
        return values[static_cast<std::size_t>(role)];
    }
};

class RecordFactsReader {
  public:
    RecordFactsReader() = default;
    explicit RecordFactsReader(const ReadTemplate& description);

    [[nodiscard]] bool interested() const noexcept { return interested_; }
    [[nodiscard]] RecordFacts read(std::span<const std::uint8_t> record) const noexcept;

  private:
    struct Field {
        std::uint16_t length = 0;
        AbstractDataType type = AbstractDataType::octetArray;
        FieldRole role = FieldRole::none;
    };
    std::vector<Field> fields_;
    bool interested_ = false;
};

} // namespace ipfix
