// SPDX-License-Identifier: BSD-3-Clause
// NetFlow v9 for a session: see netflow_messages.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "encoder/netflow9_message.hpp"
#include "probe/exporting/netflow_fields.hpp"
#include "probe/exporting/netflow_messages.hpp"
#include "probe/exporting/netflow_templates.hpp"
#include "probe/exporting/netflow_uptime.hpp"

namespace probe {

class Netflow9Messages final : public NetflowMessages {
  public:
    /// Throws std::invalid_argument.
    Netflow9Messages(std::uint32_t source_id, const TemplateView& templates);

    void add(const ipfix::TemplateRecord& record) override;
    void begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept override;
    [[nodiscard]] bool has_templates() const noexcept override { return true; }
    [[nodiscard]] bool carries(const ipfix::TemplateRecord& record) const noexcept override;
    [[nodiscard]] ipfix::AppendVerdict append_template(
        const ipfix::TemplateRecord& record) noexcept override;
    [[nodiscard]] ipfix::AppendVerdict append_data(std::uint16_t template_id,
                                                   Bytes record) noexcept override;
    [[nodiscard]] bool empty() const noexcept override { return message_.empty(); }
    [[nodiscard]] std::uint32_t sequence_step() const noexcept override { return 1; }
    [[nodiscard]] Bytes finish(std::uint32_t sequence_number) noexcept override;

  private:
    enum class StepKind : std::uint8_t { copy, number, zero, start, end };
    struct Step {
        StepKind kind;
        NetflowField from;
        std::uint16_t octets; ///< written
    };
    struct Translated {
        std::uint16_t id = 0;
        NetflowFields fields;
        std::vector<std::uint8_t> octets; ///< the Template Record
        std::array<std::vector<Step>, 2> steps;
        std::size_t record_octets = 0;
    };

    [[nodiscard]] static Translated translate(const ipfix::TemplateRecord& record);
    void encode(const Translated& how, std::size_t direction, const std::uint8_t* record,
                std::uint8_t* out) const noexcept;
    [[nodiscard]] ipfix::AppendVerdict append_sampling() noexcept;

    ipfix::Netflow9Message message_;
    NetflowUptime uptime_;
    NetflowTemplates<Translated> translated_;
    std::uint16_t sampling_id_ = 0;
    bool sampling_told_ = false; ///< in the message at hand
    std::vector<std::uint8_t> sampling_template_;
    std::vector<std::uint8_t> sampling_record_;
    std::vector<std::uint8_t> scratch_;
};

} // namespace probe
