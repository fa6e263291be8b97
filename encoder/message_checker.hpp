// SPDX-License-Identifier: BSD-3-Clause
// Watches one Transport Session for everything that RFC 7011 asks of an exporter and a receiver can
// see (message_rules.hpp): a strict judge beside the robust MessageReader, which it is the visitor
// of.
//
//     MessageChecker checker({.kind = SessionKind::stream}, &printer);
//     MessageReader reader(checker);
//     checker.set_now(now);
//     if (verdict = reader.read(octets); no message was read) checker.unreadable(verdict, ...);
//
// Knows no socket and no clock. One thread at a time; allocates as templates arrive.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "encoder/message_reader.hpp"
#include "encoder/message_rules.hpp"
#include "encoder/record_facts.hpp"

namespace ipfix {

enum class SessionKind : std::uint8_t {
    datagrams, ///< UDP, DTLS: messages may be lost, and the collector may have come late
    stream,    ///< TCP, TLS, SCTP: from the session's first message on, and reliable
    file,      ///< RFC 5655: reliable, and may begin in the middle of a session
};

struct CheckOptions {
    SessionKind kind = SessionKind::stream;
    /// Datagrams: how old a template may be when its data comes. RFC 6728's default interval is
    /// 600 s.
    std::uint64_t template_age_max_ns = 660'000'000'000;
    /// How far the exporter's clock may be from the collector's.
    std::uint32_t clock_difference_max_s = 5;
};

struct SessionTotals {
    std::uint64_t messages = 0;
    std::uint64_t octets = 0;
    std::uint64_t flow_records = 0;
    std::uint64_t options_records = 0;
    std::uint64_t template_records = 0;
    std::uint64_t withdrawals = 0;
    std::uint64_t records_missing = 0; ///< by sequence number
    std::uint64_t unread_sets = 0;     ///< Data Sets without their template
};

class MessageChecker final : public RecordVisitor {
  public:
    /// `next` gets templates and records as from the reader itself; may be nullptr.
    MessageChecker(CheckOptions options, RecordVisitor* next, Findings::OnFirst on_first = {});

    /// The collector's clock when the next message came, in nanoseconds since 1970; 0: it has none.
    void set_now(std::uint64_t now_ns) noexcept { now_ns_ = now_ns; }
    /// The SCTP stream of the next message: each counts its own sequence numbers, and what is on
    /// one stream says nothing of when a message of another was sent.
    void set_stream(std::uint16_t stream) noexcept {
        several_streams_ = several_streams_ || (totals_.messages != 0 && stream != stream_);
        stream_ = stream;
    }
    /// What came is no message at all: MessageReader::read() refused it before its first Set.
    void unreadable(ReadVerdict verdict, std::span<const std::uint8_t> octets);
    /// The message read last had this many octets behind it in its datagram.
    void datagram_rest(std::size_t octets);
    /// The message to come was put together from IP fragments.
    void fragmented(std::size_t largest_octets);
    /// The session is over: what only shows at its end.
    void end();

    [[nodiscard]] const Findings& findings() const noexcept { return findings_; }
    [[nodiscard]] const SessionTotals& totals() const noexcept { return totals_; }
    /// Observation Domains seen, in order.
    [[nodiscard]] std::vector<std::uint32_t> domains() const;
    /// SCTP streams that messages came on; 1 for other transports.
    [[nodiscard]] std::size_t streams() const;
    /// What the findings together say about the exporter, one sentence each.
    [[nodiscard]] std::vector<std::string> diagnoses() const;

    void on_template(std::uint32_t domain_id, const ReadTemplate& description) override;
    void on_record(const ReadRecord& record) override;
    void on_message(const ReadHeader& header) override;
    void on_set(std::uint16_t set_id, std::size_t at) override;
    void on_template_record(const ReadTemplate& received, const ReadTemplate* known,
                            std::size_t at) override;
    void on_withdrawal(std::uint16_t set_id, std::uint16_t id, bool known, std::size_t at) override;
    void on_unknown_set(std::uint16_t set_id, std::size_t at) override;
    void on_set_end(std::uint16_t set_id, const ReadTemplate* description, std::uint64_t records,
                    std::span<const std::uint8_t> rest, std::size_t at) override;
    void on_message_end(ReadVerdict verdict, std::uint64_t records, bool countable,
                        std::size_t at) override;

  private:
    struct Known {
        RecordFactsReader facts;
        std::size_t fields = 0;
        bool lists = false;             ///< some field is a list (RFC 6313)
        std::uint32_t defined_at_s = 0; ///< Export Time
        std::uint64_t received_ns = 0;
        std::uint64_t interval_ns = 0; ///< between two copies; 0: only one so far
    };
    struct Waiting {
        std::uint64_t sets = 0;
        std::uint64_t since_ns = 0;
        std::optional<std::uint64_t> until_ns; ///< its template came
    };
    struct Domain {
        std::uint64_t first_ns = 0;
        bool joined_late = false; ///< its first message here was not its first
        std::map<std::uint16_t, Known> templates;
        std::map<std::uint16_t, Waiting> waiting;
        std::set<std::uint64_t> common_properties; ///< told so far
    };
    struct Sequence {
        std::uint32_t export_time_s = 0;
        bool known = false;
        std::uint32_t expected = 0;
        std::optional<std::uint32_t> instead; ///< after a message that went back
        std::uint32_t last = 0;
        std::uint64_t last_records = 0;
        std::uint64_t last_flow_records = 0;
    };

    template <typename What>
    void found(Rule rule, std::size_t at, const What& what) {
        findings_.add(rule, totals_.messages, at, what);
    }
    void begin_domain(const ReadHeader& header);
    void check_sequence_start(const ReadHeader& header);
    void check_sequence(const ReadHeader& header);
    void sequence_differs(Sequence& sequence, std::uint32_t got);
    void check_export_time(const ReadHeader& header);
    void check_fields(const ReadTemplate& received, std::size_t at);
    void check_change(const ReadTemplate& received, const Known& known, std::size_t at);
    void check_times(const ReadRecord& record, const RecordFacts& facts);
    void check_common(const ReadRecord& record, std::uint64_t id);
    void check_lists(const ReadRecord& record);
    void check_options(const ReadRecord& record, const RecordFacts& facts);
    void check_total(FieldRole role, std::uint64_t told, std::uint64_t received, std::size_t at);

    CheckOptions options_;
    RecordVisitor* next_;
    Findings findings_;
    std::uint64_t now_ns_ = 0;
    std::uint16_t stream_ = 0;
    bool several_streams_ = false;

    ReadHeader header_; ///< of the message at hand
    Domain* domain_ = nullptr;
    Sequence* sequence_ = nullptr;
    std::uint64_t flow_records_in_message_ = 0;
    SessionTotals before_; ///< totals_ when the message began

    std::map<std::uint32_t, Domain> domains_;
    std::map<std::pair<std::uint16_t, std::uint32_t>, Sequence> sequences_;
    SessionTotals totals_;
    bool complete_ = true; ///< everything that was sent so far could be read
    std::map<FieldRole, std::uint64_t> total_bases_;
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::size_t> unknown_elements_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> described_elements_;
    std::uint64_t steps_ = 0;                 ///< from one message to the next
    std::uint64_t steps_by_message_ = 0;      ///< that counted messages
    std::uint64_t steps_after_options_ = 0;   ///< from a message with options records
    std::uint64_t steps_without_options_ = 0; ///< that left options records out
};

} // namespace ipfix
