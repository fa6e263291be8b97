// SPDX-License-Identifier: BSD-3-Clause
// A pcap or pcapng file, or a stream of one, as a packet source: read as it goes on, in constant
// memory, handed out without a further copy.
//
// Thread: one. Lifetime: packets stay valid until the next poll.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <variant>

#include "probe/observation/capture_format.hpp"
#include "probe/observation/capture_format_pcap.hpp"
#include "probe/observation/capture_format_pcapng.hpp"
#include "probe/observation/capture_input.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class CaptureFile final : public PacketSource {
  public:
    /// "-" is standard input. Waits until a stream has told what it is, or `stop` is set (it may be
    /// nullptr, and outlives this). Throws CaptureError.
    explicit CaptureFile(const std::string& path, const std::atomic<bool>* stop = nullptr,
                         std::size_t window_octets = CaptureInput::kWindowOctets);
    /// A capture in memory, which must outlive this; `name` is for messages. Throws CaptureError.
    CaptureFile(Bytes octets, std::string name);

    /// In the file's order; their time is not asked for. A burst is full until the end, so that
    /// nothing depends on how the file is read. Of a stream as many as are there: fewer, or none,
    /// when it has nothing new for some time.
    [[nodiscard]] std::uint32_t poll(PacketBatch& batch, TimeNs now) noexcept override;
    void release() noexcept override {}

    /// Nothing more will come, be it because of the file's end or because it is broken.
    [[nodiscard]] bool finished() const noexcept;
    /// Why the file could not be read to its end, with the octet offset; empty when it was or may
    /// be.
    [[nodiscard]] std::string broken() const;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// CaptureInput::kUnknown of a stream.
    [[nodiscard]] std::uint64_t octets_total() const noexcept { return input_.octets_total(); }
    [[nodiscard]] std::uint64_t octets_done() const noexcept;
    /// Handed out so far.
    [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }

  private:
    using Reader = std::variant<PcapReader, PcapngReader>;

    [[nodiscard]] static Reader make_reader(CaptureInput& input, const std::string& name,
                                            const std::atomic<bool>* stop);
    template <class Format>
    void read_on(Format& reader, PacketBatch& batch) noexcept;
    template <class Format>
    [[nodiscard]] bool move_window(Format& reader, PacketBatch& batch) noexcept;

    std::string name_;
    CaptureInput input_;
    Reader reader_;
    CaptureRead state_ = CaptureRead::packet;
    std::uint64_t packets_ = 0;
};

} // namespace probe
