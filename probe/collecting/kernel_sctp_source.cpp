// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/kernel_sctp_source.hpp"

#include <fmt/format.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace probe {

namespace {

constexpr std::size_t kMessageOctetsMax = 65536;
constexpr int kBacklog = 64;
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

KernelSctpSource::KernelSctpSource(const CollectorOptions& where)
    : listener_(open_bound_socket(where, SOCK_STREAM, IPPROTO_SCTP)), buffer_(kMessageOctetsMax) {
    const int on = 1; // associations have it from their listener
    if (::setsockopt(listener_, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) != 0 ||
        ::listen(listener_, kBacklog) != 0) {
        const int why = errno;
        ::close(listener_);
        throw std::runtime_error(
            fmt::format("cannot listen on {}: {}", where.url, std::strerror(why)));
    }
}

KernelSctpSource::~KernelSctpSource() {
    for (const Association& association : associations_) {
        ::close(association.fd);
    }
    ::close(listener_);
}

void KernelSctpSource::append_polls(std::vector<pollfd>& polls) const {
    polls.push_back({listener_, POLLIN, 0});
    for (const Association& association : associations_) {
        polls.push_back({association.fd, POLLIN, 0});
    }
}

void KernelSctpSource::accept_all(SessionBook& book) {
    for (;;) {
        SocketAddress from;
        from.length = sizeof from.storage;
        void* octets = &from.storage;
        const int fd = ::accept4(listener_, static_cast<sockaddr*>(octets), &from.length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        associations_.push_back(
            {fd, book.begin("sctp " + address_text(from), ipfix::SessionKind::stream), {}, {}});
    }
}

void KernelSctpSource::read(Association& association, SessionBook& book, TimeNs now) {
    for (unsigned i = 0; i < kReadsAtOnce && !book.enough() && association.over.empty(); ++i) {
        alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
        iovec whole{buffer_.data(), buffer_.size()};
        msghdr header{};
        header.msg_iov = &whole;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t octets = ::recvmsg(association.fd, &header, MSG_DONTWAIT);
        if (octets < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (octets <= 0) {
            association.over = octets == 0 ? "closed by the exporter"
                                           : std::string("lost: ") + std::strerror(errno);
            return;
        }
        if ((header.msg_flags & MSG_NOTIFICATION) != 0) continue;
        // The kernel may hand a large message over in pieces.
        association.message.insert(association.message.end(), buffer_.begin(),
                                   buffer_.begin() + octets);
        if ((header.msg_flags & MSG_EOR) == 0) continue;
        association.session->sctp_message(association.message, stream_of(header), now);
        association.message.clear();
    }
}

void KernelSctpSource::take(SessionBook& book, TimeNs now) {
    accept_all(book);
    for (Association& association : associations_) {
        read(association, book, now);
    }
    for (Association& association : associations_) {
        if (!association.over.empty()) {
            book.end(*association.session, association.over);
            ::close(association.fd);
        }
    }
    std::erase_if(associations_, [](const Association& one) { return !one.over.empty(); });
}

void KernelSctpSource::close(SessionBook& book) {
    for (Association& association : associations_) {
        book.end(*association.session, "");
        ::close(association.fd);
    }
    associations_.clear();
}

} // namespace probe
