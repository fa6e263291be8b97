// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/record_binding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "encoder/abstract_data_type.hpp"
#include "probe/exporting/meterable_elements.hpp"
#include "probe/metering/flow_record.hpp"

namespace probe {

namespace {

using Kind = EncodingStepKind;

// FlowRecord is no standard-layout type by the letter (its key has an empty member), but offsetof
// of its members is well defined with the compilers the project builds with.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

/// Offsets of one key layout's record.
struct RecordOffsets {
    RecordBase base;
    std::uint16_t source, destination, source_port, destination_port, vlan, protocol, traffic_class;
    std::uint16_t source_mac = 0, destination_mac = 0, ingress_interface = 0, flow_label = 0,
                  inner_vlan = 0, ether_type = 0;
};

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

RecordOffsets offsets_of(IpFamily family, bool wide) {
    if (family == IpFamily::ipv4) {
        return wide ? offsets_of<Ipv4WideKey>() : offsets_of<Ipv4Key>();
    }
    return wide ? offsets_of<Ipv6WideKey>() : offsets_of<Ipv6Key>();
}

[[noreturn]] void fail(const ipfix::TemplateDescription& description,
                       const ipfix::TemplateField& field, const std::string& text) {
    throw ipfix::ConfigError(description.file, field.line, field.column, text);
}

std::string field_name(const ipfix::TemplateField& field) {
    return field.reverse ? ipfix::reverse_name(*field.element) : std::string(field.element->name);
}

const MeterableEntry& entry_of(const ipfix::TemplateDescription& description,
                               const ipfix::TemplateField& field, bool as_key) {
    const MeterableEntry* entry = find_meterable(field.element->enterprise, field.element->id);
    if (entry == nullptr) {
        fail(description, field,
             field_name(field) +
                 " is a known element, but a packet probe cannot meter it; "
                 "`parshall elements` lists those that can be metered");
    }
    if (as_key && !entry->key) {
        fail(description, field, field_name(field) + " cannot be a key; move it to values");
    }
    if (!as_key && !entry->value) {
        fail(description, field,
             field_name(field) +
                 " can only be a key: as a value it would be another one for each packet; "
                 "move it to keys or leave it out");
    }
    if (field.reverse && !entry->reverse) {
        fail(description, field, field_name(field) + " cannot be metered in reverse; leave it out");
    }
    return *entry;
}

/// Blocks a value needs; `d`: 0 forward, 1 reverse.
BlockNeeds needs_of(ValueSource source, std::size_t d) {
    BlockNeeds needs;
    switch (source) {
        case ValueSource::traffic_class:
        case ValueSource::dscp:
        case ValueSource::precedence:
        case ValueSource::ingress_interface:
        case ValueSource::flow_label:
        case ValueSource::icmp_type_code:
        case ValueSource::icmp_type:
        case ValueSource::icmp_code:
        case ValueSource::outer_vlan_id:
        case ValueSource::outer_vlan_priority:
        case ValueSource::inner_vlan_id:
        case ValueSource::inner_vlan_priority:
        case ValueSource::ether_type:
        case ValueSource::hop_limit_first:
        case ValueSource::flow_direction:
        case ValueSource::fragment_flags:
            needs.first_packet[d] = true;
            break;
        case ValueSource::source_mac:
        case ValueSource::destination_mac:
        case ValueSource::mpls_label:
            needs.link[d] = true;
            break;
        case ValueSource::hop_limit_min:
        case ValueSource::hop_limit_max:
        case ValueSource::ip_octets_min:
        case ValueSource::ip_octets_max:
            needs.range[d] = true;
            break;
        case ValueSource::octet_total:
        case ValueSource::packet_total:
            needs.totals[d] = true;
            break;
        case ValueSource::frame_octet_delta:
            needs.frame_octets[d] = true;
            break;
        case ValueSource::packet_list:
            needs.packet_list = true;
            break;
        case ValueSource::start_seconds:
        case ValueSource::end_seconds:
        case ValueSource::start_milliseconds:
        case ValueSource::end_milliseconds:
        case ValueSource::start_microseconds:
        case ValueSource::end_microseconds:
        case ValueSource::start_nanoseconds:
        case ValueSource::end_nanoseconds:
        case ValueSource::duration_milliseconds:
        case ValueSource::duration_microseconds:
            needs.reverse_times = d == 1;
            break;
        case ValueSource::application:
            needs.application = true;
            break;
        default:
            break;
    }
    return needs;
}

/// applicationId (RFC 6759): an octet of engine and a selector, with an enterprise number between
/// them where the operator has one.
void require_label_length(const ipfix::TemplateDescription& description,
                          const ipfix::TemplateField& field, const BindingContext& context) {
    constexpr std::uint16_t kMost = 16;
    const std::uint16_t length = field.wire_length();
    const std::size_t needed = context.rules == nullptr ? 4 : context.rules->id_octets();
    if (length != ipfix::kVariableLength && (length < needed || length > kMost)) {
        fail(description, field,
             fmt::format("{} needs {} to {} octets; write {}[{}], or no length for a variable one",
                         field_name(field), needed, kMost, field_name(field), needed));
    }
}

/// Octets of one value of a list of packets, the largest there is included; 0: there is no such
/// list.
std::uint8_t listed_octets(const ipfix::InformationElement* element) noexcept {
    if (element == nullptr || element->enterprise != 0) {
        return 0;
    }
    switch (element->id) {
        case ipfix::ie::ipTotalLength: // an unsigned64 that an IP packet never needs
            return sizeof(PacketListBlock::Packet::ip_octets);
        case ipfix::ie::tcpControlBits:
        case ipfix::ie::biflowDirection:
        case ipfix::ie::observationTimeMilliseconds:
        case ipfix::ie::observationTimeMicroseconds:
        case ipfix::ie::observationTimeNanoseconds:
            return static_cast<std::uint8_t>(ipfix::default_length(element->type));
        default:
            return 0;
    }
}

/// Whether a number can be shortened (RFC 7011 section 6.2): what needs more then goes out in the
/// template's wider companion. Not what is copied octet by octet, nor a hash, which would always
/// need more.
bool may_be_shortened(const ipfix::TemplateField& field, const MeterableEntry& entry, bool as_key) {
    const bool copied = as_key && (entry.source == ValueSource::source_port ||
                                   entry.source == ValueSource::destination_port ||
                                   entry.source == ValueSource::icmp_type_code);
    const bool number = entry.source != ValueSource::application ||
                        field_info(entry.field).kind == FieldKind::number;
    return ipfix::is_integer(field.element->type) && number && !copied &&
           entry.source != ValueSource::flow_id;
}

void check_length(const ipfix::TemplateDescription& description, const ipfix::TemplateField& field,
                  const MeterableEntry& entry, bool as_key, const BindingContext& context) {
    const std::uint16_t length = field.wire_length();
    const std::uint16_t full = ipfix::default_length(field.element->type);
    switch (entry.source) {
        case ValueSource::mpls_label:
            if (length != 3 && length != ipfix::kVariableLength) {
                fail(description, field,
                     field_name(field) + " has 3 octets: write " + field_name(field) +
                         "[3], or no length for a variable one");
            }
            return;
        case ValueSource::packet_list:
            if (listed_octets(field.list_of) == 0 || length != ipfix::kVariableLength) {
                fail(description, field,
                     "basicList is metered of ipTotalLength, tcpControlBits, biflowDirection and "
                     "observationTimeMilliseconds, ...Microseconds, ...Nanoseconds; write "
                     "\"basicList(ipTotalLength)\"");
            }
            return;
        case ValueSource::padding:
            if (length == ipfix::kVariableLength || length > 255) {
                fail(description, field,
                     "paddingOctets needs a length of 1 to 255, as in paddingOctets[2]");
            }
            return;
        case ValueSource::application:
            if (entry.field == ApplicationField::application_id) {
                require_label_length(description, field, context);
                return;
            }
            break;
        default:
            break;
    }
    if (length == full || may_be_shortened(field, entry, as_key)) {
        return;
    }
    if (full == ipfix::kVariableLength) {
        fail(description, field,
             field_name(field) + " is of variable length; write it without a length");
    }
    fail(description, field,
         field_name(field) + " is not kept in " + std::to_string(length) +
             " octets; write it without a length (numbers can be shortened, but for ports, ICMP "
             "types as keys and flowId)");
}

/// What fits only with some timeouts, and no wider field exists for.
void require_values_fit(const ipfix::TemplateDescription& description,
                        const BindingContext& context) {
    for (const ipfix::TemplateField& field : description.values) {
        const ValueSource source =
            find_meterable(field.element->enterprise, field.element->id)->source;
        if (source == ValueSource::duration_microseconds &&
            context.active_timeout / kNsPerUs > UINT32_MAX) {
            fail(description, field,
                 field_name(field) +
                     " has 4 octets, which hold 71 minutes, and the active timeout is longer; use "
                     "flowDurationMilliseconds");
        }
    }
}

TemplateRequest request_of(const ipfix::TemplateDescription& description,
                           const BindingContext& context) {
    TemplateRequest request;
    request.name = description.name;
    request.filter = description.filter;
    request.biflow = description.biflow();
    const ipfix::TemplateField* ipv4_only = nullptr;
    const ipfix::TemplateField* ipv6_only = nullptr;
    const auto note = [&](const ipfix::TemplateField& field, bool as_key) {
        const MeterableEntry& entry = entry_of(description, field, as_key);
        if (as_key) {
            request.keys.add(*entry.key);
        } else {
            request.needs |= needs_of(entry.source, field.reverse ? 1 : 0);
            if (entry.source == ValueSource::application) {
                request.application_fields.add(entry.field);
            }
        }
        check_length(description, field, entry, as_key, context);
        if (entry.family == ElementFamily::ipv4) {
            ipv4_only = &field;
        } else if (entry.family == ElementFamily::ipv6) {
            ipv6_only = &field;
        }
        if (ipv4_only != nullptr && ipv6_only != nullptr) {
            fail(description, field,
                 field_name(*ipv4_only) + " is of IPv4 and " + field_name(*ipv6_only) +
                     " of IPv6, so no packet has both; make two templates of it");
        }
    };
    for (const ipfix::TemplateField& field : description.keys) {
        note(field, true);
        if (request.keys.has(KeyPart::icmp_type_code) && request.keys.has(KeyPart::source_port)) {
            fail(description, field,
                 "sourceTransportPort and the ICMP type and code cannot be keys of one template, "
                 "since no "
                 "packet has both; make two templates of it, with the filters \"icmp\" or "
                 "\"icmp6\" and "
                 "\"not icmp\" or \"not icmp6\"");
        }
    }
    for (const ipfix::TemplateField& field : description.values) {
        note(field, false);
        if (find_meterable(field.element->enterprise, field.element->id)->source ==
                ValueSource::is_multicast &&
            !request.keys.has(KeyPart::destination_address)) {
            fail(description, field, "isMulticast needs the destination address among the keys");
        }
    }
    request.for_ipv4 = ipv6_only == nullptr;
    request.for_ipv6 = ipv4_only == nullptr;
    require_values_fit(description, context);
    try {
        require_symmetric_key(request);
    } catch (const std::runtime_error& error) {
        throw ipfix::ConfigError(description.file, description.line, description.column,
                                 error.what());
    }
    try {
        const PacketFilter filter(request.filter);
    } catch (const std::exception& error) {
        throw ipfix::ConfigError(description.file, description.filter_line,
                                 description.filter_column, error.what());
    }
    return request;
}

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

using Fields = std::vector<ipfix::FieldSpecifier>;

/// The fields that a template has on the wire: where the first of its common properties would be,
/// the id of all of them (RFC 5473).
Fields fields_on_wire(const Fields& listed) {
    Fields fields;
    const auto is_common = [](const ipfix::FieldSpecifier& field) { return field.common; };
    const bool key = std::any_of(listed.begin(), listed.end(),
                                 [](const auto& field) { return field.common && field.key; });
    for (const ipfix::FieldSpecifier& field : listed) {
        if (!field.common) {
            fields.push_back(field);
        } else if (std::none_of(fields.begin(), fields.end(), is_common)) {
            fields.push_back({ipfix::find_element("commonPropertiesId"), kCommonPropertiesIdOctets,
                              false, key, nullptr, true});
        }
    }
    return fields;
}

/// The same record with all its values, each in the length that holds any: for one that does not
/// fit the template as it was listed.
Fields wide_fields(const Fields& listed) {
    Fields fields = listed;
    for (ipfix::FieldSpecifier& field : fields) {
        field.common = false;
        if (ipfix::is_integer(field.element->type)) {
            field.length = ipfix::default_length(field.element->type);
        }
    }
    return fields;
}

std::vector<EncodingStep> steps_of(const Fields& fields, const StepBuilder& builder) {
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

/// Whether some number may need more octets than its field has.
bool may_be_too_short(const Fields& fields, const std::vector<EncodingStep>& steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::size_t full = ipfix::default_length(fields[i].element->type);
        if (std::min(octets_needed(steps[i]), full) > steps[i].width) return true;
    }
    return false;
}

ipfix::TemplateRecord content_of(const ipfix::TemplateDescription& description) {
    return {ipfix::kFirstDataSetId, description.name, // any id
            fields_on_wire(ipfix::ordered_fields(description))};
}

/// Numbers the templates of a reload: those that are known keep their ids, others have the one that
/// is written when nobody had it, else a new one.
void assign_template_ids(std::span<ipfix::TemplateDescription> templates,
                         const TemplateList& known) {
    std::vector<ipfix::TemplateDescription> as_written(templates.begin(), templates.end());
    ipfix::assign_template_ids(as_written); // says what is used twice
    TemplateIds ids(known);
    std::vector<ipfix::TemplateDescription*> unknown;
    for (ipfix::TemplateDescription& one : templates) {
        const std::optional<std::uint16_t> id = ids.known_as(content_of(one));
        if (id) {
            const bool renumbered = one.id != 0 && one.id != *id && ids.take(one.id);
            one.id = renumbered ? one.id : *id;
        } else {
            unknown.push_back(&one);
        }
    }
    std::stable_partition(unknown.begin(), unknown.end(), [](const auto* one) {
        return one->id != 0; // what is written goes before what may be anything
    });
    for (ipfix::TemplateDescription* one : unknown) {
        if (one->id == 0 || !ids.take(one->id)) {
            one->id = ids.fresh();
        }
    }
}

} // namespace

RecordBinding::RecordBinding(const std::vector<ipfix::TemplateDescription>& descriptions,
                             const BindingContext& context)
    : rules_(context.rules) {
    std::vector<ipfix::TemplateDescription> numbered = descriptions;
    if (context.known != nullptr) {
        assign_template_ids(numbered, *context.known);
    } else {
        ipfix::assign_template_ids(numbered);
    }
    std::vector<TemplateRequest> requests;
    for (const ipfix::TemplateDescription& description : numbered) {
        requests.push_back(request_of(description, context));
        templates_.emplace_back(description.id, description.name,
                                fields_on_wire(ipfix::ordered_fields(description)));
        places_.push_back(places_.size());
    }
    try {
        plan_ = std::make_unique<MeteringPlan>(std::move(requests));
    } catch (const std::runtime_error& error) { // too many templates of a family
        const ipfix::TemplateDescription& last = numbered.back();
        throw ipfix::ConfigError(last.file, last.line, last.column, error.what());
    }
    wide_index_.assign(numbered.size(), kNone);
    common_index_.assign(numbered.size(), kNone);
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        const auto f = static_cast<std::size_t>(family);
        const LanePlan& lane = plan_->lane(family);
        const RecordOffsets offsets = offsets_of(family, lane.wide());
        template_number_offset_[f] = offsets.vlan;
        for (const LaneTemplate& t : lane.templates()) {
            add_plans(numbered[t.request], t.request, family, context);
        }
    }
}

std::uint16_t RecordBinding::free_id() const {
    std::uint32_t id = ipfix::kFirstDataSetId;
    const auto taken = [&](const ipfix::TemplateRecord& one) { return one.id() == id; };
    const std::span<const ipfix::TemplateRecord> common =
        common_ == nullptr ? std::span<const ipfix::TemplateRecord>() : common_->templates();
    while (std::any_of(templates_.begin(), templates_.end(), taken) ||
           std::any_of(common.begin(), common.end(), taken)) {
        ++id;
    }
    if (id > UINT16_MAX) throw std::runtime_error("no template id is left; use fewer templates");
    return static_cast<std::uint16_t>(id);
}

/// Of a wider template: the one that collectors know it by, or a free one.
std::uint16_t RecordBinding::companion_id(const std::string& name,
                                          const std::vector<ipfix::FieldSpecifier>& fields,
                                          const BindingContext& context) const {
    if (context.known == nullptr) return free_id();
    TemplateIds ids(*context.known, templates_);
    const auto known = ids.known_as({ipfix::kFirstDataSetId, name, fields});
    return known ? *known : ids.fresh();
}

/// The plans of one template for the records of one family, and what they need besides: once for
/// both families.
void RecordBinding::add_plans(const ipfix::TemplateDescription& description, std::size_t request,
                              IpFamily family, const BindingContext& context) {
    const auto f = static_cast<std::size_t>(family);
    const LanePlan& lane = plan_->lane(family);
    const RecordOffsets offsets = offsets_of(family, lane.wide());
    const StepBuilder builder(family, offsets, lane.layout(), context);
    const Fields listed = ipfix::ordered_fields(description);
    const auto plan_of = [&](const Fields& fields, EncodingPlan::LargeNumbers large) {
        EncodingPlan plan(offsets.base, steps_of(fields, builder), context.interfaces,
                          context.record_octets_max, large);
        record_octets_max_ = std::max(record_octets_max_, plan.octets_max());
        return plan;
    };
    Fields common;
    std::copy_if(listed.begin(), listed.end(), std::back_inserter(common),
                 [](const ipfix::FieldSpecifier& field) { return field.common; });
    const Fields on_wire = fields_on_wire(listed);
    const bool may_be_refused =
        !common.empty() || may_be_too_short(on_wire, steps_of(on_wire, builder));
    Plans plans{.listed = plan_of(on_wire, may_be_refused ? EncodingPlan::LargeNumbers::refused
                                                          : EncodingPlan::LargeNumbers::none)};
    if (may_be_refused) {
        const Fields wide = wide_fields(listed);
        plans.wide =
            std::make_unique<EncodingPlan>(plan_of(wide, EncodingPlan::LargeNumbers::none));
        if (wide_index_[request] == kNone) {
            wide_index_[request] = templates_.size();
            templates_.emplace_back(companion_id(description.name + ".wide", wide, context),
                                    description.name + ".wide", wide);
            places_.push_back(places_.size());
        }
    }
    if (!common.empty()) {
        Fields fields = common;
        // A shortened common property that does not fit is no reason for other records to be whole.
        plans.common =
            std::make_unique<EncodingPlan>(plan_of(fields, EncodingPlan::LargeNumbers::refused));
        if (common_index_[request] == kNone) {
            fields.insert(fields.begin(),
                          {ipfix::find_element("commonPropertiesId"), kCommonPropertiesIdOctets,
                           false, false, nullptr, false});
            if (common_ == nullptr) common_ = std::make_unique<CommonProperties>(SipKey::random());
            common_index_[request] = common_->add_template(
                {free_id(), description.name + ".common", std::move(fields), 1});
        }
        plans.common_template = common_index_[request];
    }
    plans.wide_index = wide_index_[request];
    plans_[f].push_back(std::move(plans));
}

EncodedRecord RecordBinding::encode(IpFamily family, unsigned template_number,
                                    const std::uint8_t* record, RecordNames& names,
                                    WholeRecords whole, std::uint8_t* out) const noexcept {
    const Plans& plans = plans_[static_cast<std::size_t>(family)][template_number];
    EncodedForm form = EncodedForm::wide;
    if (plans.common != nullptr) {
        names.common_id = 0;
        if (whole == WholeRecords::no) {
            const std::uint32_t texts_cut = names.texts_cut;
            const std::size_t octets = plans.common->encode(record, names, out);
            names.texts_cut = texts_cut; // it is told once
            if (octets != 0) names.common_id = common_->id_of(plans.common_template, {out, octets});
            if (octets != 0 && names.common_id == 0) form = EncodedForm::whole;
        } else {
            form = EncodedForm::whole;
        }
    }
    if (form == EncodedForm::wide) {
        const std::size_t octets = plans.listed.encode(record, names, out);
        if (octets != 0) {
            return {template_index(family, template_number), {out, octets}, EncodedForm::listed};
        }
    }
    return {places_[plans.wide_index], {out, plans.wide->encode(record, names, out)}, form};
}

void RecordBinding::place_in(const TemplateList& list) {
    for (std::size_t i = 0; i < templates_.size(); ++i) {
        places_[i] = list.place_of(templates_[i].id());
    }
}

} // namespace probe
