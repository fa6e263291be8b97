// SPDX-License-Identifier: BSD-3-Clause
// Reads IPFIX Messages from anyone, from files (RFC 5655) or a Transport Session: what `parshall
// show` is made of. Robust rather than strict: every octet is checked before it is read, and what
// cannot be read is a verdict. One thread at a time; allocates as templates arrive.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "encoder/information_elements.hpp"

namespace ipfix {

struct ReadField {
    std::uint32_t enterprise = 0;
    std::uint16_t id = 0;
    std::uint16_t length = 0;
    AbstractDataType type = AbstractDataType::octetArray; ///< octetArray when nobody registered it
    std::string name; ///< "packetDeltaCount", "reversePacketDeltaCount", or "e32473id12" if unknown
};

struct ReadTemplate {
    std::uint16_t id = 0;
    std::uint16_t scope_fields = 0; ///< more than 0: an Options Template
    std::vector<ReadField> fields;
    std::size_t record_octets_min = 0;
};

struct ReadRecord {
    const ReadTemplate* description = nullptr;
    std::uint32_t domain_id = 0;
    std::uint32_t export_time_s = 0;
    std::uint32_t sequence_number = 0; ///< of the message
    std::span<const std::uint8_t> octets;
};

/// One JSON object in template order, without a newline.
void append_json_record(std::string& out, const ReadRecord& record);

enum class ReadVerdict : std::uint8_t {
    read,
    cut,          ///< fewer octets than the header promises: the file or the stream was cut
    not_ipfix,    ///< the version is not 10
    bad_length,   ///< a Message or Set Length that cannot be
    bad_template, ///< a Template Record that cannot be read
    bad_record,   ///< a Data Record that its template does not fit
    too_large,    ///< more template fields than kReadFieldsMax: no honest exporter's
};
[[nodiscard]] const char* verdict_text(ReadVerdict verdict) noexcept;

inline constexpr std::size_t kReadFieldsMax = 1'000'000;

class RecordVisitor {
  public:
    virtual ~RecordVisitor() = default;
    /// A template that is new or has another content than before.
    virtual void on_template(std::uint32_t domain_id, const ReadTemplate& description) = 0;
    /// Valid during the call only.
    virtual void on_record(const ReadRecord& record) = 0;
};

class MessageReader {
  public:
    explicit MessageReader(RecordVisitor& visitor) : visitor_(visitor) {}

    /// Reads the message at the front and takes it off. On any other verdict than `read` the
    /// records before the fault were delivered; the message is still taken off when its length made
    /// sense, so that a caller may go on with the next.
    [[nodiscard]] ReadVerdict read(std::span<const std::uint8_t>& octets);
    /// Reads messages until the end or the first fault. `octets` is left at the message at fault.
    [[nodiscard]] ReadVerdict read_all(std::span<const std::uint8_t>& octets);

    [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
    [[nodiscard]] std::uint64_t records() const noexcept { return records_; }
    /// Data Sets without a template so far, which are skipped.
    [[nodiscard]] std::uint64_t unknown_sets() const noexcept { return unknown_sets_; }
    /// Data Records that sequence numbers say are missing.
    [[nodiscard]] std::uint64_t records_missing() const noexcept { return records_missing_; }

  private:
    struct Header {
        std::uint32_t domain_id = 0;
        std::uint32_t export_time_s = 0;
        std::uint32_t sequence_number = 0;
    };
    struct Domain {
        bool sequence_known = false;
        std::uint32_t sequence_next = 0;
    };
    using Octets = std::span<const std::uint8_t>;

    [[nodiscard]] ReadVerdict read_sets(const Header& header, Octets octets);
    [[nodiscard]] ReadVerdict read_set(const Header& header, std::uint16_t set_id, Octets body);
    [[nodiscard]] ReadVerdict read_templates(const Header& header, Octets body, bool options);
    [[nodiscard]] ReadVerdict read_template(const Header& header, Octets& body, bool options);
    [[nodiscard]] ReadVerdict read_data(const Header& header, Octets body,
                                        const ReadTemplate& description);
    void withdraw(std::uint32_t domain_id, std::uint16_t id, bool options);
    void remember(std::uint32_t domain_id, ReadTemplate description);
    void count_sequence(const Header& header, std::uint64_t records_before, bool sets_skipped);

    RecordVisitor& visitor_;
    std::map<std::uint32_t, Domain> domains_;
    std::map<std::pair<std::uint32_t, std::uint16_t>, ReadTemplate> templates_;
    std::size_t fields_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t unknown_sets_ = 0;
    std::uint64_t records_missing_ = 0;
};

} // namespace ipfix
