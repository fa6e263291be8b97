// SPDX-License-Identifier: BSD-3-Clause
// SCTP by the kernel: a one-to-one style socket (RFC 6458 section 4) that never blocks.
//
// Thread and results: as SctpAssociation's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "probe/exporting/sctp_association.hpp"
#include "probe/exporting/socket_calls.hpp"

namespace probe {

class KernelSctp final : public SctpAssociation {
  public:
    /// Resolves the name (may block); throws std::runtime_error with the remedy.
    /// `streams`: asked for to send on; the peer may grant fewer.
    KernelSctp(const std::string& host, std::uint16_t port, SctpTimes times,
               std::shared_ptr<SocketCalls> calls = SocketCalls::system(),
               std::uint16_t streams = 1);
    ~KernelSctp() override;
    KernelSctp(const KernelSctp&) = delete;
    KernelSctp& operator=(const KernelSctp&) = delete;

    /// Whether this kernel has SCTP (its module may be loaded by asking).
    [[nodiscard]] static bool available() noexcept;

    [[nodiscard]] int open(TimeNs now) noexcept override;
    void step(TimeNs /*now*/) noexcept override {}
    [[nodiscard]] TimeNs look_interval() const noexcept override;
    [[nodiscard]] SctpEvent next_event() noexcept override;
    [[nodiscard]] int send(const SctpMessage& message) noexcept override;
    void ask_dry() noexcept override;
    [[nodiscard]] std::size_t packet_octets() noexcept override;
    [[nodiscard]] std::uint16_t streams() noexcept override;
    void shut_down() noexcept override;
    void abort() noexcept override;
    void close() noexcept override;
    [[nodiscard]] const char* description() const noexcept override { return "the kernel's"; }

  private:
    [[nodiscard]] int set_up(int fd) noexcept;
    [[nodiscard]] SctpReceived receive() noexcept;
    [[nodiscard]] int send_with_flags(const SctpMessage& message, unsigned flags) noexcept;

    const std::shared_ptr<SocketCalls> calls_;
    const std::vector<SocketAddress> addresses_;
    const SctpTimes times_;
    const std::uint16_t streams_;
    std::size_t address_ = 0; ///< which of addresses_ is tried next
    int fd_ = -1;
    bool connecting_ = false;
    SctpEnding ending_;
    /// The notification of a failed message has the message with it.
    alignas(8) std::array<std::uint8_t, 20 * 1024> notification_;
};

} // namespace probe
