// SPDX-License-Identifier: BSD-3-Clause
// The ClientHello and its fingerprints. JA3 as its authors published it
// (github.com/salesforce/ja3), JA4 as FoxIO's technical details have it (github.com/FoxIO-LLC/ja4,
// JA4 itself: BSD 3-Clause).
#include <algorithm>
#include <array>
#include <span>

#include "probe/application/payload_reader.hpp"
#include "probe/application/tls.hpp"

namespace probe {

namespace {

// TLS ExtensionType Values (iana.org/assignments/tls-extensiontype-values).
constexpr std::uint16_t kServerName = 0;
constexpr std::uint16_t kSupportedGroups = 10;
constexpr std::uint16_t kEcPointFormats = 11;
constexpr std::uint16_t kSignatureAlgorithms = 13;
constexpr std::uint16_t kAlpn = 16;
constexpr std::uint16_t kSupportedVersions = 43;
constexpr std::uint16_t kQuicTransportParameters = 57;
constexpr std::uint16_t kQuicTransportParametersDraft = 0xFFA5;

/// RFC 8701: 0x0A0A, 0x1A1A ... 0xFAFA say nothing about the client.
constexpr bool is_grease(std::uint16_t value) noexcept {
    return (value & 0x0F0F) == 0x0A0A && (value >> 8) == (value & 0xFF);
}

/// Numbers in the order they came, GREASE left out.
class NumberList {
  public:
    void add(std::uint16_t number) noexcept {
        if (is_grease(number)) {
            return;
        }
        if (used_ == numbers_.size()) {
            overflown_ = true;
            return;
        }
        numbers_[used_++] = number;
    }
    void add_all(Bytes pairs) noexcept {
        PayloadReader reader(pairs);
        while (reader.left() >= 2) {
            add(reader.u16());
        }
    }
    [[nodiscard]] std::span<const std::uint16_t> get() const noexcept {
        return {numbers_.data(), used_};
    }
    [[nodiscard]] std::span<std::uint16_t> get() noexcept { return {numbers_.data(), used_}; }
    [[nodiscard]] bool overflown() const noexcept { return overflown_; }

  private:
    std::array<std::uint16_t, 256> numbers_{};
    std::size_t used_ = 0;
    bool overflown_ = false;
};

struct HelloLists {
    std::uint16_t legacy_version = 0;
    std::uint16_t highest_version = 0; ///< of supported_versions, else the legacy one
    NumberList ciphers;
    NumberList extensions;
    NumberList groups;
    NumberList signature_algorithms;
    Bytes point_formats;
    Bytes first_alpn;
    bool server_name = false;
};

using Text = decltype(ParserTools::text);

void add_list(Text& text, std::span<const std::uint16_t> numbers, bool hexadecimal) noexcept {
    bool first = true;
    for (const std::uint16_t number : numbers) {
        if (!first) {
            text.add(hexadecimal ? "," : "-");
        }
        first = false;
        if (hexadecimal) {
            text.add_hex(number, 4);
        } else {
            text.add_decimal(number);
        }
    }
}

void set_ja3(const HelloLists& hello, ParserTools& tools, ApplicationFields& fields) noexcept {
    Text& text = tools.text;
    text.clear();
    text.add_decimal(hello.legacy_version);
    for (const NumberList* list : {&hello.ciphers, &hello.extensions, &hello.groups}) {
        text.add(",");
        add_list(text, list->get(), false);
    }
    text.add(",");
    bool first = true;
    for (const std::uint8_t format : hello.point_formats) {
        text.add(first ? "" : "-");
        text.add_decimal(format);
        first = false;
    }
    Md5 digest;
    if (text.ok() && tools.crypto.md5(text.octets(), digest)) {
        TextBuffer<32> hex;
        hex.add_hex(digest);
        fields.set(ApplicationField::tls_ja3, hex.text());
    }
}

std::string_view ja4_version(std::uint16_t version) noexcept {
    switch (version) {
        case 0x0304:
            return "13";
        case 0x0303:
            return "12";
        case 0x0302:
            return "11";
        case 0x0301:
            return "10";
        case 0x0300:
            return "s3";
        case 0x0002:
            return "s2";
        case 0xFEFF:
            return "d1";
        case 0xFEFD:
            return "d2";
        case 0xFEFC:
            return "d3";
        default:
            return "00";
    }
}

using Ja4 = TextBuffer<36>;

/// First and last character of the first protocol offered; their hexadecimal digits when either is
/// no letter or digit.
void add_ja4_alpn(Ja4& ja4, Bytes alpn) noexcept {
    if (alpn.empty()) {
        ja4.add("00");
        return;
    }
    const auto alphanumeric = [](std::uint8_t octet) {
        return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'z') ||
               (octet >= 'A' && octet <= 'Z');
    };
    const std::array<std::uint8_t, 2> ends = {alpn.front(), alpn.back()};
    if (alphanumeric(ends[0]) && alphanumeric(ends[1])) {
        ja4.add(as_text(ends));
    } else {
        ja4.add_hex(ends[0] >> 4, 1);
        ja4.add_hex(ends[1] & 0xF, 1);
    }
}

void add_ja4_count(Ja4& ja4, std::size_t count) noexcept {
    count = std::min<std::size_t>(count, 99);
    ja4.add(count < 10 ? "0" : "");
    ja4.add_decimal(count);
}

/// The first 12 digits of the text's SHA-256; zeros for an empty one.
void add_ja4_hash(Ja4& ja4, ParserTools& tools) noexcept {
    constexpr std::size_t kOctets = 6;
    Sha256 digest{};
    if (!tools.text.empty() && !tools.crypto.sha256(tools.text.octets(), digest)) {
        digest = {};
    }
    ja4.add("_");
    ja4.add_hex(Bytes(digest).first(kOctets));
}

/// Sorts the lists in place: call after set_ja3, which wants them as they came.
void set_ja4(HelloLists& hello, HelloTransport transport, ParserTools& tools,
             ApplicationFields& fields) noexcept {
    Ja4 ja4;
    const char letter = static_cast<char>(transport);
    ja4.add({&letter, 1});
    ja4.add(ja4_version(hello.highest_version));
    ja4.add(hello.server_name ? "d" : "i");
    add_ja4_count(ja4, hello.ciphers.get().size());
    add_ja4_count(ja4, hello.extensions.get().size());
    add_ja4_alpn(ja4, hello.first_alpn);

    Text& text = tools.text;
    text.clear();
    std::sort(hello.ciphers.get().begin(), hello.ciphers.get().end());
    add_list(text, hello.ciphers.get(), true);
    if (!text.ok()) {
        return;
    }
    add_ja4_hash(ja4, tools);

    text.clear();
    const std::span<std::uint16_t> extensions = hello.extensions.get();
    const auto kept = std::remove_if(extensions.begin(), extensions.end(), [](std::uint16_t type) {
        return type == kServerName || type == kAlpn;
    });
    std::sort(extensions.begin(), kept);
    add_list(text, {extensions.begin(), kept}, true);
    if (!hello.signature_algorithms.get().empty()) {
        text.add("_");
        add_list(text, hello.signature_algorithms.get(), true);
    }
    if (!text.ok()) {
        return;
    }
    add_ja4_hash(ja4, tools);
    fields.set(ApplicationField::tls_ja4, ja4.text());
}

/// RFC 6066 section 3: a list with one host_name.
Bytes server_name(Bytes extension) noexcept {
    PayloadReader reader(extension);
    PayloadReader names(reader.take_up_to(reader.u16()));
    while (names.left() > 0) {
        const std::uint8_t type = names.u8();
        const Bytes name = names.take(names.u16());
        if (type == 0) {
            return name;
        }
    }
    return {};
}

/// RFC 7301 section 3.1. Sets the list offered, comma between; answers the first.
Bytes set_alpn(Bytes extension, ApplicationFields& fields) noexcept {
    PayloadReader reader(extension);
    PayloadReader protocols(reader.take_up_to(reader.u16()));
    Bytes first;
    while (protocols.left() > 0) {
        const Bytes protocol = protocols.take(protocols.u8());
        if (first.empty()) {
            first = protocol;
        }
        if (!protocol.empty()) {
            fields.append(ApplicationField::tls_client_alpn, ",", as_text(protocol));
        }
    }
    return first;
}

void parse_extension(std::uint16_t type, Bytes content, HelloLists& lists, ClientHello& hello,
                     ApplicationFields& fields) noexcept {
    PayloadReader reader(content);
    switch (type) {
        case kServerName:
            lists.server_name = true;
            hello.server_name = server_name(content);
            break;
        case kSupportedGroups:
            lists.groups.add_all(reader.take_up_to(reader.u16()));
            break;
        case kEcPointFormats:
            lists.point_formats = reader.take_up_to(reader.u8());
            break;
        case kSignatureAlgorithms:
            lists.signature_algorithms.add_all(reader.take_up_to(reader.u16()));
            break;
        case kAlpn:
            lists.first_alpn = set_alpn(content, fields);
            break;
        case kSupportedVersions: {
            NumberList versions;
            versions.add_all(reader.take_up_to(reader.u8()));
            for (const std::uint16_t version : versions.get()) {
                // DTLS counts down: 0xFEFC is newer than 0xFEFD.
                const bool newer = lists.legacy_version >= 0xFE00 ? version < lists.highest_version
                                                                  : version > lists.highest_version;
                lists.highest_version = newer ? version : lists.highest_version;
            }
            break;
        }
        case kQuicTransportParameters:
        case kQuicTransportParametersDraft:
            hello.quic_transport_parameters = content;
            break;
        default:
            break;
    }
}

} // namespace

ClientHello parse_client_hello(Bytes body, bool body_whole, HelloTransport transport,
                               ParserTools& tools, ApplicationFields& fields) noexcept {
    constexpr std::size_t kRandomOctets = 32;
    ClientHello hello;
    HelloLists lists;
    PayloadReader reader(body);
    lists.legacy_version = reader.u16();
    lists.highest_version = lists.legacy_version;
    reader.skip(kRandomOctets);
    reader.skip(reader.u8()); // legacy_session_id
    if (transport == HelloTransport::dtls) {
        reader.skip(reader.u8()); // cookie (RFC 6347 section 4.2.1)
    }
    lists.ciphers.add_all(reader.take(reader.u16()));
    reader.skip(reader.u8()); // legacy_compression_methods
    if (!reader.ok()) {
        return hello;
    }
    // A hello without extensions ends here (RFC 5246 section 7.4.1.2).
    const std::uint64_t announced = reader.left() >= 2 ? reader.u16() : 0;
    hello.whole = body_whole && announced <= reader.left();
    PayloadReader extensions(reader.take_up_to(announced));
    while (extensions.left() > 0) {
        const std::uint16_t type = extensions.u16();
        const Bytes content = extensions.take(extensions.u16());
        if (!extensions.ok()) {
            hello.whole = false;
            break;
        }
        lists.extensions.add(type);
        parse_extension(type, content, lists, hello, fields);
    }
    fields.set(ApplicationField::tls_client_version, std::uint64_t{lists.highest_version});
    const bool countable = !lists.ciphers.overflown() && !lists.extensions.overflown() &&
                           !lists.signature_algorithms.overflown() && !lists.groups.overflown();
    if (hello.whole && countable) {
        if (tools.fingerprints.ja3 && transport == HelloTransport::tcp) {
            set_ja3(lists, tools, fields);
        }
        if (tools.fingerprints.ja4) {
            set_ja4(lists, transport, tools, fields);
        }
    }
    return hello;
}

} // namespace probe
