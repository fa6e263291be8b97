// SPDX-License-Identifier: BSD-3-Clause
// Layer 7 of a worker's flows: which are under inspection, and what became of it.
//
// Names come from ApplicationInspector, labels from ApplicationRules, which patterns, parsers,
// names and ports speak for; payload heads are kept as they are.
//
// A flow of a template that lists application elements comes under inspection with its first
// payload packet, if the pool has room, and stays until the inspector knows all, its limits are
// reached, or the flow ends. Then the fields that some template lists are kept as a result
// (ApplicationResults), and the flow's record has its handle. A record that an active timeout makes
// before that gets a result of its own, of what is known by then.
//
// A lane hands over the packets of a burst after accounting, and inspects them all together.
// Thread: one worker. Memory: all at construction.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "probe/application/application_classifier.hpp"
#include "probe/application/application_inspector.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/application/fixed_pool.hpp"
#include "probe/application/packed_fields.hpp"
#include "probe/metering/application_results.hpp"
#include "probe/metering/flow_record.hpp"
#include "probe/metering/metering_ledger.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/metering/payload_head.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

/// One worker's part of InspectionOptions.
struct ApplicationMeterOptions {
    std::uint32_t flows_max = 0; ///< under inspection at once
    std::size_t result_octets = 0;
    std::size_t records_max = 0; ///< of all lanes, on their way to the exporter
    InspectorOptions inspector;
    FieldMask wanted;                                        ///< fields that some template lists
    std::shared_ptr<const ApplicationRules> rules = nullptr; ///< nullptr: no labels
    std::uint16_t head_octets = 0;
};

/// What is known of a flow under inspection. Its payload heads lie elsewhere: few ask for them.
struct alignas(kCacheLineBytes) InspectedFlow {
    LabelState label;
    std::uint16_t packets;     ///< payload packets of both directions
    std::uint16_t source_port; ///< as of the flow's first packet
    std::uint16_t destination_port;
    std::uint8_t protocol;
    bool from_start; ///< its first payload was seen
    ApplicationFlow names;

    void clear() noexcept {
        label = {};
        packets = 0;
        names.clear();
    }
};

/// A packet of a flow, as the lane has it.
struct FlowPacket {
    const PacketView& packet;
    const PacketHeaders& headers;
    std::size_t direction; ///< 0: from the biflow's source
    bool syn_seen;         ///< TCP: the connection's begin was metered
};

class ApplicationMeter {
  public:
    ApplicationMeter(const ApplicationMeterOptions& options, MeteringLedger& ledger);

    /// A packet of the flow that `stage` and `block` belong to; they must stay in place until
    /// inspect(). At most kBurstPackets.
    void take(ApplicationStage& stage, ApplicationBlock& block, const FlowPacket& one) noexcept;
    /// Looks at all that were taken.
    void inspect() noexcept;

    /// The handle that goes with a record of the flow: kNoResult, or lent to the exporter.
    [[nodiscard]] ResultHandle lend_result(ApplicationStage stage,
                                           const ApplicationBlock& block) noexcept;
    /// The flow ends, or another takes its place: nothing of it stays. Before its last record is
    /// made, call finish().
    void forget(ApplicationStage& stage, ApplicationBlock& block) noexcept;
    /// Nothing more will come: what is known is all.
    void finish(ApplicationStage& stage, ApplicationBlock& block) noexcept;

    /// What the exporter gave back.
    void take_returns() noexcept { results_.take_returns(); }

    [[nodiscard]] ApplicationResults& results() noexcept { return results_; }

    [[nodiscard]] static std::size_t memory_octets(const ApplicationMeterOptions& options) noexcept;

  private:
    using PayloadHeads = std::array<PayloadHead, kDirections>;
    struct Waiting {
        ApplicationStage* stage;
        ApplicationBlock* block;
        ApplicationPacket packet;
        // As of this packet, so that bursts make no difference:
        PatternsAsked asked;
        ApplicationProtocol parsed;
    };

    [[nodiscard]] bool begin(ApplicationStage& stage, ApplicationBlock& block,
                             const ApplicationPacket& packet, bool from_start) noexcept;
    void send_for(const Waiting& waiting) const noexcept;
    void read(InspectedFlow& flow, const ApplicationPacket& packet) noexcept;
    [[nodiscard]] PatternsAsked patterns_asked(const InspectedFlow& flow,
                                               bool parser_done) const noexcept;
    void classify() noexcept;
    [[nodiscard]] PayloadHeads& heads_of(const InspectedFlow& flow) const noexcept {
        return heads_[flows_.index_of(&flow)];
    }
    [[nodiscard]] bool is_complete(const InspectedFlow& flow) const noexcept;
    void settle(ApplicationStage& stage, ApplicationBlock& block) noexcept;
    [[nodiscard]] ApplicationLabel label_of(const InspectedFlow& flow) const noexcept;
    [[nodiscard]] Bytes pack(const InspectedFlow& flow, const ApplicationLabel& label) noexcept;
    void count_flow(const InspectedFlow& flow, const ApplicationLabel& label) noexcept;
    void tell(ApplicationCount what, std::uint64_t now, std::uint64_t& told) noexcept;
    void tell_inspecting() noexcept;
    void tell_tallies() noexcept;

    FieldMask wanted_;
    FieldMask kept_; ///< and what labels and parsers need; under inspection flows point to it
    bool wants_parsers_;
    bool wants_heads_;
    std::uint16_t head_octets_;
    std::uint16_t packets_max_; ///< of both directions; then a flow is not waited for
    ApplicationTally& tally_;
    ApplicationInspector inspector_;
    std::shared_ptr<const ApplicationRules> rules_;
    std::optional<ApplicationClassifier> classifier_;
    std::uint32_t flows_max_;
    struct Told {
        std::uint64_t inspecting = 0;
        std::uint64_t hellos_refused = 0;
        std::uint64_t patterns_not_asked = 0;
        std::uint64_t patterns_failed = 0;
    };
    Told told_; ///< of this meter's share of the worker's counters
    FixedPool<InspectedFlow> flows_;
    std::unique_ptr<PayloadHeads[]> heads_; ///< of flows_, where they are wanted
    ApplicationResults results_;
    std::uint32_t waiting_count_ = 0;
    std::array<Waiting, kBurstPackets> waiting_;
    std::array<ClassifyRequest, kBurstPackets> requests_;
    std::array<std::uint8_t, kPackedOctetsMax> scratch_;
};

/// What a TCP segment or UDP datagram carries, as far as it was captured, without the link's
/// padding. Empty: nothing, or neither protocol.
[[nodiscard]] Bytes transport_payload(const PacketView& packet,
                                      const PacketHeaders& headers) noexcept;

} // namespace probe
