// SPDX-License-Identifier: BSD-3-Clause
#include "bench/path_rungs.hpp"

#include <optional>
#include <stdexcept>
#include <vector>

#include "probe/metering/flow_key.hpp"
#include "probe/packet/packet_parser.hpp"

namespace bench {

using probe::IpFamily;
using probe::kBurstPackets;

template <class Key>
struct PathRungs::Lane {
    Lane(const probe::LanePlan& lane_plan, const std::string& name, std::size_t flows)
        : plan(lane_plan),
          table({.name = name,
                 .flows_max = flows,
                 .stride = lane_plan.layout().stride,
                 .socket = -1,
                 .hash_key = {1, 2}}) {
        for (std::size_t number = 0; number < plan.templates().size(); ++number) {
            const probe::LaneTemplate& t = plan.templates()[number];
            recipes.emplace_back(t.keys, static_cast<unsigned>(number), t.biflow);
        }
    }

    const probe::LanePlan& plan;
    probe::FlowTable<Key> table;
    std::vector<probe::KeyRecipe<Key>> recipes;
    alignas(64) std::array<Key, kBurstPackets> keys;
    std::array<std::uint64_t, kBurstPackets> hashes;
    std::array<std::int32_t, kBurstPackets> slots;
};

struct PathRungs::Lanes {
    std::optional<Lane<probe::Ipv4Key>> ipv4;
    std::optional<Lane<probe::Ipv6Key>> ipv6;
};

PathRungs::PathRungs(const probe::RecordBinding& binding, probe::PacketSource& source,
                     const Traffic& traffic)
    : source_(source), lanes_(std::make_unique<Lanes>()) {
    const probe::MeteringPlan& plan = binding.metering_plan();
    const TrafficFamily family = traffic.options().family;
    for (const IpFamily f : {IpFamily::ipv4, IpFamily::ipv6}) {
        if (plan.lane(f).wide()) {
            throw std::runtime_error("the rungs below the worker know narrow keys only");
        }
    }
    // a uniflow template makes two flows of a flow whose packets go both ways
    const std::size_t flows = 2 * traffic.options().flows + 1024;
    if (family != TrafficFamily::ipv6) {
        lanes_->ipv4.emplace(plan.lane(IpFamily::ipv4), "rungs_v4", flows);
    }
    if (family != TrafficFamily::ipv4) {
        lanes_->ipv6.emplace(plan.lane(IpFamily::ipv6), "rungs_v6", flows);
    }
    std::size_t seen = 0;
    while (seen < traffic.frames().size()) {
        const std::uint32_t packets = source_.poll(batch_, 0);
        if (packets == 0) {
            throw std::runtime_error("the source gives nothing");
        }
        parse();
        if (lanes_->ipv4) {
            fill(*lanes_->ipv4, 0);
        }
        if (lanes_->ipv6) {
            fill(*lanes_->ipv6, 1);
        }
        seen += packets;
        source_.release();
    }
}

PathRungs::~PathRungs() = default;

/// As Worker::parse, without the ledger.
void PathRungs::parse() noexcept {
    const bool ipv6_before = lane_packets_[1] != 0;
    lane_packets_ = {};
    for (std::uint32_t i = 0; i < batch_.size; ++i) {
        probe::prefetch_ahead(batch_, i, ipv6_before);
        if (probe::parse_packet(batch_.packets[i], headers_[i]) != probe::ParseVerdict::metered) {
            continue;
        }
        const auto f = static_cast<std::size_t>(headers_[i].family);
        positions_[f][lane_packets_[f]++] = static_cast<std::uint8_t>(i);
    }
}

template <Rung kRung, class Key>
void PathRungs::pass(Lane<Key>& lane, std::size_t family) noexcept {
    const std::uint32_t count = lane_packets_[family];
    if (count == 0) {
        return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint8_t position = positions_[family][i];
        const probe::PacketView& packet = batch_.packets[position];
        const probe::PacketHeaders& headers = headers_[position];
        const std::uint8_t number = lane.plan.select(packet, headers);
        checksum_ += probe::make_flow_key(packet, headers, lane.recipes[number], lane.keys[i]);
    }
    lane.table.hash_burst(lane.keys.data(), count, lane.hashes.data());
    checksum_ += lane.hashes[count - 1];
    if constexpr (kRung == Rung::lookup) {
        lane.table.lookup_burst(lane.hashes.data(), count, lane.slots.data());
        for (std::uint32_t i = 0; i < count; ++i) {
            if (lane.slots[i] == probe::FlowIndex::kNoSlot) [[unlikely]] { // its bucket was full
                lane.slots[i] = lane.table.find(lane.keys[i], lane.hashes[i]);
            }
            if (lane.slots[i] == probe::FlowIndex::kNoSlot) {
                ++not_found_;
            } else {
                checksum_ += static_cast<std::uint64_t>(lane.slots[i]);
            }
        }
    }
}

template <class Key>
void PathRungs::fill(Lane<Key>& lane, std::size_t family) {
    pass<Rung::hash>(lane, family);
    for (std::uint32_t i = 0; i < lane_packets_[family]; ++i) {
        std::int32_t slot = probe::FlowIndex::kNoSlot;
        const probe::InsertVerdict verdict = lane.table.insert(lane.keys[i], lane.hashes[i], slot);
        if (verdict == probe::InsertVerdict::inserted) {
            lane.table.record(slot).state = probe::FlowState::kLive;
            lane.table.record(slot).key = lane.keys[i];
        } else if (verdict != probe::InsertVerdict::found) {
            throw std::runtime_error("the rungs' flow table is full");
        }
    }
}

template <Rung kRung>
std::uint64_t PathRungs::climb(std::uint64_t bursts) noexcept {
    std::uint64_t packets = 0;
    for (std::uint64_t b = 0; b < bursts; ++b) {
        const std::uint32_t received = source_.poll(batch_, b);
        packets += received;
        if constexpr (kRung >= Rung::parse) {
            parse();
            checksum_ += lane_packets_[0];
        }
        if constexpr (kRung >= Rung::hash) {
            if (lanes_->ipv4) {
                pass<kRung>(*lanes_->ipv4, 0);
            }
            if (lanes_->ipv6) {
                pass<kRung>(*lanes_->ipv6, 1);
            }
        }
        source_.release();
    }
    return packets;
}

std::uint64_t PathRungs::run(Rung rung, std::uint64_t bursts) noexcept {
    switch (rung) {
        case Rung::receive:
            return climb<Rung::receive>(bursts);
        case Rung::parse:
            return climb<Rung::parse>(bursts);
        case Rung::hash:
            return climb<Rung::hash>(bursts);
        default:
            return climb<Rung::lookup>(bursts);
    }
}

} // namespace bench
