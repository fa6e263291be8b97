// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/flow_summary.hpp"

#include <algorithm>
#include <string_view>

#include "encoder/ntp_time.hpp"
#include "encoder/text_form.hpp"
#include "encoder/wire_format.hpp"

namespace probe {
namespace {

struct RoleOfElement {
    std::string_view name;
    FlowRole role;
    FlowRole reverse = FlowRole::none;
};

constexpr std::array kRoleOfElement = {
    RoleOfElement{"flowStartSeconds", FlowRole::start},
    RoleOfElement{"flowStartMilliseconds", FlowRole::start},
    RoleOfElement{"flowStartMicroseconds", FlowRole::start},
    RoleOfElement{"flowStartNanoseconds", FlowRole::start},
    RoleOfElement{"flowEndSeconds", FlowRole::end},
    RoleOfElement{"flowEndMilliseconds", FlowRole::end},
    RoleOfElement{"flowEndMicroseconds", FlowRole::end},
    RoleOfElement{"flowEndNanoseconds", FlowRole::end},
    RoleOfElement{"flowDurationMilliseconds", FlowRole::duration},
    RoleOfElement{"flowDurationMicroseconds", FlowRole::duration},
    RoleOfElement{"protocolIdentifier", FlowRole::protocol},
    RoleOfElement{"sourceIPv4Address", FlowRole::source},
    RoleOfElement{"sourceIPv6Address", FlowRole::source},
    RoleOfElement{"destinationIPv4Address", FlowRole::destination},
    RoleOfElement{"destinationIPv6Address", FlowRole::destination},
    RoleOfElement{"sourceTransportPort", FlowRole::source_port},
    RoleOfElement{"destinationTransportPort", FlowRole::destination_port},
    RoleOfElement{"icmpTypeCodeIPv4", FlowRole::icmp},
    RoleOfElement{"icmpTypeCodeIPv6", FlowRole::icmp},
    RoleOfElement{"packetDeltaCount", FlowRole::packets, FlowRole::reverse_packets},
    RoleOfElement{"packetTotalCount", FlowRole::packets, FlowRole::reverse_packets},
    RoleOfElement{"octetDeltaCount", FlowRole::octets, FlowRole::reverse_octets},
    RoleOfElement{"octetTotalCount", FlowRole::octets, FlowRole::reverse_octets},
    RoleOfElement{"layer2OctetDeltaCount", FlowRole::octets, FlowRole::reverse_octets},
    RoleOfElement{"tcpControlBits", FlowRole::flags, FlowRole::flags},
    RoleOfElement{"flowEndReason", FlowRole::end_reason},
    RoleOfElement{"applicationName", FlowRole::application},
    RoleOfElement{"sslServerName", FlowRole::name},
    RoleOfElement{"quicSNI", FlowRole::name},
    RoleOfElement{"httpRequestHost", FlowRole::name},
    RoleOfElement{"DNSName", FlowRole::name},
    RoleOfElement{"sshVersion", FlowRole::name},
    RoleOfElement{"dhcpHostName", FlowRole::name},
    RoleOfElement{"SIPCalledParty", FlowRole::name},
};

FlowRole role_of(const ipfix::FieldSpecifier& field) {
    for (const RoleOfElement& entry : kRoleOfElement) {
        if (entry.name == field.element->name) return field.reverse ? entry.reverse : entry.role;
    }
    return FlowRole::none;
}

std::uint64_t number_of(const ipfix::InformationElement& element, Bytes octets) {
    if (octets.size() > sizeof(std::uint64_t)) return 0;
    const std::uint64_t number = ipfix::load_be(octets.data(), octets.size());
    switch (element.type) {
        case ipfix::AbstractDataType::dateTimeSeconds:
            return number * kNsPerSecond;
        case ipfix::AbstractDataType::dateTimeMilliseconds:
            return number * kNsPerMs;
        case ipfix::AbstractDataType::dateTimeMicroseconds:
        case ipfix::AbstractDataType::dateTimeNanoseconds:
            return ipfix::unix_ns_from_ntp(number);
        default:
            break;
    }
    if (element.name == "flowDurationMilliseconds") return number * kNsPerMs;
    if (element.name == "flowDurationMicroseconds") return number * kNsPerUs;
    return number;
}

} // namespace

FlowSummaryReader::FlowSummaryReader(const TemplateView& templates) : templates_(templates.all()) {
    for (std::size_t i = 0; i < templates_.size(); ++i) {
        const ipfix::TemplateRecord& record = templates_[i];
        const bool present = templates.present_data(i);
        std::vector<FlowRole>& roles = roles_.emplace_back();
        for (const ipfix::FieldSpecifier& field : record.fields()) {
            FlowRole role = role_of(field);
            const bool taken = std::find(roles.begin(), roles.end(), role) != roles.end();
            const bool joined = role == FlowRole::flags || role == FlowRole::name;
            if (taken && !joined) role = FlowRole::none;
            roles.push_back(role);
            if (!present) continue;
            fillable_[static_cast<std::size_t>(role)] = true;
            has_ipv6_ |= field.element->type == ipfix::AbstractDataType::ipv6Address &&
                         (role == FlowRole::source || role == FlowRole::destination);
        }
    }
}

FlowSummary FlowSummaryReader::read(std::size_t template_index, Bytes data_record) const {
    FlowSummary summary;
    std::size_t field = 0;
    for (const ipfix::FieldSpecifier& specifier : templates_[template_index].fields()) {
        Bytes octets;
        if (!ipfix::take_field(specifier.length, data_record, octets)) break;
        const FlowRole role = roles_[template_index][field++];
        if (role == FlowRole::none) continue;
        const auto at = static_cast<std::size_t>(role);
        summary.present[at] = true;
        if (role == FlowRole::source)
            summary.source = octets;
        else if (role == FlowRole::destination)
            summary.destination = octets;
        else if (role == FlowRole::application)
            summary.application = octets;
        else if (role == FlowRole::name)
            summary.name = summary.name.empty() ? octets : summary.name;
        else if (role == FlowRole::flags)
            summary.numbers[at] |= number_of(*specifier.element, octets);
        else
            summary.numbers[at] = number_of(*specifier.element, octets);
    }
    return summary;
}

} // namespace probe
