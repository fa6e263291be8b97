// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/netflow_messages.hpp"

#include "probe/exporting/netflow5_messages.hpp"
#include "probe/exporting/netflow9_messages.hpp"

namespace probe {

std::unique_ptr<NetflowMessages> make_netflow_messages(ExportFormat format, std::uint32_t domain_id,
                                                       const TemplateView& templates) {
    switch (format) {
        case ExportFormat::netflow9:
            return std::make_unique<Netflow9Messages>(domain_id, templates);
        case ExportFormat::netflow5:
            return std::make_unique<Netflow5Messages>(domain_id, templates);
        case ExportFormat::ipfix:
            break;
    }
    return nullptr;
}

} // namespace probe
