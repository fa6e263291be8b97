// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/dns.hpp"

#include <algorithm>
#include <array>

#include "probe/application/parser_tools.hpp"
#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

// Service Name and Transport Protocol Port Number Registry.
constexpr std::uint16_t kDnsPort = 53;
constexpr std::uint16_t kNetbiosNamePort = 137;
constexpr std::uint16_t kMdnsPort = 5353;
constexpr std::uint16_t kLlmnrPort = 5355;

// RFC 1035 section 4.1.1.
constexpr std::uint32_t kHeaderOctets = 12;
constexpr std::uint16_t kResponse = 0x8000;
constexpr std::uint16_t kOpcodeShift = 11;
constexpr std::uint16_t kReserved = 0x0040;

// RR types (iana.org/assignments/dns-parameters).
constexpr std::uint16_t kA = 1;
constexpr std::uint16_t kNs = 2;
constexpr std::uint16_t kCname = 5;
constexpr std::uint16_t kSoa = 6;
constexpr std::uint16_t kPtr = 12;
constexpr std::uint16_t kMx = 15;
constexpr std::uint16_t kTxt = 16;
constexpr std::uint16_t kAaaa = 28;
constexpr std::uint16_t kSrv = 33;
constexpr std::uint16_t kDname = 39;
constexpr std::uint16_t kSvcb = 64;
constexpr std::uint16_t kHttps = 65;

struct Header {
    std::uint16_t id, flags, questions, answers, authorities, additionals;
    [[nodiscard]] bool response() const noexcept { return (flags & kResponse) != 0; }
};

using Name = TextBuffer<255>;

/// RFC 1035 section 4.1.4. Reads a name at the reader's place; pointers go only backwards, each
/// farther than the last, so they end. False when the name is cut or false.
bool read_name(Bytes message, PayloadReader& reader, Name& name) noexcept {
    constexpr std::uint8_t kPointer = 0xC0;
    PayloadReader jumped({});
    PayloadReader* at = &reader;
    std::size_t lowest = reader.offset();
    while (true) {
        const std::uint8_t octets = at->u8();
        if (!at->ok()) {
            return false;
        }
        if (octets == 0) {
            if (name.empty()) {
                name.add("."); // the root
            }
            return name.ok();
        }
        if ((octets & kPointer) == kPointer) {
            const std::size_t target = (octets & 0x3FU) << 8U | at->u8();
            if (!at->ok() || target >= lowest) {
                return false;
            }
            lowest = target;
            jumped = PayloadReader(message.subspan(target));
            at = &jumped;
            continue;
        }
        const Bytes label = at->take(octets);
        if ((octets & kPointer) != 0 || !at->ok()) {
            return false;
        }
        name.add(name.empty() ? "" : ".");
        name.add(as_text(label));
    }
}

struct Question {
    Name name;
    std::uint16_t type = 0;
    std::uint16_t type_class = 0;
};

bool read_question(Bytes message, PayloadReader& reader, Question& question) noexcept {
    question.name.clear();
    if (!read_name(message, reader, question.name)) {
        return false;
    }
    question.type = reader.u16();
    question.type_class = reader.u16();
    return reader.ok();
}

void add_ipv6(Name& text, Bytes address) noexcept {
    // RFC 5952 section 4: the longest run of zeros, of two groups and more, becomes "::".
    constexpr int kGroups = 8;
    std::array<std::uint16_t, kGroups> groups{};
    PayloadReader reader(address);
    for (std::uint16_t& group : groups) {
        group = reader.u16();
    }
    int run_at = -1;
    int run_length = 1;
    for (int i = 0; i < kGroups; ++i) {
        int end = i;
        while (end < kGroups && groups[static_cast<std::size_t>(end)] == 0) {
            ++end;
        }
        if (end - i > run_length) {
            run_at = i;
            run_length = end - i;
        }
    }
    bool separate = false;
    for (int i = 0; i < kGroups; ++i) {
        if (i == run_at) {
            text.add("::");
            i += run_length - 1;
            separate = false;
            continue;
        }
        text.add(separate ? ":" : "");
        const std::uint16_t group = groups[static_cast<std::size_t>(i)];
        text.add_hex(group, group > 0xFFF ? 4 : group > 0xFF ? 3 : group > 0xF ? 2 : 1);
        separate = true;
    }
}

void add_ipv4(Name& text, Bytes address) noexcept {
    for (std::size_t i = 0; i < address.size(); ++i) {
        text.add(i > 0 ? "." : "");
        text.add_decimal(address[i]);
    }
}

/// RDATA as people write it (RFC 1035 section 5, shortened); hexadecimal for types without names
/// or addresses.
bool data_text(Bytes message, std::size_t at, std::uint16_t type, Bytes data, Name& text) noexcept {
    constexpr std::size_t kHexOctetsMax = 64;
    PayloadReader reader(message.first(at + data.size()));
    reader.skip(at);
    switch (type) {
        case kA:
            add_ipv4(text, data);
            return data.size() == 4;
        case kAaaa:
            add_ipv6(text, data);
            return data.size() == 16;
        case kNs:
        case kCname:
        case kPtr:
        case kDname:
        case kSoa:
            return read_name(message, reader, text);
        case kMx:
        case kSvcb:
        case kHttps:
            text.add_decimal(reader.u16());
            break;
        case kSrv:
            for (int i = 0; i < 3; ++i) {
                text.add(i > 0 ? " " : "");
                text.add_decimal(reader.u16());
            }
            break;
        case kTxt:
            while (reader.left() > 0 && text.ok()) {
                text.add(as_text(reader.take(reader.u8())));
            }
            return reader.ok();
        default:
            text.add_hex(data.first(std::min(data.size(), kHexOctetsMax)));
            return true;
    }
    Name target;
    if (!read_name(message, reader, target)) {
        return false;
    }
    text.add(" ");
    text.add(target.text());
    return text.ok();
}

/// The answer section: how many, the first one's time to live, what they say.
void read_answers(Bytes message, PayloadReader& reader, const Header& header,
                  ApplicationFields& fields) noexcept {
    fields.set(ApplicationField::dns_answers, std::uint64_t{header.answers});
    for (std::uint32_t i = 0; i < header.answers && reader.left() > 0; ++i) {
        Question owner;
        if (!read_question(message, reader, owner)) {
            return;
        }
        const std::uint32_t time_to_live = reader.u32();
        const std::uint16_t octets = reader.u16();
        const std::size_t at = reader.offset();
        const Bytes data = reader.take(octets);
        if (!reader.ok()) {
            return;
        }
        // A multicast response may come without its question (RFC 6762 section 6).
        if (header.questions == 0) {
            fields.set(ApplicationField::dns_name, owner.name.text());
            fields.set(ApplicationField::dns_type, std::uint64_t{owner.type});
        }
        fields.set(ApplicationField::dns_answer_ttl, std::uint64_t{time_to_live});
        Name text;
        if (fields.keeps(ApplicationField::dns_answer_data) &&
            data_text(message, at, owner.type, data, text)) {
            fields.append(ApplicationField::dns_answer_data, ",", text.text());
        }
    }
}

/// What a header must be like when no port speaks for it: of a query or its answer, one question.
bool is_plain(const Header& header) noexcept {
    constexpr std::uint16_t kAnswersMax = 64;
    const std::uint16_t opcode = header.flags >> kOpcodeShift & 0xF;
    const bool counts = header.questions == 1 && header.answers <= kAnswersMax &&
                        header.authorities <= kAnswersMax && header.additionals <= kAnswersMax &&
                        (header.response() || header.answers == 0);
    return opcode == 0 && (header.flags & kReserved) == 0 && counts;
}

/// And the question: known numbers, a name that people can read.
bool is_plain(const Question& question) noexcept {
    const bool numbers = question.type >= 1 && question.type <= 260 &&
                         (question.type_class == 1 || question.type_class == 255);
    const std::string_view name = question.name.text();
    return numbers &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

/// RFC 1001 section 14.1: 16 octets as 32 letters A to P; the last octet is the suffix.
bool set_netbios_name(std::string_view encoded, ApplicationFields& fields) noexcept {
    constexpr std::size_t kNameOctets = 16;
    if (encoded.size() < kNameOctets * 2) {
        return false;
    }
    std::array<char, kNameOctets> name{};
    for (std::size_t i = 0; i < kNameOctets; ++i) {
        const int high = encoded[2 * i] - 'A';
        const int low = encoded[2 * i + 1] - 'A';
        if (high < 0 || high > 15 || low < 0 || low > 15) {
            return false;
        }
        name[i] = static_cast<char>(high << 4 | low);
    }
    std::string_view text(name.data(), kNameOctets - 1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) {
        text.remove_suffix(1);
    }
    fields.set(ApplicationField::netbios_name, text);
    fields.set(ApplicationField::netbios_suffix,
               std::uint64_t{static_cast<std::uint8_t>(name[kNameOctets - 1])});
    return true;
}

ApplicationProtocol protocol_of(const Payload& payload) noexcept {
    if (payload.port_is(kMdnsPort)) {
        return ApplicationProtocol::mdns;
    }
    if (payload.port_is(kLlmnrPort)) {
        return ApplicationProtocol::llmnr;
    }
    return !payload.stream && payload.port_is(kNetbiosNamePort) ? ApplicationProtocol::netbios
                                                                : ApplicationProtocol::dns;
}

Header read_header(PayloadReader& reader) noexcept {
    Header header{};
    for (std::uint16_t* number : {&header.id, &header.flags, &header.questions, &header.answers,
                                  &header.authorities, &header.additionals}) {
        *number = reader.u16();
    }
    return header;
}

Parsed parse_message(Bytes message, const Payload& payload, ApplicationProtocol& protocol,
                     ApplicationFields& fields) noexcept {
    constexpr std::uint16_t kQuestionsMax = 64;
    constexpr std::uint16_t kClassMask = 0x7FFF; // RFC 6762 section 5.4 has the top bit
    const ApplicationProtocol spoken = protocol_of(payload);
    PayloadReader reader(message);
    const Header header = read_header(reader);
    Question question;
    const bool asks = header.questions > 0;
    const bool hinted = spoken != ApplicationProtocol::dns || payload.port_is(kDnsPort);
    if (!reader.ok() || header.questions > kQuestionsMax ||
        (hinted ? !asks && header.answers == 0 : !is_plain(header)) ||
        (asks && !read_question(message, reader, question)) || (!hinted && !is_plain(question))) {
        return Parsed::not_mine;
    }
    protocol = spoken;
    if (protocol == ApplicationProtocol::netbios) {
        if (!asks && !read_question(message, reader, question)) {
            return Parsed::not_mine;
        }
        return set_netbios_name(question.name.text(), fields) ? Parsed::complete : Parsed::partly;
    }
    if (fields.number(ApplicationField::dns_id).value_or(header.id) != header.id) {
        return Parsed::partly; // the answer to another question on the same ports
    }
    fields.set(ApplicationField::dns_id, std::uint64_t{header.id});
    if (asks) {
        fields.set(ApplicationField::dns_name, question.name.text());
        fields.set(ApplicationField::dns_type, std::uint64_t{question.type});
        fields.set(ApplicationField::dns_class,
                   std::uint64_t{static_cast<std::uint16_t>(question.type_class & kClassMask)});
    }
    for (std::uint32_t i = 1; i < header.questions; ++i) {
        static_cast<void>(read_question(message, reader, question));
    }
    if (header.response()) {
        fields.set(ApplicationField::dns_rcode, std::uint64_t{header.flags & 0xFU});
        read_answers(message, reader, header, fields);
    }
    return Parsed::complete;
}

} // namespace

Parsed parse_dns(const Payload& payload, ApplicationProtocol& protocol,
                 ApplicationFields& fields) noexcept {
    if (!payload.stream) {
        return parse_message(payload.octets, payload, protocol, fields);
    }
    // RFC 1035 section 4.2.2: two octets of length.
    PayloadReader reader(payload.octets);
    const std::uint16_t octets = reader.u16();
    if (reader.ok() && octets < kHeaderOctets) {
        return Parsed::not_mine;
    }
    if (!reader.ok() || reader.left() < octets) {
        // Any two octets are a length: without the port, only whole messages are looked at.
        if (!payload.port_is(kDnsPort)) {
            return Parsed::not_mine;
        }
        return payload.last_chance ? parse_message(reader.rest(), payload, protocol, fields)
                                   : Parsed::need_more;
    }
    return parse_message(reader.take(octets), payload, protocol, fields);
}

} // namespace probe
