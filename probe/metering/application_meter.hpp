// SPDX-License-Identifier: BSD-3-Clause
// Layer 7 of a worker's flows: which are under inspection, and what became of it.
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

#include "probe/application/application_inspector.hpp"
#include "probe/application/fixed_pool.hpp"
#include "probe/application/packed_fields.hpp"
#include "probe/metering/application_results.hpp"
#include "probe/metering/flow_record.hpp"
#include "probe/metering/metering_ledger.hpp"
#include "probe/metering/metering_options.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

/// One worker's part of InspectionOptions.
struct ApplicationMeterOptions {
    std::uint32_t flows_max = 0; ///< under inspection at once
    std::size_t result_octets = 0;
    std::size_t records_max = 0; ///< of all lanes, on their way to the exporter
    InspectorOptions inspector;
    FieldMask wanted; ///< fields that some template lists
};

class ApplicationMeter {
  public:
    ApplicationMeter(const ApplicationMeterOptions& options, MeteringLedger& ledger);

    /// A packet of the flow that `stage` and `block` belong to; they must stay in place until
    /// inspect(). At most kBurstPackets.
    void take(ApplicationStage& stage, ApplicationBlock& block, const PacketView& packet,
              const PacketHeaders& headers, std::size_t direction) noexcept;
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
    struct Waiting {
        ApplicationStage* stage;
        ApplicationBlock* block;
        ApplicationPacket packet;
    };

    [[nodiscard]] bool begin(ApplicationStage& stage, ApplicationBlock& block) noexcept;
    void settle(ApplicationStage& stage, ApplicationBlock& block) noexcept;
    [[nodiscard]] Bytes pack(const ApplicationFlow& flow) noexcept;
    void tell_inspecting() noexcept;
    void count_texts(const ApplicationFields& fields) noexcept;

    FieldMask wanted_;
    ApplicationTally& tally_;
    ApplicationInspector inspector_;
    std::uint32_t flows_max_;
    FixedPool<ApplicationFlow> flows_;
    ApplicationResults results_;
    std::uint32_t waiting_count_ = 0;
    std::array<Waiting, kBurstPackets> waiting_;
    std::array<std::uint8_t, kPackedOctetsMax> scratch_;
};

/// What a TCP segment or UDP datagram carries, as far as it was captured, without the link's
/// padding. Empty: nothing, or neither protocol.
[[nodiscard]] Bytes transport_payload(const PacketView& packet,
                                      const PacketHeaders& headers) noexcept;

} // namespace probe
