// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/verdict_report.hpp"

#include <fmt/format.h>

#include "encoder/text_form.hpp"

namespace probe {

namespace {

std::string plural(std::uint64_t count, const char* noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string quoted(std::string_view text) {
    std::string out;
    ipfix::append_json_string(out, text);
    return out;
}

template <typename Each>
void for_findings(const ipfix::MessageChecker& checker, const Each& each) {
    for (std::size_t i = 0; i < ipfix::kRules; ++i) {
        const auto rule = static_cast<ipfix::Rule>(i);
        if (const ipfix::Finding& finding = checker.findings().of(rule); finding.times > 0) {
            each(ipfix::rule_text(rule), finding);
        }
    }
}

} // namespace

std::string finding_text(const ipfix::Finding& finding) {
    return fmt::format("message {}, octet {}: {}", finding.message, finding.at, finding.what);
}

std::string verdict_table(const std::string& session, const ipfix::MessageChecker& checker) {
    const ipfix::SessionTotals& totals = checker.totals();
    std::string domains;
    for (const std::uint32_t id : checker.domains()) {
        domains += fmt::format("{}{}", domains.empty() ? "" : ", ", id);
    }
    std::string out =
        fmt::format("{}: {}, {}, {}, {}, {}; domain {}\n", session,
                    plural(totals.messages, "message"), plural(totals.flow_records, "flow record"),
                    plural(totals.options_records, "options record"),
                    plural(totals.template_records, "template record"),
                    plural(totals.octets, "octet"), domains.empty() ? "none" : domains);
    if (checker.streams() > 1) {
        out.pop_back();
        out += fmt::format("; {} streams\n", checker.streams());
    }
    bool heading = true;
    for_findings(checker, [&](const ipfix::RuleText& rule, const ipfix::Finding& finding) {
        if (heading) {
            out += fmt::format("  {:<20} {:>8}  FIRST\n", "RULE", "TIMES");
            heading = false;
        }
        out += fmt::format("  {:<20} {:>8}  {}\n", rule.name, finding.times, finding_text(finding));
        const std::string_view prefix = rule.section.starts_with("RFC") ? "" : "RFC 7011 ";
        out += fmt::format("  {:<20} {:>8}  {}{}: {}\n", "", rule.violation ? "" : "(remark)",
                           prefix, rule.section, rule.sentence);
    });
    for (const std::string& said : checker.diagnoses()) {
        out += "  " + said + "\n";
    }
    const std::size_t violations = checker.findings().violations();
    out += violations == 0 ? "  every rule was kept\n"
                           : fmt::format("  {} broken\n", plural(violations, "rule"));
    return out;
}

std::string verdict_json(const std::string& session, const ipfix::MessageChecker& checker) {
    const ipfix::SessionTotals& totals = checker.totals();
    std::string findings;
    for_findings(checker, [&](const ipfix::RuleText& rule, const ipfix::Finding& finding) {
        findings += fmt::format(
            R"({}{{"rule":{},"section":{},"violation":{},"times":{},"message":{},"octet":{},)"
            R"("what":{}}})",
            findings.empty() ? "" : ",", quoted(rule.name), quoted(rule.section), rule.violation,
            finding.times, finding.message, finding.at, quoted(finding.what));
    });
    std::string diagnoses;
    for (const std::string& said : checker.diagnoses()) {
        diagnoses += (diagnoses.empty() ? "" : ",") + quoted(said);
    }
    return fmt::format(
        R"({{"session":{},"domains":[{}],"streams":{},"messages":{},"octets":{},"flowRecords":{},)"
        R"("optionsRecords":{},"templateRecords":{},"withdrawals":{},"recordsMissing":{},)"
        R"("setsUnread":{},"findings":[{}],"diagnoses":[{}]}})"
        "\n",
        quoted(session), fmt::join(checker.domains(), ","), checker.streams(), totals.messages,
        totals.octets, totals.flow_records, totals.options_records, totals.template_records,
        totals.withdrawals, totals.records_missing, totals.unread_sets, findings, diagnoses);
}

} // namespace probe
