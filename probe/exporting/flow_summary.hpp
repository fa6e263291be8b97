// SPDX-License-Identifier: BSD-3-Clause
// What a person wants to know of a data record, whatever its template: when, who, how much.
// Read back from the encoded record, so that the table shows what a collector gets.
// Thread: its user's. The templates must outlive the reader.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// What a field is to a person. Where a template has several fields of one role, the first counts;
/// only the two directions' TCP flags are joined, and of names the first that is not empty is it.
enum class FlowRole : std::uint8_t {
    none,
    start,
    end,
    duration,
    protocol,
    source,
    destination,
    source_port,
    destination_port,
    icmp,
    packets,
    octets,
    reverse_packets,
    reverse_octets,
    flags,
    end_reason,
    application,
    name, ///< of the server, the host, the question
    count_
};
inline constexpr std::size_t kFlowRoles = static_cast<std::size_t>(FlowRole::count_);

/// Values by role: numbers in host byte order, times and durations in nanoseconds.
struct FlowSummary {
    std::array<bool, kFlowRoles> present{};
    std::array<std::uint64_t, kFlowRoles> numbers{};
    Bytes source; ///< address octets in the record
    Bytes destination;
    Bytes application; ///< a text
    Bytes name;        ///< a text

    [[nodiscard]] bool has(FlowRole role) const { return present[static_cast<std::size_t>(role)]; }
    [[nodiscard]] std::uint64_t of(FlowRole role) const {
        return numbers[static_cast<std::size_t>(role)];
    }
};

class FlowSummaryReader {
  public:
    /// Of those that are present, can() speaks.
    explicit FlowSummaryReader(const TemplateView& templates);

    /// Whether any template has such a field.
    [[nodiscard]] bool can(FlowRole role) const {
        return fillable_[static_cast<std::size_t>(role)];
    }
    /// Whether any template's source or destination is an IPv6 address.
    [[nodiscard]] bool has_ipv6() const { return has_ipv6_; }

    [[nodiscard]] FlowSummary read(std::size_t template_index, Bytes data_record) const;

  private:
    std::span<const ipfix::TemplateRecord> templates_;
    std::vector<std::vector<FlowRole>> roles_; ///< by template and field
    std::array<bool, kFlowRoles> fillable_{};
    bool has_ipv6_ = false;
};

} // namespace probe
