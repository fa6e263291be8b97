// SPDX-License-Identifier: BSD-3-Clause
// How fast messages may leave over UDP. A burst that fills the collector's socket buffer (208 KiB
// by default, some 90 datagrams) would be lost silently, so it is spread: after 32 KiB at once it
// leaves over 200 ms, at 4 KiB a millisecond or more; what keeps coming leaves up to twice as fast
// as it came in the last 400 ms; and a queue that is half full is emptied as if within 50 ms, three
// quarters full within 10 ms. So spreading is for bursts, and never holds back records for good.
//
// Thread: its session's.
#pragma once

#include <cstddef>

#include "probe/exporting/record_backlog.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class SendPace {
  public:
    explicit SendPace(std::size_t octets_per_ms_max) noexcept;

    void record_arrived(std::size_t octets) noexcept { arrived_octets_ += octets; }
    /// Once a step: how fast records arrive.
    void measure(TimeNs now) noexcept;
    [[nodiscard]] bool may_send(const RecordBacklog& backlog, TimeNs now) const noexcept;
    void message_left(std::size_t octets, const RecordBacklog& backlog, TimeNs now) noexcept;

  private:
    [[nodiscard]] TimeNs drain_time(std::size_t octets,
                                    const RecordBacklog& backlog) const noexcept;

    const std::size_t max_octets_per_ms_;
    std::size_t arrived_octets_ = 0; ///< since measured_at_
    std::size_t arrival_octets_per_ms_ = 0;
    TimeNs measured_at_ = 0;
    TimeNs drained_at_ = 0; ///< when what was sent has drained
};

} // namespace probe
