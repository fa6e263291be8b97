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
#include "encoder/list_form.hpp"

namespace ipfix {

struct ReadField {
    std::uint32_t enterprise = 0;
    std::uint16_t id = 0;
    std::uint16_t length = 0;
    AbstractDataType type = AbstractDataType::octetArray; ///< octetArray when nobody registered it
    std::string name; ///< "packetDeltaCount", "reversePacketDeltaCount", or "e32473id12" if unknown
};

/// A Field Specifier as it was read.
[[nodiscard]] ReadField make_read_field(std::uint32_t enterprise, std::uint16_t id,
                                        std::uint16_t length);

struct ReadTemplate {
    std::uint16_t id = 0;
    std::uint16_t scope_fields = 0; ///< more than 0: an Options Template
    std::vector<ReadField> fields;
    std::size_t record_octets_min = 0;
};

/// The same fields with the same lengths, and the same scope.
[[nodiscard]] bool same_content(const ReadTemplate& a, const ReadTemplate& b) noexcept;

struct ReadRecord {
    const ReadTemplate* description = nullptr;
    std::uint32_t domain_id = 0;
    std::uint32_t export_time_s = 0;
    std::uint32_t sequence_number = 0; ///< of the message
    std::span<const std::uint8_t> octets;
    std::size_t at = 0;                        ///< where in the message it starts
    const TemplateFinder* templates = nullptr; ///< of the lists in it
};

/// The Message Header (RFC 7011 section 3.1) without its version.
struct ReadHeader {
    std::uint16_t length = 0;
    std::uint32_t export_time_s = 0;
    std::uint32_t sequence_number = 0;
    std::uint32_t domain_id = 0;
};

/// One JSON object in template order, without a newline.
void append_json_record(std::string& out, const ReadRecord& record);

enum class ReadVerdict : std::uint8_t {
    read,
    cut,             ///< fewer octets than the header promises: the file or the stream was cut
    not_ipfix,       ///< the version is not 10
    bad_length,      ///< a Message or Set Length that cannot be
    bad_template,    ///< a Template Record that is longer than its Set, or describes nothing
    bad_template_id, ///< below 256
    bad_scope,       ///< an Options Template whose scope is empty, or more than its fields
    bad_record,      ///< a Data Record that its template does not fit
    too_large,       ///< more template fields than kReadFieldsMax: no honest exporter's
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

    // What a checker looks at besides. `at` counts octets from the message's first.
    virtual void on_message(const ReadHeader& /*header*/) {}
    virtual void on_set(std::uint16_t /*set_id*/, std::size_t /*at*/) {}
    /// Every Template Record, before it is remembered; `known`: its predecessor, or nullptr.
    virtual void on_template_record(const ReadTemplate& /*received*/, const ReadTemplate* /*known*/,
                                    std::size_t /*at*/) {}
    /// `id` as it is written; `known`: it names a template of its Set's kind, or all of them.
    virtual void on_withdrawal(std::uint16_t /*set_id*/, std::uint16_t /*id*/, bool /*known*/,
                               std::size_t /*at*/) {}
    /// A Data Set without its template.
    virtual void on_unknown_set(std::uint16_t /*set_id*/, std::size_t /*at*/) {}
    /// The end of a Set that could be read: its records and what is left behind them.
    virtual void on_set_end(std::uint16_t /*set_id*/, const ReadTemplate* /*description*/,
                            std::uint64_t /*records*/, std::span<const std::uint8_t> /*rest*/,
                            std::size_t /*at*/) {}
    /// `at`: where the fault is. `countable`: `records` are all that the message holds.
    virtual void on_message_end(ReadVerdict /*verdict*/, std::uint64_t /*records*/,
                                bool /*countable*/, std::size_t /*at*/) {}
};

class MessageReader final : public TemplateFinder {
  public:
    explicit MessageReader(RecordVisitor& visitor) : visitor_(visitor) {}

    /// Reads the message at the front and takes it off. On any other verdict than `read` the
    /// records before the fault were delivered; the message is still taken off when its length made
    /// sense, so that a caller may go on with the next.
    [[nodiscard]] ReadVerdict read(std::span<const std::uint8_t>& octets);
    /// Reads messages until the end or the first fault. `octets` is left at the message at fault.
    [[nodiscard]] ReadVerdict read_all(std::span<const std::uint8_t>& octets);

    [[nodiscard]] const ReadTemplate* find_template(std::uint32_t domain_id,
                                                    std::uint16_t id) const noexcept override;

    [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
    [[nodiscard]] std::uint64_t records() const noexcept { return records_; }
    /// Data Sets without a template so far, which are skipped.
    [[nodiscard]] std::uint64_t unknown_sets() const noexcept { return unknown_sets_; }
    /// Data Records that sequence numbers say are missing.
    [[nodiscard]] std::uint64_t records_missing() const noexcept { return records_missing_; }

  private:
    struct Domain {
        bool sequence_known = false;
        std::uint32_t sequence_next = 0;
    };
    using Octets = std::span<const std::uint8_t>;

    [[nodiscard]] ReadVerdict read_sets(const ReadHeader& header, Octets octets);
    [[nodiscard]] ReadVerdict read_set(const ReadHeader& header, std::uint16_t set_id, Octets body);
    [[nodiscard]] ReadVerdict read_templates(const ReadHeader& header, Octets body, bool options);
    [[nodiscard]] ReadVerdict read_template(const ReadHeader& header, Octets& body, bool options);
    [[nodiscard]] static ReadVerdict read_fields(ReadTemplate& read, Octets& body,
                                                 std::size_t count);
    [[nodiscard]] ReadVerdict read_data(const ReadHeader& header, Octets body,
                                        const ReadTemplate& description);
    /// False when there was nothing to withdraw.
    bool withdraw(std::uint32_t domain_id, std::uint16_t id, bool options);
    void remember(std::uint32_t domain_id, ReadTemplate description);
    void count_sequence(const ReadHeader& header, std::uint64_t records_before, bool sets_skipped);

    [[nodiscard]] std::size_t at(Octets octets) const noexcept {
        return static_cast<std::size_t>(octets.data() - message_begin_);
    }
    [[nodiscard]] ReadVerdict fault(ReadVerdict verdict, Octets octets) noexcept {
        fault_at_ = at(octets);
        return verdict;
    }

    RecordVisitor& visitor_;
    const std::uint8_t* message_begin_ = nullptr; ///< of the message at hand
    std::size_t fault_at_ = 0;
    std::map<std::uint32_t, Domain> domains_;
    std::map<std::pair<std::uint32_t, std::uint16_t>, ReadTemplate> templates_;
    std::size_t fields_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t unknown_sets_ = 0;
    std::uint64_t records_missing_ = 0;
};

} // namespace ipfix
