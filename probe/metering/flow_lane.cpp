// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/flow_lane.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "probe/metering/flow_accounting.hpp"
#include "probe/metering/flow_expiry.hpp"
#include "probe/metering/flow_table.hpp"
#include "probe/metering/sweep_schedule.hpp"

namespace probe {

namespace {

/// How many slots are looked at where an eviction finds no flow near the new one in the index.
constexpr std::size_t kEvictionCandidates = 4;

/// Slots the sweep may be ahead of the owner.
constexpr std::size_t kExpiryQueueSlots = 8192;

/// Packets and octets of one verdict within a burst, added to the ledger once.
struct BurstTally {
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
};

template <class Key>
class FlowLaneOf final : public FlowLane {
  public:
    using Record = FlowRecord<Key>;

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): a burst's arrays
    FlowLaneOf(const LanePlan& plan, const LaneOptions& options, MeteringLedger& ledger)
        : plan_(plan),
          layout_(plan.layout()),
          timeouts_(options.timeouts),
          sweep_timeouts_(options.timeouts),
          when_full_(options.when_full),
          filter_(options.filter),
          application_(plan.layout().application != 0 ? options.application : nullptr),
          ledger_(ledger),
          table_({.name = options.name,
                  .flows_max = options.flows_max,
                  .stride = plan.layout().stride,
                  .socket = options.socket,
                  .hash_key = options.hash_key,
                  .start_dpdk = options.start_dpdk}),
          schedule_(options.name, table_.slots(), options.socket),
          records_(plan.layout().record_octets, options.record_queue),
          expired_(sizeof(std::int32_t), kExpiryQueueSlots) {
        for (std::size_t number = 0; number < plan.templates().size(); ++number) {
            const LaneTemplate& t = plan.templates()[number];
            recipes_.emplace_back(t.keys, static_cast<unsigned>(number), t.biflow);
        }
    }

    void meter(const LaneBurst& burst) noexcept override {
        refused_ = {};
        refused_ip_octets_ = 0;
        victims_chosen_ = 0;
        missing_ = 0;
        now_ = burst.batch.packets[burst.positions.front()].time_ns;
        const std::uint32_t keyed = choose_templates(burst);
        if (keyed != 0) {
            make_keys(burst, keyed);
            table_.hash_burst(keys_.data(), keyed, hashes_.data());
            if (table_.lookup_burst(hashes_.data(), keyed, slots_.data()) != 0) {
                const MissingKeys missing =
                    table_.resolve_burst(keys_.data(), hashes_.data(), keyed, slots_.data());
                ledger_.left_out_lookups.add(missing.asked);
                choose_victims(missing.unknown, keyed);
            }
            to_inspect_ = {&burst, 0, 0};
            account_burst(burst, keyed);
            if (application_ != nullptr) {
                inspect_to(keyed);
            }
            to_inspect_ = {};
        }
        settle(burst);
    }

    std::uint32_t expire(TimeNs now, std::uint32_t budget) noexcept override {
        now_ = now;
        std::uint32_t looked_at = 0;
        while (looked_at < budget) {
            const std::uint32_t taken = take_expired(
                std::min<std::size_t>({budget - looked_at, kBurstPackets, records_.free_places()}));
            if (taken == 0) {
                break;
            }
            expire_burst(taken, now);
            looked_at += taken;
        }
        tell_live_flows();
        return looked_at;
    }

    bool flush(std::uint32_t budget) noexcept override {
        if (table_.flows() == 0) { // also when asked again: no reason to walk the table once more
            return true;
        }
        std::size_t room = records_.free_places();
        const std::size_t to = std::min<std::size_t>(flush_cursor_ + budget, table_.slots_used());
        while (flush_cursor_ < to && room != 0) {
            const std::uint32_t taken = take_live(to, std::min<std::size_t>(room, kBurstPackets));
            for (std::uint32_t i = 0; i < taken; ++i) {
                hand_over(table_.record(leaving_[i]), FlowEndReason::forced_end);
            }
            table_.erase_burst(leaving_.data(), taken);
            room -= taken;
        }
        tell_live_flows();
        if (flush_cursor_ < table_.slots_used()) {
            return false;
        }
        flush_cursor_ = 0;
        return table_.flows() == 0;
    }

    LiveTotals live_totals() const noexcept override {
        LiveTotals totals;
        for (std::size_t i = 0; i < table_.slots_used(); ++i) {
            const Record& record = table_.record(static_cast<std::int32_t>(i));
            if ((record.state & FlowState::kLive) != 0) {
                ++totals.flows;
                totals.packets += std::uint64_t{record.packets[0]} + record.packets[1];
                totals.octets += record.octets[0] + record.octets[1];
            }
        }
        return totals;
    }

    void set_timeouts(const TimeoutOptions& timeouts) noexcept override { timeouts_ = timeouts; }
    void set_sweep_timeouts(const TimeoutOptions& timeouts) noexcept override {
        sweep_timeouts_ = timeouts;
        look_at_everything(); // what was read of a record last was judged by other timeouts
    }

    bool selfcheck() const noexcept override { return table_.selfcheck(); }

    std::size_t sweep(std::size_t from, std::size_t to, TimeNs now) noexcept override {
        for (std::size_t i = from; i < to; ++i) {
            const auto slot = static_cast<std::int32_t>(i);
            if (!schedule_.due(slot, now)) {
                continue;
            }
            schedule_.begin_look(slot);
            const FlowTimes times = published_times(table_.record(slot));
            if ((times.state & FlowState::kLive) == 0) {
                continue;
            }
            if (expiry_verdict(times, now, sweep_timeouts_) == FlowEndReason::none) {
                schedule_.look_again_at(slot, earliest_end(times, sweep_timeouts_), now);
                continue;
            }
            std::uint8_t* place = expired_.reserve();
            if (place == nullptr) {
                return i;
            }
            std::memcpy(place, &slot, sizeof slot);
            expired_.publish();
        }
        return to;
    }

    void look_at_everything() noexcept override {
        for (std::size_t i = 0; i < table_.slots_used(); ++i) {
            schedule_.look_now(static_cast<std::int32_t>(i));
        }
    }

    std::size_t slots_used() const noexcept override { return table_.slots_used(); }
    SpscQueue& records() noexcept override { return records_; }

  private:
    // The stages of a burst. Each is a loop of its own over arrays, with what seldom happens out of
    // line: so the compiler keeps a stage's few values in registers.

    /// Which template takes each packet; those that none takes are refused.
    [[nodiscard]] std::uint32_t choose_templates(const LaneBurst& burst) noexcept {
        std::uint32_t keyed = 0;
        const PacketView* const packets = burst.batch.packets.data();
        const PacketHeaders* const headers = burst.headers.data();
        const bool filtering = filter_ != nullptr;
        for (const std::uint8_t position : burst.positions) {
            const std::uint8_t number = plan_.select(packets[position], headers[position]);
            if (number == LanePlan::kNoTemplate || filtering) [[unlikely]] {
                if (!is_wanted(packets[position], headers[position], number)) {
                    continue;
                }
            }
            numbers_[keyed] = number;
            positions_[keyed] = position;
            ++keyed;
        }
        return keyed;
    }

    [[gnu::noinline]] bool is_wanted(const PacketView& packet, const PacketHeaders& headers,
                                     std::uint8_t number) noexcept {
        if (filter_ != nullptr && !passes_filter(packet, headers)) {
            refuse(MeterVerdict::ignored_by_filter, packet, headers);
            return false;
        }
        if (number == LanePlan::kNoTemplate) {
            refuse(MeterVerdict::ignored_no_template, packet, headers);
            return false;
        }
        return true;
    }

    void make_keys(const LaneBurst& burst, std::uint32_t keyed) noexcept {
        const PacketView* const packets = burst.batch.packets.data();
        const PacketHeaders* const headers = burst.headers.data();
        const KeyRecipe<Key>* const recipes = recipes_.data();
        for (std::uint32_t i = 0; i < keyed; ++i) {
            const std::uint8_t position = positions_[i];
            reversed_[i] =
                make_flow_key(packets[position], headers[position], recipes[numbers_[i]], keys_[i]);
        }
    }

    [[nodiscard]] bool passes_filter(const PacketView& packet,
                                     const PacketHeaders& headers) const noexcept {
        return filter_->matches({packet.octets + headers.network_offset,
                                 packet.captured_octets - headers.network_offset},
                                headers.ip_octets);
    }

    /// The last stage. The common case is here: a packet of a flow that is there and goes on.
    void account_burst(const LaneBurst& burst, std::uint32_t keyed) noexcept {
        const PacketView* const packets = burst.batch.packets.data();
        const PacketHeaders* const all_headers = burst.headers.data();
        const LaneTemplate* const templates = plan_.templates().data();
        for (std::uint32_t i = 0; i < keyed; ++i) {
            const PacketView& packet = packets[positions_[i]];
            const PacketHeaders& headers = all_headers[positions_[i]];
            const LaneTemplate& lane_template = templates[numbers_[i]];
            const std::int32_t slot = slots_[i];
            // Again: of a burst's records, asked for all at once, some were not sent for.
            table_.prefetch(std::max(slots_[ahead_of(i, keyed)], 0));
            // The front index guesses by tag, and an eviction in this burst may have given a slot
            // away: only the key in the record decides.
            if (slot == FlowIndex::kNoSlot || !(table_.record(slot).key == keys_[i])) [[unlikely]] {
                account_elsewhere(i, packet, headers, lane_template);
                continue;
            }
            Record& record = table_.record(slot);
            const std::size_t direction =
                packet_direction(record, reversed_[i], lane_template.biflow);
            if (!follows_on(record, packet, direction)) [[unlikely]] {
                account_with_care(i, packet, headers, lane_template);
                continue;
            }
            publish(record.last_ns, packet.time_ns);
            count_packet(record, layout_, packet, headers, direction);
            if ((headers.tcp_control_bits & TcpBits::kTurns) != 0) {
                follow_connection(slot, lane_template, headers, direction);
            }
        }
    }

    /// A packet whose record was found, in whatever order packets come, and whatever is due.
    [[gnu::noinline]] void account_with_care(std::uint32_t i, const PacketView& packet,
                                             const PacketHeaders& headers,
                                             const LaneTemplate& lane_template) noexcept {
        to_inspect_.accounted = i;
        Record& record = table_.record(slots_[i]);
        if ((record.state & FlowState::kLive) == 0) { // left behind by the flow that had the slot
            account_elsewhere(i, packet, headers, lane_template);
            return;
        }
        cut_if_due(record, lane_template, packet, headers, reversed_[i]);
        add_in_any_order(slots_[i], lane_template, packet, headers, reversed_[i]);
    }

    /// A packet whose flow is not where the look-up said: mostly, of a new flow.
    [[gnu::noinline]] void account_elsewhere(std::uint32_t i, const PacketView& packet,
                                             const PacketHeaders& headers,
                                             const LaneTemplate& lane_template) noexcept {
        to_inspect_.accounted = i;
        std::int32_t slot = FlowIndex::kNoSlot;
        const MeterVerdict verdict = place_new_flow(i, slot);
        slots_[i] = slot;
        if (verdict != MeterVerdict::metered) {
            refuse(verdict, packet, headers);
            return;
        }
        Record& record = table_.record(slot);
        if ((record.state & FlowState::kLive) == 0) {
            begin_flow(record, layout_, keys_[i], headers, reversed_[i], lane_template.biflow);
            ledger_.flows_made.add(1);
        } else {
            cut_if_due(record, lane_template, packet, headers, reversed_[i]);
        }
        add_in_any_order(slot, lane_template, packet, headers, reversed_[i]);
    }

    /// Layer 7: the payloads of flows that are not settled, all together, up to before the `to`-th
    /// packet of the burst.
    [[gnu::noinline]] void inspect_to(std::uint32_t to) noexcept {
        const LaneBurst& burst = *to_inspect_.burst;
        const LaneTemplate* const templates = plan_.templates().data();
        for (std::uint32_t i = std::exchange(to_inspect_.inspected, to); i < to; ++i) {
            if (slots_[i] == FlowIndex::kNoSlot) {
                continue;
            }
            Record& record = table_.record(slots_[i]);
            if (record.application == ApplicationStage::settled) {
                continue; // as most flows are most of the time
            }
            const LaneTemplate& lane_template = templates[numbers_[i]];
            if (!lane_template.application) {
                continue;
            }
            const auto bits =
                static_cast<unsigned>(record.tcp_control_bits[0]) | record.tcp_control_bits[1];
            application_->take(record.application, application_block(record),
                               {burst.batch.packets[positions_[i]], burst.headers[positions_[i]],
                                packet_direction(record, reversed_[i], lane_template.biflow),
                                (bits & TcpBits::kSyn) != 0});
        }
        application_->inspect();
        application_->take_returns();
    }

    /// A record that leaves in the middle of a burst tells what the flow's packets before said; and
    /// what they said is not the next flow's.
    [[gnu::noinline]] void inspect_before_leaving(const Record& record) noexcept {
        for (std::uint32_t i = to_inspect_.inspected; i < to_inspect_.accounted; ++i) {
            if (slots_[i] != FlowIndex::kNoSlot && &table_.record(slots_[i]) == &record) {
                inspect_to(to_inspect_.accounted);
                return;
            }
        }
    }

    [[nodiscard]] ApplicationBlock& application_block(Record& record) const noexcept {
        return block_at<ApplicationBlock>(record, layout_.application);
    }

    void forget_application(Record& record) noexcept {
        if (application_ != nullptr && record.application != ApplicationStage::fresh) {
            application_->forget(record.application, application_block(record));
        }
    }

    void add_in_any_order(std::int32_t slot, const LaneTemplate& lane_template,
                          const PacketView& packet, const PacketHeaders& headers,
                          bool reversed) noexcept {
        Record& record = table_.record(slot);
        const std::size_t direction = packet_direction(record, reversed, lane_template.biflow);
        add_packet(record, layout_, packet, headers, direction);
        if (packet.time_ns < latest_ns_) { // the flow may end earlier than the sweep was told
            schedule_.look_now(slot);
        }
        follow_connection(slot, lane_template, headers, direction);
    }

    void follow_connection(std::int32_t slot, const LaneTemplate& lane_template,
                           const PacketHeaders& headers, std::size_t direction) noexcept {
        if (lane_template.tcp_end && timeouts_.tcp_end != kNever) {
            Record& record = table_.record(slot);
            follow_tcp(record, headers.tcp_control_bits, direction, lane_template.biflow);
            if ((record.state & FlowState::kEnded) != 0) {
                schedule_.look_now(slot);
            }
        }
    }

    [[nodiscard]] MeterVerdict place_new_flow(std::uint32_t i, std::int32_t& slot) noexcept {
        InsertVerdict verdict = table_.insert(keys_[i], hashes_[i], slot);
        if (verdict == InsertVerdict::table_full) {
            if (when_full_ == WhenFull::refuse) {
                return MeterVerdict::dropped_table_full;
            }
            const FrontIndex::Entry victim = victim_of(i);
            if (victim.slot != FlowIndex::kNoSlot) {
                hand_over(table_.record(victim.slot), FlowEndReason::lack_of_resources);
                table_.replace(victim, hashes_[i]);
                slot = victim.slot;
                return MeterVerdict::metered;
            }
            if (!evict_any()) {
                return MeterVerdict::dropped_table_full;
            }
            verdict = table_.insert_new(keys_[i], hashes_[i], slot);
        }
        return verdict == InsertVerdict::found || verdict == InsertVerdict::inserted
                   ? MeterVerdict::metered
                   : MeterVerdict::dropped_index_full;
    }

    /// Where the burst's new flows will find the table full: which flows leave for them. The first
    /// of their records are sent for; victim_of() goes on with that.
    void choose_victims(std::uint32_t new_flows, std::uint32_t keyed) noexcept {
        if (new_flows <= table_.flows_max() - table_.flows() || when_full_ == WhenFull::refuse) {
            return;
        }
        for (std::uint32_t i = 0; i < keyed; ++i) {
            if (slots_[i] == FlowIndex::kNoSlot) {
                missing_at_[missing_++] = static_cast<std::uint8_t>(i);
                victims_chosen_ |= std::uint64_t{1} << i;
            }
        }
        const auto hash_of_missing = [&](std::uint32_t m) { return hashes_[missing_at_[m]]; };
        for (std::uint32_t m = 0; m < std::min(missing_, kPrefetchAhead); ++m) {
            table_.prefetch_victims_of(hash_of_missing(m));
        }
        for (std::uint32_t m = 0; m < missing_; ++m) {
            table_.prefetch_victims_of(hash_of_missing(ahead_of(m, missing_)));
            victims_[missing_at_[m]] = table_.victim_for(hash_of_missing(m));
        }
        victims_sent_for_ = 0;
        while (victims_sent_for_ < std::min(missing_, FlowTable<Key>::kRecordsAhead)) {
            prefetch_next_victim();
        }
    }

    void prefetch_next_victim() noexcept {
        table_.prefetch_whole(victims_[missing_at_[victims_sent_for_++]].slot);
    }

    /// Whose place the i-th packet's flow takes. What was chosen before the burst may have left for
    /// another packet's.
    [[nodiscard]] FrontIndex::Entry victim_of(std::uint32_t i) noexcept {
        if (victims_sent_for_ < missing_) {
            prefetch_next_victim();
        }
        if ((victims_chosen_ >> i & 1) != 0 && victims_[i].slot != FlowIndex::kNoSlot &&
            table_.stands(victims_[i], hashes_[i])) {
            return victims_[i];
        }
        return table_.victim_for(hashes_[i]);
    }

    /// Makes room where there is no flow beside the new one in the index: another one leaves with
    /// flowEndReason 5.
    [[nodiscard]] bool evict_any() noexcept {
        const std::int32_t slot = next_victim();
        if (slot == FlowIndex::kNoSlot) {
            return false;
        }
        end_flow(slot, FlowEndReason::lack_of_resources);
        return true;
    }

    /// The live flow seen longest ago among the next few slots, or kNoSlot.
    [[nodiscard]] std::int32_t next_victim() noexcept {
        std::int32_t oldest = FlowIndex::kNoSlot;
        for (std::size_t n = 0; n < kEvictionCandidates; ++n) {
            evict_cursor_ = evict_cursor_ + 1 < table_.slots_used() ? evict_cursor_ + 1 : 0;
            const auto slot = static_cast<std::int32_t>(evict_cursor_);
            const Record& candidate = table_.record(slot);
            if ((candidate.state & FlowState::kLive) != 0 &&
                (oldest == FlowIndex::kNoSlot ||
                 candidate.last_ns < table_.record(oldest).last_ns)) {
                oldest = slot;
            }
        }
        return oldest;
    }

    /// A packet that neither ends nor cuts its flow's record and only moves its end: no earlier
    /// than the last one, within both timeouts, and with room in the counter.
    [[nodiscard]] bool follows_on(const Record& record, const PacketView& packet,
                                  std::size_t direction) const noexcept {
        return packet.time_ns >= record.first_ns && packet.time_ns >= record.last_ns &&
               packet.time_ns - record.first_ns < timeouts_.active &&
               packet.time_ns - record.last_ns < timeouts_.idle &&
               (record.state & (FlowState::kLive | FlowState::kEnded)) == FlowState::kLive &&
               record.packets[direction] < kRecordPacketsMax;
    }

    /// Before a packet is added: reports what is due, so that no record is longer than the active
    /// timeout, none spans an idle gap, and no counter outgrows its field.
    void cut_if_due(Record& record, const LaneTemplate& lane_template, const PacketView& packet,
                    const PacketHeaders& headers, bool reversed) noexcept {
        const FlowEndReason reason = expiry_verdict({record.first_ns, record.last_ns, record.state},
                                                    packet.time_ns, timeouts_);
        if (reason == FlowEndReason::none) {
            const std::size_t d = packet_direction(record, reversed, lane_template.biflow);
            if (record.packets[d] == kRecordPacketsMax ||
                stretches_too_far(record, packet.time_ns)) {
                hand_over(record, FlowEndReason::active_timeout);
                restart_deltas(record, layout_);
            }
            return;
        }
        hand_over(record, reason);
        if (reason == FlowEndReason::active_timeout) {
            restart_deltas(record, layout_);
            // The flow may have ended since that cut, as the sweep would have found.
            if (expiry_verdict({record.first_ns, record.last_ns, record.state}, packet.time_ns,
                               timeouts_) == FlowEndReason::none) {
                return;
            }
        }
        forget_application(record);
        begin_flow(record, layout_, Key{record.key}, headers, reversed, lane_template.biflow);
        ledger_.flows_made.add(1);
    }

    /// A packet from before the record's start could make it longer than the active timeout, or put
    /// an idle gap into it.
    [[nodiscard]] bool stretches_too_far(const Record& record, TimeNs time) const noexcept {
        return time < record.first_ns && record.first_ns != kNoPacketYet &&
               (record.last_ns - time >= timeouts_.active ||
                record.first_ns - time >= timeouts_.idle);
    }

    /// The next live flows from the cursor on, up to the slot `to` and `most` of them.
    [[nodiscard]] std::uint32_t take_live(std::size_t to, std::size_t most) noexcept {
        std::uint32_t taken = 0;
        for (; flush_cursor_ < to && taken < most; ++flush_cursor_) {
            const auto slot = static_cast<std::int32_t>(flush_cursor_);
            if ((table_.record(slot).state & FlowState::kLive) != 0) {
                leaving_[taken++] = slot;
            }
        }
        return taken;
    }

    /// Up to `most` of the sweep's findings, the first of their records on the way into the cache.
    [[nodiscard]] std::uint32_t take_expired(std::size_t most) noexcept {
        std::uint32_t taken = 0;
        for (const std::uint8_t* front = nullptr;
             taken < most && (front = expired_.front()) != nullptr; ++taken) {
            std::memcpy(&leaving_[taken], front, sizeof leaving_[taken]);
            expired_.pop();
        }
        for (std::uint32_t i = 0; i < std::min(taken, FlowTable<Key>::kRecordsAhead); ++i) {
            table_.prefetch_whole(leaving_[i]);
        }
        return taken;
    }

    /// Looks again at the first `count` of leaving_: cuts what goes on, then ends the others
    /// together.
    void expire_burst(std::uint32_t count, TimeNs now) noexcept {
        std::uint32_t ended = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::int32_t slot = leaving_[i];
            table_.prefetch_whole(leaving_[std::min(i + FlowTable<Key>::kRecordsAhead, count - 1)]);
            Record& record = table_.record(slot);
            const FlowEndReason reason =
                (record.state & FlowState::kLive) == 0
                    ? FlowEndReason::none // it ended on its own since the sweep saw it
                    : expiry_verdict({record.first_ns, record.last_ns, record.state}, now,
                                     timeouts_);
            if (reason == FlowEndReason::none) {
                continue; // or a packet has come since
            }
            hand_over(record, reason);
            if (reason == FlowEndReason::active_timeout) {
                restart_deltas(record, layout_);
            } else {
                publish(record.state, std::uint8_t{0}); // the sweep may have named it twice
                leaving_[ended++] = slot;
            }
        }
        table_.erase_burst(leaving_.data(), ended);
    }

    void end_flow(std::int32_t slot, FlowEndReason reason) noexcept {
        hand_over(table_.record(slot), reason);
        table_.erase(slot);
    }

    /// Copies the record to the exporter. A flow without a packet since its last record makes none.
    /// Unless the reason is the active timeout, the flow ends.
    void hand_over(Record& record, FlowEndReason reason) noexcept {
        if (application_ != nullptr) {
            inspect_before_leaving(record);
        }
        copy_out(record, reason);
        if (reason != FlowEndReason::active_timeout) {
            forget_application(record);
        }
    }

    void copy_out(Record& record, FlowEndReason reason) noexcept {
        const std::uint64_t packets = std::uint64_t{record.packets[0]} + record.packets[1];
        if (packets == 0) {
            return;
        }
        const std::uint64_t octets = record.octets[0] + record.octets[1];
        ledger_.records_made[static_cast<std::size_t>(reason)].add(packets, octets);
        std::uint8_t* place = records_.reserve();
        if (place == nullptr) {
            ledger_.records_lost_queue_full.add(packets, octets);
            ledger_.note_record_lost(now_);
            return;
        }
        std::memcpy(place, &record, layout_.record_octets);
        place[offsetof(Record, end_reason)] = static_cast<std::uint8_t>(reason);
        if (application_ != nullptr) {
            add_result(record, place, reason);
        }
        records_.publish();
    }

    /// What was read of the flow goes with the copy of its record at `place`.
    [[gnu::noinline]] void add_result(Record& record, std::uint8_t* place,
                                      FlowEndReason reason) noexcept {
        ApplicationBlock& block = application_block(record);
        if (reason != FlowEndReason::active_timeout) {
            application_->finish(record.application, block);
        }
        const ApplicationBlock lent{application_->lend_result(record.application, block),
                                    block.inspected};
        std::memcpy(place + layout_.application, &lent, sizeof lent);
    }

    void refuse(MeterVerdict verdict, const PacketView& packet,
                const PacketHeaders& headers) noexcept {
        BurstTally& tally = refused_[static_cast<std::size_t>(verdict)];
        ++tally.packets;
        tally.octets += packet.frame_octets;
        refused_ip_octets_ += headers.ip_octets;
        if (is_refusal(verdict)) {
            ledger_.note_refused(packet.time_ns);
        }
    }

    /// Metered is what was not refused: sums over a burst, added to the ledger once.
    void settle(const LaneBurst& burst) noexcept {
        BurstTally metered{.packets = burst.positions.size(), .octets = 0};
        std::uint64_t metered_ip_octets = 0;
        TimeNs latest = latest_ns_;
        for (const std::uint8_t position : burst.positions) {
            metered.octets += burst.batch.packets[position].frame_octets;
            latest = std::max(latest, burst.batch.packets[position].time_ns);
            metered_ip_octets += burst.headers[position].ip_octets;
        }
        latest_ns_ = latest;
        for (std::size_t v = 1; v < kMeterVerdicts; ++v) {
            if (refused_[v].packets != 0) {
                ledger_.meter[v].add(refused_[v].packets, refused_[v].octets);
                metered.packets -= refused_[v].packets;
                metered.octets -= refused_[v].octets;
            }
        }
        ledger_.metered.add(metered.packets, metered.octets);
        ledger_.metered_ip_octets.add(metered_ip_octets - refused_ip_octets_);
        tell_live_flows();
    }

    /// What changed: during a reload the family has two lanes.
    void tell_live_flows() noexcept {
        constexpr auto kFamily = static_cast<std::size_t>(Key::Addresses::kFamily);
        ledger_.flows_live[kFamily].add(table_.flows() - flows_told_);
        ledger_.flows_left_out[kFamily].add(table_.flows_left_out() - left_out_told_);
        flows_told_ = table_.flows();
        left_out_told_ = table_.flows_left_out();
    }

    const LanePlan& plan_;
    RecordLayout layout_;
    TimeoutOptions timeouts_;       // worker: rw
    TimeoutOptions sweep_timeouts_; // housekeeping: rw
    WhenFull when_full_;
    const PacketFilter* filter_;
    ApplicationMeter* application_; ///< nullptr: no template asks for layer 7
    MeteringLedger& ledger_;
    std::vector<KeyRecipe<Key>> recipes_;
    FlowTable<Key> table_;
    SweepSchedule schedule_; // housekeeping: rw, worker: marks
    SpscQueue records_;      // worker: producer, exporter: consumer
    SpscQueue expired_;      // housekeeping: producer, worker: consumer
    TimeNs latest_ns_ = 0;   ///< of all packets up to the burst before
    std::size_t evict_cursor_ = 0;
    std::size_t flush_cursor_ = 0;
    std::uint64_t flows_told_ = 0;
    std::uint64_t left_out_told_ = 0;

    // one burst's way through the stages
    std::array<BurstTally, kMeterVerdicts> refused_{}; ///< by verdict; [metered] stays unused
    std::uint64_t refused_ip_octets_ = 0;
    TimeNs now_ = 0; ///< of the burst, or of the last look at expired flows
    alignas(kCacheLineBytes) std::array<Key, kBurstPackets> keys_;
    std::array<std::uint64_t, kBurstPackets> hashes_;
    std::array<std::int32_t, kBurstPackets> slots_;
    std::array<std::uint8_t, kBurstPackets> positions_; ///< in the burst
    std::array<std::uint8_t, kBurstPackets> numbers_;   ///< of the templates
    std::array<bool, kBurstPackets> reversed_;

    /// Layer 7 looks at a burst behind accounting, or before a record leaves in its middle.
    struct ToInspect {
        const LaneBurst* burst = nullptr;
        std::uint32_t inspected = 0; ///< so many packets were looked at
        std::uint32_t accounted = 0; ///< so many have their flow
    };
    ToInspect to_inspect_;

    // where the table is full: who leaves for the burst's new flows
    std::uint32_t missing_ = 0;                          ///< packets without a flow
    std::uint32_t victims_sent_for_ = 0;                 ///< of the missing, in their order
    std::array<std::uint8_t, kBurstPackets> missing_at_; ///< places in the arrays above
    std::uint64_t victims_chosen_ = 0;                   ///< bits: whose victims_ is of this burst
    std::array<FrontIndex::Entry, kBurstPackets> victims_;

    // flows that leave together
    std::array<std::int32_t, kBurstPackets> leaving_;
};

} // namespace

std::unique_ptr<FlowLane> make_flow_lane(IpFamily family, const LanePlan& plan,
                                         const LaneOptions& options, MeteringLedger& ledger) {
    if (family == IpFamily::ipv4) {
        if (plan.wide()) {
            return std::make_unique<FlowLaneOf<Ipv4WideKey>>(plan, options, ledger);
        }
        return std::make_unique<FlowLaneOf<Ipv4Key>>(plan, options, ledger);
    }
    if (plan.wide()) {
        return std::make_unique<FlowLaneOf<Ipv6WideKey>>(plan, options, ledger);
    }
    return std::make_unique<FlowLaneOf<Ipv6Key>>(plan, options, ledger);
}

std::size_t lane_memory_octets(const LanePlan& plan, std::size_t flows_max,
                               std::size_t record_queue) noexcept {
    const std::size_t records = flows_max * plan.layout().stride;
    const std::size_t queue = record_queue * plan.layout().record_octets;
    return FrontIndex::memory_octets(flows_max) + SlotPool::memory_octets(flows_max) +
           SweepSchedule::memory_octets(flows_max) +
           FlowIndex::memory_octets(FlowIndex::entries_beside(flows_max), plan.key_octets()) +
           records + queue;
}

} // namespace probe
