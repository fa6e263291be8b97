// SPDX-License-Identifier: BSD-3-Clause
// The offline job: capture files through the same worker, housekeeping and exporter as live
// traffic, in turn on one thread, with the packets' own time as the clock, so that the same files
// always give the same records.
//
// Needs an initialised EAL (offline_eal_arguments). Errors before the first packet are exceptions;
// a file that cannot be opened or is broken is told and counted in the exit code, and the other
// files are read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/options_records.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/telemetry/ledger_snapshot.hpp"

namespace probe {

struct ReadJobOptions {
    std::vector<std::string> files;
    MeteringOptions metering;
    TimeNs shutdown = 4 * kNsPerSecond; ///< how long a collector that takes nothing is waited for
    std::uint32_t workers = 1;
    const PacketFilter* filter = nullptr;
    OptionsRecords* options_records = nullptr; ///< what the sinks send; told of the workers here
    /// Network collectors need the wall clock; files and text follow the packets' time.
    bool wall_clock_export = false;
    bool progress = false; ///< draw a bar on standard error once a second has passed
    /// Set by another thread: no more is read, what was read is exported. nullptr: never.
    const std::atomic<bool>* stop = nullptr;
    LogLine log;               ///< sentences for the operator
    StartDpdk start_dpdk = {}; ///< called when a flow table first needs DPDK; few ever do
};

struct ReadJobResult {
    bool broken_input = false; ///< a file was cut, broken or not readable
    std::uint64_t files_read = 0;
    LedgerSnapshot ledger;
};

[[nodiscard]] ReadJobResult run_read_job(const ReadJobOptions& options,
                                         const RecordBinding& binding,
                                         std::vector<std::unique_ptr<RecordSink>> sinks);

} // namespace probe
