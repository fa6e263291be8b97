// SPDX-License-Identifier: BSD-3-Clause
// The names and parameters that application protocols give away, which Information Element carries
// each, and the bounded place where a flow keeps them.
//
// Element: IANA's where there is one (enterprise 0), else one that CERT (6871), CESNET (8057), ntop
// (35632), Flowmon (39499) or NetScaler (5951) published; element 0 where nobody published any:
// such a field can be read, not yet be exported. All are in the encoder's registry
// (encoder/registry), by these numbers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class FieldKind : std::uint8_t {
    text,
    number,
    octets, ///< of any value, cut anywhere
    label,  ///< follows from the flow's ApplicationLabel
};

enum class ApplicationField : std::uint8_t {
    tls_server_name,
    tls_alpn,
    tls_client_alpn,
    tls_client_version,
    tls_server_version,
    tls_cipher_suite,
    tls_issuer_common_name,
    tls_subject_common_name,
    tls_not_before,
    tls_not_after,
    tls_ja3,
    tls_ja3s,
    tls_ja4,
    quic_server_name,
    quic_version,
    quic_user_agent,
    dns_id,
    dns_name,
    dns_type,
    dns_class,
    dns_rcode,
    dns_answers,
    dns_answer_ttl,
    dns_answer_data,
    netbios_name,
    netbios_suffix,
    http_method,
    http_host,
    http_target,
    http_version,
    http_status,
    http_reason,
    http_user_agent,
    http_content_type,
    http_referer,
    http_upgrade,
    ssh_client_version,
    ssh_server_version,
    ssh_hassh,
    ssh_hassh_server,
    smtp_hello,
    smtp_from,
    smtp_to,
    smtp_response,
    ftp_user,
    ftp_response,
    imap_command,
    pop3_message,
    sip_method,
    sip_status,
    sip_call_id,
    sip_calling_party,
    sip_called_party,
    sip_user_agent,
    sip_request_uri,
    rtsp_method,
    rtsp_url,
    rtsp_user_agent,
    ssdp_server,
    ssdp_search_target,
    rtp_payload_type,
    ntp_version,
    ntp_mode,
    ntp_stratum,
    snmp_version,
    snmp_pdu_type,
    dhcp_message_type,
    dhcp_host_name,
    dhcp_fingerprint,
    dhcp_vendor_class,
    radius_code,
    radius_user_name,
    mqtt_version,
    mqtt_client_id,
    smb_dialect,
    smb_command,
    rdp_cookie,
    rdp_protocols,
    bittorrent_info_hash,
    wireguard_initiator,
    wireguard_responder,
    openvpn_opcode,
    ike_version,
    ike_exchange_type,
    stun_message_type,
    stun_software,
    syslog_priority,
    // Not a protocol's, but of every flow (ApplicationMeter).
    application_id,
    application_name,
    application_category,
    payload_head,
    payload_head_reverse,
    payload_entropy,
    payload_entropy_reverse,
    count_, ///< not a field
};

inline constexpr std::size_t kApplicationFields =
    static_cast<std::size_t>(ApplicationField::count_);

/// The most that is kept of a direction's payload.
inline constexpr std::uint16_t kPayloadHeadMax = 256;

struct ApplicationFieldInfo {
    ApplicationField field;
    std::string_view name; ///< for people; the element's own name is the template's
    FieldKind kind;
    std::uint16_t octets_max; ///< of a text; longer ones are cut. Of a number: its width
    std::uint32_t enterprise; ///< Private Enterprise Number; 0: IANA
    std::uint16_t element;    ///< 0: nobody published one
};

[[nodiscard]] const ApplicationFieldInfo& field_info(ApplicationField field) noexcept;

/// A set of fields.
class FieldMask {
  public:
    constexpr FieldMask& add(ApplicationField field) noexcept {
        const auto bit = static_cast<std::size_t>(field);
        bits_[bit / 64] |= std::uint64_t{1} << (bit % 64);
        return *this;
    }
    [[nodiscard]] constexpr bool has(ApplicationField field) const noexcept {
        const auto bit = static_cast<std::size_t>(field);
        return (bits_[bit / 64] >> (bit % 64) & 1) != 0;
    }
    [[nodiscard]] constexpr bool empty() const noexcept { return *this == FieldMask{}; }
    constexpr FieldMask& operator|=(const FieldMask& other) noexcept {
        for (std::size_t i = 0; i < bits_.size(); ++i) {
            bits_[i] |= other.bits_[i];
        }
        return *this;
    }
    friend constexpr bool operator==(const FieldMask&, const FieldMask&) = default;

  private:
    std::array<std::uint64_t, (kApplicationFields + 63) / 64> bits_{};
};

/// Those of kind number or label: what is kept of them has 8 octets.
extern const FieldMask kNumberFields;

/// What happened to texts on their way in. One writer, the fields' owner.
struct FieldTally {
    std::uint8_t emptied =
        0;                ///< not well-formed UTF-8 (RFC 7011 section 6.1.6): the field is empty
    std::uint8_t cut = 0; ///< longer than octets_max: cut at a character's end
    std::uint8_t no_room = 0; ///< the flow's storage was full: the field is absent
};

/// A flow's fields, in fixed storage. The first value of a field stays. Thread: the owner's only.
class ApplicationFields {
  public:
    static constexpr std::size_t kEntriesMax = 24;
    static constexpr std::size_t kTextOctetsMax = 1'280;

    /// Only for fields of kind text. Later values of a field are ignored.
    void set(ApplicationField field, std::string_view value) noexcept;
    void set(ApplicationField field, Bytes value) noexcept;
    /// Only for fields of kind number.
    void set(ApplicationField field, std::uint64_t value) noexcept;
    /// More text behind the value of a text field, after `separator`; the first value sets it.
    /// Only for the field that was set last (others lie behind it): otherwise ignored.
    void append(ApplicationField field, std::string_view separator,
                std::string_view value) noexcept;

    /// Others are not kept: what nobody exports is neither checked nor copied. nullptr: all are.
    /// `kept` must outlive these fields, or their next clear().
    void keep_only(const FieldMask* kept) noexcept { kept_ = kept; }
    /// Whether a value would be kept; parsers need not work out others.
    [[nodiscard]] bool keeps(ApplicationField field) const noexcept {
        return kept_ == nullptr || kept_->has(field);
    }

    [[nodiscard]] bool has(ApplicationField field) const noexcept { return find(field) != nullptr; }
    /// Empty when absent or emptied.
    [[nodiscard]] std::string_view text(ApplicationField field) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> number(ApplicationField field) const noexcept;

    /// One of size() fields, in the order they were set.
    struct Value {
        ApplicationField field;
        std::string_view text; ///< kind text
        std::uint64_t number;  ///< kind number
    };
    [[nodiscard]] Value at(std::size_t i) const noexcept {
        const Entry& entry = entries_[i];
        return {entry.field, {text_.data() + entry.offset, entry.octets}, entry.number};
    }
    [[nodiscard]] std::size_t size() const noexcept { return entries_used_; }
    [[nodiscard]] const FieldTally& tally() const noexcept { return tally_; }
    void clear() noexcept {
        entries_used_ = 0;
        text_used_ = 0;
        tally_ = {};
        kept_ = nullptr;
    }

  private:
    struct Entry {
        std::uint64_t number; ///< kind number
        std::uint16_t offset; ///< kind text: in text_
        std::uint16_t octets;
        ApplicationField field;
    };

    [[nodiscard]] const Entry* find(ApplicationField field) const noexcept;
    void store(ApplicationField field, std::string_view value) noexcept;
    [[nodiscard]] Entry* add(ApplicationField field) noexcept;

    const FieldMask* kept_ = nullptr;
    std::uint16_t entries_used_ = 0;
    std::uint16_t text_used_ = 0;
    FieldTally tally_;
    std::array<Entry, kEntriesMax> entries_; ///< the first entries_used_ are valid
    std::array<char, kTextOctetsMax> text_;  ///< the first text_used_ are valid
};

} // namespace probe
