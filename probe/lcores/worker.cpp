// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/worker.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "probe/metering/flow_index.hpp"
#include "probe/packet/packet_parser.hpp"

namespace probe {

namespace {

/// Slots of the sweep looked at between two bursts: enough to keep up with a sweep of millions of
/// flows a second, few enough that the receive queue does not run over meanwhile.
constexpr std::uint32_t kExpiriesPerStep = 128;

constexpr std::uint32_t kFlushBudget = 4096;

/// Slots of lanes that leave: beside a burst as much as delays the next one by a few microseconds;
/// more where no packet waits.
constexpr std::uint32_t kLeaveBesideBurst = 16;
constexpr std::uint32_t kLeaveWhenIdle = 256;

constexpr std::uint64_t kLaneFlowsMin = 64;

} // namespace

std::array<std::uint64_t, 2> lane_shares(const MeteringPlan& plan, const MeteringOptions& metering,
                                         std::uint64_t flows_max) noexcept {
    const bool ipv4 = plan.lane(IpFamily::ipv4).used();
    const bool ipv6 = plan.lane(IpFamily::ipv6).used();
    if (!(ipv4 && ipv6)) {
        return {ipv4 ? flows_max : 0, ipv6 ? flows_max : 0};
    }
    const auto for_ipv6 =
        std::max(kLaneFlowsMin,
                 static_cast<std::uint64_t>(static_cast<double>(flows_max) * metering.ipv6_share));
    return {std::max(kLaneFlowsMin, flows_max - std::min(flows_max, for_ipv6)), for_ipv6};
}

ApplicationMeterOptions application_share(const MeteringPlan& plan, const MeteringOptions& metering,
                                          std::uint32_t workers) noexcept {
    const InspectionOptions& all = metering.application;
    const FieldMask& wanted = plan.application_fields();
    const std::size_t lanes =
        (plan.lane(IpFamily::ipv4).used() ? 1 : 0) + (plan.lane(IpFamily::ipv6).used() ? 1 : 0);
    return {.flows_max = std::max(all.flows_max / workers, 1U),
            .result_octets = all.result_octets / workers,
            // a queue rounds up; one more is in the exporter's hands
            .records_max = lanes * (std::bit_ceil(std::size_t{metering.record_queue}) + 1),
            .inspector = {.payload_packets_max = all.payload_packets,
                          .payload_octets_max = all.payload_octets,
                          .reassembly_buffers = std::max(all.hellos / workers, 1U),
                          .fingerprints = {.ja3 = wanted.has(ApplicationField::tls_ja3) ||
                                                  wanted.has(ApplicationField::tls_ja3s),
                                           .ja4 = wanted.has(ApplicationField::tls_ja4),
                                           .hassh = wanted.has(ApplicationField::ssh_hassh)}},
            .wanted = wanted,
            .rules = nullptr,
            .head_octets = all.head_octets};
}

std::uint32_t flow_index_memory_mb(const MeteringPlan& plan, const MeteringOptions& metering,
                                   std::uint32_t workers) {
    constexpr std::size_t kSpareMb =
        64; // the EAL's own needs, and what its heap loses to fragmentation
    std::size_t octets = 0;
    const auto shares = lane_shares(plan, metering, metering.flows_max / workers);
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        const LanePlan& lane = plan.lane(family);
        if (lane.used()) {
            octets +=
                workers * FlowIndex::memory_octets(
                              FlowIndex::entries_beside(shares[static_cast<std::size_t>(family)]),
                              lane.key_octets());
        }
    }
    return static_cast<std::uint32_t>((octets + octets / 8) >> 20) + kSpareMb;
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): a burst's arrays, filled by parse()
Worker::Worker(const MeteringPlan& plan, const MeteringOptions& metering,
               const WorkerOptions& options, std::vector<PacketSource*> sources)
    : sources_(std::move(sources)), options_(options) {
    if (metering.sampling.method != SamplingMethod::none) {
        SamplingOptions sampling = metering.sampling;
        // Workers must not all choose the same positions, yet the same ones in every run by seed.
        sampling.seed = sampling.seed == 0 ? options.hash_key.k0
                                           : siphash24({sampling.seed, 0}, options.name.data(),
                                                       options.name.size());
        sampler_.emplace(sampling);
    }
    present_ = make_lanes(plan, metering, options.rules, options.name);
    options_.rules.reset(); // the lanes have them
}

std::unique_ptr<FlowLanes> Worker::make_lanes(const MeteringPlan& plan,
                                              const MeteringOptions& metering,
                                              std::shared_ptr<const ApplicationRules> rules,
                                              const std::string& name) {
    auto made = std::make_unique<FlowLanes>();
    const auto shares = lane_shares(plan, metering, options_.flows_max);
    if (!plan.application_fields().empty()) {
        ApplicationMeterOptions share = application_share(plan, metering, options_.workers);
        share.rules = std::move(rules);
        made->application = std::make_unique<ApplicationMeter>(share, ledger_);
    }
    for (const IpFamily family : {IpFamily::ipv4, IpFamily::ipv6}) {
        const auto f = static_cast<std::size_t>(family);
        const LanePlan& lane_plan = plan.lane(family);
        if (!lane_plan.used()) {
            continue;
        }
        made->lanes[f] = make_flow_lane(family, lane_plan,
                                        {.name = name + (f == 0 ? "_v4" : "_v6"),
                                         .flows_max = shares[f],
                                         .socket = options_.socket,
                                         .hash_key = options_.hash_key,
                                         .timeouts = metering.timeouts,
                                         .when_full = metering.when_full,
                                         .record_queue = metering.record_queue,
                                         .start_dpdk = options_.start_dpdk,
                                         .filter = options_.filter,
                                         .application = made->application.get()},
                                        ledger_);
    }
    return made;
}

void Worker::exchange(std::unique_ptr<FlowLanes> next) noexcept {
    gone_ = std::exchange(present_, std::move(next));
    leaving_ = true;
}

/// Some more flows of the lanes before, as far as their record queues have room.
void Worker::let_leave(bool busy) noexcept {
    bool done = true;
    for (const auto& lane : gone_->lanes) {
        done = (!lane || lane->flush(busy ? kLeaveBesideBurst : kLeaveWhenIdle)) && done;
    }
    if (gone_->application) {
        gone_->application->take_returns();
    }
    if (done) {
        leaving_ = false;
        // L1, pairs with L2: the records are queued, and the lanes are nobody's
        left_.store(left_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
}

std::uint32_t Worker::step(TimeNs now) noexcept {
    std::uint32_t packets = 0;
    for (PacketSource* source : sources_) {
        const std::uint32_t received = source->poll(batch_, now);
        if (received != 0) {
            if (sampler_) {
                sample();
            }
            meter(batch_);
            source->release();
            packets += received;
        }
    }
    for (const auto& lane : present_->lanes) {
        if (lane) {
            lane->expire(now, kExpiriesPerStep);
        }
    }
    if (leaving_) [[unlikely]] {
        let_leave(packets != 0);
    }
    return packets;
}

void Worker::sample() noexcept {
    const PacketSampler::LeftOut left_out = sampler_->select(batch_);
    ledger_.received.add(left_out.packets, left_out.frame_octets);
    ledger_.meter[static_cast<std::size_t>(MeterVerdict::ignored_not_sampled)].add(
        left_out.packets, left_out.frame_octets);
}

void Worker::meter(const PacketBatch& batch) noexcept {
    parse(batch);
    const auto& lanes = present_->lanes;
    for (std::size_t f = 0; f < lanes.size(); ++f) {
        if (lane_packets_[f] == 0) {
            continue;
        }
        const std::span positions{positions_[f].data(), lane_packets_[f]};
        if (lanes[f]) {
            lanes[f]->meter({batch, headers_, positions});
        } else {
            PacketTally& unwanted =
                ledger_.meter[static_cast<std::size_t>(MeterVerdict::ignored_no_template)];
            for (const std::uint8_t position : positions) {
                unwanted.add(1, batch.packets[position].frame_octets);
                ledger_.note_refused(batch.packets[position].time_ns);
            }
        }
    }
}

/// Parses the burst and sorts it into lanes; what is not IP, or is broken, is settled here.
void Worker::parse(const PacketBatch& batch) noexcept {
    std::uint64_t octets = 0;
    std::uint32_t ipv4 = 0;
    std::uint32_t ipv6 = 0;
    const std::uint32_t packets = batch.size;
    const bool ipv6_before = lane_packets_[1] != 0;
    for (std::uint32_t i = 0; i < packets; ++i) {
        prefetch_ahead(batch, i, ipv6_before);
        const PacketView& packet = batch.packets[i];
        PacketHeaders& headers = headers_[i];
        octets += packet.frame_octets;
        if (!parse_common_frame(packet, headers) && !parse_uncommon(packet, headers)) [[unlikely]] {
            continue;
        }
        // Written to both lists and counted in one: which family comes next is nobody's guess.
        positions_[0][ipv4] = static_cast<std::uint8_t>(i);
        positions_[1][ipv6] = static_cast<std::uint8_t>(i);
        const auto family = static_cast<std::uint32_t>(headers.family);
        static_assert(static_cast<int>(IpFamily::ipv4) == 0 &&
                      static_cast<int>(IpFamily::ipv6) == 1);
        ipv4 += family ^ 1U;
        ipv6 += family;
    }
    lane_packets_ = {ipv4, ipv6};
    ledger_.received.add(packets, octets);
}

/// False: settled, not to be metered.
bool Worker::parse_uncommon(const PacketView& packet, PacketHeaders& headers) noexcept {
    const ParseVerdict verdict = parse_any_frame(packet, headers);
    if (verdict != ParseVerdict::metered) {
        ledger_.parse[static_cast<std::size_t>(verdict)].add(1, packet.frame_octets);
        if (is_refusal(verdict)) {
            ledger_.note_refused(packet.time_ns);
        }
        return false;
    }
    ledger_.later_fragments.add(headers.is_fragment && headers.fragment_offset != 0 ? 1 : 0);
    ledger_.transport_cut.add(headers.transport_cut ? 1 : 0);
    ledger_.extension_chain_cut.add(headers.extension_chain_cut ? 1 : 0);
    return true;
}

bool Worker::flush() noexcept {
    bool done = true;
    for (const auto& lane : present_->lanes) {
        done = (!lane || lane->flush(kFlushBudget)) && done;
    }
    if (leaving_) {
        let_leave(false);
    }
    return done && !leaving_;
}

void Worker::set_timeouts(const TimeoutOptions& timeouts) noexcept {
    for (const auto& lane : present_->lanes) {
        if (lane) {
            lane->set_timeouts(timeouts);
        }
    }
}

LiveTotals Worker::live_totals() const noexcept {
    LiveTotals sum;
    const auto add = [&sum](const FlowLanes& some) {
        for (const auto& lane : some.lanes) {
            if (lane) {
                const LiveTotals part = lane->live_totals();
                sum.flows += part.flows;
                sum.packets += part.packets;
                sum.octets += part.octets;
            }
        }
    };
    add(*present_);
    if (leaving_) {
        add(*gone_);
    }
    return sum;
}

bool Worker::selfcheck() const noexcept {
    const auto sound = [](const FlowLanes& some) {
        return std::all_of(some.lanes.begin(), some.lanes.end(),
                           [](const auto& lane) { return !lane || lane->selfcheck(); });
    };
    return sound(*present_) && (!leaving_ || sound(*gone_));
}

} // namespace probe
