// SPDX-License-Identifier: BSD-3-Clause
// NetFlow v5 for a session: see netflow_messages.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "encoder/netflow5_message.hpp"
#include "probe/exporting/netflow_fields.hpp"
#include "probe/exporting/netflow_messages.hpp"
#include "probe/exporting/netflow_templates.hpp"
#include "probe/exporting/netflow_uptime.hpp"

namespace probe {

class Netflow5Messages final : public NetflowMessages {
  public:
    /// The low 16 bits of the domain are engine type and id. Throws std::invalid_argument.
    Netflow5Messages(std::uint32_t domain_id, const TemplateView& templates);

    void add(const ipfix::TemplateRecord& record) override;
    void begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept override;
    [[nodiscard]] bool has_templates() const noexcept override { return false; }
    /// Those of IPv6 it does not.
    [[nodiscard]] bool carries(const ipfix::TemplateRecord& record) const noexcept override;
    [[nodiscard]] ipfix::AppendVerdict append_template(
        const ipfix::TemplateRecord& record) noexcept override;
    [[nodiscard]] ipfix::AppendVerdict append_data(std::uint16_t template_id,
                                                   Bytes record) noexcept override;
    [[nodiscard]] bool empty() const noexcept override { return message_.empty(); }
    [[nodiscard]] std::uint32_t sequence_step() const noexcept override {
        return static_cast<std::uint32_t>(message_.records());
    }
    [[nodiscard]] Bytes finish(std::uint32_t sequence_number) noexcept override;

  private:
    /// Where one direction has what.
    struct Sources {
        NetflowField source, destination, source_port, destination_port, icmp, icmp_type, icmp_code;
        NetflowField input, output, packets, octets, tcp_flags, protocol, type_of_service;
    };
    struct Translated {
        std::uint16_t id = 0;
        NetflowFields fields;
        std::array<Sources, 2> sources;
    };
    struct Counts {
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
        std::uint64_t pieces = 0; ///< records that 32 bits need
    };

    [[nodiscard]] static Translated translate(const ipfix::TemplateRecord& record);
    [[nodiscard]] static Counts counts(const Translated& how, std::size_t direction,
                                       const std::uint8_t* record) noexcept;
    void append_pieces(const Sources& from, const std::uint8_t* record, const Counts& counts,
                       ipfix::Netflow5Record flow) noexcept;

    ipfix::Netflow5Message message_;
    NetflowUptime uptime_;
    NetflowTemplates<Translated> translated_;
};

} // namespace probe
