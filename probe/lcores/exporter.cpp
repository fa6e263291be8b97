// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/exporter.hpp"

#include <algorithm>
#include <cstring>

#include "probe/metering/flow_hash.hpp"

namespace probe {

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): names_ is written before it is read
Exporter::Exporter(const RecordBinding& binding, const std::vector<Worker*>& workers,
                   std::vector<std::unique_ptr<RecordSink>> sinks)
    : sinks_(std::move(sinks)),
      common_(binding.has_common_properties()),
      absent_(sinks_.size()),
      scratch_(binding.record_octets_max()),
      whole_scratch_(binding.record_octets_max()) {
    look_at_sinks();
    std::vector<FlowLanes*> lanes;
    for (const Worker* worker : workers) {
        lanes.push_back(worker->lanes());
    }
    add_sources(sources_, binding, lanes);
}

void Exporter::add_sources(std::vector<Source>& sources, const RecordBinding& binding,
                           const std::vector<FlowLanes*>& lanes) {
    for (const FlowLanes* some : lanes) {
        for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
            FlowLane* const lane = some->lanes[static_cast<std::size_t>(family)].get();
            if (lane == nullptr) {
                continue;
            }
            const bool names =
                some->application != nullptr && binding.application_offset(family) != 0;
            sources.push_back({.queue = &lane->records(),
                               .family = family,
                               .results = names ? &some->application->results() : nullptr,
                               .binding = &binding,
                               .leaving = false});
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
    if (!leaving_.empty()) {
        step_leaving(now);
    }
    return records;
}

void Exporter::exchange(SinkChange& change, const BindingChange* meter, TimeNs now) {
    if (meter == nullptr) {
        exchange_sinks(change, now);
    } else {
        std::vector<Source> sources = sources_;
        for (Source& source : sources) {
            source.leaving = true;
        }
        add_sources(sources, *meter->binding, meter->lanes);
        scratch_.resize(std::max(scratch_.size(), meter->binding->record_octets_max()));
        whole_scratch_.resize(scratch_.size());
        common_ = common_ || meter->binding->has_common_properties();
        exchange_sinks(change, now);
        sources_ = std::move(sources);
        for (const auto& sink : sinks_) {
            sink->change_templates(*meter->templates, meter->options_records, now);
        }
    }
    const bool drained = std::none_of(sources_.begin(), sources_.end(),
                                      [](const Source& source) { return source.leaving; });
    if (drained) {
        retire_lanes(); // new sinks learn that nothing else will come
    }
}

bool Exporter::leaving_lanes_empty() noexcept {
    return std::all_of(sources_.begin(), sources_.end(), [](const Source& source) {
        return !source.leaving || source.queue->front() == nullptr;
    });
}

void Exporter::retire_lanes() noexcept {
    sources_.erase(std::remove_if(sources_.begin(), sources_.end(),
                                  [](const Source& source) { return source.leaving; }),
                   sources_.end());
    for (const auto& sink : sinks_) {
        sink->retire_templates();
    }
}

void Exporter::exchange_sinks(SinkChange& change, TimeNs now) {
    std::vector<std::unique_ptr<RecordSink>> sinks(change.places.size());
    std::vector<RecordTally> absent(change.places.size(), encoded_);
    leaving_.reserve(leaving_.size() + sinks_.size());
    for (std::size_t i = 0; i < change.places.size(); ++i) {
        SinkChange::Place& place = change.places[i];
        if (place.sink == nullptr) {
            absent[i] = absent_[place.kept];
            sinks[i] = std::move(sinks_[place.kept]);
        } else {
            sinks[i] = std::move(place.sink);
        }
    }
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
        if (sinks_[i] != nullptr) {
            sinks_[i]->close(now);
            leaving_.push_back(
                {.sink = std::move(sinks_[i]),
                 .sum = {.name = {}, .ledger = {}, .members = {}, .absent = absent_[i]},
                 .encoded = encoded_,
                 .deadline = now + change.patience});
        }
    }
    sinks_ = std::move(sinks);
    absent_ = std::move(absent);
    look_at_sinks();
}

void Exporter::look_at_sinks() {
    hash_flows_ = std::any_of(sinks_.begin(), sinks_.end(),
                              [](const auto& sink) { return sink->wants_flow_hash(); });
    wants_whole_.assign(sinks_.size(), false);
    if (!common_) return;
    for (std::size_t i = 0; i < sinks_.size(); ++i)
        wants_whole_[i] = sinks_[i]->wants_whole_records();
    whole_ = std::find(wants_whole_.begin(), wants_whole_.end(), true) != wants_whole_.end();
}

void Exporter::step_leaving(TimeNs now) noexcept {
    for (Leaving& one : leaving_) {
        if (one.sink == nullptr) {
            continue;
        }
        one.sink->step(now);
        if (!one.sink->idle() && now >= one.deadline) {
            one.sink->abandon();
        }
        if (one.sink->idle()) {
            const RecordTally absent = one.sum.absent;
            one.sum = SinkSum::of(*one.sink);
            one.sum.absent = absent;
            one.sink.reset();
        }
    }
}

void Exporter::add_to(LedgerSnapshot& snapshot) const {
    snapshot.encoded = encoded_;
    snapshot.texts_cut_for_record = texts_cut_;
    snapshot.wide_records = wide_records_;
    snapshot.records_without_common = without_common_;
    for (std::size_t i = 0; i < sinks_.size(); ++i) {
        snapshot.sinks.push_back(SinkSum::of(*sinks_[i]));
        snapshot.sinks.back().absent = absent_[i];
    }
    for (const Leaving& one : leaving_) {
        SinkSum sum = one.sum;
        if (one.sink != nullptr) {
            sum = SinkSum::of(*one.sink);
            sum.absent = one.sum.absent;
        }
        sum.absent.records += encoded_.records - one.encoded.records;
        sum.absent.packets += encoded_.packets - one.encoded.packets;
        sum.absent.octets += encoded_.octets - one.encoded.octets;
        snapshot.sinks.push_back(std::move(sum));
    }
}

/// What was read of the record's flow, in names_ until the next record.
RecordNames Exporter::take_names(const std::uint8_t* record, const Source& source) noexcept {
    RecordNames names;
    names.rules = source.binding->rules().get();
    if (source.results != nullptr) {
        ApplicationBlock block{};
        std::memcpy(&block, record + source.binding->application_offset(source.family),
                    sizeof block);
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
    const RecordBinding& binding = *source.binding;
    std::uint16_t vlan_and_template = 0;
    std::memcpy(&vlan_and_template, record + binding.template_number_offset(family),
                sizeof vlan_and_template);
    const unsigned number = vlan_and_template >> kTemplateShift;
    RecordNames names = take_names(record, source);
    const EncodedRecord encoded =
        binding.encode(family, number, record, names, WholeRecords::no, scratch_.data());
    texts_cut_ += names.texts_cut;
    wide_records_ += encoded.form == EncodedForm::wide ? 1 : 0;
    without_common_ += encoded.form == EncodedForm::whole ? 1 : 0;
    const RecordWeight weight = binding.encoding_plan(family, number).weight(record);
    encoded_.add(weight);
    const DataRecord data_record{.template_index = encoded.template_index,
                                 .octets = encoded.octets,
                                 .weight = weight,
                                 .flow_hash = hash_flows_ ? flow_hash(family, record) : 0};
    DataRecord whole_record = data_record;
    if (whole_ && encoded.form == EncodedForm::listed) {
        const EncodedRecord whole =
            binding.encode(family, number, record, names, WholeRecords::yes, whole_scratch_.data());
        whole_record.template_index = whole.template_index;
        whole_record.octets = whole.octets;
    }
    for (std::size_t i = 0; i < sinks_.size(); ++i)
        sinks_[i]->append(wants_whole_[i] ? whole_record : data_record, now);
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
           std::all_of(sinks_.begin(), sinks_.end(),
                       [](const auto& sink) { return sink->idle(); }) &&
           std::all_of(leaving_.begin(), leaving_.end(),
                       [](const Leaving& one) { return one.sink == nullptr; });
}

void Exporter::abandon() noexcept {
    for (const auto& sink : sinks_) {
        sink->abandon();
    }
    for (const Leaving& one : leaving_) {
        if (one.sink != nullptr) {
            one.sink->abandon();
        }
    }
}

bool Exporter::backlogged() const noexcept {
    return std::any_of(sinks_.begin(), sinks_.end(),
                       [](const auto& sink) { return sink->backlogged(); });
}

} // namespace probe
