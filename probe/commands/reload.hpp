// SPDX-License-Identifier: BSD-3-Clause
// SIGHUP of `parshall run`: the configuration is read anew, all of it or nothing.
//
// Timeouts, the sweep, collectors and export options take effect while packets are metered. A
// collector whose entry is the same, with the same export options, keeps its session; one that is
// gone from the list sends what it has queued and leaves. What cannot change without a restart
// (ports, lcores, memory, templates, what is told in options records) refuses the whole reload.
//
// Thread: the signal thread.
#pragma once

#include <string>

#include "probe/commands/assembly.hpp"
#include "probe/lcores/live_job.hpp"

namespace probe {

class Reloader {
  public:
    /// `binding` and `options_records` are the running ones, and must outlive this.
    Reloader(const CommandLine& words, ProbeConfig running, const RecordBinding& binding,
             OptionsRecords* options_records);

    /// What is to be applied, with new collectors open. Throws with the reason: ipfix::ConfigError,
    /// std::invalid_argument (what cannot change, by its YAML key), std::runtime_error.
    [[nodiscard]] LiveChange prepare();
    /// The change is in effect: the next reload compares with it. Returns a sentence of what
    /// changed.
    std::string applied();

  private:
    void refuse_what_stays(const ProbeConfig& wanted) const;
    [[nodiscard]] SinkChange exchange(const ProbeConfig& wanted);

    CommandLine words_;
    ProbeConfig running_;
    ProbeConfig wanted_;
    const RecordBinding& binding_;
    OptionsRecords* options_records_;
    std::string summary_;
};

/// Reads, checks and applies, and tells the operator what became of it.
void reload(Reloader& reloader, LiveJob& job) noexcept;

} // namespace probe
