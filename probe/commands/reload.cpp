// SPDX-License-Identifier: BSD-3-Clause
#include "probe/commands/reload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "probe/exporting/open_sink.hpp"
#include "probe/metering/siphash.hpp"

namespace probe {

namespace {

/// Templates, with what the meter makes of them.
bool same_templates(const RecordBinding& a, const RecordBinding& b) {
    if (a.templates().size() != b.templates().size() ||
        a.listed_templates() != b.listed_templates()) {
        return false;
    }
    for (std::size_t i = 0; i < a.templates().size(); ++i) {
        const auto left = a.templates()[i].octets();
        const auto right = b.templates()[i].octets();
        const auto keys = [i](const RecordBinding& binding) {
            std::vector<bool> all;
            for (const ipfix::FieldSpecifier& field : binding.templates()[i].fields()) {
                all.push_back(field.key);
            }
            return all;
        };
        if (!std::equal(left.begin(), left.end(), right.begin(), right.end()) ||
            keys(a) != keys(b) ||
            (i < a.listed_templates() &&
             a.metering_plan().requests()[i].filter != b.metering_plan().requests()[i].filter)) {
            return false;
        }
    }
    return true;
}

/// The options that a session has for its life, without the list of collectors.
ExportOptions of_sessions(ExportOptions options) {
    options.collectors.clear();
    return options;
}

std::vector<CollectorOptions> of_group(const ExportOptions& options, bool grouped) {
    std::vector<CollectorOptions> some;
    std::copy_if(options.collectors.begin(), options.collectors.end(), std::back_inserter(some),
                 [grouped](const auto& one) { return (one.group != kNoGroup) == grouped; });
    return some;
}
std::vector<CollectorOptions> alone(const ExportOptions& options) {
    return of_group(options, false);
}

/// Two sinks cannot write one file, and what is there must not be begun anew.
bool keeps_its_output(const CollectorOptions& collector) {
    return !collector.path.empty();
}

} // namespace

Reloader::Reloader(const CommandLine& words, ProbeConfig running, const RecordBinding& binding,
                   OptionsRecords* options_records)
    : words_(words),
      running_(std::move(running)),
      wanted_(running_),
      binding_(binding),
      options_records_(options_records) {}

LiveChange Reloader::prepare() {
    if (words_.config.empty()) {
        throw std::invalid_argument("there is no file to read again; start with --config FILE");
    }
    wanted_ = assemble_config(words_);
    if (wanted_.exporting.collectors.empty()) {
        throw std::invalid_argument("exporting.collectors is empty; name at least one");
    }
    refuse_what_stays(wanted_);
    LiveChange change{.timeouts = wanted_.metering.timeouts,
                      .sweep = wanted_.metering.sweep,
                      .sinks = exchange(wanted_)};
    return change;
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
    stays(metering.application == running_.metering.application, "metering.application");
    stays(metering.labels == running_.metering.labels, "metering.application");
    stays(metering.sampling == running_.metering.sampling, "metering.sampling");
    stays(same_templates(bind_templates(wanted), binding_), "metering.templates");
    stays(wanted.exporting.options_records == running_.exporting.options_records,
          "exporting.options_records");
    stays(wanted.exporting.groups == running_.exporting.groups &&
              of_group(wanted.exporting, true) == of_group(running_.exporting, true) &&
              (wanted.exporting.groups.empty() ||
               of_sessions(wanted.exporting) == of_sessions(running_.exporting)),
          "a group of collectors");
    stays(wanted.exporting.shutdown == running_.exporting.shutdown, "exporting.shutdown");
}

// Sinks are the collectors of no group, in their order, then the groups (open_sinks).
SinkChange Reloader::exchange(const ProbeConfig& wanted) {
    SinkChange change;
    change.patience = wanted.exporting.shutdown;
    const bool same_options = of_sessions(wanted.exporting) == of_sessions(running_.exporting);
    const std::vector<CollectorOptions> present = alone(running_.exporting);
    std::size_t kept = 0;
    for (const CollectorOptions& collector : alone(wanted.exporting)) {
        const auto found =
            std::find_if(present.begin(), present.end(), [&](const CollectorOptions& one) {
                return one == collector || (keeps_its_output(one) && one.path == collector.path);
            });
        if (found != present.end() && (same_options || keeps_its_output(*found))) {
            change.places.push_back({nullptr, static_cast<std::size_t>(found - present.begin())});
            ++kept;
            continue;
        }
        if (!collector.spool.directory.empty()) {
            throw std::invalid_argument(fmt::format(
                "{} has a spool, whose files its session holds; restart for it", collector.url));
        }
        change.places.push_back(
            {open_sink(collector, wanted.exporting, wanted.observation.domain_id,
                       binding_.templates(), options_records_, tell_operator, SipKey::random().k0,
                       binding_.common_properties()),
             0});
    }
    summary_ = fmt::format("{} collectors kept, {} opened, {} closed", kept,
                           change.places.size() - kept, present.size() - kept);
    for (std::size_t g = 0; g < wanted.exporting.groups.size(); ++g) {
        change.places.push_back({nullptr, present.size() + g});
    }
    return change;
}

std::string Reloader::applied() {
    running_ = wanted_;
    return fmt::format("{} is in effect: {}", words_.config, summary_);
}

void reload(Reloader& reloader, LiveJob& job) noexcept {
    try {
        job.apply(reloader.prepare());
        tell_operator(reloader.applied());
    } catch (const std::exception& refused) {
        tell_operator(fmt::format("not reloaded, everything stays as it is: {}", refused.what()));
    }
}

} // namespace probe
