// SPDX-License-Identifier: BSD-3-Clause
// Prepared traffic: Ethernet frames in the order in which a port will hand them over.
//
// The frames lie one behind the other in memory for which transparent hugepages are asked, each on
// a cache line of its own (64-octet frames 64 octets apart). The same options and seed give the
// same octets. Frame sizes count the four octets of the FCS, as line rates do; a port does not hand
// them over, so a frame of 64 has 60 in memory. Read-only after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bench {

enum class TrafficFamily : std::uint8_t { ipv4, ipv6, mixed };

enum class FlowOrder : std::uint8_t {
    random,    ///< every flow equally often, shuffled
    zipf,      ///< the k-th flow with probability ~ 1/k
    bursts,    ///< 16 packets of one flow behind each other, the flows shuffled
    both_ways, ///< as random; half of the packets go from the flow's destination to its source
};

[[nodiscard]] std::string_view name_of(TrafficFamily family) noexcept;
[[nodiscard]] std::string_view name_of(FlowOrder order) noexcept;

inline constexpr std::uint32_t kImix = 0; ///< 64, 594 and 1518 octets, 7:4:1

struct TrafficOptions {
    std::uint64_t flows = 1'000; ///< at most 2^24
    std::uint32_t frame_octets = 64;
    TrafficFamily family = TrafficFamily::ipv4;
    FlowOrder order = FlowOrder::random;
    double udp_share = 0; ///< the rest is TCP with ACK set
    std::uint64_t seed = 1;
    std::size_t frames_min = 1U << 20;
    std::size_t memory_octets_max = std::size_t{1} << 30;
};

struct FrameDescriptor {
    std::uint32_t line;   ///< where the frame starts, in cache lines
    std::uint16_t octets; ///< without FCS
    std::uint16_t ipv6;   ///< 1: an IPv6 packet
};

class Traffic {
  public:
    /// Throws std::invalid_argument, std::bad_alloc.
    explicit Traffic(const TrafficOptions& options);
    /// These frames, without FCS, as they are; `options` says nothing then.
    explicit Traffic(const std::vector<std::vector<std::uint8_t>>& frames);
    ~Traffic();
    Traffic(const Traffic&) = delete;
    Traffic& operator=(const Traffic&) = delete;

    [[nodiscard]] const TrafficOptions& options() const noexcept { return options_; }
    [[nodiscard]] std::span<const FrameDescriptor> frames() const noexcept { return frames_; }
    [[nodiscard]] const std::uint8_t* frame(std::size_t i) const noexcept {
        return octets_ + std::size_t{frames_[i].line} * 64;
    }
    [[nodiscard]] const std::uint8_t* octets() const noexcept { return octets_; }
    /// With FCS; what line rates are computed from.
    [[nodiscard]] double mean_frame_octets() const noexcept { return mean_frame_octets_; }

    /// One frame of flow `flow` with room for kPlainFrameOctets, for the source of new flows.
    static constexpr std::size_t kPlainFrameOctets = 78;
    static void write_new_flow(std::uint8_t* frame, std::uint64_t number, bool ipv6) noexcept;
    static void write_plain_frame(std::uint8_t* frame, std::uint64_t flow, bool ipv6,
                                  std::uint32_t frame_octets) noexcept;

  private:
    void lay_out(const std::vector<std::uint32_t>& flows);
    void take_memory(std::uint64_t lines);

    TrafficOptions options_;
    std::vector<FrameDescriptor> frames_;
    std::uint8_t* octets_ = nullptr;
    std::size_t mapped_ = 0;
    double mean_frame_octets_ = 0;
};

/// Steele, Lea and Flood's generator (SplitMix64): the next number of a sequence, or a mix of one.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/// The order of flows for a trace: `count` flow numbers below `flows`.
[[nodiscard]] std::vector<std::uint32_t> draw_flows(FlowOrder order, std::uint64_t flows,
                                                    std::size_t count, std::uint64_t seed);

} // namespace bench
