// SPDX-License-Identifier: BSD-3-Clause
// Capture files for tests, in every variant that exists in the wild, into memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe::test {

/// Integers in the octet order of the machine that is said to have captured.
class OrderedOctets {
  public:
    explicit OrderedOctets(bool big_endian) : big_endian_(big_endian) {}
    void u16(std::uint16_t value) { integer(value, 2); }
    void u32(std::uint32_t value) { integer(value, 4); }
    void u64(std::uint64_t value) { integer(value, 8); }
    void octets(Bytes octets) { octets_.insert(octets_.end(), octets.begin(), octets.end()); }
    void pad_to_4() { octets_.resize((octets_.size() + 3) / 4 * 4); }
    [[nodiscard]] const std::vector<std::uint8_t>& get() const noexcept { return octets_; }

  private:
    void integer(std::uint64_t value, unsigned octets);

    std::vector<std::uint8_t> octets_;
    bool big_endian_;
};

struct PcapVariant {
    std::uint32_t magic = 0xA1B2C3D4; ///< A1B23C4D nanoseconds, A1B2CD34 longer record headers
    bool big_endian = false;
    std::uint32_t linktype = 1;
    std::uint16_t minor_version = 4; ///< below 3: the two lengths are swapped
};

class PcapWriter {
  public:
    explicit PcapWriter(const PcapVariant& variant = {});
    PcapWriter& packet(std::uint32_t seconds, std::uint32_t fraction, Bytes octets,
                       std::optional<std::uint32_t> frame_octets = std::nullopt);
    [[nodiscard]] const std::vector<std::uint8_t>& get() const noexcept { return out_.get(); }

  private:
    PcapVariant variant_;
    OrderedOctets out_;
};

struct PcapngInterface {
    std::uint16_t linktype = 1;
    std::uint32_t snap_octets = 0;
    std::optional<std::uint8_t> tsresol = std::nullopt;
    std::optional<std::int64_t> tsoffset_s = std::nullopt;
};

class PcapngWriter {
  public:
    explicit PcapngWriter(bool big_endian = false) : big_endian_(big_endian) {}
    /// Starts a section, from here on in the given order.
    PcapngWriter& section(bool big_endian);
    PcapngWriter& section() { return section(big_endian_); }
    PcapngWriter& interface(const PcapngInterface& description = {});
    PcapngWriter& enhanced(std::uint32_t interface, std::uint64_t units, Bytes octets,
                           std::optional<std::uint32_t> frame_octets = std::nullopt);
    PcapngWriter& simple(Bytes octets, std::uint32_t frame_octets);
    PcapngWriter& obsolete(std::uint16_t interface, std::uint64_t units, Bytes octets);
    /// Any block: `body` is written as it is, padded to 4 octets.
    PcapngWriter& block(std::uint32_t type, Bytes body);
    [[nodiscard]] const std::vector<std::uint8_t>& get() const noexcept { return out_; }

  private:
    std::vector<std::uint8_t> out_;
    bool big_endian_;
};

/// A file in the temporary directory that is removed at the end of life.
class TemporaryFile {
  public:
    explicit TemporaryFile(Bytes octets);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

} // namespace probe::test
