// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over SCTP, received by libusrsctp in this process: SCTP in UDP (RFC 6951), or on IP itself
// by a raw socket (CAP_NET_RAW) where the kernel has no SCTP (else KernelSctpSource). A session for
// each association (RFC 7011 section 10.2); each SCTP message is one IPFIX Message, and each stream
// counts its own sequence numbers.
//
// The library has one state per process, and threads of its own that only wake the collector up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"

struct socket; // libusrsctp's

namespace probe {

class SctpSource final : public MessageSource {
  public:
    /// where.sctp.encapsulation: the UDP port to listen at; 0: on IP itself.
    explicit SctpSource(const CollectorOptions& where);
    ~SctpSource() override;
    SctpSource(const SctpSource&) = delete;
    SctpSource& operator=(const SctpSource&) = delete;

    void append_polls(std::vector<pollfd>& polls) const override;
    void take(SessionBook& book, TimeNs now) override;
    void close(SessionBook& book) override;
    [[nodiscard]] std::uint16_t port() const noexcept override { return port_; }

  private:
    struct Association {
        struct ::socket* socket = nullptr;
        std::unique_ptr<ReceivedSession> session;
        std::string over; ///< why it is; empty: it goes on
    };
    void stop_listening() noexcept;
    [[nodiscard]] bool watch(struct ::socket* socket) noexcept;
    void accept_all(SessionBook& book);
    void read(Association& association, SessionBook& book, TimeNs now);

    const std::uint16_t port_;
    int woken_; ///< eventfd: the library has something for us
    struct ::socket* listener_ = nullptr;
    std::vector<std::uint8_t> buffer_;
    std::vector<Association> associations_;
};

} // namespace probe
