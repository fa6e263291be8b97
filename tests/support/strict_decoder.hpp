// SPDX-License-Identifier: BSD-3-Clause
// A second decoder, written from RFC 7011 and sharing no code with encoder/, that complains about
// everything a collector could stumble over. One object is one Transport Session: feed it every
// message in order, then look at violations() (sentences) and records(). For tests only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace strict {

struct Field {
    std::uint32_t enterprise = 0; ///< 29305: a reverse element (RFC 5103)
    std::uint16_t id = 0;
    std::uint16_t length = 0; ///< as in the template; 65535: variable
    bool operator==(const Field&) const = default;
};

struct Template {
    std::uint16_t id = 0;
    std::uint16_t scope_fields = 0; ///< 0: not an Options Template
    std::vector<Field> fields;
    bool operator==(const Template&) const = default;
};

inline constexpr std::uint32_t kReverse = 29305;

/// One Data Record: values in template order. Throws std::out_of_range when a value is asked for
/// that the record does not have, so that a test fails where it asks.
struct Record {
    std::uint32_t domain = 0;
    std::uint16_t template_id = 0;
    std::uint32_t export_time_s = 0;
    std::uint64_t message = 0; ///< number of the message in the session, from 0
    bool options = false;
    std::vector<std::pair<Field, std::vector<std::uint8_t>>> values;

    [[nodiscard]] bool has(std::uint32_t enterprise, std::uint16_t id) const;
    /// The n-th value of this element (elements may repeat).
    [[nodiscard]] const std::vector<std::uint8_t>& octets(std::uint32_t enterprise,
                                                          std::uint16_t id,
                                                          std::size_t nth = 0) const;
    /// Unsigned, any length up to eight octets (reduced-size encoding).
    [[nodiscard]] std::uint64_t number(std::uint32_t enterprise, std::uint16_t id) const;
    [[nodiscard]] std::uint64_t number(std::uint16_t id) const { return number(0, id); }
    [[nodiscard]] std::uint64_t reverse(std::uint16_t id) const { return number(kReverse, id); }
    /// number, or this when the record has no such element.
    [[nodiscard]] std::uint64_t number_or(std::uint32_t enterprise, std::uint16_t id,
                                          std::uint64_t otherwise) const;
    /// "192.0.2.1" or "2001:db8::1", from 4 or 16 octets.
    [[nodiscard]] std::string address(std::uint16_t id) const;
    [[nodiscard]] std::string text(std::uint32_t enterprise, std::uint16_t id) const;
};

struct Rules {
    bool sequence = true; ///< false: messages may be missing (tests of loss look themselves)
    bool first_sequence_zero = true;   ///< the session starts at sequence number 0
    bool export_time_monotonic = true; ///< per domain
    bool templates_may_change =
        false;               ///< UDP allows it after a while (section 8.4); we never do it
    bool withdrawals = true; ///< false over UDP (section 8.1)
    std::size_t message_octets_max = 65535;
    bool keep_records = true; ///< false: count only, for long runs
};

/// A list of RFC 6313 as it was sent.
struct List {
    struct Group { ///< subTemplateList: one; subTemplateMultiList: any number
        std::uint16_t template_id = 0;
        std::vector<Record> records;
    };
    std::uint8_t semantic = 0;
    Field element;                                 ///< basicList
    std::vector<std::vector<std::uint8_t>> values; ///< basicList
    std::vector<Group> groups;

    /// The values of a basicList of numbers.
    [[nodiscard]] std::vector<std::uint64_t> numbers() const;
};

class Decoder {
  public:
    explicit Decoder(Rules rules = {}) : rules_(rules) {}

    /// One whole message: a datagram's payload. True when it added no violation.
    bool message(std::span<const std::uint8_t> octets);
    /// Any number of whole messages one after the other: a file, or what a TCP session carried.
    /// What is left at the end that is no whole message is a violation.
    bool stream(std::span<const std::uint8_t> octets);

    /// The list in a field of element 291, 292 or 293, with templates of the latest message's
    /// domain. What is wrong with it is a violation (all lists in records were looked at already).
    List list(std::uint16_t id, std::span<const std::uint8_t> value);

    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
    /// All violations on a line each; empty when there are none. For INFO() and CHECK messages.
    [[nodiscard]] std::string complaint() const;
    [[nodiscard]] const std::vector<Record>& records() const { return records_; }
    [[nodiscard]] std::vector<Record> take_records();
    [[nodiscard]] std::uint64_t data_records() const { return data_records_; }
    [[nodiscard]] std::uint64_t messages() const { return messages_; }
    [[nodiscard]] std::uint64_t template_records() const { return template_records_; }
    [[nodiscard]] std::uint64_t withdrawals() const { return withdrawals_; }
    /// Data Records that sequence numbers say were sent but did not come (0 when all is well);
    /// filled also when Rules::sequence is off.
    [[nodiscard]] std::uint64_t records_missing() const { return records_missing_; }
    [[nodiscard]] const Template* find_template(std::uint32_t domain, std::uint16_t id) const;
    /// Start another Transport Session: forgets templates and sequence numbers, keeps records,
    /// counts and violations.
    void new_session();

  private:
    struct Domain {
        bool seen = false;
        std::uint32_t next_sequence = 0;
        std::uint32_t export_time_s = 0;
        std::map<std::uint16_t, Template> templates;
    };

    void complain(const std::string& what);
    void begin_message(std::span<const std::uint8_t> octets, Domain& domain);
    void sets(std::span<const std::uint8_t> octets, Domain& domain);
    void template_set(std::span<const std::uint8_t> body, bool options, Domain& domain);
    bool template_record(std::span<const std::uint8_t>& body, bool options, Domain& domain);
    void withdraw(std::uint16_t id, bool options, Domain& domain);
    void data_set(std::span<const std::uint8_t> body, const Template& described);
    std::optional<Record> data_record(std::span<const std::uint8_t>& body,
                                      const Template& described);
    List basic_list(std::span<const std::uint8_t> value);
    /// Data Records of a template until the octets end.
    List::Group list_records(std::uint16_t template_id, std::span<const std::uint8_t> octets);
    void padding(std::span<const std::uint8_t> rest, std::size_t record_octets_min);

    Rules rules_;
    std::map<std::uint32_t, Domain> domains_;
    std::vector<std::string> violations_;
    std::vector<Record> records_;
    std::uint64_t data_records_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t template_records_ = 0;
    std::uint64_t withdrawals_ = 0;
    std::uint64_t records_missing_ = 0;
    std::uint32_t domain_id_ = 0;
    std::uint32_t export_time_s_ = 0;
    std::uint32_t records_in_message_ = 0;
};

} // namespace strict
