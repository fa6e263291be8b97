// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over UDP (RFC 7011 section 10.3): one datagram a message, none larger than the path takes.
// One socket for the life of the probe, so the source port that collectors know it by stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "probe/exporting/datagram_socket.hpp"
#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

class UdpTransport final : public Transport {
  public:
    /// `payload_max` octets a datagram at most, 0: one Ethernet frame; never more than the route
    /// allows. Resolves the name (may block); throws std::runtime_error with the remedy.
    UdpTransport(const std::string& name, const std::string& host, std::uint16_t port,
                 std::uint32_t payload_max, LogLine log,
                 std::shared_ptr<SocketCalls> calls = SocketCalls::system());

    [[nodiscard]] bool step(TimeNs now) noexcept override;
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override;
    [[nodiscard]] std::size_t messages_at_once() const noexcept override {
        return kDatagramsPerCall;
    }
    [[nodiscard]] SeveralSent send_several(std::span<const Bytes> messages,
                                           TimeNs now) noexcept override;
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return sessions_; }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override {
        return socket_.payload_octets();
    }
    [[nodiscard]] bool reliable() const noexcept override { return false; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    void close() noexcept override;

  private:
    void taken(std::size_t datagrams) noexcept;
    [[nodiscard]] SendVerdict refused(int error, std::size_t octets, TimeNs now) noexcept;

    TransportLog log_;
    DatagramSocket socket_;
    std::uint64_t sessions_ = 0;
    std::uint32_t taken_since_failure_ = 0;
    TimeNs look_again_at_ = 0; ///< at the socket, or at the route's MTU
    bool closed_ = false;
};

} // namespace probe
