// SPDX-License-Identifier: BSD-3-Clause
// The kernel's sockets, each opened as the operator wants its packets to leave: from an address, by
// an interface, with a DSCP and a hop limit. The same for every transport.
//
// Thread: its transport's. Errors: the constructor throws std::runtime_error with the remedy; what
// the kernel refuses is open()'s result, since an interface or address may come later.
#pragma once

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/socket_calls.hpp"

namespace probe {

class BoundSocketCalls final : public SocketCalls {
  public:
    explicit BoundSocketCalls(SocketOptions options);

    int open(int family, int type, int protocol) noexcept override;
    [[nodiscard]] int family() const noexcept override { return source_.storage.ss_family; }

  private:
    [[nodiscard]] int apply(int fd, int family) noexcept;

    const SocketOptions options_;
    SocketAddress source_; ///< AF_UNSPEC: the route's
};

} // namespace probe
