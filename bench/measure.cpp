// SPDX-License-Identifier: BSD-3-Clause
#include "bench/measure.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "probe/lcores/clock.hpp"

namespace bench {
namespace {

constexpr std::uint64_t kBurstsPerLook = 64; // 4,096 packets between two looks at the clock
constexpr double kWarmUp = 0.25;

bool cpu_time = false;

double median(std::vector<double> values) {
    if (values.empty()) {
        return 0;
    }
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) {
        return *middle;
    }
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

struct Slice {
    double ns = 0;
    double packets = 0;
};

Slice work_for(const Contestant& contestant, double seconds) {
    const probe::TimeNs began = work_ns();
    const auto wanted = static_cast<probe::TimeNs>(seconds * 1e9);
    Slice slice;
    probe::TimeNs now = began;
    do {
        slice.packets += static_cast<double>(contestant.run(kBurstsPerLook));
        now = work_ns();
    } while (now - began < wanted);
    slice.ns = static_cast<double>(now - began);
    return slice;
}

} // namespace

probe::TimeNs work_ns() noexcept {
    if (!cpu_time) {
        return probe::monotonic_ns();
    }
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<probe::TimeNs>(time.tv_sec) * probe::kNsPerSecond +
           static_cast<probe::TimeNs>(time.tv_nsec);
}

void measure_cpu_time(bool yes) noexcept {
    cpu_time = yes;
}

Figure figure_of(std::vector<double> values) {
    const double middle = median(values);
    for (double& value : values) {
        value = std::abs(value - middle);
    }
    return {.median = middle, .spread = median(std::move(values))};
}

void measure(std::vector<Contestant>& contestants, const MeasureOptions& options) {
    for (int run = 0; run < options.runs; ++run) {
        for (Contestant& contestant : contestants) {
            (void)work_for(contestant, options.seconds * kWarmUp);
            const double excluded = contestant.excluded_ns ? contestant.excluded_ns() : 0;
            const Slice slice = work_for(contestant, options.seconds);
            const double others = contestant.excluded_ns ? contestant.excluded_ns() - excluded : 0;
            contestant.ns_per_packet.push_back((slice.ns - others) / slice.packets);
            contestant.with_excluded.push_back(slice.ns / slice.packets);
        }
    }
}

} // namespace bench
