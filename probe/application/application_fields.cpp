// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/application_fields.hpp"

#include <algorithm>
#include <cstring>

#include "encoder/utf8.hpp"
#include "probe/application/payload_reader.hpp"

namespace probe {

namespace {

using F = ApplicationField;
constexpr FieldKind kText = FieldKind::text;
constexpr FieldKind kNumber = FieldKind::number;
constexpr FieldKind kOctets = FieldKind::octets;
constexpr FieldKind kLabel = FieldKind::label;

constexpr std::uint32_t kIana = 0;
constexpr std::uint32_t kNetscaler = 5951;
constexpr std::uint32_t kCert = 6871;
constexpr std::uint32_t kCesnet = 8057;
constexpr std::uint32_t kNtop = 35632;
constexpr std::uint32_t kFlowmon = 39499;

// Host names are at most 253 characters (RFC 1035 section 2.3.4); the rest is what fits a record.
constexpr std::uint16_t kName = 255;
constexpr std::uint16_t kLong = 256;
constexpr std::uint16_t kShort = 64;
constexpr std::uint16_t kLabelName = 32; // kApplicationNameOctetsMax

constexpr std::array<ApplicationFieldInfo, kApplicationFields> kFields = {{
    {F::tls_server_name, "TLS server name", kText, kName, kCert, 294},
    {F::tls_alpn, "TLS application protocol", kText, kShort, kFlowmon, 337},
    {F::tls_client_alpn, "TLS application protocols offered", kText, 128, kIana, 0},
    {F::tls_client_version, "TLS client version", kNumber, 2, kFlowmon, 340},
    {F::tls_server_version, "TLS version", kNumber, 2, kFlowmon, 333},
    {F::tls_cipher_suite, "TLS cipher suite", kNumber, 2, kFlowmon, 336},
    {F::tls_issuer_common_name, "certificate issuer", kText, 128, kCert, 196},
    {F::tls_subject_common_name, "certificate subject", kText, 128, kCert, 205},
    {F::tls_not_before, "certificate valid from", kText, 15, kCert, 247},
    {F::tls_not_after, "certificate valid until", kText, 15, kCert, 248},
    {F::tls_ja3, "JA3", kText, 32, kNtop, 489},
    {F::tls_ja3s, "JA3S", kText, 32, kNtop, 490},
    {F::tls_ja4, "JA4", kText, 36, kNtop, 576},
    {F::quic_server_name, "QUIC server name", kText, kName, kCesnet, 890},
    {F::quic_version, "QUIC version", kNumber, 4, kCesnet, 892},
    {F::quic_user_agent, "QUIC user agent", kText, 128, kCesnet, 891},
    {F::dns_id, "DNS transaction", kNumber, 2, kCesnet, 10},
    {F::dns_name, "DNS name", kText, kName, kCesnet, 2},
    {F::dns_type, "DNS type", kNumber, 2, kCesnet, 3},
    {F::dns_class, "DNS class", kNumber, 2, kCesnet, 4},
    {F::dns_rcode, "DNS response code", kNumber, 1, kCesnet, 1},
    {F::dns_answers, "DNS answers", kNumber, 2, kCesnet, 14},
    {F::dns_answer_ttl, "DNS time to live", kNumber, 4, kCesnet, 5},
    {F::dns_answer_data, "DNS answer data", kText, 512, kCesnet, 7},
    {F::netbios_name, "NetBIOS name", kText, 16, kCesnet, 831},
    {F::netbios_suffix, "NetBIOS suffix", kNumber, 1, kCesnet, 832},
    {F::http_method, "HTTP method", kText, 24, kIana, 459},
    {F::http_host, "HTTP host", kText, kName, kIana, 460},
    {F::http_target, "HTTP target", kText, kLong, kIana, 461},
    {F::http_version, "HTTP version", kText, 12, kIana, 462},
    {F::http_status, "HTTP status", kNumber, 2, kIana, 457},
    {F::http_reason, "HTTP reason", kText, kShort, kIana, 470},
    {F::http_user_agent, "HTTP user agent", kText, kLong, kIana, 468},
    {F::http_content_type, "HTTP content type", kText, kShort, kIana, 469},
    {F::http_referer, "HTTP referer", kText, kLong, kCert, 115},
    {F::http_upgrade, "HTTP upgrade", kText, 32, kCert, 268},
    {F::ssh_client_version, "SSH client version", kText, 128, kCert, 171},
    {F::ssh_server_version, "SSH server version", kText, 128, kIana, 0},
    {F::ssh_hassh, "HASSH", kText, 32, kIana, 0},
    {F::ssh_hassh_server, "HASSH of the server", kText, 32, kIana, 0},
    {F::smtp_hello, "SMTP hello", kText, kName, kCert, 162},
    {F::smtp_from, "SMTP sender", kText, kName, kCert, 163},
    {F::smtp_to, "SMTP recipient", kText, kName, kCert, 164},
    {F::smtp_response, "SMTP greeting", kText, 128, kCert, 169},
    {F::ftp_user, "FTP user", kText, kShort, kCert, 132},
    {F::ftp_response, "FTP greeting", kText, 128, kCert, 131},
    {F::imap_command, "IMAP command", kText, kShort, kCert, 140},
    {F::pop3_message, "POP3 greeting", kText, 128, kCert, 124},
    {F::sip_method, "SIP method", kText, 24, kCert, 156},
    {F::sip_status, "SIP status", kNumber, 2, kCesnet, 101},
    {F::sip_call_id, "SIP call", kText, 128, kCesnet, 102},
    {F::sip_calling_party, "SIP caller", kText, 128, kCesnet, 103},
    {F::sip_called_party, "SIP callee", kText, 128, kCesnet, 104},
    {F::sip_user_agent, "SIP user agent", kText, 128, kCesnet, 106},
    {F::sip_request_uri, "SIP request URI", kText, 128, kCesnet, 107},
    {F::rtsp_method, "RTSP method", kText, 24, kCert, 147},
    {F::rtsp_url, "RTSP URL", kText, kLong, kCert, 143},
    {F::rtsp_user_agent, "RTSP user agent", kText, 128, kCert, 153},
    {F::ssdp_server, "SSDP server", kText, 128, kCesnet, 822},
    {F::ssdp_search_target, "SSDP search target", kText, 128, kCesnet, 825},
    {F::rtp_payload_type, "RTP payload type", kNumber, 1, kCert, 287},
    {F::ntp_version, "NTP version", kNumber, 1, kCesnet, 19},
    {F::ntp_mode, "NTP mode", kNumber, 1, kCesnet, 20},
    {F::ntp_stratum, "NTP stratum", kNumber, 1, kCesnet, 21},
    {F::snmp_version, "SNMP version", kNumber, 1, kIana, 0},
    {F::snmp_pdu_type, "SNMP PDU type", kNumber, 1, kIana, 0},
    {F::dhcp_message_type, "DHCP message type", kNumber, 1, kFlowmon, 202},
    {F::dhcp_host_name, "DHCP host name", kText, kName, kFlowmon, 206},
    {F::dhcp_fingerprint, "DHCP fingerprint", kText, 255, kCert, 242},
    {F::dhcp_vendor_class, "DHCP vendor class", kText, 128, kCert, 243},
    {F::radius_code, "RADIUS code", kNumber, 1, kIana, 0},
    {F::radius_user_name, "RADIUS user", kText, 128, kIana, 0},
    {F::mqtt_version, "MQTT version", kNumber, 1, kIana, 0},
    {F::mqtt_client_id, "MQTT client", kText, 128, kIana, 0},
    {F::smb_dialect, "SMB dialect", kNumber, 2, kIana, 0},
    {F::smb_command, "SMB command", kNumber, 4, kFlowmon, 150},
    {F::rdp_cookie, "RDP cookie", kText, kShort, kIana, 0},
    {F::rdp_protocols, "RDP protocols requested", kNumber, 4, kIana, 0},
    {F::bittorrent_info_hash, "BitTorrent info hash", kText, 40, kNtop, 189},
    {F::wireguard_initiator, "WireGuard initiator", kNumber, 4, kCesnet, 1101},
    {F::wireguard_responder, "WireGuard responder", kNumber, 4, kCesnet, 1102},
    {F::openvpn_opcode, "OpenVPN opcode", kNumber, 1, kIana, 0},
    {F::ike_version, "IKE version", kNumber, 1, kIana, 0},
    {F::ike_exchange_type, "IKE exchange", kNumber, 1, kIana, 0},
    {F::stun_message_type, "STUN message type", kNumber, 2, kIana, 0},
    {F::stun_software, "STUN software", kText, 128, kIana, 0},
    {F::syslog_priority, "syslog priority", kNumber, 1, kNetscaler, 134},
    {F::application_id, "application, by the rules (RFC 6759)", kLabel, 8, kIana, 95},
    {F::application_name, "its name", kLabel, kLabelName, kIana, 96},
    {F::application_category, "its category", kLabel, kLabelName, kIana, 372},
    {F::payload_head, "first payload octets of the source", kOctets, kPayloadHeadMax, kCert, 18},
    {F::payload_head_reverse, "first payload octets of the answers", kOctets, kPayloadHeadMax,
     kCert, 16402},
    {F::payload_entropy, "their entropy, 255 for 8 bits an octet", kNumber, 1, kCert, 35},
    {F::payload_entropy_reverse, "entropy of the answers", kNumber, 1, kCert, 16419},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        if (static_cast<std::size_t>(kFields[i].field) != i) {
            return false;
        }
    }
    return true;
}
static_assert(in_order(), "field_info looks a field up by its number");

constexpr FieldMask number_fields() {
    FieldMask numbers;
    for (const ApplicationFieldInfo& info : kFields) {
        if (info.kind == kNumber || info.kind == kLabel) {
            numbers.add(info.field);
        }
    }
    return numbers;
}

void count(std::uint8_t& tally) noexcept {
    tally = static_cast<std::uint8_t>(tally + (tally < UINT8_MAX));
}

/// Octets of ASCII at the front, eight at a time: there is seldom anything else.
std::size_t ascii_octets(std::string_view value) noexcept {
    constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;
    std::size_t octets = 0;
    for (std::uint64_t eight = 0; value.size() - octets >= sizeof eight; octets += sizeof eight) {
        std::memcpy(&eight, value.data() + octets, sizeof eight);
        if ((eight & kHighBits) != 0) {
            break;
        }
    }
    while (octets < value.size() && static_cast<unsigned char>(value[octets]) < 0x80) {
        ++octets;
    }
    return octets;
}

/// Octets of the longest front of `value`, in whole characters, of at most `octets_max`; npos when
/// the value is not UTF-8.
std::size_t whole_characters(std::string_view value, std::size_t octets_max) noexcept {
    std::size_t kept = ascii_octets(value.substr(0, octets_max));
    value.remove_prefix(kept);
    while (!value.empty()) {
        const std::size_t octets = ipfix::utf8_octets(value);
        if (octets == 0) {
            return std::string_view::npos;
        }
        if (octets > octets_max - kept) {
            break;
        }
        kept += octets;
        value.remove_prefix(octets);
    }
    return kept;
}

} // namespace

constinit const FieldMask kNumberFields = number_fields();

const ApplicationFieldInfo& field_info(ApplicationField field) noexcept {
    return kFields[static_cast<std::size_t>(field)];
}

const ApplicationFields::Entry* ApplicationFields::find(ApplicationField field) const noexcept {
    for (std::size_t i = 0; i < entries_used_; ++i) {
        if (entries_[i].field == field) {
            return &entries_[i];
        }
    }
    return nullptr;
}

ApplicationFields::Entry* ApplicationFields::add(ApplicationField field) noexcept {
    if (entries_used_ == kEntriesMax) {
        count(tally_.no_room);
        return nullptr;
    }
    Entry& entry = entries_[entries_used_++];
    entry = {0, text_used_, 0, field};
    return &entry;
}

void ApplicationFields::store(ApplicationField field, std::string_view value) noexcept {
    if (value.size() > kTextOctetsMax - text_used_) {
        count(tally_.no_room);
        return;
    }
    if (Entry* entry = add(field)) {
        std::copy(value.begin(), value.end(), text_.begin() + text_used_);
        entry->octets = static_cast<std::uint16_t>(value.size());
        text_used_ = static_cast<std::uint16_t>(text_used_ + value.size());
    }
}

void ApplicationFields::set(ApplicationField field, std::string_view value) noexcept {
    if (!keeps(field) || has(field)) {
        return;
    }
    std::size_t kept = whole_characters(value, field_info(field).octets_max);
    if (kept == std::string_view::npos) {
        count(tally_.emptied);
        kept = 0;
    } else if (kept < value.size()) {
        count(tally_.cut);
    }
    store(field, value.substr(0, kept));
}

void ApplicationFields::set(ApplicationField field, Bytes value) noexcept {
    set(field, as_text(value));
}

void ApplicationFields::set(ApplicationField field, std::uint64_t value) noexcept {
    if (!keeps(field) || has(field)) {
        return;
    }
    if (Entry* entry = add(field)) {
        entry->number = value;
    }
}

void ApplicationFields::append(ApplicationField field, std::string_view separator,
                               std::string_view value) noexcept {
    if (!keeps(field)) {
        return;
    }
    if (!has(field)) {
        set(field, value);
        return;
    }
    Entry& last = entries_[entries_used_ - 1U];
    if (last.field != field) {
        return;
    }
    const std::size_t room = std::min<std::size_t>(field_info(field).octets_max - last.octets,
                                                   kTextOctetsMax - text_used_);
    if (separator.size() + value.size() > room) {
        count(tally_.cut);
        return;
    }
    if (whole_characters(value, room) == std::string_view::npos) {
        count(tally_.emptied);
        return;
    }
    for (const std::string_view part : {separator, value}) {
        std::copy(part.begin(), part.end(), text_.begin() + text_used_);
        text_used_ = static_cast<std::uint16_t>(text_used_ + part.size());
        last.octets = static_cast<std::uint16_t>(last.octets + part.size());
    }
}

std::string_view ApplicationFields::text(ApplicationField field) const noexcept {
    const Entry* entry = find(field);
    return entry == nullptr ? std::string_view{}
                            : std::string_view(text_.data() + entry->offset, entry->octets);
}

std::optional<std::uint64_t> ApplicationFields::number(ApplicationField field) const noexcept {
    const Entry* entry = find(field);
    return entry == nullptr ? std::nullopt : std::optional(entry->number);
}

} // namespace probe
