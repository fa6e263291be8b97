// SPDX-License-Identifier: BSD-3-Clause
#include "probe/commands/reload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "probe/exporting/open_sink.hpp"
#include "probe/metering/siphash.hpp"

namespace probe {

namespace {

/// Templates, with what the meter makes of them: ids stand for their content.
bool same_templates(const RecordBinding& a, const RecordBinding& b) {
    const auto& requests_a = a.metering_plan().requests();
    const auto& requests_b = b.metering_plan().requests();
    return std::equal(a.templates().begin(), a.templates().end(), b.templates().begin(),
                      b.templates().end(),
                      [](const auto& one, const auto& other) {
                          return one.id() == other.id() && one.name() == other.name();
                      }) &&
           std::equal(
               requests_a.begin(), requests_a.end(), requests_b.begin(), requests_b.end(),
               [](const auto& one, const auto& other) { return one.filter == other.filter; });
}

/// The options that a session has for its life, without the list of collectors.
ExportOptions of_sessions(ExportOptions options) {
    options.collectors.clear();
    return options;
}

bool same_groups(const ExportOptions& a, const ExportOptions& b) {
    bool same = a.groups == b.groups;
    for (std::size_t group = 0; same && group < a.groups.size(); ++group) {
        same = a.of_group(group) == b.of_group(group);
    }
    return same;
}

/// The streams of its association are those of the templates.
bool has_streams_of_templates(const CollectorOptions& collector) {
    return collector.sctp.streams == SctpStreamUse::per_template;
}

/// Two sinks cannot write one file, and what is there must not be begun anew.
bool keeps_its_output(const CollectorOptions& collector) {
    return !collector.path.empty();
}

/// A second session cannot begin while the one before still ends.
void refuse_spool(const CollectorOptions& collector) {
    if (!collector.spool.directory.empty()) {
        throw std::invalid_argument(fmt::format(
            "{} has a spool, whose files its session holds; restart for it", collector.url));
    }
}

} // namespace

Reloader::Reloader(const CommandLine& words, ProbeConfig running, TemplateGeneration generation)
    : words_(words),
      running_(std::move(running)),
      wanted_(running_),
      generation_(std::move(generation)),
      common_templates_(generation_.binding->common_properties()->templates().size()) {}

LiveChange Reloader::prepare() {
    if (words_.config.empty()) {
        throw std::invalid_argument("there is no file to read again; start with --config FILE");
    }
    wanted_ = assemble_config(words_);
    if (wanted_.exporting.collectors.empty()) {
        throw std::invalid_argument("exporting.collectors is empty; name at least one");
    }
    refuse_what_stays(wanted_);
    next_ = make_generation(wanted_, true, &generation_);
    const bool otherwise = meters_otherwise(*next_);
    if (!otherwise) {
        next_.reset();
    }
    LiveChange change;
    change.timeouts = wanted_.metering.timeouts;
    change.sweep = wanted_.metering.sweep;
    change.sinks = exchange(wanted_);
    if (otherwise) {
        change.meter = {.binding = next_->binding.get(),
                        .lanes = {},
                        .templates = next_->templates.get(),
                        .options_records = next_->options_records.get()};
        change.metering = wanted_.metering;
        summary_ += change_of_templates();
    }
    return change;
}

bool Reloader::meters_otherwise(const TemplateGeneration& next) const {
    const MeteringOptions& before = running_.metering;
    const MeteringOptions& after = wanted_.metering;
    return !same_templates(*next.binding, *generation_.binding) ||
           next.rule_texts != generation_.rule_texts || after.labels != before.labels ||
           after.application != before.application;
}

std::string Reloader::change_of_templates() const {
    std::string ids;
    for (const ipfix::TemplateRecord& one : next_->binding->templates()) {
        ids += fmt::format("{}{} {}", ids.empty() ? "" : ", ", one.name(), one.id());
    }
    return fmt::format(
        "; templates are {}; flows of those before leave with flowEndReason 4{}", ids,
        next_->rule_texts == generation_.rule_texts ? "" : "; application rules are new");
}

void Reloader::refuse_what_stays(const ProbeConfig& wanted) const {
    const auto stays = [](bool same, const char* what) {
        if (!same) {
            throw std::invalid_argument(
                fmt::format("{} cannot change while packets are metered; restart for it", what));
        }
    };
    const ObservationOptions& points = wanted.observation;
    stays(points.points == running_.observation.points, "observation.points");
    stays(points.eal == running_.observation.eal, "observation.eal");
    stays(points.domain_id == running_.observation.domain_id, "observation.domain_id");
    stays(points.domain_name == running_.observation.domain_name, "observation.domain_name");
    stays(wanted.lcores == running_.lcores, "lcores");
    const MeteringOptions& metering = wanted.metering;
    stays(metering.flows_max == running_.metering.flows_max, "metering.flows_max");
    stays(metering.ipv6_share == running_.metering.ipv6_share, "metering.ipv6_share");
    stays(metering.record_queue == running_.metering.record_queue, "metering.record_queue");
    stays(metering.when_full == running_.metering.when_full, "metering.when_full");
    stays(metering.sampling == running_.metering.sampling, "metering.sampling");
    stays(wanted.exporting.options_records == running_.exporting.options_records,
          "exporting.options_records");
    stays(same_groups(wanted.exporting, running_.exporting) &&
              (wanted.exporting.groups.empty() ||
               of_sessions(wanted.exporting) == of_sessions(running_.exporting)),
          "a group of collectors");
    stays(wanted.exporting.shutdown == running_.exporting.shutdown, "exporting.shutdown");
}

// Sinks are the collectors of no group, in their order, then the groups (open_sinks).
SinkChange Reloader::exchange(const ProbeConfig& wanted) {
    SinkChange change;
    change.patience = wanted.exporting.shutdown;
    const TemplateGeneration& generation = next_ ? *next_ : generation_;
    for (const CollectorOptions& collector : wanted.exporting.collectors) {
        check_format(collector, *generation.templates, next_ ? LogLine(tell_operator) : LogLine());
    }
    const bool same_options = of_sessions(wanted.exporting) == of_sessions(running_.exporting);
    const std::vector<CollectorOptions> present = running_.exporting.of_group(kNoGroup);
    std::size_t kept = 0;
    for (const CollectorOptions& collector : wanted.exporting.of_group(kNoGroup)) {
        const auto found =
            std::find_if(present.begin(), present.end(), [&](const CollectorOptions& one) {
                return one == collector || (keeps_its_output(one) && one.path == collector.path);
            });
        const bool stays = same_options && !(next_ && has_streams_of_templates(collector));
        if (found != present.end() && (stays || keeps_its_output(*found))) {
            change.places.push_back({nullptr, static_cast<std::size_t>(found - present.begin())});
            ++kept;
            continue;
        }
        refuse_spool(collector);
        change.places.push_back({open_collector(wanted, generation, collector), 0});
    }
    summary_ = fmt::format("{} collectors kept, {} opened, {} closed", kept,
                           change.places.size() - kept, present.size() - kept);
    for (std::size_t g = 0; g < wanted.exporting.groups.size(); ++g) {
        change.places.push_back(exchange_group(wanted, generation, present.size() + g, g));
    }
    return change;
}

/// The whole group begins anew where one of its collectors has to; it leaves as others do.
SinkChange::Place Reloader::exchange_group(const ProbeConfig& wanted,
                                           const TemplateGeneration& generation, std::size_t place,
                                           std::size_t group) {
    const std::vector<CollectorOptions> members = wanted.exporting.of_group(group);
    if (!next_ || std::none_of(members.begin(), members.end(), has_streams_of_templates)) {
        return {nullptr, place};
    }
    for (const CollectorOptions& member : members) {
        refuse_spool(member);
        if (keeps_its_output(member)) {
            throw std::invalid_argument(fmt::format(
                "{} would be begun anew with its group, one of which has a stream for each "
                "template; restart for it",
                member.url));
        }
    }
    summary_ += fmt::format(", the {} of a group begin anew", members.size());
    return {open_group(wanted, generation, group), 0};
}

std::string Reloader::applied() {
    running_ = wanted_;
    common_templates_ = generation_.binding->common_properties()->templates().size();
    if (next_) {
        leaving_ = std::move(generation_.binding);
        lists_before_.push_back(std::move(generation_.templates));
        options_before_.push_back(std::move(generation_.options_records));
        generation_ = std::move(*next_);
        next_.reset();
    }
    return fmt::format("{} is in effect: {}", words_.config, summary_);
}

void Reloader::refused() noexcept {
    next_.reset();
    generation_.binding->common_properties()->forget_templates(common_templates_);
}

void Reloader::free_left(LiveJob& job) {
    if (job.free_left()) {
        leaving_.reset();
        tell_operator("the flows of the templates before the reload have left");
    }
}

void reload(Reloader& reloader, LiveJob& job) noexcept {
    try {
        job.apply(reloader.prepare());
        tell_operator(reloader.applied());
    } catch (const std::exception& refused) {
        reloader.refused();
        tell_operator(fmt::format("not reloaded, everything stays as it is: {}", refused.what()));
    }
}

} // namespace probe
