// SPDX-License-Identifier: BSD-3-Clause
// What the templates ask of the meter, compiled once at start: which blocks a record has and where
// they lie, which accounting steps run, how each template makes its keys, and which template takes
// a packet. A field nobody exports costs nothing. Read-only after construction, shared by all
// workers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "probe/application/application_fields.hpp"
#include "probe/metering/flow_key.hpp"
#include "probe/packet/packet_filter.hpp"
#include "probe/packet/packet_headers.hpp"

namespace probe {

/// Blocks that values need, for the forward direction or for both.
struct BlockNeeds {
    std::array<bool, 2> first_packet{};
    std::array<bool, 2> link{};
    std::array<bool, 2> range{};
    std::array<bool, 2> frame_octets{};
    std::array<bool, 2> totals{};
    bool reverse_times = false;
    bool application = false;
    bool packet_list = false;

    BlockNeeds& operator|=(const BlockNeeds& other) noexcept;
};

/// Offsets of the blocks from the start of a record; 0: the block is not there.
struct RecordLayout {
    std::array<std::uint16_t, 2> first_packet{};
    std::array<std::uint16_t, 2> link{};
    std::array<std::uint16_t, 2> range{};
    std::array<std::uint16_t, 2> frame_octets{};
    std::array<std::uint16_t, 2> totals{};
    std::uint16_t reverse_times = 0;
    std::uint16_t application = 0;
    std::uint16_t packet_list = 0;
    std::array<bool, 2> every_packet{}; ///< by direction: some block changes with every packet
    std::uint16_t base_octets = 0;
    std::uint16_t record_octets = 0; ///< used octets
    std::uint16_t stride = 0;        ///< distance of records in the table: whole cache lines

    [[nodiscard]] static RecordLayout of(const BlockNeeds& needs, std::size_t base_octets);
};

/// One template, as far as metering is concerned. Built by exporting/record_binding from the YAML.
struct TemplateRequest {
    std::string name;
    std::string filter;
    KeyParts keys;
    bool for_ipv4 = true;
    bool for_ipv6 = true;
    bool biflow = false;
    BlockNeeds needs;
    FieldMask application_fields; ///< empty unless needs.application
};

/// A biflow joins both directions under one key, so a key field needs its counterpart beside it.
/// Throws std::runtime_error with the remedy where it has none; uniflows may have any key.
void require_symmetric_key(const TemplateRequest& request);

/// A template of one family, as the lane uses it.
struct LaneTemplate {
    std::size_t request =
        0; ///< its place in the list of TemplateRequests, which is the exporter's too
    KeyParts keys;
    bool biflow = false;
    bool application = false; ///< its flows come under inspection
    bool tcp_end = false;     ///< its flows are single connections, so FIN and RST mean something
    const PacketFilter* filter = nullptr;
};

class LanePlan {
  public:
    static constexpr std::uint8_t kNoTemplate = 0xff;

    LanePlan(IpFamily family, const std::vector<TemplateRequest>& requests,
             const std::vector<PacketFilter>& filters);

    [[nodiscard]] bool used() const noexcept { return !templates_.empty(); }
    [[nodiscard]] bool wide() const noexcept { return wide_; }
    [[nodiscard]] const std::vector<LaneTemplate>& templates() const noexcept { return templates_; }
    [[nodiscard]] const RecordLayout& layout() const noexcept { return layout_; }
    [[nodiscard]] std::size_t key_octets() const noexcept;

    /// The first template whose filter takes the packet, or kNoTemplate.
    [[nodiscard]] std::uint8_t select(const PacketView& packet,
                                      const PacketHeaders& headers) const noexcept {
        const std::uint8_t known = by_protocol_[headers.protocol];
        return known != kRunFilters ? known : run_filters(packet, headers);
    }

  private:
    static constexpr std::uint8_t kRunFilters = 0xfe;

    [[nodiscard]] std::uint8_t run_filters(const PacketView& packet,
                                           const PacketHeaders& headers) const noexcept;

    IpFamily family_;
    bool wide_ = false;
    std::vector<LaneTemplate> templates_;
    RecordLayout layout_;
    std::array<std::uint8_t, 256> by_protocol_{};
};

class MeteringPlan {
  public:
    /// Throws std::runtime_error with the remedy when a family has too many templates or a biflow's
    /// key is lopsided.
    explicit MeteringPlan(std::vector<TemplateRequest> requests);
    MeteringPlan(const MeteringPlan&) = delete;
    MeteringPlan& operator=(const MeteringPlan&) = delete;

    [[nodiscard]] const LanePlan& lane(IpFamily family) const noexcept {
        return family == IpFamily::ipv4 ? ipv4_ : ipv6_;
    }
    [[nodiscard]] const std::vector<TemplateRequest>& requests() const noexcept {
        return requests_;
    }
    /// What some template lists of layer 7; empty: nothing, and there is no inspection.
    [[nodiscard]] const FieldMask& application_fields() const noexcept {
        return application_fields_;
    }

  private:
    std::vector<TemplateRequest> requests_;
    FieldMask application_fields_;
    std::vector<PacketFilter> filters_;
    LanePlan ipv4_;
    LanePlan ipv6_;
};

} // namespace probe
