// SPDX-License-Identifier: BSD-3-Clause
// The rules of RFC 7011 (RFC 5103 and RFC 6313) that an exporter can be seen to break, and what was
// found of each. A rule is a violation, or a remark: something that is allowed, and that an
// operator who looks for a fault wants to know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace ipfix {

enum class Rule : std::uint8_t {
    version,
    message_length,
    set_length,
    set_id,
    set_empty,
    padding_value,
    padding_length,
    template_id,
    template_cut,
    scope_count,
    field_length,
    reverse_element,
    template_changed,
    template_repeated,
    withdrawal_unknown,
    withdrawal_form,
    withdrawal_over_udp,
    template_refresh,
    data_before_template,
    template_awaited,
    data_time,
    record_cut,
    sequence_start,
    sequence_gap,
    sequence_repeated,
    sequence_back,
    boolean_value,
    string_utf8,
    list_form,
    list_semantic,
    list_template,
    flow_times,
    flow_end,
    export_time,
    export_clock,
    flow_keys_template,
    flow_keys_bits,
    common_properties,
    total_counts,
    ip_fragments,
    unknown_element,
    count_
};
inline constexpr std::size_t kRules = static_cast<std::size_t>(Rule::count_);

struct RuleText {
    std::string_view name;     ///< as in reports and JSON
    std::string_view section;  ///< of RFC 7011 unless another RFC is named
    std::string_view sentence; ///< what the rule asks for
    bool violation;            ///< false: a remark
    bool costs_records;        ///< what breaks it cannot be read
};
[[nodiscard]] const RuleText& rule_text(Rule rule) noexcept;

/// How often a rule was broken, and where first.
struct Finding {
    std::uint64_t times = 0;
    std::uint64_t message = 0; ///< number of the message in its session, from 1
    std::size_t at = 0;        ///< octet in the message
    std::string what;          ///< of the first time, in words
};

class Findings {
  public:
    using OnFirst = std::function<void(Rule, const Finding&)>;
    /// `on_first` is told of each rule's first time.
    explicit Findings(OnFirst on_first = {}) : on_first_(std::move(on_first)) {}

    /// `what()` makes the words, and is called the first time only.
    template <typename What>
    void add(Rule rule, std::uint64_t message, std::size_t at, const What& what) {
        Finding& finding = findings_[static_cast<std::size_t>(rule)];
        if (++finding.times > 1) return;
        finding.message = message;
        finding.at = at;
        finding.what = what();
        if (on_first_) on_first_(rule, finding);
    }

    [[nodiscard]] const Finding& of(Rule rule) const noexcept {
        return findings_[static_cast<std::size_t>(rule)];
    }
    /// Rules broken, remarks not counted.
    [[nodiscard]] std::size_t violations() const noexcept;

  private:
    std::array<Finding, kRules> findings_{};
    OnFirst on_first_;
};

} // namespace ipfix
