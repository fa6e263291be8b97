// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/exporter.hpp"

#include <algorithm>
#include <cstring>

#include "probe/metering/flow_hash.hpp"

namespace probe {

Exporter::Exporter(const RecordBinding& binding, const std::vector<Worker*>& workers,
                   std::vector<std::unique_ptr<RecordSink>> sinks)
    : binding_(binding),
      sinks_(std::move(sinks)),
      hash_flows_(std::any_of(sinks_.begin(), sinks_.end(),
                              [](const auto& sink) { return sink->wants_flow_hash(); })),
      scratch_(binding.record_octets_max()) {
    for (const Worker* worker : workers) {
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            if (FlowLane* lane = worker->lane(family); lane != nullptr) {
                ApplicationMeter* const application = worker->application();
                const bool names =
                    application != nullptr && binding.application_offset(family) != 0;
                sources_.push_back(
                    {&lane->records(), family, names ? &application->results() : nullptr});
            }
        }
    }
}

std::uint32_t Exporter::step(TimeNs now, std::uint32_t records_per_queue) noexcept {
    std::uint32_t records = 0;
    for (const Source& source : sources_) {
        for (std::uint32_t n = 0; n < records_per_queue; ++n) {
            const std::uint8_t* record = source.queue->front();
            if (record == nullptr) {
                break;
            }
            export_record(record, source, now);
            source.queue->pop();
            ++records;
        }
    }
    for (const auto& sink : sinks_) {
        sink->step(now);
    }
    return records;
}

/// What was read of the record's flow, in names_ until the next record.
RecordNames Exporter::take_names(const std::uint8_t* record, const Source& source) noexcept {
    RecordNames names;
    names.rules = binding_.rules().get();
    if (source.results != nullptr) {
        ApplicationBlock block{};
        std::memcpy(&block, record + binding_.application_offset(source.family), sizeof block);
        names.inspected = block.inspected != 0;
        if (block.handle != kNoResult) {
            names.fields =
                PackedFields({names_.data(), source.results->read(block.handle, names_)});
            source.results->give_back(block.handle);
        }
    }
    return names;
}

void Exporter::export_record(const std::uint8_t* record, const Source& source,
                             TimeNs now) noexcept {
    const IpFamily family = source.family;
    std::uint16_t vlan_and_template = 0;
    std::memcpy(&vlan_and_template, record + binding_.template_number_offset(family),
                sizeof vlan_and_template);
    const unsigned number = vlan_and_template >> kTemplateShift;
    const EncodingPlan& plan = binding_.encoding_plan(family, number);
    RecordNames names = take_names(record, source);
    const std::size_t octets = plan.encode(record, names, scratch_.data());
    texts_cut_ += names.texts_cut;
    const RecordWeight weight = plan.weight(record);
    encoded_.add(weight);
    const std::size_t template_index = binding_.template_index(family, number);
    const DataRecord data_record{.template_index = template_index,
                                 .octets = {scratch_.data(), octets},
                                 .weight = weight,
                                 .flow_hash = hash_flows_ ? flow_hash(family, record) : 0};
    for (const auto& sink : sinks_) {
        sink->append(data_record, now);
    }
}

void Exporter::repeat_templates() noexcept {
    for (const auto& sink : sinks_) {
        sink->repeat_templates();
    }
}

void Exporter::close(TimeNs now) noexcept {
    for (const auto& sink : sinks_) {
        sink->close(now);
    }
}

bool Exporter::idle() const noexcept {
    const bool queues_empty = std::all_of(sources_.begin(), sources_.end(), [](const Source& s) {
        return s.queue->front() == nullptr;
    });
    return queues_empty &&
           std::all_of(sinks_.begin(), sinks_.end(), [](const auto& sink) { return sink->idle(); });
}

void Exporter::abandon() noexcept {
    for (const auto& sink : sinks_) {
        sink->abandon();
    }
}

bool Exporter::backlogged() const noexcept {
    return std::any_of(sinks_.begin(), sinks_.end(),
                       [](const auto& sink) { return sink->backlogged(); });
}

} // namespace probe
