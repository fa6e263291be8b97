// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/text_messages.hpp"

#include <array>
#include <span>

#include "probe/application/payload_reader.hpp"
#include "probe/application/text_lines.hpp"

namespace probe {

namespace {

using F = ApplicationField;

struct Message {
    std::string_view method;  ///< of a request
    std::string_view target;  ///< of a request
    std::string_view version; ///< "HTTP/1.1"
    std::string_view reason;  ///< of a response
    std::uint32_t status = 0; ///< of a response; 0: a request
    std::string_view headers; ///< what follows the start line
};

struct HeaderField {
    std::string_view name; ///< compared ignoring case
    ApplicationField field;
};

constexpr std::array kHttpRequest = {
    HeaderField{"host", F::http_host},
    HeaderField{"user-agent", F::http_user_agent},
    HeaderField{"referer", F::http_referer},
    HeaderField{"upgrade", F::http_upgrade},
};
constexpr std::array kHttpResponse = {
    HeaderField{"content-type", F::http_content_type},
    HeaderField{"upgrade", F::http_upgrade},
};
constexpr std::array kRtsp = {HeaderField{"user-agent", F::rtsp_user_agent}};
constexpr std::array kSsdp = {
    HeaderField{"st", F::ssdp_search_target},
    HeaderField{"nt", F::ssdp_search_target},
    HeaderField{"server", F::ssdp_server},
};
// RFC 3261 section 7.3.3: compact forms.
constexpr std::array kSip = {
    HeaderField{"from", F::sip_calling_party},    HeaderField{"f", F::sip_calling_party},
    HeaderField{"to", F::sip_called_party},       HeaderField{"t", F::sip_called_party},
    HeaderField{"call-id", F::sip_call_id},       HeaderField{"i", F::sip_call_id},
    HeaderField{"user-agent", F::sip_user_agent},
};

/// RFC 3261 section 20.10: the URI of `"Display" <sip:user@host>;tag=...`.
std::string_view address_of(std::string_view value) noexcept {
    const std::size_t open = value.find('<');
    if (open != std::string_view::npos) {
        value.remove_prefix(open + 1);
        return value.substr(0, value.find('>'));
    }
    return trimmed(value.substr(0, value.find(';')));
}

/// Fields that would be kept and are not there yet.
bool any_open(std::span<const HeaderField> wanted, const ApplicationFields& fields) noexcept {
    return std::any_of(wanted.begin(), wanted.end(), [&fields](const HeaderField& header) {
        return fields.keeps(header.field) && !fields.has(header.field);
    });
}

/// Name and value of each header, while `on_header` answers true.
template <class OnHeader>
void for_each_header(std::string_view headers, OnHeader on_header) noexcept {
    bool open = true;
    while (open && !headers.empty()) {
        const Line line = take_line(headers);
        if (line.text.empty()) {
            return; // the body follows
        }
        const std::size_t colon = line.text.find(':');
        if (line.whole && colon != std::string_view::npos) {
            open = on_header(trimmed(line.text.substr(0, colon)),
                             trimmed(line.text.substr(colon + 1)));
        }
    }
}

/// Whether it is one of those that are wanted.
bool set_header(std::string_view name, std::string_view value, std::span<const HeaderField> wanted,
                ApplicationFields& fields) noexcept {
    for (const HeaderField& header : wanted) {
        if (equals_ignoring_case(name, header.name)) {
            const bool party =
                header.field == F::sip_calling_party || header.field == F::sip_called_party;
            fields.set(header.field, party ? address_of(value) : value);
            return true;
        }
    }
    return false;
}

void set_headers(std::string_view headers, std::span<const HeaderField> wanted,
                 ApplicationFields& fields) noexcept {
    if (any_open(wanted, fields)) {
        for_each_header(headers, [&](std::string_view name, std::string_view value) {
            return !set_header(name, value, wanted, fields) || any_open(wanted, fields);
        });
    }
}

enum class StartLine : std::uint8_t { none, cut, request, response };

bool is_version(std::string_view text) noexcept {
    return text.starts_with("HTTP/1.") || text.starts_with("HTTP/2") ||
           text.starts_with("RTSP/1.") || text.starts_with("RTSP/2.") || text == "SIP/2.0";
}

/// Whether a text that was cut may be the front of a version or a method and a target.
bool may_start(std::string_view text) noexcept {
    constexpr std::array<std::string_view, 3> kVersions = {"HTTP/", "RTSP/", "SIP/"};
    for (const std::string_view version : kVersions) {
        const std::size_t common = std::min(version.size(), text.size());
        if (text.substr(0, common) == version.substr(0, common)) {
            return true;
        }
    }
    constexpr std::size_t kMethodOctetsMax = 24;
    const std::size_t end = text.find(' ');
    const std::string_view method = text.substr(0, end);
    const bool plausible = !method.empty() && method.size() <= kMethodOctetsMax &&
                           std::all_of(method.begin(), method.end(),
                                       [](char c) { return is_upper(c) || c == '-' || c == '_'; });
    if (!plausible || end == std::string_view::npos) {
        return plausible;
    }
    // RFC 9112 section 3.2: a path, a URI, an authority, or "*".
    const std::string_view target = text.substr(end + 1);
    return method.size() >= 3 && std::all_of(target.begin(), target.end(), [](char c) {
               return static_cast<unsigned char>(c) >= ' ';
           });
}

std::uint32_t status_of(std::string_view word) noexcept {
    const bool three = word.size() == 3 && std::all_of(word.begin(), word.end(), is_digit);
    return three ? static_cast<std::uint32_t>((word[0] - '0') * 100 + (word[1] - '0') * 10 +
                                              (word[2] - '0'))
                 : 0;
}

StartLine read_start_line(std::string_view text, Message& message) noexcept {
    message.headers = text;
    const Line line = take_line(message.headers);
    if (!line.whole) {
        return may_start(line.text) ? StartLine::cut : StartLine::none;
    }
    std::string_view words = line.text;
    const std::string_view first = take_word(words);
    if (is_version(first)) {
        message.version = first;
        message.status = status_of(take_word(words));
        message.reason = words;
        return message.status != 0 ? StartLine::response : StartLine::none;
    }
    message.method = first;
    const std::size_t last = words.rfind(' ');
    if (last == std::string_view::npos || !may_start(line.text)) {
        return StartLine::none;
    }
    message.target = words.substr(0, last);
    message.version = words.substr(last + 1);
    return is_version(message.version) ? StartLine::request : StartLine::none;
}

bool ends(std::string_view headers) noexcept {
    return headers.starts_with("\r\n") || headers.starts_with("\n") ||
           headers.find("\n\r\n") != std::string_view::npos ||
           headers.find("\n\n") != std::string_view::npos;
}

/// What HTTP carries by this header: RFC 6455 section 4.1, RFC 8010 section 3.3.
ApplicationProtocol carried_by_http(std::string_view name, std::string_view value) noexcept {
    return equals_ignoring_case(value, "websocket") && equals_ignoring_case(name, "upgrade")
               ? ApplicationProtocol::websocket
           : equals_ignoring_case(value, "application/ipp") &&
                   equals_ignoring_case(name, "content-type")
               ? ApplicationProtocol::ipp
               : ApplicationProtocol::http1;
}

/// Returns http1, or what that carries.
ApplicationProtocol set_http(const Message& message, ApplicationFields& fields) noexcept {
    fields.set(F::http_version, message.version);
    std::span<const HeaderField> wanted = kHttpRequest;
    if (message.status != 0) {
        fields.set(F::http_status, std::uint64_t{message.status});
        fields.set(F::http_reason, message.reason);
        wanted = kHttpResponse;
    } else {
        fields.set(F::http_method, message.method);
        fields.set(F::http_target, message.target);
    }
    bool open = any_open(wanted, fields);
    ApplicationProtocol carried = ApplicationProtocol::http1;
    for_each_header(message.headers, [&](std::string_view name, std::string_view value) {
        if (open && set_header(name, value, wanted, fields)) {
            open = any_open(wanted, fields);
        }
        if (carried == ApplicationProtocol::http1) {
            carried = carried_by_http(name, value);
        }
        return true;
    });
    return carried;
}

void set_sip(const Message& message, ApplicationFields& fields) noexcept {
    if (message.status != 0) {
        fields.set(F::sip_status, std::uint64_t{message.status});
    } else {
        fields.set(F::sip_method, message.method);
        fields.set(F::sip_request_uri, message.target);
    }
    set_headers(message.headers, kSip, fields);
}

void set_rtsp(const Message& message, ApplicationFields& fields) noexcept {
    if (message.status == 0) {
        fields.set(F::rtsp_method, message.method);
        fields.set(F::rtsp_url, message.target);
    }
    set_headers(message.headers, kRtsp, fields);
}

} // namespace

Parsed parse_text_message(const Payload& payload, ApplicationProtocol& protocol,
                          ApplicationFields& fields) noexcept {
    const std::string_view text = as_text(payload.octets);
    Message message;
    switch (read_start_line(text, message)) {
        case StartLine::none:
            return Parsed::not_mine;
        case StartLine::cut:
            return payload.more_or(Parsed::not_mine);
        case StartLine::request:
        case StartLine::response:
            break;
    }
    if (!ends(message.headers) && payload.stream && !payload.last_chance) {
        return Parsed::need_more;
    }
    if (message.version == "HTTP/2.0" && message.method == "PRI") {
        protocol = ApplicationProtocol::http2;
        fields.set(F::http_version, message.version);
    } else if (message.version == "SIP/2.0") {
        protocol = ApplicationProtocol::sip;
        set_sip(message, fields);
    } else if (message.version.starts_with("RTSP")) {
        protocol = ApplicationProtocol::rtsp;
        set_rtsp(message, fields);
    } else if (!payload.stream) {
        protocol = ApplicationProtocol::ssdp;
        set_headers(message.headers, kSsdp, fields);
    } else {
        const ApplicationProtocol carried = set_http(message, fields);
        if (carried != ApplicationProtocol::http1 ||
            carrier_of(protocol) != ApplicationProtocol::http1) {
            protocol = carried; // else what one side said stays
        }
        // RFC 9110 section 9.3.6: a tunnel follows, TLS more often than not.
        if (fields.text(F::http_method) == "CONNECT") {
            return Parsed::partly;
        }
    }
    return Parsed::complete;
}

} // namespace probe
