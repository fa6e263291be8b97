// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/tls.hpp"

#include <algorithm>
#include <array>

#include "probe/application/certificate.hpp"
#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

// RFC 8446 section 5.1 and appendix B.1: ContentType.
constexpr std::uint8_t kChangeCipherSpec = 20;
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kHeartbeat = 24;
/// RFC 5246 section 6.2.3: 2^14 and what encryption adds.
constexpr std::uint32_t kRecordOctetsMax = (1U << 14) + 2'048;

// RFC 8446 appendix B.3: HandshakeType.
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kServerHello = 2;
constexpr std::uint8_t kCertificate = 11;
constexpr std::uint8_t kServerHelloDone = 14;

constexpr std::uint16_t kTls13 = 0x0304;
constexpr std::uint16_t kTls13Drafts = 0x7F00;
constexpr std::uint16_t kAlpn = 16;
constexpr std::uint16_t kSupportedVersions = 43;

/// The handshake octets of the records at the front.
struct Deframed {
    Bytes handshake;
    bool ended = false; ///< another content type follows, or what follows is no record
};

Deframed deframe(Bytes records, std::span<std::uint8_t> scratch) noexcept {
    Deframed deframed;
    std::size_t used = 0;
    PayloadReader reader(records);
    while (reader.left() > 0 && !deframed.ended) {
        const std::uint8_t type = reader.u8();
        const std::uint16_t version = reader.u16();
        const std::uint16_t octets = reader.u16();
        if (!reader.ok()) {
            break; // a cut header says nothing
        }
        if (type != kHandshake || version >> 8 != 3 || octets > kRecordOctetsMax) {
            deframed.ended = true;
            break;
        }
        const Bytes fragment = reader.take_up_to(octets);
        const std::size_t kept = std::min(fragment.size(), scratch.size() - used);
        std::copy_n(fragment.begin(), kept, scratch.begin() + static_cast<std::ptrdiff_t>(used));
        used += kept;
        deframed.ended = used == scratch.size();
    }
    deframed.handshake = scratch.first(used);
    return deframed;
}

/// JA3's sibling for the server: version, cipher, extensions.
void set_ja3s(std::uint16_t version, std::uint16_t cipher, Bytes extensions, ParserTools& tools,
              ApplicationFields& fields) noexcept {
    auto& text = tools.text;
    text.clear();
    text.add_decimal(version);
    text.add(",");
    text.add_decimal(cipher);
    text.add(",");
    PayloadReader reader(extensions);
    for (bool first = true; reader.left() > 0; first = false) {
        const std::uint16_t type = reader.u16();
        reader.skip(reader.u16());
        text.add(first ? "" : "-");
        text.add_decimal(type);
    }
    Md5 digest;
    if (reader.ok() && text.ok() && tools.crypto.md5(text.octets(), digest)) {
        TextBuffer<32> hex;
        hex.add_hex(digest);
        fields.set(ApplicationField::tls_ja3s, hex.text());
    }
}

/// RFC 8446 section 4.1.3. True when the rest of the server's flight is encrypted.
bool parse_server_hello(Bytes body, ParserTools& tools, ApplicationFields& fields) noexcept {
    constexpr std::size_t kRandomOctets = 32;
    PayloadReader reader(body);
    const std::uint16_t legacy_version = reader.u16();
    std::uint16_t version = legacy_version;
    reader.skip(kRandomOctets);
    reader.skip(reader.u8()); // session id
    const std::uint16_t cipher = reader.u16();
    reader.skip(1); // compression method
    if (!reader.ok()) {
        return true;
    }
    const Bytes all = reader.left() >= 2 ? reader.take_up_to(reader.u16()) : Bytes{};
    PayloadReader extensions(all);
    while (extensions.left() > 0) {
        const std::uint16_t type = extensions.u16();
        PayloadReader content(extensions.take(extensions.u16()));
        if (type == kSupportedVersions && content.left() == 2) {
            version = content.u16();
        } else if (type == kAlpn && content.left() > 2) {
            content.skip(2);
            fields.set(ApplicationField::tls_alpn, content.take(content.u8()));
        }
    }
    fields.set(ApplicationField::tls_server_version, std::uint64_t{version});
    fields.set(ApplicationField::tls_cipher_suite, std::uint64_t{cipher});
    if (tools.fingerprints.ja3) {
        set_ja3s(legacy_version, cipher, all, tools, fields);
    }
    return version == kTls13 || (version & 0xFF00) == kTls13Drafts;
}

void set_client_fields(const ClientHello& hello, ApplicationFields& fields) noexcept {
    if (!hello.server_name.empty()) {
        fields.set(ApplicationField::tls_server_name, hello.server_name);
    }
}

bool keeps_certificate(const ApplicationFields& fields) noexcept {
    using F = ApplicationField;
    constexpr std::array kCertificateFields = {
        F::tls_issuer_common_name, F::tls_subject_common_name, F::tls_not_before, F::tls_not_after};
    return std::any_of(kCertificateFields.begin(), kCertificateFields.end(),
                       [&fields](F field) { return fields.keeps(field); });
}

/// The handshake messages at the front of a direction. partly: what is there was read, and
/// more is wanted.
Parsed parse_handshake(Bytes handshake, bool all_there, ParserTools& tools,
                       ApplicationFields& fields) noexcept {
    PayloadReader reader(handshake);
    while (reader.left() > 0) {
        const std::uint8_t type = reader.u8();
        const std::uint32_t octets = reader.u24();
        if (!reader.ok()) {
            return Parsed::partly;
        }
        const bool whole = octets <= reader.left();
        const Bytes body = reader.take_up_to(octets);
        if (type == kCertificate) {
            PayloadReader list(body); // RFC 5246 section 7.4.2
            list.skip(3);
            const std::uint32_t certificate = list.u24();
            return parse_certificate(list.take_up_to(certificate), fields) || whole
                       ? Parsed::complete
                       : Parsed::partly;
        }
        if (!whole && !all_there) {
            return Parsed::partly;
        }
        if (type == kClientHello) {
            set_client_fields(parse_client_hello(body, whole, HelloTransport::tcp, tools, fields),
                              fields);
            return Parsed::complete;
        }
        if (type == kServerHello) {
            if (parse_server_hello(body, tools, fields) || !keeps_certificate(fields)) {
                return Parsed::complete;
            }
        } else if (type == kServerHelloDone) {
            return Parsed::complete;
        }
    }
    return Parsed::partly;
}

} // namespace

Parsed parse_tls(const Payload& payload, ParserTools& tools, ApplicationFields& fields) noexcept {
    PayloadReader reader(payload.octets);
    const std::uint8_t type = reader.u8();
    if (type < kChangeCipherSpec || type > kHeartbeat) {
        return Parsed::not_mine;
    }
    const std::uint8_t major = reader.u8();
    if (reader.ok() && major != 3) {
        return Parsed::not_mine;
    }
    const std::uint8_t minor = reader.u8();
    const std::uint16_t octets = reader.u16();
    if (!reader.ok()) {
        return payload.more_or(Parsed::not_mine);
    }
    if (minor > 4 || octets == 0 || octets > kRecordOctetsMax) {
        return Parsed::not_mine;
    }
    if (type != kHandshake) {
        return Parsed::complete; // the middle of a connection: TLS, but nothing in clear
    }
    if (reader.left() == 0) {
        return payload.more_or(Parsed::complete);
    }
    const std::uint8_t first = reader.u8();
    const bool hello = first == kClientHello || first == kServerHello;
    if (!hello) {
        return first == 0 ? Parsed::not_mine : Parsed::complete; // an encrypted handshake message
    }
    const Deframed deframed = deframe(payload.octets, tools.scratch);
    const bool all_there = deframed.ended || payload.last_chance;
    const Parsed parsed = parse_handshake(deframed.handshake, all_there, tools, fields);
    if (parsed == Parsed::partly) {
        return all_there ? Parsed::complete : payload.more_or(Parsed::complete);
    }
    return parsed;
}

Parsed parse_dtls(const Payload& payload, ParserTools& tools, ApplicationFields& fields) noexcept {
    constexpr std::uint32_t kSequenceOctets = 8; // epoch and sequence number
    PayloadReader reader(payload.octets);
    const std::uint8_t type = reader.u8();
    const std::uint16_t version = reader.u16();
    reader.skip(kSequenceOctets);
    const std::uint16_t octets = reader.u16();
    const bool version_known = version == 0xFEFF || version == 0xFEFD;
    if (!reader.ok() || type < kChangeCipherSpec || type > kHeartbeat || !version_known ||
        octets == 0 || octets > kRecordOctetsMax) {
        return Parsed::not_mine;
    }
    PayloadReader record(reader.take_up_to(octets));
    if (type != kHandshake) {
        return Parsed::complete;
    }
    // RFC 6347 section 4.2.2: the header tells the fragment's place beside the message's length.
    const std::uint8_t message = record.u8();
    const std::uint32_t message_octets = record.u24();
    record.skip(2);
    const std::uint32_t fragment_offset = record.u24();
    const std::uint32_t fragment_octets = record.u24();
    if (!record.ok() || fragment_offset != 0 || fragment_octets != message_octets) {
        return Parsed::partly;
    }
    const Bytes body = record.take_up_to(message_octets);
    if (message == kClientHello) {
        set_client_fields(parse_client_hello(body, body.size() == message_octets,
                                             HelloTransport::dtls, tools, fields),
                          fields);
        // A client without a cookie says hello twice; the first says it all.
        return Parsed::complete;
    }
    if (message == kServerHello) {
        static_cast<void>(parse_server_hello(body, tools, fields));
        return Parsed::complete;
    }
    return Parsed::partly;
}

} // namespace probe
