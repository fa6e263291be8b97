// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/kernel_sctp_source.hpp"

#include <linux/sctp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace probe {

namespace {

constexpr std::size_t kMessageOctetsMax = 65536;
constexpr unsigned kReadsAtOnce = 1024; // then the others have their turn

std::uint16_t stream_of(msghdr& header) noexcept {
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
        if (at->cmsg_level != IPPROTO_SCTP || at->cmsg_type != SCTP_RCVINFO) continue;
        sctp_rcvinfo info{};
        std::memcpy(&info, CMSG_DATA(at), sizeof info);
        return info.rcv_sid;
    }
    return 0;
}

} // namespace

class KernelSctpSource::Association final : public Connection {
  public:
    using Connection::Connection;
    void read(std::span<std::uint8_t> buffer, const SessionBook& book, TimeNs now) override;

  private:
    std::vector<std::uint8_t> message_; ///< what came of one that is not whole yet
};

void KernelSctpSource::Association::read(std::span<std::uint8_t> buffer, const SessionBook& book,
                                         TimeNs now) {
    for (unsigned i = 0; i < kReadsAtOnce && !book.enough() && over().empty(); ++i) {
        alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
        iovec whole{buffer.data(), buffer.size()};
        msghdr header{};
        header.msg_iov = &whole;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t octets = ::recvmsg(fd(), &header, MSG_DONTWAIT);
        if (octets < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (octets <= 0) {
            set_ended(octets == 0 ? 0 : errno);
            return;
        }
        if ((header.msg_flags & MSG_NOTIFICATION) != 0) continue;
        // The kernel may hand a large message over in pieces.
        message_.insert(message_.end(), buffer.begin(), buffer.begin() + octets);
        if ((header.msg_flags & MSG_EOR) == 0) continue;
        session().sctp_message(message_, stream_of(header), now);
        message_.clear();
    }
}

KernelSctpSource::KernelSctpSource(const CollectorOptions& where)
    : AcceptingSource(open_bound_socket(where, SOCK_STREAM, IPPROTO_SCTP), kMessageOctetsMax) {
    const int on = 1; // associations have it from their listener
    if (::setsockopt(listener(), IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) != 0) {
        refuse_to_listen(where, errno);
    }
    listen(where);
}

std::unique_ptr<AcceptingSource::Connection> KernelSctpSource::accepted(int fd,
                                                                        const SocketAddress& from,
                                                                        SessionBook& book) {
    return std::make_unique<Association>(
        fd, book.begin("sctp " + address_text(from), ipfix::SessionKind::stream));
}

} // namespace probe
