// SPDX-License-Identifier: BSD-3-Clause
// SIGHUP of `parshall run`: the configuration is read anew, all of it or nothing.
//
// Timeouts, the sweep, templates, application rules, collectors and export options take effect
// while packets are metered. A collector whose entry is the same, with the same export options,
// keeps its session; one that is gone from the list sends what it has queued and leaves. What
// cannot change without a restart (ports, lcores, memory, whether there are options records)
// refuses the whole reload.
//
// Other templates or rules are another generation of tables beside the present ones: packets go
// into the new tables from the next burst on, the flows of the old ones leave under their own
// templates, and then these are withdrawn and the old tables freed.
//
// Thread: the signal thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probe/commands/assembly.hpp"
#include "probe/lcores/live_job.hpp"

namespace probe {

class Reloader {
  public:
    /// Keeps what runs: it must outlive the job and its sinks.
    Reloader(const CommandLine& words, ProbeConfig running, TemplateGeneration generation);

    [[nodiscard]] const TemplateGeneration& generation() const noexcept { return generation_; }

    /// What is to be applied, with new collectors open. Throws with the reason: ipfix::ConfigError,
    /// std::invalid_argument (what cannot change, by its YAML key), std::runtime_error.
    [[nodiscard]] LiveChange prepare();
    /// The change is in effect: the next reload compares with it. Returns a sentence of what
    /// changed.
    std::string applied();
    /// It was refused, by prepare() or by the job: nothing of it is left.
    void refused() noexcept;
    /// Frees what flows of an earlier generation needed, once they have left.
    void free_left(LiveJob& job);

  private:
    void refuse_what_stays(const ProbeConfig& wanted) const;
    [[nodiscard]] bool meters_otherwise(const TemplateGeneration& next) const;
    [[nodiscard]] SinkChange exchange(const ProbeConfig& wanted);
    [[nodiscard]] SinkChange::Place exchange_group(const ProbeConfig& wanted,
                                                   const TemplateGeneration& generation,
                                                   std::size_t place, std::size_t group);
    [[nodiscard]] std::string change_of_templates() const;

    CommandLine words_;
    ProbeConfig running_;
    ProbeConfig wanted_;
    TemplateGeneration generation_;
    std::optional<TemplateGeneration> next_; ///< of the change that prepare() made
    std::size_t common_templates_ = 0;       ///< of the generations that were in effect
    std::unique_ptr<const RecordBinding> leaving_;
    /// Sinks that leave, and records in queues and spools, may need them.
    std::vector<std::unique_ptr<const TemplateList>> lists_before_;
    std::vector<std::unique_ptr<OptionsRecords>> options_before_;
    std::string summary_;
};

/// Reads, checks and applies, and tells the operator what became of it.
void reload(Reloader& reloader, LiveJob& job) noexcept;

} // namespace probe
