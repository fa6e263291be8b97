// SPDX-License-Identifier: BSD-3-Clause
// pcap records in a window (draft-ietf-opsawg-pcap): microseconds and nanoseconds, both octet
// orders, and the form with the longer record header that Alexey Kuznetzov's patched libpcap wrote.
// Before format version 2.3 the two lengths of a record stood in the other order.
// (Internal to capture_file.)
#pragma once

#include <cstdint>

#include "probe/observation/capture_format.hpp"

namespace probe {

class PcapReader {
  public:
    static constexpr std::uint64_t kFileHeaderOctets = 24;

    /// Whether a file whose first four octets are `magic` (read in host order) is pcap.
    [[nodiscard]] static bool recognises(std::uint32_t magic) noexcept;

    /// `octets` starts with a magic that is recognised and has at least kFileHeaderOctets.
    explicit PcapReader(const CaptureOctets& octets) noexcept;
    [[nodiscard]] CaptureOctets& octets() noexcept { return octets_; }

    [[nodiscard]] CaptureRead next(PacketView& packet) noexcept;
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] const CaptureBreak& broken() const noexcept { return broken_; }

  private:
    [[nodiscard]] CaptureRead without_header() noexcept;
    [[nodiscard]] CaptureRead without_packet(std::uint32_t captured) noexcept;

    CaptureOctets octets_;
    TimeNs ns_per_unit_ = kNsPerUs; ///< of a timestamp's second word
    std::uint64_t offset_ = 0;
    std::uint32_t record_header_octets_ = 0;
    std::uint32_t captured_at_ = 8; ///< of the captured length in a record header
    std::uint32_t frame_at_ = 12;   ///< of the length on the wire
    LinkType link_ = LinkType::unsupported;
    CaptureBreak broken_;
};

} // namespace probe
