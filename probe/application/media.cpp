// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/media.hpp"

#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

using F = ApplicationField;
constexpr std::uint8_t kVersion2 = 2;

} // namespace

Parsed parse_rtp(const Payload& payload, RtpFlow& flow, ApplicationFields& fields) noexcept {
    constexpr std::size_t kHeaderOctets = 12; // RFC 3550 section 5.1
    PayloadReader reader(payload.octets);
    const std::uint8_t first = reader.u8();
    const std::uint8_t type = reader.u8() & 0x7F;
    const std::uint16_t sequence = reader.u16();
    reader.skip(4); // timestamp
    const std::uint32_t source = reader.u32();
    const std::size_t contributing = (first & std::size_t{0xF}) * 4;
    // RFC 5761 section 4: types 64 to 95 would be RTCP's; 35 to 63 and 77 to 95 are free.
    const bool type_known = type <= 34 || type >= 96;
    if (payload.stream || !reader.ok() || first >> 6 != kVersion2 || !type_known || source == 0 ||
        payload.octets.size() <= kHeaderOctets + contributing) {
        return Parsed::not_mine;
    }
    const bool follows = flow.seen && flow.direction == payload.direction &&
                         flow.source == source && flow.next_sequence == sequence;
    flow = {source, static_cast<std::uint16_t>(sequence + 1), payload.direction, true};
    if (!follows) {
        return Parsed::not_mine;
    }
    fields.set(F::rtp_payload_type, std::uint64_t{type});
    return Parsed::complete;
}

Parsed parse_rtcp(const Payload& payload) noexcept {
    // RFC 3550 section 6.1: a compound that begins with a report and whose lengths add up.
    constexpr std::uint8_t kSenderReport = 200;
    constexpr std::uint8_t kReceiverReport = 201;
    constexpr std::uint8_t kLastType = 207; // RFC 3611
    PayloadReader reader(payload.octets);
    bool first = true;
    while (reader.left() > 0) {
        const std::uint8_t version = reader.u8() >> 6;
        const std::uint8_t type = reader.u8();
        reader.skip(reader.u16() * std::uint64_t{4});
        const bool type_known = first ? type == kSenderReport || type == kReceiverReport
                                      : type >= kSenderReport && type <= kLastType;
        if (payload.stream || !reader.ok() || version != kVersion2 || !type_known) {
            return Parsed::not_mine;
        }
        first = false;
    }
    return Parsed::complete;
}

Parsed parse_stun(const Payload& payload, ApplicationFields& fields) noexcept {
    constexpr std::uint32_t kMagicCookie = 0x2112'A442; // RFC 8489 section 5
    constexpr std::uint16_t kSoftware = 0x8022;         // section 14.14
    constexpr std::uint16_t kPort = 3478;
    constexpr std::uint32_t kTransactionOctets = 12;
    PayloadReader reader(payload.octets);
    const std::uint16_t type = reader.u16();
    const std::uint16_t octets = reader.u16();
    const std::uint32_t cookie = reader.u32();
    reader.skip(kTransactionOctets);
    const bool modern = cookie == kMagicCookie;
    const bool whole = octets == reader.left() || (payload.stream && octets < reader.left());
    // RFC 3489 had no cookie: Binding and Shared Secret messages, on its port.
    const bool classic = (type & 0xFEEC) == 0 && (type & 3) != 0 && payload.port_is(kPort);
    if (!reader.ok() || (type & 0xC000) != 0 || !whole || (modern && octets % 4 != 0) ||
        (!modern && !classic)) {
        return Parsed::not_mine;
    }
    fields.set(F::stun_message_type, std::uint64_t{type});
    PayloadReader attributes(reader.take(octets));
    while (attributes.left() > 0) {
        const std::uint16_t attribute = attributes.u16();
        const std::uint16_t length = attributes.u16();
        const Bytes value = attributes.take(length);
        attributes.skip((4U - length % 4U) % 4U);
        if (attribute == kSoftware && !value.empty()) {
            fields.set(F::stun_software, value);
        }
    }
    return Parsed::partly; // DTLS or RTP may follow on the ports it opened
}

} // namespace probe
