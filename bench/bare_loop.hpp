// SPDX-License-Identifier: BSD-3-Clause
// The yardstick: what this machine can do for prepared frames when nothing is asked but to count
// packets and octets by 5-tuple. Fixed-offset parse, SipHash-2-4 with the program's best kernel,
// one 64-octet record updated. Not a flow meter: no checks, no time, no end of flows.
//
//   BareHashLoop  rte_hash, bulk lookup of 64, records prefetched
//   BareTagLoop   buckets of eight 16-bit tags and slots in one cache line, the key compared in the
//   record, the
//                 stages spread over three bursts
//
// Both take one family (nullptr for mixed traffic). Thread: one. Throws std::runtime_error when
// memory is short.
#pragma once

#include <cstdint>
#include <memory>

#include "bench/traffic.hpp"

namespace bench {

class BareLoop {
  public:
    virtual ~BareLoop() = default;
    /// Meters the next `bursts` bursts of 64 frames, round and round. Returns how many packets.
    virtual std::uint64_t run(std::uint64_t bursts) noexcept = 0;
    /// Packets counted in records: what run() returned in all, when nothing is wrong.
    [[nodiscard]] virtual std::uint64_t counted() const noexcept = 0;
};

[[nodiscard]] std::unique_ptr<BareLoop> make_bare_hash_loop(const Traffic& traffic);
[[nodiscard]] std::unique_ptr<BareLoop> make_bare_tag_loop(const Traffic& traffic);

} // namespace bench
