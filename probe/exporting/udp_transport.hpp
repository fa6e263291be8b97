// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over UDP (RFC 7011 section 10.3): a connected socket, one datagram a message.
//
// The kernel never fragments: DF is set (over IPv6, the don't-fragment option), messages fit the
// route's MTU less the IP and UDP headers, and EMSGSIZE makes them smaller. One socket for the life
// of the probe, so the source port that collectors know it by stays.
#pragma once

#include <cstdint>
#include <string>

#include "probe/exporting/socket_calls.hpp"
#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

/// RFC 7011 section 10.3.3: the limit where the path's MTU is unknown.
inline constexpr std::uint16_t kUdpPayloadUnknownMtu = 512;

class UdpTransport final : public Transport {
  public:
    /// `payload_max` octets a datagram at most, 0: one Ethernet frame; never more than the route
    /// allows. Resolves the name (may block); throws std::runtime_error with the remedy.
    UdpTransport(const std::string& name, const std::string& host, std::uint16_t port,
                 std::uint32_t payload_max, LogLine log,
                 SocketCalls& calls = SocketCalls::system());
    ~UdpTransport() override;
    UdpTransport(const UdpTransport&) = delete;
    UdpTransport& operator=(const UdpTransport&) = delete;

    [[nodiscard]] bool step(TimeNs now) noexcept override;
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override;
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return sessions_; }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override { return octets_max_; }
    [[nodiscard]] bool reliable() const noexcept override { return false; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    void close() noexcept override;

  private:
    [[nodiscard]] bool open() noexcept;
    [[nodiscard]] std::uint16_t payload_of_route() noexcept;
    void shrink(std::size_t refused_octets) noexcept;

    SocketCalls& calls_;
    TransportLog log_;
    SocketAddress address_;
    const std::uint32_t payload_max_;
    int fd_ = -1;
    std::uint64_t sessions_ = 0;
    std::uint16_t octets_max_ = kUdpPayloadUnknownMtu;
    std::uint32_t size_refusals_ = 0; ///< EMSGSIZE since a datagram was taken
    std::uint32_t taken_since_failure_ = 0;
    TimeNs look_again_at_ = 0; ///< at the socket, or at the route's MTU
    bool closed_ = false;
};

} // namespace probe
