// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/collector_url.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <stdexcept>
#include <string_view>

#include "encoder/nearest_name.hpp"
#include "probe/exporting/file_name_pattern.hpp"

namespace probe {
namespace {

constexpr std::uint16_t kTlsPort = 4740; // RFC 7011 section 10.1

constexpr std::uint16_t kNetflowPort = 2055; // nobody's by IANA, most collectors' default

constexpr std::string_view kForms =
    "udp://HOST:PORT, tcp://HOST:PORT, sctp://HOST:PORT, tls://HOST:PORT, dtls://HOST:PORT, "
    "netflow9://HOST:PORT, netflow5://HOST:PORT, file:///PATH, json:PATH, table:PATH, or a path "
    "ending in .ipfix, .ipfix.gz or .json";

[[noreturn]] void refuse(const std::string& written, const std::string& why) {
    throw std::invalid_argument(fmt::format("'{}': {}", written, why));
}

std::uint16_t parse_port(const std::string& written, std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        refuse(written, fmt::format("the port is a number from 1 to 65535, found '{}'", text));
    }
    return port;
}

/// HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT.
void parse_authority(CollectorOptions& options, std::string_view authority) {
    std::string_view rest;
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        if (end == std::string_view::npos) {
            refuse(options.url,
                   "the bracket of the IPv6 address is not closed; write "
                   "udp://[2001:db8::7]:4739");
        }
        options.host = authority.substr(1, end - 1);
        rest = authority.substr(end + 1);
    } else {
        const std::size_t colon = authority.find(':');
        if (colon != std::string_view::npos &&
            authority.find(':', colon + 1) != std::string_view::npos) {
            refuse(options.url,
                   fmt::format("an IPv6 address stands in brackets; write {}://[{}]:4739",
                               options.transport == TransportKind::udp ? "udp" : "tcp", authority));
        }
        options.host = authority.substr(0, colon);
        rest = authority.substr(options.host.size());
    }
    if (options.host.empty()) {
        refuse(options.url, "the host is missing; write udp://192.0.2.7:4739");
    }
    if (rest.find('/') != std::string_view::npos || options.host.find('/') != std::string::npos) {
        refuse(options.url, "a collector has no path; leave out what follows the port");
    }
    if (rest.starts_with(':')) {
        options.port = parse_port(options.url, rest.substr(1));
    } else if (!rest.empty()) {
        refuse(options.url, "only :PORT may follow the address");
    }
}

void parse_file(CollectorOptions& options, std::string_view rest) {
    // file:///var/x has an empty host (RFC 8089); file:x and file:/var/x are taken too.
    if (rest.starts_with("//")) {
        rest.remove_prefix(2);
        if (!rest.starts_with('/')) {
            refuse(options.url, "a file URL has three slashes; write file:///var/lib/flows.ipfix");
        }
    }
    if (rest.empty() || rest.back() == '/') {
        refuse(options.url, "the file's name is missing; write file:///var/lib/flows.ipfix");
    }
    options.path = rest;
    const FileNamePattern checked(options.path); // throws for a time that cannot be written
}

TransportKind kind_of_scheme(const std::string& written, std::string_view scheme) {
    // in the order of TransportKind; NetFlow goes over UDP
    constexpr std::array<std::string_view, 10> kSchemes = {
        "udp", "dtls", "tcp", "tls", "sctp", "file", "json", "table", "netflow9", "netflow5"};
    constexpr std::size_t kFirstNetflow = 8;
    for (std::size_t i = 0; i < kSchemes.size(); ++i) {
        if (scheme == kSchemes[i]) {
            return i < kFirstNetflow ? static_cast<TransportKind>(i) : TransportKind::udp;
        }
    }
    refuse(written, fmt::format("records cannot be sent by '{}'; did you mean '{}'? Known are {}",
                                scheme, ipfix::nearest_name(scheme, kSchemes), kForms));
}

} // namespace

CollectorOptions parse_collector_url(const std::string& written) {
    CollectorOptions options;
    options.url = written;
    const std::string_view text = options.url;
    const auto finish = [&options](TransportKind kind, std::string_view path) {
        options.transport = kind;
        options.path = path;
        return options;
    };
    if (text == "table") {
        return finish(TransportKind::table, "-");
    }
    if (text == "json" || text == "-") {
        return finish(TransportKind::json, "-");
    }
    if (const std::size_t colon = text.find(':');
        colon != std::string_view::npos && text.find('/') >= colon) {
        const std::string_view rest = text.substr(colon + 1);
        const std::string_view scheme = text.substr(0, colon);
        options.transport = kind_of_scheme(written, scheme);
        if (scheme == "netflow9" || scheme == "netflow5") {
            options.format = scheme == "netflow9" ? ExportFormat::netflow9 : ExportFormat::netflow5;
            options.port = kNetflowPort;
        }
        switch (options.transport) {
            case TransportKind::udp:
            case TransportKind::dtls:
            case TransportKind::tcp:
            case TransportKind::tls:
            case TransportKind::sctp:
                if (!rest.starts_with("//")) {
                    refuse(written,
                           fmt::format("two slashes are missing; write {}://{}", scheme, rest));
                }
                if (has_certificates(options.transport)) {
                    options.port = kTlsPort;
                }
                parse_authority(options, rest.substr(2));
                return options;
            case TransportKind::file:
                parse_file(options, rest);
                return options;
            case TransportKind::json:
            case TransportKind::table:
                break;
        }
        return finish(options.transport, rest.empty() ? "-" : rest);
    }
    if (text.ends_with(".ipfix") || text.ends_with(".ipfix.gz")) {
        options.transport = TransportKind::file;
        parse_file(options, text);
        return options;
    }
    if (text.ends_with(".json") || text.ends_with(".jsonl")) {
        return finish(TransportKind::json, text);
    }
    refuse(written, fmt::format("where records go is written {}", kForms));
}

} // namespace probe
