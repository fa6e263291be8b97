// SPDX-License-Identifier: BSD-3-Clause
// pcapng blocks in a window (draft-ietf-opsawg-pcapng): sections in either octet order, interfaces
// of different link types and clocks; enhanced, simple and the obsolete packet block. Other blocks
// are skipped. (Internal to capture_file.)
#pragma once

#include <cstdint>
#include <vector>

#include "probe/observation/capture_format.hpp"

namespace probe {

class PcapngReader {
  public:
    /// The section header's type, a palindrome so that it reads the same in either order.
    static constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A;
    static constexpr std::uint64_t kBlockOctetsMin = 12;
    static constexpr std::uint32_t kInterfacesMax = 4096;

    /// `octets` starts with kSectionHeader. All memory that is ever needed is reserved here.
    explicit PcapngReader(const CaptureOctets& octets);
    [[nodiscard]] CaptureOctets& octets() noexcept { return octets_; }

    [[nodiscard]] CaptureRead next(PacketView& packet) noexcept;
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] const CaptureBreak& broken() const noexcept { return broken_; }

  private:
    struct Interface {
        TimestampScale scale;
        std::uint32_t snap_octets; ///< 0: unlimited
        LinkType link;
    };
    /// One block whose two lengths agree; `body` and `body_octets` are without its frame.
    struct Block {
        std::uint32_t type;
        std::uint64_t body;
        std::uint32_t body_octets;
    };
    struct PacketFields {
        std::uint32_t interface;
        std::uint64_t units; ///< timestamp, unless untimed
        bool untimed;
        std::uint32_t captured_octets;
        std::uint32_t frame_octets;
        std::uint32_t header_octets; ///< of the body, before the packet
    };

    /// packet: a block is there.
    [[nodiscard]] CaptureRead take_block(Block& block) noexcept;
    [[nodiscard]] bool start_section() noexcept;
    [[nodiscard]] bool add_interface(const Block& block) noexcept;
    void take_interface_options(const Block& block, Interface& interface) const noexcept;
    [[nodiscard]] bool take_packet_fields(const Block& block, PacketFields& fields) noexcept;
    [[nodiscard]] bool take_packet(const Block& block, PacketView& packet) noexcept;
    bool break_at(CaptureBreak::Reason reason, std::uint64_t announced,
                  std::uint64_t left) noexcept;

    CaptureOctets octets_;
    std::vector<Interface> interfaces_; ///< of this section
    std::uint64_t offset_ = 0;          ///< of the block that is read next
    TimeNs last_time_ns_ = 0;
    CaptureBreak broken_;
};

} // namespace probe
