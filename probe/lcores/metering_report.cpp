// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/metering_report.hpp"

#include <algorithm>

namespace probe {

namespace {

/// Widens [first, last], where 0 means never, by another such pair.
void widen(TimeNs& first, TimeNs& last, TimeNs other_first, TimeNs other_last) noexcept {
    if (other_first != 0) {
        first = first == 0 ? other_first : std::min(first, other_first);
        last = std::max(last, other_last);
    }
}

} // namespace

MeteringReport WorkersReport::report() const noexcept {
    MeteringReport sum;
    for (const Worker* worker : workers_) {
        const MeteringLedger& ledger = worker->ledger();
        for (std::size_t v = 0; v < kParseVerdicts; ++v) {
            if (is_refusal(static_cast<ParseVerdict>(v))) {
                sum.ignored_packets += ledger.parse[v].packets.get();
                sum.ignored_octets += ledger.parse[v].octets.get();
            }
        }
        for (std::size_t v = 0; v < kMeterVerdicts; ++v) {
            if (is_refusal(static_cast<MeterVerdict>(v))) {
                sum.ignored_packets += ledger.meter[v].packets.get();
                sum.ignored_octets += ledger.meter[v].octets.get();
            }
        }
        const std::uint64_t not_sampled =
            ledger.meter[static_cast<std::size_t>(MeterVerdict::ignored_not_sampled)].packets.get();
        sum.observed_packets += ledger.received.packets.get();
        sum.selected_packets += ledger.received.packets.get() - not_sampled;
        sum.not_taken.add(RecordTally{ledger.records_lost_queue_full.records.get(),
                                      ledger.records_lost_queue_full.packets.get(),
                                      ledger.records_lost_queue_full.octets.get()});
        widen(sum.first_ignored_ns, sum.last_ignored_ns, ledger.first_refused_ns.get(),
              ledger.last_refused_ns.get());
        widen(sum.first_not_taken_ns, sum.last_not_taken_ns, ledger.first_record_lost_ns.get(),
              ledger.last_record_lost_ns.get());
    }
    return sum;
}

} // namespace probe
