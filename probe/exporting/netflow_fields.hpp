// SPDX-License-Identifier: BSD-3-Clause
// Where NetFlow finds its fields in a data record that was encoded for IPFIX.
//
// NetFlow knows no biflows: a record with reverse elements (RFC 5103) becomes one record for each
// direction that has packets. In the second, addresses and ports change places, a field with a
// reverse element is that one, what tells of packets and has none is zero, and what tells of the
// conversation (times, end reason, VLAN, interface) is the same.
//
// Made once for a template, at start; then read-only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "encoder/template_record.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// A number of `octets` octets at `offset` of a data record; 0 octets: there is none, it is zero.
struct NetflowField {
    std::uint16_t offset = 0;
    std::uint16_t octets = 0;

    [[nodiscard]] std::uint64_t load(const std::uint8_t* record) const noexcept {
        return ipfix::load_be(record + offset, octets);
    }
};

/// A time in any of IPFIX's units.
struct NetflowTime {
    NetflowField field;
    ipfix::AbstractDataType type = ipfix::AbstractDataType::dateTimeMilliseconds;
    std::size_t index = 0; ///< of its field in the template

    /// Unix, in ms.
    [[nodiscard]] std::uint64_t load_ms(const std::uint8_t* record) const noexcept;
};

class NetflowFields {
  public:
    /// The template's fields must be of fixed length and IANA's.
    explicit NetflowFields(const ipfix::TemplateRecord& record);

    /// 2 for a biflow.
    [[nodiscard]] std::size_t directions() const noexcept { return biflow_ ? 2 : 1; }
    /// Whether this direction has a record of its own in a biflow's.
    [[nodiscard]] bool has_packets(std::size_t direction,
                                   const std::uint8_t* record) const noexcept;

    /// An IANA element as this direction has it.
    [[nodiscard]] NetflowField find(std::uint16_t element, std::size_t direction) const noexcept;
    [[nodiscard]] bool has(std::uint16_t element) const noexcept;

    /// The first of flowStartXxx and flowEndXxx.
    [[nodiscard]] const std::optional<NetflowTime>& start() const noexcept { return start_; }
    [[nodiscard]] const std::optional<NetflowTime>& end() const noexcept { return end_; }

  private:
    [[nodiscard]] NetflowField exactly(std::uint16_t element, bool reverse) const noexcept;
    [[nodiscard]] std::optional<NetflowTime> first_time(std::uint16_t first) const noexcept;

    const ipfix::TemplateRecord& template_;
    bool biflow_ = false;
    std::optional<NetflowTime> start_;
    std::optional<NetflowTime> end_;
    std::array<NetflowField, 2> packets_;
};

} // namespace probe
