// SPDX-License-Identifier: BSD-3-Clause
// What an operator wants exported, as written in YAML (templates/README.md has the keys):
//
//     templates:
//       - name: ipv4
//         id: 256                       # optional
//         filter: "ip and not icmp"     # optional
//         keys:   [sourceIPv4Address, destinationIPv4Address, protocolIdentifier]
//         values: [flowStartMilliseconds, "octetDeltaCount[4]", reversePacketDeltaCount]
//         common: [protocolIdentifier]  # optional: of the keys and values, those told once (RFC
//         5473)
//
// Everything RFC 7011 and RFC 5103 say about such a template is checked here, with the place in the
// file; whether an element can be metered, and whether a filter compiles, is for others to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/config_error.hpp"
#include "encoder/template_record.hpp"

namespace ipfix {

struct TemplateField {
    const InformationElement* element = nullptr;
    bool reverse = false;
    std::uint16_t length = 0; ///< 0: the type's own; kVariableLength: "[v]"
    int line = 0;
    int column = 0;
    const InformationElement* list_of = nullptr; ///< "basicList(ipTotalLength)"
    bool common = false;                         ///< named in `common`

    /// The length on the wire.
    [[nodiscard]] std::uint16_t wire_length() const noexcept {
        return length != 0 ? length : default_length(element->type);
    }
};

/// In which order the elements of a template go on the wire.
enum class ElementOrder : std::uint8_t {
    as_written, ///< keys, then values, as the file lists them
    canonical,  ///< as canonically_before() has them, whatever is listed where
};

struct TemplateDescription {
    std::string file;
    int line = 0; ///< of the name
    int column = 0;
    std::string name;
    std::uint16_t id = 0; ///< 0: assign
    int id_line = 0;
    int id_column = 0;
    std::string filter; ///< pcap-filter syntax; empty: every packet
    int filter_line = 0;
    int filter_column = 0;
    ElementOrder order = ElementOrder::as_written;
    std::vector<TemplateField> keys;
    std::vector<TemplateField> values;

    /// RFC 5103: at least one reverse element.
    [[nodiscard]] bool biflow() const noexcept;
};

/// Throws ConfigError. `record_octets_max`: the longest Data Record the caller can send.
[[nodiscard]] std::vector<TemplateDescription> load_template_descriptions(
    const std::string& path, std::size_t record_octets_max = kRecordOctetsMax);
[[nodiscard]] std::vector<TemplateDescription> parse_template_descriptions(
    std::string_view text, const std::string& name,
    std::size_t record_octets_max = kRecordOctetsMax);

/// Gives every template without an id the lowest free one from 256 on, in order. Throws ConfigError
/// for an id or a name that is used twice, also across files.
void assign_template_ids(std::span<TemplateDescription> templates);

/// Keys and values in the order in which a record has them.
[[nodiscard]] std::vector<FieldSpecifier> ordered_fields(const TemplateDescription& description);

/// Of ordered_fields(). The description must have its id.
[[nodiscard]] TemplateRecord make_template_record(const TemplateDescription& description);

} // namespace ipfix
