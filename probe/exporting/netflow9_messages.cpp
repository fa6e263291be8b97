// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/netflow9_messages.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "probe/exporting/file_time_window.hpp"

namespace probe {
namespace {

constexpr std::uint16_t kSwitchedOctets = 4;
constexpr std::uint16_t kScopeOctets = 4;
constexpr std::uint8_t kDeterministic = 1; // samplingAlgorithm

void put16(std::vector<std::uint8_t>& out, std::size_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8U));
    out.push_back(static_cast<std::uint8_t>(value));
}

void put32(std::vector<std::uint8_t>& out, std::uint32_t value) {
    put16(out, value >> 16U);
    put16(out, value & 0xffffU);
}

[[noreturn]] void refuse(const ipfix::TemplateRecord& record, const ipfix::FieldSpecifier& field,
                         const char* why) {
    throw std::invalid_argument("template '" + record.name() + "': " + field.name() + " " + why +
                                ", which NetFlow v9 cannot carry; leave it out, send IPFIX "
                                "(udp://), or take the shipped templates (-t uniflow)");
}

} // namespace

Netflow9Messages::Netflow9Messages(std::uint32_t source_id, const TemplateView& templates)
    : message_(source_id) {
    for (std::size_t i = 0; i < templates.all().size(); ++i) {
        if (templates.present_data(i)) add(templates.all()[i]);
    }
    // One record of the whole exporter: every packet is metered. Reloads give ids from below.
    sampling_id_ = free_template_id(templates.all(), UINT16_MAX);
    put16(sampling_template_, sampling_id_);
    put16(sampling_template_, 4); // octets of scope fields, then of options
    put16(sampling_template_, 8);
    put16(sampling_template_, ipfix::kNetflow9ScopeSystem);
    put16(sampling_template_, kScopeOctets);
    put16(sampling_template_, ipfix::ie::samplingInterval);
    put16(sampling_template_, 4);
    put16(sampling_template_, ipfix::ie::samplingAlgorithm);
    put16(sampling_template_, 1);
    put32(sampling_record_, source_id);
    put32(sampling_record_, 1);
    sampling_record_.push_back(kDeterministic);
}

void Netflow9Messages::add(const ipfix::TemplateRecord& record) {
    Translated how = translate(record);
    scratch_.resize(std::max(scratch_.size(), how.record_octets));
    translated_.add(std::move(how));
}

Netflow9Messages::Translated Netflow9Messages::translate(const ipfix::TemplateRecord& record) {
    for (const ipfix::FieldSpecifier& field : record.fields()) {
        if (field.element->enterprise != 0) refuse(record, field, "is an enterprise's own");
        if (field.length == ipfix::kVariableLength) refuse(record, field, "has no fixed length");
    }
    Translated how{record.id(), NetflowFields(record), {}, {}, 0};
    std::size_t count = 0;
    std::vector<std::uint8_t> specifiers;
    for (std::size_t i = 0; i < record.fields().size(); ++i) {
        const ipfix::FieldSpecifier& field = record.fields()[i];
        if (field.reverse) continue; // told by the second record
        const bool start = how.fields.start() && how.fields.start()->index == i;
        const bool end = how.fields.end() && how.fields.end()->index == i;
        const std::uint16_t type = start ? ipfix::kNetflow9FirstSwitched
                                   : end ? ipfix::kNetflow9LastSwitched
                                         : field.element->id;
        const std::uint16_t octets = start || end ? kSwitchedOctets : field.length;
        put16(specifiers, type);
        put16(specifiers, octets);
        ++count;
        how.record_octets += octets;
        for (std::size_t direction = 0; direction < how.fields.directions(); ++direction) {
            const NetflowField from = how.fields.find(field.element->id, direction);
            auto& steps = how.steps[direction];
            if (start || end) {
                steps.push_back({start ? StepKind::start : StepKind::end, {}, octets});
            } else if (from.octets == 0) {
                steps.push_back({StepKind::zero, {}, octets});
            } else if (from.octets != octets) { // the reverse field has another length
                steps.push_back({StepKind::number, from, octets});
            } else if (!steps.empty() && steps.back().kind == StepKind::copy &&
                       steps.back().from.offset + steps.back().octets == from.offset) {
                steps.back().octets = static_cast<std::uint16_t>(steps.back().octets + octets);
            } else {
                steps.push_back({StepKind::copy, from, octets});
            }
        }
    }
    put16(how.octets, record.id());
    put16(how.octets, count);
    how.octets.insert(how.octets.end(), specifiers.begin(), specifiers.end());
    return how;
}

void Netflow9Messages::begin(std::uint16_t octets_max, std::uint32_t export_time_s) noexcept {
    message_.reset(octets_max);
    sampling_told_ = false;
    uptime_.begin_message(export_time_s);
}

bool Netflow9Messages::carries(const ipfix::TemplateRecord& record) const noexcept {
    return translated_.has(record.id());
}

ipfix::AppendVerdict Netflow9Messages::append_template(
    const ipfix::TemplateRecord& record) noexcept {
    if (!sampling_told_) {
        if (const auto verdict = append_sampling(); verdict != ipfix::AppendVerdict::appended) {
            return verdict;
        }
        sampling_told_ = true;
    }
    const Translated* how = translated_.find(record.id());
    if (how == nullptr) return ipfix::AppendVerdict::record_too_large;
    return message_.append(ipfix::kNetflow9TemplateFlowSetId, how->octets);
}

ipfix::AppendVerdict Netflow9Messages::append_sampling() noexcept {
    const auto verdict = message_.append(ipfix::kNetflow9OptionsFlowSetId, sampling_template_);
    if (verdict != ipfix::AppendVerdict::appended) return verdict;
    return message_.append(sampling_id_, sampling_record_);
}

ipfix::AppendVerdict Netflow9Messages::append_data(std::uint16_t template_id,
                                                   Bytes record) noexcept {
    const Translated* how = translated_.find(template_id);
    if (how == nullptr) return ipfix::AppendVerdict::record_too_large;
    const std::size_t octets = how->record_octets * how->fields.directions();
    if (const auto verdict = message_.room_for(template_id, octets);
        verdict != ipfix::AppendVerdict::appended) {
        return verdict;
    }
    const auto& start = how->fields.start();
    const auto& end = how->fields.end();
    if (start || end) {
        const std::uint64_t first = (start ? *start : *end).load_ms(record.data());
        const std::uint64_t last = std::max(first, (end ? *end : *start).load_ms(record.data()));
        if (!uptime_.take(first, last)) return ipfix::AppendVerdict::message_full;
    }
    for (std::size_t direction = 0; direction < how->fields.directions(); ++direction) {
        if (!how->fields.has_packets(direction, record.data())) continue;
        encode(*how, direction, record.data(), scratch_.data());
        static_cast<void>(
            message_.append(template_id, {scratch_.data(), how->record_octets})); // it fits
    }
    return ipfix::AppendVerdict::appended;
}

void Netflow9Messages::encode(const Translated& how, std::size_t direction,
                              const std::uint8_t* record, std::uint8_t* out) const noexcept {
    for (const Step& step : how.steps[direction]) {
        switch (step.kind) {
            case StepKind::copy:
                std::memcpy(out, record + step.from.offset, step.octets);
                break;
            case StepKind::number: // fits: the meter cuts records by the shorter of both
                ipfix::store_be(out, step.from.load(record), step.octets);
                break;
            case StepKind::zero:
                std::memset(out, 0, step.octets);
                break;
            case StepKind::start:
            case StepKind::end: {
                const bool start = step.kind == StepKind::start;
                const NetflowTime& time = start ? *how.fields.start() : *how.fields.end();
                ipfix::store_be(out, uptime_.uptime(time.load_ms(record)));
                break;
            }
        }
        out += step.octets;
    }
}

Bytes Netflow9Messages::finish(std::uint32_t sequence_number) noexcept {
    const NetflowUptime::Header header = uptime_.header();
    return message_.finish(header.uptime_ms, header.unix_s, sequence_number);
}

} // namespace probe
