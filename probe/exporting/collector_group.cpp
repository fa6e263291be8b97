// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/collector_group.hpp"

#include <algorithm>
#include <utility>

namespace probe {
namespace {

/// SplitMix64's finalizer (Steele, Lea, Flood 2014).
constexpr std::uint64_t mixed(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31U);
}

std::uint64_t seed_of(const std::string& name) noexcept {
    std::uint64_t seed = 0;
    for (const char c : name)
        seed = mixed(seed + 0x9E3779B97F4A7C15U + static_cast<unsigned char>(c));
    return seed;
}

} // namespace

CollectorGroup::CollectorGroup(const CollectorGroupOptions& options,
                               std::vector<std::unique_ptr<RecordSink>> collectors)
    : options_(options),
      collectors_(std::move(collectors)),
      name_(kDistributionNames[static_cast<std::size_t>(options.distribute)]),
      there_at_(collectors_.size(), 0) {
    const char* before = " of ";
    for (const auto& collector : collectors_) {
        name_ += before + collector->name();
        before = ", ";
        seeds_.push_back(seed_of(collector->name()));
    }
}

void CollectorGroup::append(const DataRecord& record, TimeNs now) noexcept {
    offered_.add(record.weight);
    collectors_[choose(record)]->append(record, now);
}

std::size_t CollectorGroup::choose(const DataRecord& record) noexcept {
    switch (options_.distribute) {
        case Distribution::round_robin:
            return in_turn(record.octets.size());
        case Distribution::flow_hash:
            return by_flow(record.flow_hash);
        case Distribution::failover:
            break;
    }
    return current_;
}

std::size_t CollectorGroup::in_turn(std::size_t record_octets) noexcept {
    const bool message_full = dealt_octets_ != 0 && dealt_octets_ + record_octets >
                                                        collectors_[current_]->message_octets();
    if (message_full || !collectors_[current_]->available()) {
        const std::size_t next = (current_ + (message_full ? 1 : 0)) % collectors_.size();
        const std::size_t chosen = available_from(next);
        if (message_full || chosen != current_) dealt_octets_ = 0;
        current_ = chosen;
    }
    dealt_octets_ += record_octets;
    return current_;
}

std::size_t CollectorGroup::by_flow(std::uint64_t flow_hash) const noexcept {
    std::size_t best = 0;
    std::uint64_t best_score = 0;
    for (std::size_t c = 0; c < seeds_.size(); ++c) {
        const std::uint64_t score = mixed(flow_hash ^ seeds_[c]);
        if (score < best_score) continue;
        best_score = score;
        best = c;
    }
    return best;
}

std::size_t CollectorGroup::available_from(std::size_t start) const noexcept {
    for (std::size_t i = 0; i < collectors_.size(); ++i) {
        const std::size_t c = (start + i) % collectors_.size();
        if (collectors_[c]->available()) return c;
    }
    return start;
}

bool CollectorGroup::away_for(std::size_t collector, TimeNs time, TimeNs now) const noexcept {
    return !collectors_[collector]->available() && now - there_at_[collector] >= time;
}

void CollectorGroup::step(TimeNs now) noexcept {
    for (std::size_t c = 0; c < collectors_.size(); ++c) {
        collectors_[c]->step(now);
        if (!stepped_ || collectors_[c]->available()) there_at_[c] = now;
    }
    stepped_ = true;
    if (closing_) return close_when_handed_over(now);
    fail_over(options_.failover_after, now);
    hand_over_where_away(options_.failover_after, now);
}

void CollectorGroup::fail_over(TimeNs patience, TimeNs now) noexcept {
    if (options_.distribute != Distribution::failover) return;
    const std::size_t best = available_from(0);
    if (!collectors_[best]->available()) return;
    if (best < current_ || away_for(current_, patience, now)) current_ = best;
}

void CollectorGroup::hand_over_where_away(TimeNs patience, TimeNs now) noexcept {
    if (options_.distribute == Distribution::flow_hash) return;
    for (std::size_t c = 0; c < collectors_.size(); ++c) {
        if (collectors_[c]->ledger().queued.records == 0 || !away_for(c, patience, now)) continue;
        const std::size_t taker = options_.distribute == Distribution::failover
                                      ? current_
                                      : available_from((c + 1) % collectors_.size());
        if (taker == c || !collectors_[taker]->available()) continue;
        collectors_[c]->hand_over(*collectors_[taker], now);
    }
}

bool CollectorGroup::wants_whole_records() const noexcept {
    return std::any_of(collectors_.begin(), collectors_.end(),
                       [](const auto& one) { return one->wants_whole_records(); });
}

void CollectorGroup::repeat_templates() noexcept {
    for (const auto& collector : collectors_)
        collector->repeat_templates();
}

void CollectorGroup::change_templates(const TemplateView& templates, OptionsRecords* options,
                                      TimeNs now) noexcept {
    for (const auto& collector : collectors_)
        collector->change_templates(templates, options, now);
}

void CollectorGroup::retire_templates() noexcept {
    for (const auto& collector : collectors_)
        collector->retire_templates();
}

void CollectorGroup::close(TimeNs now) noexcept {
    closing_ = true;
    step(now);
}

// What is handed over must find its taker open.
void CollectorGroup::close_when_handed_over(TimeNs now) noexcept {
    if (closed_) return;
    fail_over(0, now);
    hand_over_where_away(0, now);
    const bool some_there = std::any_of(collectors_.begin(), collectors_.end(),
                                        [](const auto& one) { return one->available(); });
    const bool waits = options_.distribute != Distribution::flow_hash && some_there &&
                       std::any_of(collectors_.begin(), collectors_.end(), [](const auto& one) {
                           return !one->available() && one->ledger().queued.records != 0;
                       });
    if (waits) return;
    closed_ = true;
    for (const auto& collector : collectors_)
        collector->close(now);
}

void CollectorGroup::abandon() noexcept {
    closing_ = closed_ = true;
    for (const auto& collector : collectors_)
        collector->abandon();
}

bool CollectorGroup::idle() const noexcept {
    return closing_ == closed_ && std::all_of(collectors_.begin(), collectors_.end(),
                                              [](const auto& one) { return one->idle(); });
}

bool CollectorGroup::backlogged() const noexcept {
    if (options_.distribute == Distribution::failover) return collectors_[current_]->backlogged();
    return std::any_of(collectors_.begin(), collectors_.end(),
                       [](const auto& one) { return one->backlogged(); });
}

const SessionLedger& CollectorGroup::ledger() const noexcept {
    ledger_ = {};
    ledger_.offered = offered_;
    for (const auto& collector : collectors_)
        ledger_.add_outcome(collector->ledger());
    return ledger_;
}

} // namespace probe
