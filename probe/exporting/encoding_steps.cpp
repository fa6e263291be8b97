// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/encoding_steps.hpp"

#include <cstddef>
#include <stdexcept>

#include "probe/exporting/common_properties.hpp"
#include "probe/exporting/meterable_elements.hpp"
#include "probe/exporting/template_request.hpp"
#include "probe/metering/flow_record.hpp"

namespace probe {

namespace {

using Kind = EncodingStepKind;

// FlowRecord is no standard-layout type by the letter (its key has an empty member), but offsetof
// of its members is well defined with the compilers the project builds with.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

template <class Key>
RecordOffsets offsets_of() {
    using Record = FlowRecord<Key>;
    RecordOffsets o{
        .base = {.key_octets = sizeof(Key),
                 .first_ns = offsetof(Record, first_ns),
                 .last_ns = offsetof(Record, last_ns),
                 .octets = offsetof(Record, octets),
                 .packets = offsetof(Record, packets),
                 .tcp_control_bits = offsetof(Record, tcp_control_bits),
                 .order = offsetof(Record, order),
                 .end_reason = offsetof(Record, end_reason),
                 .protocol = offsetof(Key, protocol),
                 .ports = {offsetof(Key, source_port_be), offsetof(Key, destination_port_be)}},
        .source = offsetof(Key, source),
        .destination = offsetof(Key, destination),
        .source_port = offsetof(Key, source_port_be),
        .destination_port = offsetof(Key, destination_port_be),
        .vlan = offsetof(Key, vlan_and_template),
        .protocol = offsetof(Key, protocol),
        .traffic_class = offsetof(Key, traffic_class),
    };
    if constexpr (Key::kWide) {
        constexpr std::size_t kExtra = offsetof(Key, extra);
        const auto extra = [](std::size_t field) {
            return static_cast<std::uint16_t>(kExtra + field);
        };
        o.source_mac = extra(offsetof(WideKeyFields, source_mac));
        o.destination_mac = extra(offsetof(WideKeyFields, destination_mac));
        o.ingress_interface = extra(offsetof(WideKeyFields, ingress_interface));
        o.flow_label = extra(offsetof(WideKeyFields, flow_label));
        o.inner_vlan = extra(offsetof(WideKeyFields, inner_vlan_id));
        o.ether_type = extra(offsetof(WideKeyFields, ether_type));
    }
    return o;
}

#pragma GCC diagnostic pop

/// Builds the steps of one template for records of one layout.
class StepBuilder {
  public:
    StepBuilder(IpFamily family, const RecordOffsets& offsets, const RecordLayout& layout,
                const BindingContext& context)
        : family_(family), at_(offsets), layout_(layout), context_(context) {}

    [[nodiscard]] EncodingStep key_step(const MeterableEntry& entry, std::uint16_t width) const {
        switch (*entry.key) {
            case KeyPart::source_address:
                return copy(width, at_.source, at_.destination);
            case KeyPart::destination_address:
                return copy(width, at_.destination, at_.source);
            case KeyPart::source_port:
                return copy(width, at_.source_port, at_.destination_port);
            case KeyPart::destination_port:
                return copy(width, at_.destination_port, at_.source_port);
            case KeyPart::icmp_type_code:
                return copy(width, at_.source_port, at_.source_port);
            case KeyPart::source_mac:
                return copy(width, at_.source_mac, at_.destination_mac);
            case KeyPart::destination_mac:
                return copy(width, at_.destination_mac, at_.source_mac);
            case KeyPart::protocol:
                return step(Kind::number8, width, at_.protocol);
            case KeyPart::traffic_class:
                return step(Kind::number8, width, at_.traffic_class);
            case KeyPart::vlan_id:
                return step(Kind::vlan_id, width, at_.vlan);
            case KeyPart::ingress_interface:
                return step(Kind::number32, width, at_.ingress_interface);
            case KeyPart::flow_label:
                return step(Kind::number32, width, at_.flow_label);
            case KeyPart::inner_vlan_id:
                return step(Kind::vlan_id, width, at_.inner_vlan);
            case KeyPart::ether_type:
                return step(Kind::number16, width, at_.ether_type);
        }
        throw std::logic_error("a key part without a step");
    }

    // NOLINTNEXTLINE(readability-function-size): one line a source; a table would hide the offsets
    [[nodiscard]] EncodingStep value_step(const MeterableEntry& entry, std::size_t d,
                                          std::uint16_t width) const {
        const std::uint16_t first = layout_.first_packet[d];
        const std::uint16_t link = layout_.link[d];
        const std::uint16_t range = layout_.range[d];
        const auto in = [](std::uint16_t block, std::size_t field) {
            return static_cast<std::uint16_t>(block + field);
        };
        switch (entry.source) {
            case ValueSource::traffic_class:
                return step(Kind::number8, width,
                            in(first, offsetof(FirstPacketBlock, traffic_class)));
            case ValueSource::dscp:
                return step(Kind::dscp, width,
                            in(first, offsetof(FirstPacketBlock, traffic_class)));
            case ValueSource::precedence:
                return step(Kind::precedence, width,
                            in(first, offsetof(FirstPacketBlock, traffic_class)));
            case ValueSource::ingress_interface:
                return step(Kind::number32, width,
                            in(first, offsetof(FirstPacketBlock, ingress_interface)));
            case ValueSource::flow_direction:
                return step(Kind::flow_direction, width,
                            in(first, offsetof(FirstPacketBlock, ingress_interface)));
            case ValueSource::flow_label:
                return step(Kind::number32, width,
                            in(first, offsetof(FirstPacketBlock, flow_label)));
            case ValueSource::icmp_type_code:
                return step(Kind::number16, width,
                            in(first, offsetof(FirstPacketBlock, icmp_type_code)));
            case ValueSource::icmp_type:
                return step(Kind::high_octet, width,
                            in(first, offsetof(FirstPacketBlock, icmp_type_code)));
            case ValueSource::icmp_code:
                return step(Kind::low_octet, width,
                            in(first, offsetof(FirstPacketBlock, icmp_type_code)));
            case ValueSource::outer_vlan_id:
                return step(Kind::vlan_id, width,
                            in(first, offsetof(FirstPacketBlock, outer_vlan_tci)));
            case ValueSource::outer_vlan_priority:
                return step(Kind::vlan_priority, width,
                            in(first, offsetof(FirstPacketBlock, outer_vlan_tci)));
            case ValueSource::inner_vlan_id:
                return step(Kind::vlan_id, width,
                            in(first, offsetof(FirstPacketBlock, inner_vlan_tci)));
            case ValueSource::inner_vlan_priority:
                return step(Kind::vlan_priority, width,
                            in(first, offsetof(FirstPacketBlock, inner_vlan_tci)));
            case ValueSource::ether_type:
                return step(Kind::number16, width,
                            in(first, offsetof(FirstPacketBlock, ether_type)));
            case ValueSource::hop_limit_first:
                return step(Kind::number8, width, in(first, offsetof(FirstPacketBlock, hop_limit)));
            case ValueSource::fragment_flags:
                return step(Kind::number8, width,
                            in(first, offsetof(FirstPacketBlock, fragment_flags)));
            case ValueSource::source_mac:
                return step(Kind::copy, width, in(link, offsetof(LinkBlock, source_mac)));
            case ValueSource::destination_mac:
                return step(Kind::copy, width, in(link, offsetof(LinkBlock, destination_mac)));
            case ValueSource::mpls_label: {
                EncodingStep s = step(width == 3 ? Kind::mpls_label : Kind::mpls_variable, 3,
                                      in(link, offsetof(LinkBlock, mpls_top_label)));
                s.also = in(link, offsetof(LinkBlock, has_mpls));
                return s;
            }
            case ValueSource::hop_limit_min:
                return step(Kind::number8, width, in(range, offsetof(RangeBlock, hop_limit_min)));
            case ValueSource::hop_limit_max:
                return step(Kind::number8, width, in(range, offsetof(RangeBlock, hop_limit_max)));
            case ValueSource::ip_octets_min:
                return step(Kind::number32, width, in(range, offsetof(RangeBlock, ip_octets_min)));
            case ValueSource::ip_octets_max:
                return step(Kind::number32, width, in(range, offsetof(RangeBlock, ip_octets_max)));
            case ValueSource::tcp_bits:
                return step(Kind::number16, width, in(at_.base.tcp_control_bits, d * 2));
            case ValueSource::octet_delta:
                return step(Kind::number64, width, in(at_.base.octets, d * 8));
            case ValueSource::packet_delta:
                return step(Kind::number32, width, in(at_.base.packets, d * 4));
            case ValueSource::octet_total: {
                EncodingStep s = step(Kind::total, width, in(at_.base.octets, d * 8));
                s.also = in(layout_.totals[d], offsetof(TotalsBlock, octets_before));
                return s;
            }
            case ValueSource::packet_total: {
                EncodingStep s = step(Kind::total32, width, in(at_.base.packets, d * 4));
                s.also = in(layout_.totals[d], offsetof(TotalsBlock, packets_before));
                return s;
            }
            case ValueSource::frame_octet_delta:
                return step(Kind::number64, width, layout_.frame_octets[d]);
            case ValueSource::ip_version:
                return constant(width, family_ == IpFamily::ipv4 ? 4 : 6);
            case ValueSource::end_reason:
                return step(Kind::number8, width, at_.base.end_reason);
            case ValueSource::flow_id:
                return step(Kind::flow_id, width, 0);
            case ValueSource::is_multicast:
                return {
                    .kind = family_ == IpFamily::ipv4 ? Kind::is_multicast4 : Kind::is_multicast6,
                    .width = static_cast<std::uint8_t>(width),
                    .from = {at_.destination, at_.source}};
            case ValueSource::biflow_direction:
                return step(Kind::biflow_direction, width, 0);
            case ValueSource::domain_id:
                return constant(width, context_.domain_id);
            case ValueSource::sampling_interval:
                return constant(width, context_.sampling_interval);
            case ValueSource::padding:
                return step(Kind::zero, width, 0);
            case ValueSource::application:
                return application_step(entry.field, width);
            default:
                return time_step(entry.source, d, width);
        }
    }

    [[nodiscard]] EncodingStep list_step(const ipfix::InformationElement& element) const {
        EncodingStep s = step(Kind::packet_list, listed_octets(&element), layout_.packet_list);
        s.value = element.id;
        return s;
    }

  private:
    [[nodiscard]] static EncodingStep step(Kind kind, std::uint16_t width, std::uint16_t from) {
        return {.kind = kind, .width = static_cast<std::uint8_t>(width), .from = {from, from}};
    }
    [[nodiscard]] static EncodingStep copy(std::uint16_t width, std::uint16_t from,
                                           std::uint16_t exchanged) {
        return {.kind = Kind::copy,
                .width = static_cast<std::uint8_t>(width),
                .from = {from, exchanged}};
    }
    [[nodiscard]] static EncodingStep constant(std::uint16_t width, std::uint64_t value) {
        EncodingStep s = step(Kind::constant, width, 0);
        s.value = value;
        return s;
    }
    [[nodiscard]] static EncodingStep application_step(ApplicationField field,
                                                       std::uint16_t width) {
        constexpr std::uint16_t kLengthOctet = 1;
        EncodingStep s = step(Kind::application_text, kLengthOctet, 0);
        s.value = static_cast<std::uint64_t>(field);
        switch (field_info(field).kind) {
            case FieldKind::number:
                s.kind = Kind::application_number;
                s.width = static_cast<std::uint8_t>(width);
                break;
            case FieldKind::octets:
                s.kind = Kind::application_octets;
                break;
            case FieldKind::label:
                s.kind = field == ApplicationField::application_id     ? Kind::label_id
                         : field == ApplicationField::application_name ? Kind::label_name
                                                                       : Kind::label_category;
                if (s.kind == Kind::label_id) {
                    s.width =
                        width == ipfix::kVariableLength ? 0 : static_cast<std::uint8_t>(width);
                }
                break;
            case FieldKind::text:
                break;
        }
        return s;
    }
    [[nodiscard]] EncodingStep time_step(ValueSource source, std::size_t d,
                                         std::uint16_t width) const {
        const auto start = static_cast<std::uint16_t>(
            d == 0 ? at_.base.first_ns
                   : layout_.reverse_times + offsetof(DirectionTimesBlock, first_ns));
        const auto end = static_cast<std::uint16_t>(
            d == 0 ? at_.base.last_ns
                   : layout_.reverse_times + offsetof(DirectionTimesBlock, last_ns));
        switch (source) {
            case ValueSource::start_seconds:
                return step(Kind::seconds, width, start);
            case ValueSource::end_seconds:
                return step(Kind::seconds, width, end);
            case ValueSource::start_milliseconds:
                return step(Kind::milliseconds, width, start);
            case ValueSource::end_milliseconds:
                return step(Kind::milliseconds, width, end);
            case ValueSource::start_microseconds:
                return step(Kind::microseconds, width, start);
            case ValueSource::end_microseconds:
                return step(Kind::microseconds, width, end);
            case ValueSource::start_nanoseconds:
                return step(Kind::nanoseconds, width, start);
            case ValueSource::end_nanoseconds:
                return step(Kind::nanoseconds, width, end);
            default:
                break;
        }
        EncodingStep s = step(
            source == ValueSource::duration_milliseconds ? Kind::duration_ms : Kind::duration_us,
            width, start);
        s.also = end;
        return s;
    }

    IpFamily family_;
    const RecordOffsets& at_;
    const RecordLayout& layout_;
    const BindingContext& context_;
};

} // namespace

RecordOffsets offsets_of(IpFamily family, bool wide) {
    if (family == IpFamily::ipv4) {
        return wide ? offsets_of<Ipv4WideKey>() : offsets_of<Ipv4Key>();
    }
    return wide ? offsets_of<Ipv6WideKey>() : offsets_of<Ipv6Key>();
}

std::vector<EncodingStep> encoding_steps(const std::vector<ipfix::FieldSpecifier>& fields,
                                         IpFamily family, const RecordOffsets& offsets,
                                         const RecordLayout& layout,
                                         const BindingContext& context) {
    const StepBuilder builder(family, offsets, layout, context);
    std::vector<EncodingStep> steps;
    for (const ipfix::FieldSpecifier& field : fields) {
        if (field.element->enterprise == 0 && field.element->id == ipfix::ie::commonPropertiesId) {
            steps.push_back(
                {.kind = Kind::common_id, .width = static_cast<std::uint8_t>(field.length)});
            continue;
        }
        const MeterableEntry& entry = *find_meterable(field.element->enterprise, field.element->id);
        steps.push_back(field.key ? builder.key_step(entry, field.length)
                        : entry.source == ValueSource::packet_list
                            ? builder.list_step(*field.list_of)
                            : builder.value_step(entry, field.reverse ? 1 : 0, field.length));
    }
    return steps;
}

} // namespace probe
