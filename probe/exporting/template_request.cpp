// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/template_request.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <stdexcept>
#include <string>

#include "encoder/abstract_data_type.hpp"
#include "probe/exporting/meterable_elements.hpp"
#include "probe/metering/flow_record.hpp"

namespace probe {

namespace {

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

} // namespace

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

TemplateRequest template_request(const ipfix::TemplateDescription& description,
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

} // namespace probe
