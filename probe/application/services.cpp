// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/services.hpp"

#include <algorithm>
#include <array>

#include "probe/application/parser_tools.hpp"
#include "probe/application/payload_reader.hpp"
#include "probe/application/text_lines.hpp"

namespace probe {

namespace {

using F = ApplicationField;

/// A BER item with a definite length (ITU-T X.690 section 8.1); fails the reader otherwise.
struct Item {
    std::uint8_t tag = 0;
    Bytes content;
};
Item next(PayloadReader& reader) noexcept {
    Item item;
    item.tag = reader.u8();
    std::uint32_t octets = reader.u8();
    if (octets == 0x81) {
        octets = reader.u8();
    } else if (octets == 0x82) {
        octets = reader.u16();
    } else if (octets >= 0x80) {
        reader.fail();
    }
    item.content = reader.take(octets);
    return item;
}

void read_dhcp_options(PayloadReader& reader, ApplicationFields& fields) noexcept {
    // RFC 2132.
    constexpr std::uint8_t kPad = 0;
    constexpr std::uint8_t kHostName = 12;
    constexpr std::uint8_t kMessageType = 53;
    constexpr std::uint8_t kParameterRequestList = 55;
    constexpr std::uint8_t kVendorClass = 60;
    constexpr std::uint8_t kEnd = 255;
    while (reader.left() > 0) {
        const std::uint8_t option = reader.u8();
        if (option == kEnd) {
            return;
        }
        if (option == kPad) {
            continue;
        }
        const Bytes value = reader.take(reader.u8());
        if (!reader.ok()) {
            return;
        }
        if (option == kMessageType && value.size() == 1) {
            fields.set(F::dhcp_message_type, std::uint64_t{value[0]});
        } else if (option == kHostName) {
            fields.set(F::dhcp_host_name, value);
        } else if (option == kVendorClass) {
            fields.set(F::dhcp_vendor_class, value);
        } else if (option == kParameterRequestList) {
            // "1,3,6,15": the order tells one system from another.
            TextBuffer<1'024> list;
            for (const std::uint8_t parameter : value) {
                list.add(list.empty() ? "" : ",");
                list.add_decimal(parameter);
            }
            fields.set(F::dhcp_fingerprint, list.text());
        }
    }
}

} // namespace

Parsed parse_ntp(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint16_t kPort = 123;
    constexpr std::size_t kHeaderOctets = 48; // RFC 5905 section 7.3
    constexpr std::size_t kControlOctets = 8; // modes 6 and 7 are shorter
    PayloadReader reader(payload.octets);
    const std::uint8_t first = reader.u8();
    const std::uint8_t version = first >> 3 & 7;
    const std::uint8_t mode = first & 7;
    const std::size_t least = mode >= 6 ? kControlOctets : kHeaderOctets;
    if (payload.stream || !payload.port_is(kPort) || payload.octets.size() < least || version < 1 ||
        version > 4 || mode == 0) {
        return Parsed::not_mine;
    }
    fields.set(F::ntp_version, std::uint64_t{version});
    fields.set(F::ntp_mode, std::uint64_t{mode});
    if (mode < 6) {
        fields.set(F::ntp_stratum, std::uint64_t{reader.u8()});
    }
    return Parsed::complete;
}

Parsed parse_snmp(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint8_t kSequence = 0x30;
    constexpr std::uint8_t kInteger = 0x02;
    constexpr std::uint8_t kOctetString = 0x04;
    constexpr std::uint8_t kVersion3 = 3;
    PayloadReader outer(payload.octets);
    const Item message = next(outer);
    PayloadReader reader(message.content);
    const Item version = next(reader);
    if (!outer.ok() || outer.left() > 0 || message.tag != kSequence || version.tag != kInteger ||
        version.content.size() != 1 || version.content[0] > kVersion3 || version.content[0] == 2) {
        return Parsed::not_mine;
    }
    const Item second = next(reader);
    const Item third = next(reader);
    const bool version3 = version.content[0] == kVersion3;
    if (!reader.ok() || second.tag != (version3 ? kSequence : kOctetString) ||
        (version3 ? third.tag != kOctetString : (third.tag & 0xF0) != 0xA0)) {
        return Parsed::not_mine;
    }
    fields.set(F::snmp_version, std::uint64_t{version.content[0]});
    if (!version3) {
        fields.set(F::snmp_pdu_type, std::uint64_t{third.tag & 0xFU}); // RFC 3416 section 3
    }
    return Parsed::complete;
}

Parsed parse_dhcp(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint32_t kFixedOctets = 232; // between hlen and the cookie: RFC 2131 section 2
    constexpr std::uint32_t kMagicCookie = 0x6382'5363;
    PayloadReader reader(payload.octets);
    const std::uint8_t operation = reader.u8();
    reader.skip(1);
    const std::uint8_t hardware_octets = reader.u8();
    reader.skip(kFixedOctets + 1);
    if (reader.u32() != kMagicCookie || operation < 1 || operation > 2 || hardware_octets > 16) {
        return Parsed::not_mine;
    }
    read_dhcp_options(reader, fields);
    return Parsed::complete;
}

Parsed parse_radius(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint8_t kUserName = 1;
    constexpr std::uint32_t kHeaderOctets = 20;
    constexpr std::uint32_t kAuthenticatorOctets = 16;
    PayloadReader reader(payload.octets);
    const std::uint8_t code = reader.u8();
    reader.skip(1);
    const std::uint16_t octets = reader.u16();
    reader.skip(kAuthenticatorOctets);
    const bool code_known = (code >= 1 && code <= 5) || (code >= 11 && code <= 13) ||
                            (code >= 40 && code <= 45); // RFC 2865 section 3, RFC 5176
    const bool hinted = payload.port_is(1812) || payload.port_is(1813) || payload.port_is(1645) ||
                        payload.port_is(1646) || payload.port_is(3799);
    if (!reader.ok() || !code_known || octets != payload.octets.size() ||
        (!hinted && octets == kHeaderOctets)) {
        return Parsed::not_mine;
    }
    Bytes user;
    while (reader.left() > 0) { // section 5: type, length with its header, value
        const std::uint8_t type = reader.u8();
        const std::uint8_t length = reader.u8();
        const Bytes value = length >= 2 ? reader.take(length - 2U) : Bytes{};
        if (!reader.ok() || length < 2) {
            return Parsed::not_mine;
        }
        user = type == kUserName ? value : user;
    }
    fields.set(F::radius_code, std::uint64_t{code});
    if (!user.empty()) {
        fields.set(F::radius_user_name, user);
    }
    return Parsed::complete;
}

Parsed parse_syslog(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint32_t kPriorityMax = 191; // RFC 5424 section 6.2.1
    std::string_view text = as_text(payload.octets);
    if (payload.stream) {
        // RFC 6587 section 3.4.1: octets counted, or not.
        const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
        if (digits > 0 && digits <= 5 && digits < text.size() && text[digits] == ' ') {
            text.remove_prefix(digits + 1);
        }
    }
    const std::size_t end = text.find('>');
    if (text.empty() || text[0] != '<' || end == std::string_view::npos || end < 2 || end > 4 ||
        !std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(end), is_digit)) {
        return Parsed::not_mine;
    }
    std::uint32_t priority = 0;
    for (const char digit : text.substr(1, end - 1)) {
        priority = priority * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    const std::string_view message = text.substr(end + 1);
    const bool printable = !message.empty() && static_cast<unsigned char>(message[0]) >= ' ';
    if (priority > kPriorityMax || !printable) {
        return Parsed::not_mine;
    }
    fields.set(F::syslog_priority, std::uint64_t{priority});
    return Parsed::complete;
}

} // namespace probe
