// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over the kernel's SCTP, received: a listening socket, and a session for each association
// (RFC 7011 section 10.2). Where the kernel has SCTP it answers for every association of the host,
// so that another stack beside it (SctpSource) would have its peers refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"

namespace probe {

class KernelSctpSource final : public MessageSource {
  public:
    explicit KernelSctpSource(const CollectorOptions& where);
    ~KernelSctpSource() override;
    KernelSctpSource(const KernelSctpSource&) = delete;
    KernelSctpSource& operator=(const KernelSctpSource&) = delete;

    void append_polls(std::vector<pollfd>& polls) const override;
    void take(SessionBook& book, TimeNs now) override;
    void close(SessionBook& book) override;
    [[nodiscard]] std::uint16_t port() const noexcept override { return bound_port(listener_); }

  private:
    struct Association {
        int fd = -1;
        std::unique_ptr<ReceivedSession> session;
        std::vector<std::uint8_t> message; ///< what came of one that is not whole yet
        std::string over;                  ///< why it is; empty: it goes on
    };
    void accept_all(SessionBook& book);
    void read(Association& association, SessionBook& book, TimeNs now);

    int listener_;
    std::vector<std::uint8_t> buffer_;
    std::vector<Association> associations_;
};

} // namespace probe
