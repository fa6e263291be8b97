// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ipfix {

namespace {

constexpr std::uint32_t kHalfOfSequence = 0x80000000U;
constexpr std::uint16_t kNetflow5 = 5;
constexpr std::uint16_t kNetflow9 = 9;

Rule rule_of(ReadVerdict verdict) {
    switch (verdict) {
        case ReadVerdict::not_ipfix:
            return Rule::version;
        case ReadVerdict::bad_length:
            return Rule::set_length;
        case ReadVerdict::bad_template:
        case ReadVerdict::too_large:
            return Rule::template_cut;
        case ReadVerdict::bad_template_id:
            return Rule::template_id;
        case ReadVerdict::bad_scope:
            return Rule::scope_count;
        case ReadVerdict::bad_record:
            return Rule::record_cut;
        case ReadVerdict::read:
        case ReadVerdict::cut:
            break;
    }
    return Rule::message_length;
}

} // namespace

MessageChecker::MessageChecker(CheckOptions options, RecordVisitor* next,
                               Findings::OnFirst on_first)
    : options_(options), next_(next), findings_(std::move(on_first)) {}

void MessageChecker::unreadable(ReadVerdict verdict, std::span<const std::uint8_t> octets) {
    ++totals_.messages;
    complete_ = false;
    if (verdict != ReadVerdict::not_ipfix || octets.size() < sizeof(kVersion)) {
        found(Rule::message_length, kMessageLengthOffset, [&] {
            return fmt::format("{} octets came: {}", octets.size(), verdict_text(verdict));
        });
        return;
    }
    found(Rule::version, kVersionOffset, [&] {
        const auto version = load_be<std::uint16_t>(octets.data());
        if (version == kNetflow9) return std::string("version 9: this is NetFlow v9, not IPFIX");
        if (version == kNetflow5) return std::string("version 5: this is NetFlow v5, not IPFIX");
        return fmt::format("version {}: this is not IPFIX", version);
    });
}

void MessageChecker::datagram_rest(std::size_t octets) {
    found(Rule::message_length, header_.length,
          [&] { return fmt::format("{} octets follow the message in its datagram", octets); });
}

void MessageChecker::fragmented(std::size_t largest_octets) {
    findings_.add(Rule::ip_fragments, totals_.messages + 1, 0, [&] {
        return fmt::format("the datagram came in IP fragments, the largest of {} octets",
                           largest_octets);
    });
}

void MessageChecker::end() {
    for (const auto& [element, at] : unknown_elements_) {
        const auto& [enterprise, id] = element;
        if (described_elements_.contains({enterprise, id})) continue;
        found(Rule::unknown_element, at, [enterprise = enterprise, id = id] {
            return fmt::format("element {} of enterprise {} is nowhere described", id, enterprise);
        });
    }
}

std::vector<std::uint32_t> MessageChecker::domains() const {
    std::vector<std::uint32_t> ids;
    for (const auto& [id, domain] : domains_)
        ids.push_back(id);
    return ids;
}

std::size_t MessageChecker::streams() const {
    std::set<std::uint16_t> seen;
    for (const auto& [key, sequence] : sequences_)
        seen.insert(key.first);
    return std::max<std::size_t>(seen.size(), 1);
}

std::vector<std::string> MessageChecker::diagnoses() const {
    std::vector<std::string> said;
    for (const auto& [id, domain] : domains_) {
        for (const auto& [number, waiting] : domain.waiting) {
            const std::string sets =
                fmt::format("domain {}: {} data set{} for template {}", id, waiting.sets,
                            waiting.sets == 1 ? "" : "s", number);
            if (!waiting.until_ns) {
                said.push_back(sets + " could not be read: the template never came");
            } else if (*waiting.until_ns > waiting.since_ns && waiting.since_ns != 0) {
                said.push_back(
                    fmt::format("{} came before it, which followed after {:.1f} s", sets,
                                static_cast<double>(*waiting.until_ns - waiting.since_ns) / 1e9));
            } else {
                said.push_back(sets + " came before it");
            }
        }
    }
    if (steps_ > 2 && steps_by_message_ == steps_) {
        said.emplace_back("the sequence number counts messages, not data records");
    } else if (steps_after_options_ > 2 && steps_without_options_ == steps_after_options_) {
        said.emplace_back("the sequence number does not count options records");
    }
    return said;
}

void MessageChecker::on_message(const ReadHeader& header) {
    before_ = totals_;
    header_ = header;
    flow_records_in_message_ = 0;
    ++totals_.messages;
    totals_.octets += header.length;
    const bool first = !domains_.contains(header.domain_id);
    domain_ = &domains_[header.domain_id];
    const auto [sequence, first_on_stream] = sequences_.try_emplace({stream_, header.domain_id});
    sequence_ = &sequence->second;
    check_export_time(header);
    if (first) begin_domain(header);
    if (first_on_stream) check_sequence_start(header);
    check_sequence(header);
}

void MessageChecker::begin_domain(const ReadHeader& header) {
    domain_->first_ns = now_ns_;
    domain_->joined_late = options_.kind == SessionKind::datagrams && header.sequence_number != 0;
}

void MessageChecker::check_sequence_start(const ReadHeader& header) {
    if (options_.kind == SessionKind::stream && header.sequence_number != 0) {
        found(Rule::sequence_start, kSequenceNumberOffset, [&] {
            return fmt::format("the first message of domain {} has sequence number {}",
                               header.domain_id, header.sequence_number);
        });
    }
}

void MessageChecker::check_export_time(const ReadHeader& header) {
    const std::uint32_t before = std::exchange(sequence_->export_time_s, header.export_time_s);
    if (header.export_time_s < before && before - header.export_time_s < kHalfOfSequence) {
        found(Rule::export_time, kExportTimeOffset,
              [&] { return fmt::format("it goes back by {} s", before - header.export_time_s); });
    }
    if (now_ns_ == 0) return;
    const auto now_s = static_cast<std::uint32_t>(now_ns_ / 1'000'000'000);
    const auto ahead = static_cast<std::int32_t>(header.export_time_s - now_s);
    if (static_cast<std::uint32_t>(std::abs(static_cast<std::int64_t>(ahead))) >
        options_.clock_difference_max_s) {
        found(Rule::export_clock, kExportTimeOffset, [&] {
            return fmt::format("the exporter's clock is {} s {} of this machine's",
                               std::abs(static_cast<std::int64_t>(ahead)),
                               ahead > 0 ? "ahead" : "behind");
        });
    }
}

void MessageChecker::check_sequence(const ReadHeader& header) {
    Sequence& sequence = *sequence_;
    const std::uint32_t got = header.sequence_number;
    if (sequence.known) {
        const std::uint32_t step = got - sequence.last;
        ++steps_;
        if (step == 1 && sequence.last_records != 1) ++steps_by_message_;
        if (sequence.last_flow_records != sequence.last_records) {
            ++steps_after_options_;
            if (step == sequence.last_flow_records) ++steps_without_options_;
        }
        if (got != sequence.expected) sequence_differs(sequence, got);
    }
    sequence.instead.reset();
}

void MessageChecker::sequence_differs(Sequence& sequence, std::uint32_t got) {
    if (sequence.instead == got) { // the message before it began a new count
        sequence.expected = got;
        return;
    }
    const std::uint32_t ahead = got - sequence.expected;
    if (ahead < kHalfOfSequence) {
        complete_ = false;
        totals_.records_missing += ahead;
        found(Rule::sequence_gap, kSequenceNumberOffset, [&] {
            return fmt::format("{} instead of {}: {} data records are missing", got,
                               sequence.expected, ahead);
        });
        sequence.expected = got;
    } else if (got == sequence.last && sequence.last_records != 0) {
        found(Rule::sequence_repeated, kSequenceNumberOffset, [&] {
            return fmt::format("{} again, after a message of {} data records", got,
                               sequence.last_records);
        });
    } else {
        found(Rule::sequence_back, kSequenceNumberOffset, [&] {
            return got == 0
                       ? fmt::format("0 instead of {}: the exporter began anew", sequence.expected)
                       : fmt::format("{} instead of {}", got, sequence.expected);
        });
    }
}

void MessageChecker::on_message_end(ReadVerdict verdict, std::uint64_t records, bool countable,
                                    std::size_t at) {
    if (verdict != ReadVerdict::read) {
        complete_ = false;
        found(rule_of(verdict), at, [&] { return std::string(verdict_text(verdict)); });
    }
    Sequence& sequence = *sequence_;
    const std::uint32_t next = header_.sequence_number + static_cast<std::uint32_t>(records);
    if (sequence.known && header_.sequence_number != sequence.expected) {
        // Late, a copy, or a new count: the next message tells.
        sequence.instead = next;
    } else {
        sequence.expected = next;
    }
    sequence.known = countable;
    sequence.last = header_.sequence_number;
    sequence.last_records = records;
    sequence.last_flow_records = flow_records_in_message_;
}

void MessageChecker::on_set(std::uint16_t set_id, std::size_t at) {
    if (set_id < kTemplateSetId || (set_id > kOptionsTemplateSetId && set_id < kFirstDataSetId)) {
        found(Rule::set_id, at, [&] { return fmt::format("Set ID {}", set_id); });
    }
}

void MessageChecker::on_unknown_set(std::uint16_t set_id, std::size_t at) {
    complete_ = false;
    ++totals_.unread_sets;
    if (set_id < kFirstDataSetId) return;
    Waiting& waiting = domain_->waiting[set_id];
    if (waiting.sets++ == 0) waiting.since_ns = now_ns_;
    const bool patient =
        domain_->joined_late && now_ns_ <= domain_->first_ns + options_.template_age_max_ns;
    found(patient ? Rule::template_awaited : Rule::data_before_template, at, [&] {
        return fmt::format("data sets for template {} of domain {} wait for a template", set_id,
                           header_.domain_id);
    });
}

void MessageChecker::on_set_end(std::uint16_t set_id, const ReadTemplate* description,
                                std::uint64_t records, std::span<const std::uint8_t> rest,
                                std::size_t at) {
    if (records == 0) {
        found(Rule::set_empty, at, [&] { return fmt::format("a Set {} without records", set_id); });
    }
    if (std::any_of(rest.begin(), rest.end(), [](std::uint8_t octet) { return octet != 0; })) {
        found(Rule::padding_value, at,
              [&] { return fmt::format("{} octets of padding are not all 0", rest.size()); });
    }
    const std::size_t shortest =
        description != nullptr ? description->record_octets_min : kTemplateHeaderOctets;
    if (rest.size() >= shortest) {
        found(Rule::padding_length, at, [&] {
            return fmt::format("{} octets of padding, and a record has {}", rest.size(), shortest);
        });
    }
}

} // namespace ipfix
