// SPDX-License-Identifier: BSD-3-Clause
// What really happened to each flow, packet by packet, and whether the records say the same.
//
// Strict accounts (nothing was dropped, no record lost): the records of a key, in the order they
// were made, must cover its packets in the order they were metered, each exactly once. Loose
// accounts: no record may claim what the key's packets cannot support. Either way no record is as
// long as the active timeout, and none has an idle gap inside.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "probe/metering/metering_options.hpp"
#include "tests/support/strict_decoder.hpp"

namespace probe::test {

struct TruePacket {
    std::string source; ///< "address port"
    std::string destination;
    std::uint8_t protocol = 0;
    TimeNs time = 0;
    TimeNs polled_at = 0;
    std::uint64_t ip_octets = 0;
};

/// Of both directions in a biflow.
[[nodiscard]] std::string flow_key_text(const std::string& a, const std::string& b,
                                        unsigned protocol, bool biflow);
/// "address port" of a record's source or destination.
[[nodiscard]] std::string end_point_text(const strict::Record& record, bool source);

class FlowTruth {
  public:
    FlowTruth(TimeoutOptions timeouts, bool biflow, bool strict)
        : timeouts_(timeouts), biflow_(biflow), strict_(strict) {}

    void packet(const TruePacket& packet);
    /// A record that came out at `at`, in order. Needs elements 4, 7, 11, 8 and 12 or 27 and 28,
    /// 156, 157, 1, 2, 136 and, in biflows, the reverse of 1 and 2.
    void record(const strict::Record& record, TimeNs at);
    /// After the last record: strict accounts must be settled.
    void close();

    [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
    [[nodiscard]] std::uint64_t records() const { return records_; }

  private:
    struct Flow {
        std::deque<TruePacket> open; ///< strict: metered, not yet in a record
        std::vector<TruePacket> all; ///< loose
        std::uint64_t packets_claimed = 0;
        std::uint64_t octets_claimed = 0;
    };
    struct Claim {
        std::string key;
        std::string source;
        TimeNs start, end, at;
        std::uint64_t packets[2], octets[2];
        unsigned reason;
    };

    void complain(const Claim& claim, const std::string& what);
    void check_strictly(const Claim& claim, Flow& flow);
    void check_loosely(const Claim& claim, Flow& flow);
    void check_gaps(const Claim& claim, std::vector<TimeNs> times);
    void check_reason(const Claim& claim, const Flow& flow);

    TimeoutOptions timeouts_;
    bool biflow_;
    bool strict_;
    std::map<std::string, Flow> flows_;
    std::vector<std::string> complaints_;
    std::uint64_t records_ = 0;
};

} // namespace probe::test
