// SPDX-License-Identifier: BSD-3-Clause
// The rungs below the whole worker: the program's own functions, one more a rung.
//
//   receive   ReceiveQueue::poll and release
//   parse     + parse_packet for every packet
//   hash      + template, make_flow_key, FlowTable::hash_burst
//   lookup    + FlowTable::lookup_burst in a table with every flow of the traffic, records
//   prefetched
//
// From there on the Worker itself is measured (worker_path.hpp). Thread: one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "bench/traffic.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/metering/flow_table.hpp"
#include "probe/packet/packet_batch.hpp"
#include "probe/packet/packet_headers.hpp"

namespace bench {

enum class Rung : std::uint8_t { receive, parse, hash, lookup };

class PathRungs {
  public:
    /// Fills its tables with the flows of `traffic`, which the source must be playing.
    /// Throws std::runtime_error.
    PathRungs(const probe::RecordBinding& binding, probe::PacketSource& source,
              const Traffic& traffic);
    ~PathRungs();

    /// Returns how many packets came in `bursts` polls.
    std::uint64_t run(Rung rung, std::uint64_t bursts) noexcept;

    /// Depends on every key made and every slot found.
    [[nodiscard]] std::uint64_t checksum() const noexcept { return checksum_; }
    /// Packets whose flow was not in the table; 0 unless something is wrong.
    [[nodiscard]] std::uint64_t not_found() const noexcept { return not_found_; }

  private:
    template <class Key>
    struct Lane;
    struct Lanes;

    template <Rung kRung>
    std::uint64_t climb(std::uint64_t bursts) noexcept;
    void parse() noexcept;
    template <Rung kRung, class Key>
    void pass(Lane<Key>& lane, std::size_t family) noexcept;
    template <class Key>
    void fill(Lane<Key>& lane, std::size_t family);

    probe::PacketSource& source_;
    std::unique_ptr<Lanes> lanes_;
    probe::PacketBatch batch_;
    std::array<probe::PacketHeaders, probe::kBurstPackets> headers_;
    std::array<std::array<std::uint8_t, probe::kBurstPackets>, 2> positions_;
    std::array<std::uint32_t, 2> lane_packets_{};
    std::uint64_t checksum_ = 0;
    std::uint64_t not_found_ = 0;
};

} // namespace bench
