// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/certificate.hpp"

#include <algorithm>
#include <array>

#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

// Tags of DER (ITU-T X.690 section 8.1.2).
constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kUtcTime = 0x17;
constexpr std::uint8_t kGeneralizedTime = 0x18;
constexpr std::uint8_t kBmpString = 0x1E;
constexpr std::uint8_t kSequence = 0x30;
constexpr std::uint8_t kExplicitVersion = 0xA0;

/// id-at-commonName, 2.5.4.3 (RFC 5280 appendix A.1), as an OBJECT IDENTIFIER with its header.
constexpr std::array<std::uint8_t, 5> kCommonName = {0x06, 0x03, 0x55, 0x04, 0x03};

struct Item {
    std::uint8_t tag = 0;
    Bytes content; ///< what is there of it
    bool whole = false;
};

/// The next tag, length and value; tag 0 at the end or when the length has no bounded form.
Item next(PayloadReader& reader) noexcept {
    constexpr std::uint8_t kLongForm = 0x80;
    Item item;
    const std::uint8_t tag = reader.u8();
    std::uint64_t octets = reader.u8();
    if (octets >= kLongForm) {
        const std::uint64_t length_octets = octets & 0x7F;
        if (length_octets == 0 || length_octets > 3) {
            reader.fail(); // indefinite is not DER, and no certificate has 16 MiB
        }
        octets = 0;
        for (std::uint64_t i = 0; i < length_octets && reader.ok(); ++i) {
            octets = octets << 8 | reader.u8();
        }
    }
    if (reader.ok()) {
        item.tag = tag;
        item.whole = octets <= reader.left();
        item.content = reader.take_up_to(octets);
    }
    return item;
}

/// The last common name of a Name: RDNs go from the general to the specific.
void set_common_name(Bytes name, ApplicationField field, ApplicationFields& fields) noexcept {
    if (!fields.keeps(field)) {
        return;
    }
    PayloadReader relative_names(name);
    Item found;
    while (relative_names.left() > 0) {
        PayloadReader set(next(relative_names).content);
        while (set.left() > 0) {
            PayloadReader attribute(next(set).content);
            const Bytes type = attribute.take(kCommonName.size());
            if (std::equal(type.begin(), type.end(), kCommonName.begin(), kCommonName.end())) {
                found = next(attribute);
            }
        }
    }
    if (found.tag == kBmpString) {
        // UCS-2 is UTF-8 only after a conversion, which nobody's certificates have needed for
        // decades: what is ASCII in it is kept.
        std::array<char, 128> ascii{};
        std::size_t used = 0;
        PayloadReader characters(found.content);
        while (characters.left() >= 2 && used < ascii.size()) {
            const std::uint16_t character = characters.u16();
            ascii[used++] = character < 0x80 ? static_cast<char>(character) : '?';
        }
        fields.set(field, std::string_view(ascii.data(), used));
    } else if (found.tag != 0) {
        fields.set(field, found.content);
    }
}

/// RFC 5280 section 4.1.2.5: UTCTime or GeneralizedTime, as written there.
void set_time(const Item& time, ApplicationField field, ApplicationFields& fields) noexcept {
    if (time.whole && (time.tag == kUtcTime || time.tag == kGeneralizedTime)) {
        fields.set(field, time.content);
    }
}

} // namespace

bool parse_certificate(Bytes certificate, ApplicationFields& fields) noexcept {
    PayloadReader outer(certificate);
    const Item whole = next(outer);
    PayloadReader signed_part(whole.content);
    const Item body = next(signed_part);
    if (whole.tag != kSequence || body.tag != kSequence) {
        return false;
    }
    PayloadReader reader(body.content);
    Item item = next(reader);
    if (item.tag == kExplicitVersion) {
        item = next(reader);
    }
    const Item algorithm = next(reader);
    const Item issuer = next(reader);
    if (item.tag != kInteger || algorithm.tag != kSequence || issuer.tag != kSequence ||
        !issuer.whole) {
        return false;
    }
    set_common_name(issuer.content, ApplicationField::tls_issuer_common_name, fields);
    const Item validity = next(reader);
    PayloadReader times(validity.content);
    set_time(next(times), ApplicationField::tls_not_before, fields);
    set_time(next(times), ApplicationField::tls_not_after, fields);
    const Item subject = next(reader);
    if (validity.tag != kSequence || subject.tag != kSequence || !subject.whole) {
        return false;
    }
    set_common_name(subject.content, ApplicationField::tls_subject_common_name, fields);
    return true;
}

} // namespace probe
