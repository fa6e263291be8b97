// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/message_rules.hpp"

namespace ipfix {

namespace {

constexpr bool kViolation = true;
constexpr bool kRemark = false;
constexpr bool kLost = true; // records cannot be read
constexpr bool kRead = false;

constexpr std::array<RuleText, kRules> kTexts = {{
    {"version", "3.1", "a message begins with version 10", kViolation, kLost},
    {"message_length", "3.1", "Length is the whole message, and one datagram holds one message",
     kViolation, kLost},
    {"set_length", "3.3.2", "Sets fill the message exactly", kViolation, kLost},
    {"set_id", "3.3.2", "a Set ID is 2, 3, or 256 and above", kViolation, kLost},
    {"set_empty", "3.3", "a Set holds at least one record", kViolation, kRead},
    {"padding_value", "3.3.1", "padding is zero", kViolation, kRead},
    {"padding_length", "3.3.1", "padding is shorter than any record of its Set", kViolation, kRead},
    {"template_id", "3.4.1", "a Template ID is 256 or above", kViolation, kLost},
    {"template_cut", "3.4.1", "a Template Record is as long as its Field Count says", kViolation,
     kLost},
    {"scope_count", "3.4.2.1", "an Options Template has a scope, and no more of it than fields",
     kViolation, kLost},
    {"field_length", "6.2", "a field has its type's length or a reduced one that the type allows",
     kViolation, kRead},
    {"reverse_element", "RFC 5103 6.1", "only reversible elements are reversed", kViolation, kRead},
    {"template_changed", "8.1, 8.4",
     "a Template ID gets another content only after a withdrawal, or over UDP after three "
     "refreshes' time",
     kViolation, kRead},
    {"template_repeated", "8.1", "over a reliable transport a template is sent once", kRemark,
     kRead},
    {"withdrawal_unknown", "8.1", "only a template that was sent is withdrawn", kViolation, kRead},
    {"withdrawal_form", "8.1", "a withdrawal names a template, or 2 or 3 in the Set of that kind",
     kViolation, kRead},
    {"withdrawal_over_udp", "8.4", "over UDP nothing is withdrawn", kViolation, kRead},
    {"template_refresh", "8.4", "over UDP templates are sent again and again", kViolation, kRead},
    {"data_before_template", "8", "a template comes before its data", kViolation, kLost},
    {"template_awaited", "8.4", "a collector that comes late waits for a template's next copy",
     kRemark, kLost},
    {"data_time", "8.2", "no data has an Export Time before its template's", kViolation, kRead},
    {"record_cut", "7", "a record fits its Set", kViolation, kLost},
    {"sequence_start", "3.1", "a session's sequence numbers begin at 0", kViolation, kRead},
    {"sequence_gap", "3.1", "the sequence number counts the data records sent before", kViolation,
     kRead},
    {"sequence_repeated", "3.1", "no message comes twice", kViolation, kRead},
    {"sequence_back", "3.1", "the sequence number does not go back", kViolation, kRead},
    {"boolean_value", "6.1.5", "a boolean is 1 or 2", kViolation, kRead},
    {"string_utf8", "6.1.6", "a string is UTF-8", kViolation, kRead},
    {"list_form", "RFC 6313 4.5", "a list is as long as its lengths say", kViolation, kLost},
    {"list_semantic", "RFC 6313 4.4", "a list's semantic is one that IANA has assigned", kViolation,
     kRead},
    {"list_template", "RFC 6313 4.5.2", "records in a list are of a template that was sent",
     kViolation, kLost},
    {"flow_times", "RFC 7012", "no flow ends before it starts", kViolation, kRead},
    {"flow_end", "3.1", "no flow ends after its Export Time", kViolation, kRead},
    {"export_time", "3.1", "the Export Time does not go back", kViolation, kRead},
    {"export_clock", "3.1", "the Export Time is that of sending, by this collector's clock",
     kRemark, kRead},
    {"flow_keys_template", "4.4", "flowKeyIndicator is told of a template that was sent",
     kViolation, kRead},
    {"flow_keys_bits", "4.4", "flowKeyIndicator has no bit beyond its template's fields",
     kViolation, kRead},
    {"common_properties", "RFC 5473",
     "common properties are told by an options record before a record refers to them", kRemark,
     kRead},
    {"total_counts", "4.1",
     "exportedMessage-, -FlowRecord- and -OctetTotalCount are what was received", kViolation,
     kRead},
    {"ip_fragments", "10.3.3", "no message is longer than the path allows", kViolation, kRead},
    {"unknown_element", "RFC 5610",
     "elements outside the registries are described by options records", kRemark, kRead},
}};
static_assert(kTexts.back().name == "unknown_element");

} // namespace

const RuleText& rule_text(Rule rule) noexcept {
    return kTexts[static_cast<std::size_t>(rule)];
}

std::size_t Findings::violations() const noexcept {
    std::size_t count = 0;
    for (std::size_t i = 0; i < kRules; ++i) {
        count += findings_[i].times > 0 && kTexts[i].violation ? 1 : 0;
    }
    return count;
}

} // namespace ipfix
