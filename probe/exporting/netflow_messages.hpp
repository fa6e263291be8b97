// SPDX-License-Identifier: BSD-3-Clause
// NetFlow v9 (RFC 3954) and v5 out of data records that were encoded for IPFIX, for collectors that
// know no IPFIX. A session (collector_session.hpp) packs them as it packs IPFIX.
//
// v9: every template without variable-length and enterprise-specific fields. The first flowStartXxx
// and flowEndXxx become FIRST_SWITCHED and LAST_SWITCHED, which older collectors know alone; all
// other fields keep their number and length. An Options Template says that nothing is sampled. The
// sequence number counts packets.
//
// v5: IPv4 only. Address and port, interfaces, counters, times, TCP flags, protocol and ToS; other
// fields of the template stay behind. A counter beyond 32 bits goes out in several records whose
// sums are right. An interface above 65,535 and a TCP flag above the lowest eight cannot be said
// and are zero. The sequence number counts flows.
//
// Biflows: netflow_fields.hpp. Times: netflow_uptime.hpp. Thread: the session's; no allocation
// after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "encoder/message_builder.hpp"
#include "encoder/template_record.hpp"
#include "probe/exporting/export_options.hpp"
#include "probe/exporting/template_list.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class NetflowMessages {
  public:
    virtual ~NetflowMessages() = default;

    /// A reload: one more template. Throws as make_netflow_messages; allocates.
    virtual void add(const ipfix::TemplateRecord& record) = 0;

    /// Starts the next message.
    virtual void begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept = 0;
    /// False: v5, whose records need none.
    [[nodiscard]] virtual bool has_templates() const noexcept = 0;
    /// Whether records of this template can be told at all; others must not be appended.
    [[nodiscard]] virtual bool carries(const ipfix::TemplateRecord& record) const noexcept = 0;

    [[nodiscard]] virtual ipfix::AppendVerdict append_template(
        const ipfix::TemplateRecord& record) noexcept = 0;
    /// All records that this data record becomes, or none.
    [[nodiscard]] virtual ipfix::AppendVerdict append_data(std::uint16_t template_id,
                                                           Bytes record) noexcept = 0;
    [[nodiscard]] virtual bool empty() const noexcept = 0;
    /// What the next message's sequence number grows by.
    [[nodiscard]] virtual std::uint32_t sequence_step() const noexcept = 0;
    [[nodiscard]] virtual Bytes finish(std::uint32_t sequence_number) noexcept = 0;
};

/// nullptr for IPFIX. Throws std::invalid_argument, with the remedy, for templates that this format
/// cannot carry, of the data templates that are present. `templates` must outlive it.
[[nodiscard]] std::unique_ptr<NetflowMessages> make_netflow_messages(ExportFormat format,
                                                                     std::uint32_t domain_id,
                                                                     const TemplateView& templates);

} // namespace probe
