// SPDX-License-Identifier: BSD-3-Clause
// A burst of packets as the worker sees it: views into memory that a packet source owns.
//
// Thread: a batch belongs to one worker. Lifetime: the octets stay valid from PacketSource::poll
// until the next PacketSource::release of the same source. Lengths in octets, host byte order;
// time in nanoseconds since the Unix epoch on the probe's own timeline.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace probe {

using Bytes = std::span<const std::uint8_t>;

/// Nanoseconds since 1970-01-01 UTC. Time is always an argument: only lcores/ reads a clock.
using TimeNs = std::uint64_t;

inline constexpr TimeNs kNsPerUs = 1'000;
inline constexpr TimeNs kNsPerMs = 1'000'000;
inline constexpr TimeNs kNsPerSecond = 1'000'000'000;

inline constexpr std::size_t kCacheLineBytes = 64;

/// What a frame starts with. Values are this project's own; capture_file maps the LINKTYPE_
/// numbers.
enum class LinkType : std::uint8_t {
    ethernet,
    raw_ip,         ///< LINKTYPE_RAW, _IPV4, _IPV6: the IP header is first
    linux_cooked,   ///< LINKTYPE_LINUX_SLL
    linux_cooked_2, ///< LINKTYPE_LINUX_SLL2
    null_loopback,  ///< LINKTYPE_NULL and _LOOP: four octets of address family, either byte order
    ppp,            ///< LINKTYPE_PPP: with or without HDLC's address and control before it
    unsupported,    ///< counted, never parsed
};

struct PacketView {
    const std::uint8_t* octets;    ///< first octet of the frame
    std::uint32_t captured_octets; ///< octets present in memory
    std::uint32_t
        frame_octets; ///< octets on the wire (>= captured_octets when cut by a snap length)
    TimeNs time_ns;   ///< when it was observed
    std::uint16_t stripped_vlan_tci; ///< outermost tag that the NIC took off, when vlan_stripped
    bool vlan_stripped;
    LinkType link;
    std::uint32_t ingress_interface; ///< SNMP-style ifIndex of the observation point (0: unknown)
};

/// 64: rte_hash looks up at most 64 keys at once, and bursts of 64 hide memory better than 32.
inline constexpr std::uint32_t kBurstPackets = 64;
/// Of what a burst reads in turn, so many are sent for ahead. A processor has room for some dozens
/// of cache lines on their way; a Zen 4 drops what is asked for beyond, where others wait.
inline constexpr std::uint32_t kPrefetchAhead = 16;
/// Which of `count` is sent for when the `at`-th is read: the last one where there are no more.
[[nodiscard]] constexpr std::uint32_t ahead_of(std::uint32_t at, std::uint32_t count) noexcept {
    return at + kPrefetchAhead < count ? at + kPrefetchAhead : count - 1;
}

struct PacketBatch {
    std::uint32_t size = 0;
    std::array<PacketView, kBurstPackets> packets;
};

/// Sends for the frame that comes kPrefetchAhead behind the `at`-th of a batch: the line with its
/// headers, and the next one where IPv6 is to be expected, whose transport header reaches into it.
inline void prefetch_ahead(const PacketBatch& batch, std::uint32_t at, bool ipv6) noexcept {
    const std::uint8_t* const octets = batch.packets[ahead_of(at, batch.size)].octets;
    __builtin_prefetch(octets);
    __builtin_prefetch(octets + (ipv6 ? kCacheLineBytes : 0));
}

/// Where a worker's packets come from: a DPDK receive queue, a capture file, a test's script.
/// Called by one worker only. One virtual call a burst, none a packet.
class PacketSource {
  public:
    virtual ~PacketSource() = default;

    /// Fills `batch` with up to kBurstPackets packets observed at or before `now`; 0 when there are
    /// none.
    [[nodiscard]] virtual std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept = 0;

    /// Gives the octets of the last poll back to their owner, all at once.
    virtual void release() noexcept = 0;
};

} // namespace probe
