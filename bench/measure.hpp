// SPDX-License-Identifier: BSD-3-Clause
// Time per packet: several runs of each contestant, in turn, so that what disturbs the machine for
// a moment disturbs all of them; the median of the runs and its spread (median absolute deviation).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace bench {

struct Figure {
    double median = 0;
    double spread = 0;
};

[[nodiscard]] Figure figure_of(std::vector<double> values);

struct Contestant {
    std::string name;
    /// Works through so many bursts; returns how many packets those were.
    std::function<std::uint64_t(std::uint64_t bursts)> run;
    /// Time so far (work_ns), that is not the contestant's own; may be empty.
    std::function<double()> excluded_ns;
    std::vector<double> ns_per_packet; ///< one value a run
    std::vector<double> with_excluded; ///< the same with the excluded time
};

/// The clock of all measuring of one thread's work: the monotonic one, or the thread's CPU time, in
/// which what other programs do on the same CPU does not count (their traffic in caches does).
[[nodiscard]] probe::TimeNs work_ns() noexcept;
void measure_cpu_time(bool yes) noexcept; ///< before anything is measured

struct MeasureOptions {
    int runs = 5;
    double seconds = 0.4; ///< of one run of one contestant
};

/// Every contestant first works for a quarter of a run unmeasured, each time it is its turn.
void measure(std::vector<Contestant>& contestants, const MeasureOptions& options);

} // namespace bench
