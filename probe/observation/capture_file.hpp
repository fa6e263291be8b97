// SPDX-License-Identifier: BSD-3-Clause
// A pcap or pcapng file as a packet source: mapped read-only, handed out without a copy.
//
// A FIFO, a device or "-" (standard input) is read to its end first, into memory. Thread: one.
// Lifetime: packets stay valid as long as the CaptureFile. A file that another process shortens
// while it is read kills this one with SIGBUS, as with every memory map: copy it first.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>

#include "probe/observation/capture_format.hpp"
#include "probe/observation/capture_format_pcap.hpp"
#include "probe/observation/capture_format_pcapng.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// A capture that cannot be read at all; what() is a sentence that starts with the file's name.
class CaptureError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The octets of a file, or of a stream read to its end. Unmapped at the end of life.
class MappedOctets {
  public:
    /// Bound on what is kept of a stream.
    static constexpr std::uint64_t kStreamOctetsMax = std::uint64_t{16} << 30;

    MappedOctets() = default;
    /// Throws CaptureError: missing, a directory, not readable, empty.
    explicit MappedOctets(const std::string& path);
    ~MappedOctets();
    MappedOctets(const MappedOctets&) = delete;
    MappedOctets& operator=(const MappedOctets&) = delete;

    [[nodiscard]] Bytes octets() const noexcept { return {data_, size_}; }

  private:
    void map_file(const std::string& path, int descriptor, std::uint64_t octets);
    void read_stream(const std::string& path, int descriptor);

    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t mapped_octets_ = 0;
};

class CaptureFile final : public PacketSource {
  public:
    /// "-" is standard input. Throws CaptureError.
    explicit CaptureFile(const std::string& path);
    /// A capture in memory, which must outlive this; `name` is for messages. Throws CaptureError.
    CaptureFile(Bytes octets, std::string name);

    /// In the file's order. A packet later than `now` waits; pass UINT64_MAX to have them all.
    [[nodiscard]] std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept override;
    void release() noexcept override {}

    /// Time of the packet that poll would hand out next; UINT64_MAX when there is none.
    [[nodiscard]] TimeNs next_time_ns() noexcept;
    /// No packet is left, be it because of the file's end or because it is broken.
    [[nodiscard]] bool finished() noexcept;
    /// Why the file could not be read to its end, with the octet offset; empty when it was or may
    /// be.
    [[nodiscard]] std::string broken() const;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint64_t octets_total() const noexcept { return octets_.size(); }
    [[nodiscard]] std::uint64_t octets_done() const noexcept;
    /// Handed out so far.
    [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }

  private:
    using Reader = std::variant<PcapReader, PcapngReader>;

    [[nodiscard]] static Reader make_reader(Bytes octets, const std::string& name);
    [[nodiscard]] bool look_ahead() noexcept;
    template <class Format>
    void read_on(Format& reader, PacketBatch& batch, std::uint32_t& size, TimeNs now) noexcept;
    void send_for_what_follows(const PacketView& packet) const noexcept;

    MappedOctets mapped_;
    Bytes octets_;
    std::string name_;
    Reader reader_;
    PacketView waiting_{}; ///< read, not handed out; when has_waiting_
    bool has_waiting_ = false;
    CaptureRead state_ = CaptureRead::packet;
    std::uint64_t packets_ = 0;
};

} // namespace probe
