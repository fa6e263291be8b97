// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/flow_truth.hpp"

#include <algorithm>

#include "tests/support/metering_bench.hpp"

namespace probe::test {

std::string flow_key_text(const std::string& a, const std::string& b, unsigned protocol,
                          bool biflow) {
    const bool exchange = biflow && b < a;
    return (exchange ? b : a) + " > " + (exchange ? a : b) + " / " + std::to_string(protocol);
}

std::string end_point_text(const strict::Record& record, bool source) {
    const bool ipv4 = record.has(0, 8);
    const std::uint16_t address = source ? (ipv4 ? 8 : 27) : (ipv4 ? 12 : 28);
    return record.address(address) + " " + std::to_string(record.number(source ? 7 : 11));
}

void FlowTruth::packet(const TruePacket& packet) {
    Flow& flow = flows_[flow_key_text(packet.source, packet.destination, packet.protocol, biflow_)];
    if (strict_) {
        flow.open.push_back(packet);
    } else {
        flow.all.push_back(packet);
    }
}

void FlowTruth::complain(const Claim& claim, const std::string& what) {
    if (complaints_.size() < 20) {
        complaints_.push_back("record " + std::to_string(records_) + " of " + claim.key + ": " +
                              what);
    }
}

void FlowTruth::record(const strict::Record& record, TimeNs at) {
    ++records_;
    const std::string source = end_point_text(record, true);
    const std::string destination = end_point_text(record, false);
    const Claim claim{
        .key = flow_key_text(source, destination, static_cast<unsigned>(record.number(4)), biflow_),
        .source = source,
        .start = start_of(record),
        .end = end_of(record),
        .at = at,
        .packets = {record.number(2), record.number_or(strict::kReverse, 2, 0)},
        .octets = {record.number(1), record.number_or(strict::kReverse, 1, 0)},
        .reason = static_cast<unsigned>(reason_of(record))};
    if (claim.start > claim.end || claim.end > claim.at) {
        complain(claim, "not start <= end <= export time");
    }
    if (claim.end - claim.start >= timeouts_.active) {
        complain(claim, "as long as the active timeout or longer");
    }
    if (claim.packets[0] + claim.packets[1] == 0) {
        complain(claim, "stands for no packet");
    }
    if (claim.reason < 1 || claim.reason > 5) {
        complain(claim, "flowEndReason " + std::to_string(claim.reason));
    }
    const auto known = flows_.find(claim.key);
    if (known == flows_.end()) {
        complain(claim, "no packet of this key was ever metered");
    } else if (strict_) {
        check_strictly(claim, known->second);
    } else {
        check_loosely(claim, known->second);
    }
}

void FlowTruth::check_strictly(const Claim& claim, Flow& flow) {
    const std::uint64_t count = claim.packets[0] + claim.packets[1];
    if (count > flow.open.size()) {
        complain(claim, std::to_string(count) + " packets claimed, " +
                            std::to_string(flow.open.size()) + " were left");
        return;
    }
    std::uint64_t packets[2] = {};
    std::uint64_t octets[2] = {};
    std::vector<TimeNs> times;
    for (std::uint64_t n = 0; n < count; ++n) {
        const TruePacket& packet = flow.open.front();
        const std::size_t d = packet.source == claim.source ? 0 : 1;
        ++packets[d];
        octets[d] += packet.ip_octets;
        times.push_back(packet.time);
        flow.open.pop_front();
    }
    std::sort(times.begin(), times.end());
    if (!std::equal(packets, packets + 2, claim.packets)) {
        complain(claim, "its packets went the other way");
    }
    if (!std::equal(octets, octets + 2, claim.octets)) {
        complain(claim, "other octets than its packets had");
    }
    if (!times.empty() && (times.front() != claim.start || times.back() != claim.end)) {
        complain(claim, "its times are not those of its first and last packet");
    }
    check_gaps(claim, std::move(times));
    check_reason(claim, flow);
}

void FlowTruth::check_loosely(const Claim& claim, Flow& flow) {
    std::vector<TimeNs> times;
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
    for (const TruePacket& packet : flow.all) {
        packets += 1;
        octets += packet.ip_octets;
        if (packet.time >= claim.start && packet.time <= claim.end) {
            times.push_back(packet.time);
        }
    }
    flow.packets_claimed += claim.packets[0] + claim.packets[1];
    flow.octets_claimed += claim.octets[0] + claim.octets[1];
    if (flow.packets_claimed > packets || flow.octets_claimed > octets) {
        complain(claim, "more in records than was metered");
    }
    std::sort(times.begin(), times.end());
    if (times.empty() || times.front() != claim.start || times.back() != claim.end) {
        complain(claim, "starts or ends at a time at which no packet came");
    }
    if (claim.packets[0] + claim.packets[1] > times.size()) {
        complain(claim, "more packets than came between its start and end");
    }
    check_gaps(claim, std::move(times));
}

void FlowTruth::check_gaps(const Claim& claim, std::vector<TimeNs> times) {
    for (std::size_t i = 1; i < times.size(); ++i) {
        if (times[i] - times[i - 1] >= timeouts_.idle) {
            complain(claim, "spans an idle gap");
            return;
        }
    }
}

void FlowTruth::check_reason(const Claim& claim, const Flow& flow) {
    if (flow.open.empty()) {
        return;
    }
    const TruePacket& next = flow.open.front(); // did not go into this record any more
    if (claim.reason == 1 && next.polled_at < claim.end + timeouts_.idle) {
        complain(claim, "called idle, but the next packet came before that");
    }
    const bool behind_the_cut = next.polled_at >= claim.start + timeouts_.active;
    const bool late = next.time < claim.start;
    if (claim.reason == 2 && !behind_the_cut && !late) {
        complain(claim, "cut before the active timeout");
    }
    if (claim.reason == 4) {
        complain(claim, "forced to end before its last packet");
    }
}

void FlowTruth::close() {
    for (const auto& [key, flow] : flows_) {
        if (!flow.open.empty() && complaints_.size() < 20) {
            complaints_.push_back(key + ": " + std::to_string(flow.open.size()) +
                                  " packets are in no record");
        }
    }
}

} // namespace probe::test
