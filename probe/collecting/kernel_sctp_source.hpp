// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over the kernel's SCTP, received: a session for each association (RFC 7011 section 10.2).
// Where the kernel has SCTP it answers for every association of the host, so that another stack
// beside it (SctpSource) would have its peers refused.
#pragma once

#include <memory>

#include "probe/collecting/accepting_source.hpp"

namespace probe {

class KernelSctpSource final : public AcceptingSource {
  public:
    explicit KernelSctpSource(const CollectorOptions& where);

  private:
    class Association;
    [[nodiscard]] std::unique_ptr<Connection> accepted(int fd, const SocketAddress& from,
                                                       SessionBook& book) override;
};

} // namespace probe
