// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over UDP, received: one socket, a session for each exporter's address and port (RFC 7011
// section 10.3). A session that was silent for half an hour is over.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"

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
        std::string exporter;
        std::size_t octets = 0;
        std::size_t fragment_octets = 0; ///< 0: whole
    };
    [[nodiscard]] bool receive(Datagram& datagram);
    void read_control(msghdr& message, Datagram& datagram);

    LogLine log_;
    int fd_;
    std::uint32_t drops_told_ = 0;
    std::vector<std::uint8_t> buffer_;
    std::map<std::string, std::unique_ptr<ReceivedSession>> sessions_; ///< by exporter
};

} // namespace probe
