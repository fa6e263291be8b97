// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/mail.hpp"

#include <algorithm>

#include "probe/application/payload_reader.hpp"
#include "probe/application/text_lines.hpp"

namespace probe {

namespace {

using F = ApplicationField;
using P = ApplicationProtocol;

bool any_port(const Payload& payload, std::initializer_list<std::uint16_t> ports) noexcept {
    return std::any_of(ports.begin(), ports.end(),
                       [&payload](std::uint16_t port) { return payload.port_is(port); });
}

/// RFC 5321 section 4.2: "220 text" or "220-text".
bool is_reply(std::string_view line) noexcept {
    return line.size() >= 4 && line[0] >= '1' && line[0] <= '5' && is_digit(line[1]) &&
           is_digit(line[2]) && (line[3] == ' ' || line[3] == '-');
}

/// A server's first line; the word in its text decides between SMTP and FTP, then the port.
P greeting(std::string_view line, const Payload& payload) noexcept {
    if (line.starts_with("+OK")) {
        return P::pop3;
    }
    if (line.starts_with("* OK") || line.starts_with("* PREAUTH") || line.starts_with("* BYE")) {
        return P::imap;
    }
    if (!is_reply(line) || (!line.starts_with("220") && !line.starts_with("554") &&
                            !line.starts_with("421") && !line.starts_with("120"))) {
        return P::unknown;
    }
    if (contains_ignoring_case(line, "SMTP") || any_port(payload, {25, 465, 587, 2525})) {
        return P::smtp;
    }
    return contains_ignoring_case(line, "FTP") || payload.port_is(21) ? P::ftp : P::unknown;
}

/// A client's first line, where the server's was not seen.
P command(std::string_view line, const Payload& payload) noexcept {
    for (const std::string_view hello : {"EHLO ", "HELO ", "LHLO "}) {
        if (starts_ignoring_case(line, hello)) {
            return P::smtp;
        }
    }
    if (starts_ignoring_case(line, "USER ") || starts_ignoring_case(line, "CAPA") ||
        starts_ignoring_case(line, "AUTH TLS")) {
        return payload.port_is(110) ? P::pop3 : payload.port_is(21) ? P::ftp : P::unknown;
    }
    return P::unknown;
}

/// "FROM:<a@b> SIZE=1": what is between the brackets.
std::string_view path_of(std::string_view argument) noexcept {
    const std::size_t open = argument.find('<');
    if (open == std::string_view::npos) {
        argument.remove_prefix(std::min(argument.find(':') + 1, argument.size()));
        return trimmed(argument);
    }
    argument.remove_prefix(open + 1);
    return argument.substr(0, argument.find('>'));
}

/// True when what follows is the message itself.
bool read_smtp(std::string_view line, ApplicationFields& fields) noexcept {
    if (is_reply(line)) {
        fields.set(F::smtp_response, line);
        return false;
    }
    std::string_view rest = line;
    const std::string_view verb = take_word(rest);
    if (equals_ignoring_case(verb, "EHLO") || equals_ignoring_case(verb, "HELO") ||
        equals_ignoring_case(verb, "LHLO")) {
        fields.set(F::smtp_hello, trimmed(rest));
    } else if (equals_ignoring_case(verb, "MAIL")) {
        fields.set(F::smtp_from, path_of(rest));
    } else if (equals_ignoring_case(verb, "RCPT")) {
        fields.set(F::smtp_to, path_of(rest));
    }
    return equals_ignoring_case(verb, "DATA") || equals_ignoring_case(verb, "BDAT");
}

void read_ftp(std::string_view line, ApplicationFields& fields) noexcept {
    if (is_reply(line)) {
        fields.set(F::ftp_response, line);
    } else if (starts_ignoring_case(line, "USER ")) {
        fields.set(F::ftp_user, trimmed(line.substr(5)));
    }
}

/// The verb of "a1 LOGIN name password", without its arguments.
void read_imap(std::string_view line, ApplicationFields& fields) noexcept {
    const std::string_view tag = take_word(line);
    const std::string_view verb = take_word(line);
    const bool plain = !verb.empty() && std::all_of(verb.begin(), verb.end(), [](char c) {
        return lower(c) >= 'a' && lower(c) <= 'z';
    });
    if (plain && tag != "*" && tag != "+" && verb != "OK" && verb != "NO" && verb != "BAD") {
        fields.set(F::imap_command, verb);
    }
}

/// True when this direction has nothing more to say.
bool read_line(std::string_view line, P protocol, ApplicationFields& fields) noexcept {
    switch (protocol) {
        case P::smtp:
            return read_smtp(line, fields);
        case P::ftp:
            read_ftp(line, fields);
            return fields.has(F::ftp_user);
        case P::imap:
            read_imap(line, fields);
            return false;
        default:
            if (line.starts_with("+OK")) {
                fields.set(F::pop3_message, trimmed(line.substr(3)));
                return true;
            }
            return false;
    }
}

bool is_text(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) >= ' ' || c == '\t' || c == '\r' || c == '\n';
    });
}

} // namespace

Parsed parse_mail(const Payload& payload, ApplicationProtocol& protocol,
                  ApplicationFields& fields) noexcept {
    constexpr std::size_t kLineOctetsMax = 1'024; // RFC 5321 section 4.5.3.1 allows half of it
    constexpr std::size_t kShortestStart = 4;
    std::string_view rest = as_text(payload.octets);
    std::string_view copy = rest;
    const Line first = take_line(copy);
    if (!payload.stream || first.text.size() > kLineOctetsMax || !is_text(first.text)) {
        return Parsed::not_mine;
    }
    const P spoken = protocol != P::unknown ? protocol : greeting(first.text, payload);
    const P known = spoken != P::unknown ? spoken : command(first.text, payload);
    if (known == P::unknown) {
        const bool may_be = !first.whole && first.text.size() < kShortestStart &&
                            any_port(payload, {21, 25, 110, 143, 465, 587, 2525});
        return may_be ? payload.more_or(Parsed::not_mine) : Parsed::not_mine;
    }
    if (!first.whole) {
        return payload.more_or(Parsed::not_mine);
    }
    protocol = known;
    while (!rest.empty()) {
        const Line line = take_line(rest);
        if (!line.whole) {
            return payload.more_or(Parsed::partly);
        }
        if (read_line(line.text, known, fields)) {
            return Parsed::complete;
        }
    }
    return Parsed::partly;
}

} // namespace probe
