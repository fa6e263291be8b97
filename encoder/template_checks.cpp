// SPDX-License-Identifier: BSD-3-Clause
// MessageChecker: templates and the records that they describe.
#include <fmt/format.h>

#include <algorithm>

#include "encoder/list_checks.hpp"
#include "encoder/message_checker.hpp"
#include "encoder/text_form.hpp"

namespace ipfix {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kRefreshesBeforeReuse = 3; // RFC 7011 section 8.4
constexpr std::size_t kFlowKeyBits = 64;

} // namespace

void MessageChecker::on_template(std::uint32_t domain_id, const ReadTemplate& description) {
    if (next_ != nullptr) next_->on_template(domain_id, description);
}

void MessageChecker::on_template_record(const ReadTemplate& received, const ReadTemplate* known,
                                        std::size_t at) {
    ++totals_.template_records;
    check_fields(received, at);
    if (const auto waiting = domain_->waiting.find(received.id);
        waiting != domain_->waiting.end() && !waiting->second.until_ns) {
        waiting->second.until_ns = now_ns_;
    }
    Known& mine = domain_->templates[received.id];
    if (known != nullptr && same_content(received, *known)) {
        if (options_.kind != SessionKind::datagrams) {
            found(Rule::template_repeated, at,
                  [&] { return fmt::format("template {} came again", received.id); });
        }
        mine.interval_ns = now_ns_ - mine.received_ns;
        mine.received_ns = now_ns_;
        return;
    }
    if (known != nullptr) check_change(received, mine, at);
    const bool lists = std::any_of(received.fields.begin(), received.fields.end(),
                                   [](const ReadField& field) { return is_list(field.type); });
    mine = {.facts = RecordFactsReader(received),
            .fields = received.fields.size(),
            .lists = lists,
            .defined_at_s = header_.export_time_s,
            .received_ns = now_ns_,
            .interval_ns = 0};
}

void MessageChecker::check_change(const ReadTemplate& received, const Known& known,
                                  std::size_t at) {
    const std::uint64_t age_ns = now_ns_ - known.received_ns;
    if (options_.kind == SessionKind::datagrams && known.interval_ns != 0 &&
        age_ns >= kRefreshesBeforeReuse * known.interval_ns) {
        return;
    }
    found(Rule::template_changed, at, [&] {
        return fmt::format(
            "template {} has another content, {}", received.id,
            options_.kind == SessionKind::datagrams
                ? fmt::format("{:.1f} s after its last copy", static_cast<double>(age_ns) / 1e9)
                : "without a withdrawal");
    });
}

void MessageChecker::check_fields(const ReadTemplate& received, std::size_t at) {
    for (const ReadField& field : received.fields) {
        const DirectedElement known = find_directed_element(field.enterprise, field.id);
        if (known.element == nullptr) {
            unknown_elements_.try_emplace({field.enterprise, field.id}, at);
        }
        if (!allows_length(field.type, field.length)) {
            found(Rule::field_length, at, [&] {
                return fmt::format("{} has {} octets in template {}; {} are allowed", field.name,
                                   field.length, received.id, allowed_lengths(field.type));
            });
        }
        if (known.element != nullptr && known.reverse && !is_reversible(*known.element)) {
            found(Rule::reverse_element, at,
                  [&] { return fmt::format("{} in template {}", field.name, received.id); });
        }
    }
}

void MessageChecker::on_withdrawal(std::uint16_t set_id, std::uint16_t id, bool known,
                                   std::size_t at) {
    ++totals_.withdrawals;
    const bool all = id == set_id;
    if (options_.kind == SessionKind::datagrams) {
        found(Rule::withdrawal_over_udp, at,
              [&] { return fmt::format("template {} is withdrawn", id); });
    }
    if (id < kFirstDataSetId && !all) {
        found(Rule::withdrawal_form, at,
              [&] { return fmt::format("template {} is withdrawn in a Set {}", id, set_id); });
    } else if (!known) {
        found(Rule::withdrawal_unknown, at,
              [&] { return fmt::format("template {} is withdrawn, and was not there", id); });
    }
    if (!all) domain_->templates.erase(id);
}

void MessageChecker::on_record(const ReadRecord& record) {
    const bool options = record.description->scope_fields != 0;
    (options ? totals_.options_records : totals_.flow_records) += 1;
    flow_records_in_message_ += options ? 0 : 1;
    if (next_ != nullptr) next_->on_record(record);

    const auto at = domain_->templates.find(record.description->id);
    if (at == domain_->templates.end()) return; // withdrawn with all of its kind, and sent anew
    Known& known = at->second;
    if (record.export_time_s < known.defined_at_s &&
        known.defined_at_s - record.export_time_s < 0x80000000U) {
        found(Rule::data_time, record.at, [&] {
            return fmt::format("data of template {} is {} s older than it", at->first,
                               known.defined_at_s - record.export_time_s);
        });
    }
    if (options_.kind == SessionKind::datagrams &&
        now_ns_ > known.received_ns + options_.template_age_max_ns) {
        found(Rule::template_refresh, record.at, [&] {
            return fmt::format("template {} came {} s ago for the last time", at->first,
                               (now_ns_ - known.received_ns) / kSecond);
        });
    }
    if (known.lists) check_lists(record);
    if (!known.facts.interested()) return;
    const RecordFacts facts = known.facts.read(record.octets);
    if (facts.wrong_boolean != RecordFacts::kNone) {
        found(Rule::boolean_value, record.at,
              [&] { return record.description->fields[facts.wrong_boolean].name; });
    }
    if (facts.wrong_text != RecordFacts::kNone) {
        found(Rule::string_utf8, record.at,
              [&] { return record.description->fields[facts.wrong_text].name; });
    }
    if (const auto& id = facts.of(FieldRole::common_properties)) check_common(record, *id);
    if (options) {
        check_options(record, facts);
    } else {
        check_times(record, facts);
    }
}

/// A message that is missing may have told them.
void MessageChecker::check_common(const ReadRecord& record, std::uint64_t id) {
    if (record.description->scope_fields != 0) {
        domain_->common_properties.insert(id);
    } else if (complete_ && !domain_->joined_late && !domain_->common_properties.contains(id)) {
        found(Rule::common_properties, record.at,
              [&] { return fmt::format("commonPropertiesId {} was not told", id); });
    }
}

void MessageChecker::check_lists(const ReadRecord& record) {
    std::span<const std::uint8_t> rest = record.octets;
    std::span<const std::uint8_t> value;
    for (const ReadField& field : record.description->fields) {
        if (!take_field(field.length, rest, value)) return;
        if (!is_list(field.type)) continue;
        const ListFinding is = check_list(field.type, value, record.templates, record.domain_id);
        const std::size_t at =
            record.at + static_cast<std::size_t>(value.data() - record.octets.data());
        switch (is.fault) {
            case ListFault::none:
                break;
            case ListFault::form:
                found(Rule::list_form, at, [&] {
                    return fmt::format("{} of {} octets cannot be read", field.name, value.size());
                });
                break;
            case ListFault::semantic:
                found(Rule::list_semantic, at,
                      [&] { return fmt::format("{} has the semantic {}", field.name, is.detail); });
                break;
            case ListFault::template_unknown:
                found(Rule::list_template, at, [&] {
                    return fmt::format("{} has records of template {}, which was not sent",
                                       field.name, is.detail);
                });
                break;
            case ListFault::element_length:
                found(Rule::field_length, at, [&] {
                    return fmt::format("{} has values of {} octets", field.name, is.detail);
                });
                break;
        }
    }
}

void MessageChecker::check_times(const ReadRecord& record, const RecordFacts& facts) {
    const auto late_s = [&record](std::uint64_t end_ns) {
        const std::uint64_t end_s = end_ns / kSecond;
        // from 2106 on only the difference counts (section 5.2)
        return end_s > UINT32_MAX ? static_cast<std::int64_t>(static_cast<std::int32_t>(
                                        static_cast<std::uint32_t>(end_s) - record.export_time_s))
                                  : static_cast<std::int64_t>(end_s) -
                                        static_cast<std::int64_t>(record.export_time_s);
    };
    const auto check = [&](FieldRole start_role, FieldRole end_role, const char* which) {
        const auto& start = facts.of(start_role);
        const auto& end = facts.of(end_role);
        if (start && end && *start > *end) {
            found(Rule::flow_times, record.at, [&] {
                return fmt::format("a flow's {}end is {:.6f} s before its start", which,
                                   static_cast<double>(*start - *end) / 1e9);
            });
        }
        if (end && late_s(*end) > 0) {
            found(Rule::flow_end, record.at, [&] {
                return fmt::format("a flow's {}end is {} s after its Export Time", which,
                                   late_s(*end));
            });
        }
    };
    check(FieldRole::flow_start, FieldRole::flow_end, "");
    check(FieldRole::reverse_start, FieldRole::reverse_end, "reverse ");
}

void MessageChecker::check_options(const ReadRecord& record, const RecordFacts& facts) {
    if (const auto& id = facts.of(FieldRole::element_id)) {
        described_elements_.insert({facts.of(FieldRole::element_enterprise).value_or(0), *id});
    }
    const auto& keys = facts.of(FieldRole::flow_keys);
    const auto& of = facts.of(FieldRole::template_id);
    if (keys && of) {
        const auto known = domain_->templates.find(static_cast<std::uint16_t>(*of));
        if (*of > UINT16_MAX || known == domain_->templates.end()) {
            found(Rule::flow_keys_template, record.at,
                  [&] { return fmt::format("there is no template {}", *of); });
        } else if (const std::size_t fields = known->second.fields;
                   fields < kFlowKeyBits && (*keys >> fields) != 0) {
            found(Rule::flow_keys_bits, record.at, [&] {
                return fmt::format("flowKeyIndicator {:#x} of template {}, which has {} fields",
                                   *keys, *of, fields);
            });
        }
    }
    // They exclude the message that carries them, and are of this collector (IANA's elements 40 to
    // 42). With several domains it is not said whose they are, and between SCTP streams not when.
    if (domains_.size() > 1 || several_streams_ || !complete_) return;
    const auto total = [&](FieldRole role, std::uint64_t received) {
        if (const auto& told = facts.of(role)) check_total(role, *told, received, record.at);
    };
    total(FieldRole::total_messages, before_.messages);
    total(FieldRole::total_records, before_.flow_records);
    total(FieldRole::total_octets, before_.octets);
}

/// What was sent before the session began is not known, and found out by the first record.
void MessageChecker::check_total(FieldRole role, std::uint64_t told, std::uint64_t received,
                                 std::size_t at) {
    const char* name = role == FieldRole::total_messages  ? "exportedMessageTotalCount"
                       : role == FieldRole::total_records ? "exportedFlowRecordTotalCount"
                                                          : "exportedOctetTotalCount";
    const auto base = total_bases_.find(role);
    const std::uint64_t wanted = received + (base == total_bases_.end() ? 0 : base->second);
    if (base == total_bases_.end() && told >= received) {
        total_bases_[role] = told - received;
    } else if (told != wanted) {
        found(Rule::total_counts, at,
              [&] { return fmt::format("{} is {}, and {} came", name, told, wanted); });
    }
}

} // namespace ipfix
