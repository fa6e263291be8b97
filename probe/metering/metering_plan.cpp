// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/metering_plan.hpp"

#include <stdexcept>
#include <utility>

#include "probe/metering/flow_record.hpp"

namespace probe {

namespace {

/// A block of `octets` at the end of the record, when it is needed.
std::uint16_t place(bool needed, std::size_t octets, std::size_t& end) noexcept {
    if (!needed) {
        return 0;
    }
    const auto offset = static_cast<std::uint16_t>(end);
    end += octets;
    return offset;
}

std::vector<PacketFilter> compile(const std::vector<TemplateRequest>& requests) {
    std::vector<PacketFilter> filters;
    filters.reserve(requests.size());
    for (const TemplateRequest& request : requests) {
        filters.emplace_back(request.filter);
    }
    return filters;
}

/// FIN and RST end a flow only where the flow is one connection.
bool is_connection(KeyParts keys) noexcept {
    return keys.has(KeyPart::source_address) && keys.has(KeyPart::destination_address) &&
           keys.has(KeyPart::source_port) && keys.has(KeyPart::destination_port) &&
           keys.has(KeyPart::protocol);
}

} // namespace

void require_symmetric_key(const TemplateRequest& request) {
    if (!request.biflow) {
        return;
    }
    constexpr std::array<std::pair<KeyPart, KeyPart>, 3> kPairs = {
        {{KeyPart::source_address, KeyPart::destination_address},
         {KeyPart::source_port, KeyPart::destination_port},
         {KeyPart::source_mac, KeyPart::destination_mac}}};
    constexpr std::array<const char*, 3> kNames = {"address", "port", "MAC address"};
    for (std::size_t i = 0; i < kPairs.size(); ++i) {
        if (request.keys.has(kPairs[i].first) != request.keys.has(kPairs[i].second)) {
            throw std::runtime_error(
                "template " + request.name + ": a biflow needs the source and the destination " +
                kNames[i] +
                " among its keys, or neither; add the other one or leave out the "
                "reverse elements");
        }
    }
    if (request.keys.has(KeyPart::icmp_type_code)) {
        throw std::runtime_error("template " + request.name +
                                 ": the ICMP type and code cannot be a biflow's key, since a "
                                 "request and its reply differ in it; "
                                 "make it a value or leave out the reverse elements");
    }
}

BlockNeeds& BlockNeeds::operator|=(const BlockNeeds& other) noexcept {
    for (std::size_t d = 0; d < kDirections; ++d) {
        first_packet[d] = first_packet[d] || other.first_packet[d];
        link[d] = link[d] || other.link[d];
        range[d] = range[d] || other.range[d];
        frame_octets[d] = frame_octets[d] || other.frame_octets[d];
        totals[d] = totals[d] || other.totals[d];
    }
    reverse_times = reverse_times || other.reverse_times;
    application = application || other.application;
    packet_list = packet_list || other.packet_list;
    return *this;
}

RecordLayout RecordLayout::of(const BlockNeeds& needs, std::size_t base_octets) {
    RecordLayout layout;
    layout.base_octets = static_cast<std::uint16_t>(base_octets);
    std::size_t end = base_octets;
    // touched by every packet first, so that they share the base's lines where there is room
    for (std::size_t d = 0; d < kDirections; ++d) {
        layout.frame_octets[d] = place(needs.frame_octets[d], sizeof(FrameOctetsBlock), end);
        layout.range[d] = place(needs.range[d], sizeof(RangeBlock), end);
        layout.every_packet[d] = needs.frame_octets[d] || needs.range[d] || needs.packet_list;
    }
    layout.reverse_times = place(needs.reverse_times, sizeof(DirectionTimesBlock), end);
    layout.every_packet[1] = layout.every_packet[1] || needs.reverse_times;
    for (std::size_t d = 0; d < kDirections; ++d) {
        layout.first_packet[d] = place(needs.first_packet[d], sizeof(FirstPacketBlock), end);
        layout.link[d] = place(needs.link[d], sizeof(LinkBlock), end);
        layout.totals[d] = place(needs.totals[d], sizeof(TotalsBlock), end);
    }
    layout.application = place(needs.application, sizeof(ApplicationBlock), end);
    layout.packet_list = place(needs.packet_list, sizeof(PacketListBlock), end);
    layout.record_octets = static_cast<std::uint16_t>(end);
    layout.stride =
        static_cast<std::uint16_t>((end + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes);
    return layout;
}

LanePlan::LanePlan(IpFamily family, const std::vector<TemplateRequest>& requests,
                   const std::vector<PacketFilter>& filters)
    : family_(family) {
    BlockNeeds needs;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const TemplateRequest& request = requests[i];
        if (!(family == IpFamily::ipv4 ? request.for_ipv4 : request.for_ipv6)) {
            continue;
        }
        require_symmetric_key(request);
        templates_.push_back({.request = i,
                              .keys = request.keys,
                              .biflow = request.biflow,
                              .application = request.needs.application,
                              .tcp_end = is_connection(request.keys),
                              .filter = &filters[i]});
        needs |= request.needs;
        wide_ = wide_ || request.keys.wide();
    }
    if (templates_.size() > kTemplatesPerFamilyMax) {
        throw std::runtime_error(
            "at most " + std::to_string(kTemplatesPerFamilyMax) +
            " templates can share an address family; name fewer template files");
    }
    const bool ipv4 = family == IpFamily::ipv4;
    const std::size_t base =
        ipv4 ? (wide_ ? sizeof(FlowRecord<Ipv4WideKey>) : sizeof(FlowRecord<Ipv4Key>))
             : (wide_ ? sizeof(FlowRecord<Ipv6WideKey>) : sizeof(FlowRecord<Ipv6Key>));
    layout_ = RecordLayout::of(needs, base);

    for (unsigned protocol = 0; protocol < by_protocol_.size(); ++protocol) {
        std::uint8_t chosen = kNoTemplate;
        for (std::size_t number = 0; number < templates_.size() && chosen == kNoTemplate;
             ++number) {
            const PacketFilter& filter = *templates_[number].filter;
            if (!filter.depends_only_on_family_and_protocol()) {
                chosen = kRunFilters;
            } else if (filter.matches_family_protocol(family,
                                                      static_cast<std::uint8_t>(protocol))) {
                chosen = static_cast<std::uint8_t>(number);
            }
        }
        by_protocol_[protocol] = chosen;
    }
}

std::size_t LanePlan::key_octets() const noexcept {
    if (family_ == IpFamily::ipv4) {
        return wide_ ? sizeof(Ipv4WideKey) : sizeof(Ipv4Key);
    }
    return wide_ ? sizeof(Ipv6WideKey) : sizeof(Ipv6Key);
}

std::uint8_t LanePlan::run_filters(const PacketView& packet,
                                   const PacketHeaders& headers) const noexcept {
    const Bytes ip_packet{packet.octets + headers.network_offset,
                          packet.captured_octets - headers.network_offset};
    for (std::size_t number = 0; number < templates_.size(); ++number) {
        const PacketFilter& filter = *templates_[number].filter;
        const bool fits = filter.depends_only_on_family_and_protocol()
                              ? filter.matches_family_protocol(family_, headers.protocol)
                              : filter.matches(ip_packet, headers.ip_octets);
        if (fits) {
            return static_cast<std::uint8_t>(number);
        }
    }
    return kNoTemplate;
}

MeteringPlan::MeteringPlan(std::vector<TemplateRequest> requests)
    : requests_(std::move(requests)),
      filters_(compile(requests_)),
      ipv4_(IpFamily::ipv4, requests_, filters_),
      ipv6_(IpFamily::ipv6, requests_, filters_) {
    for (const TemplateRequest& request : requests_) {
        application_fields_ |= request.application_fields;
    }
}

} // namespace probe
