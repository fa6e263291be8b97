// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over UDP or DTLS, received: one socket, a session for each exporter's address and port (RFC
// 7011 section 10.3). A session that was silent for half an hour is over. Under DTLS there is no
// exchange of cookies before a handshake: this is a tool for diagnosis, not for the open Internet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"
#include "probe/collecting/tls_acceptor.hpp"

namespace probe {

class DatagramSource final : public MessageSource {
  public:
    DatagramSource(const CollectorOptions& where, LogLine log);
    ~DatagramSource() override;
    DatagramSource(const DatagramSource&) = delete;
    DatagramSource& operator=(const DatagramSource&) = delete;

    void append_polls(std::vector<pollfd>& polls) const override;
    void take(SessionBook& book, TimeNs now) override;
    void close(SessionBook& book) override;
    [[nodiscard]] std::uint16_t port() const noexcept override { return bound_port(fd_); }

  private:
    struct Datagram {
        SocketAddress from;
        std::string exporter;
        std::size_t octets = 0;
        std::size_t fragment_octets = 0; ///< 0: whole
    };
    [[nodiscard]] bool receive(Datagram& datagram);
    void read_control(msghdr& message, Datagram& datagram);
    struct Exporter {
        std::unique_ptr<ReceivedSession> session;
        std::unique_ptr<TlsConnection> tls; ///< nullptr: plain UDP
        std::string over;                   ///< why it is; empty: it goes on
        TimeNs since = 0;
    };
    void take_one(SessionBook& book, const Datagram& datagram, TimeNs now);
    void take_secured(Exporter& exporter, const Datagram& datagram, TimeNs now);

    LogLine log_;
    std::optional<TlsAcceptor> tls_;
    int fd_;
    std::uint32_t drops_told_ = 0;
    std::vector<std::uint8_t> buffer_;
    std::vector<std::uint8_t> plaintext_;
    std::map<std::string, Exporter> exporters_; ///< by address and port
    std::set<std::string> strangers_;           ///< said to send no DTLS
};

} // namespace probe
