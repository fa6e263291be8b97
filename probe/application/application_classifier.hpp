// SPDX-License-Identifier: BSD-3-Clause
// Matches the payloads of a burst against the rules' patterns.
//
// A payload's first octets tell as a rule that no anchored pattern matches (PayloadSieve); then it
// is not scanned for them. Of patterns that may stand anywhere it is searched first for what they
// have in common (shared_literals.hpp). Each packet is scanned by itself (a pattern does not reach
// over a packet's end), up to payload_packets_max packets and payload_octets_max octets of each
// direction.
// Which packet of a flow settles it depends on that flow's packets alone, not on how they came in
// bursts.
//
// A pattern of the client's side counts in one direction, of the server's side in the other. Who
// the client is the rule's own patterns say, so that a flow whose first packet was missed, or was
// an answer, is labelled all the same.
//
// Thread: one worker's. Memory: all in the constructor; classify_burst allocates nothing.
// Reload: make another classifier elsewhere, move it in at a burst boundary (noexcept), let the
// one moved out be destroyed elsewhere. LabelStates stay valid.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "probe/application/application_label.hpp"
#include "probe/application/application_protocol.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class ClassifyVerdict : std::uint8_t {
    more_wanted, ///< later payloads of the flow may say more
    done,        ///< settled, or the limits are reached: the flow need not be offered again
};

/// One payload of a flow. Those of one flow may stand in a burst several times, in their order.
struct ClassifyRequest {
    Bytes payload;          ///< behind the transport header; empty ones are not counted
    LabelState* state;      ///< the flow's
    std::uint8_t protocol;  ///< IP protocol; only TCP and UDP are looked at
    std::uint8_t direction; ///< 0: as the flow's first packet, 1: the other way
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0; ///< for rules whose patterns are weak without a port
    /// What a parser read up to this payload: its rule may be refined, and wins over those behind.
    ApplicationProtocol parsed = ApplicationProtocol::unknown;
    PatternsAsked asked = PatternsAsked::all; ///< none: as `front`
    ClassifyVerdict verdict{};                ///< the answer
};

/// One writer, the worker.
struct ClassifyTally {
    std::uint64_t payloads = 0;        ///< looked at
    std::uint64_t octets = 0;          ///< of these
    std::uint64_t settled = 0;         ///< flows that patterns gave a rule
    std::uint64_t given_up = 0;        ///< flows that reached the limits without one
    std::uint64_t without_support = 0; ///< payloads not scanned: no Hyperscan here
    std::uint64_t scan_failed = 0;     ///< Hyperscan refused: a defect, never expected
};

class ApplicationClassifier {
  public:
    /// Throws std::runtime_error when there is no memory for it.
    explicit ApplicationClassifier(std::shared_ptr<const ApplicationRules> rules);
    ~ApplicationClassifier();
    ApplicationClassifier(ApplicationClassifier&& other) noexcept;
    ApplicationClassifier& operator=(ApplicationClassifier&& other) noexcept;

    /// Updates states and verdicts. Work is bounded by payload_octets_max a request.
    void classify_burst(std::span<ClassifyRequest> requests) noexcept;

    [[nodiscard]] const ClassifyTally& tally() const noexcept;
    [[nodiscard]] const std::shared_ptr<const ApplicationRules>& rules() const noexcept;

  private:
    struct Workspace;
    std::unique_ptr<Workspace> workspace_;
};

} // namespace probe
