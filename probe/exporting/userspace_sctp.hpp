// SPDX-License-Identifier: BSD-3-Clause
// SCTP by libusrsctp in this process, for kernels without it: its packets in UDP datagrams (RFC
// 6951), or on IP itself by a raw socket (CAP_NET_RAW).
//
// The library runs without a thread and without a socket of its own: packets go and come by our
// DatagramSocket, its timers are moved by step(), and so all of it happens in the exporter's
// thread, when called, and nothing needs a lock or a hand-over. It has one state per process:
// associations must all belong to one thread. It allocates as it works.
//
// Thread and results: as SctpAssociation's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "probe/exporting/datagram_socket.hpp"
#include "probe/exporting/sctp_association.hpp"

struct socket; // libusrsctp's

namespace probe {

class UserspaceSctp final : public SctpAssociation {
  public:
    struct Peer {
        std::string host;
        std::uint16_t port = 4739;
        std::uint16_t encapsulation = 0; ///< its UDP port; 0: on IP itself
        std::uint16_t streams = 1;       ///< asked for to send on; it may grant fewer
    };
    /// Resolves the name (may block); throws std::runtime_error with the remedy.
    UserspaceSctp(const Peer& peer, SctpTimes times,
                  std::shared_ptr<SocketCalls> calls = SocketCalls::system());
    ~UserspaceSctp() override;
    UserspaceSctp(const UserspaceSctp&) = delete;
    UserspaceSctp& operator=(const UserspaceSctp&) = delete;

    [[nodiscard]] int open(TimeNs now) noexcept override;
    void step(TimeNs now) noexcept override;
    [[nodiscard]] TimeNs look_interval() const noexcept override;
    [[nodiscard]] SctpEvent next_event() noexcept override;
    [[nodiscard]] int send(const SctpMessage& message) noexcept override;
    void ask_dry() noexcept override;
    [[nodiscard]] std::size_t packet_octets() noexcept override;
    [[nodiscard]] std::uint16_t streams() noexcept override;
    void shut_down() noexcept override;
    void abort() noexcept override;
    void close() noexcept override;
    [[nodiscard]] const char* description() const noexcept override;

    /// A packet that the library wants sent; for its callback.
    void send_packet(Bytes packet) noexcept;

  private:
    [[nodiscard]] int set_up() noexcept;
    [[nodiscard]] int fit_packets_to_route() noexcept;
    [[nodiscard]] bool is_ours(Bytes packet) const noexcept;
    [[nodiscard]] SctpReceived receive() noexcept;
    [[nodiscard]] int send_with_flags(const SctpMessage& message, unsigned flags) noexcept;

    DatagramSocket datagrams_;
    const std::uint16_t port_;
    const bool encapsulated_;
    const std::uint16_t streams_;
    const SctpTimes times_;
    struct ::socket* socket_ = nullptr;
    void* id_ = nullptr; ///< what the library takes for an address
    SctpEnding ending_;
    bool shrank_ = false; ///< a packet met EMSGSIZE
    /// The notification of a failed message has the message with it.
    alignas(8) std::array<std::uint8_t, 20 * 1024> buffer_;
};

} // namespace probe
