// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/sctp_source.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <usrsctp.h>

#include <cerrno>
#include <cstring>

namespace probe {

namespace {

constexpr std::size_t kMessageOctetsMax = 65536;
constexpr int kBacklog = 64;
constexpr unsigned kReadsAtOnce = 1024; // then the others have their turn
constexpr int kFinishTries = 20;
constexpr int kFinishWaitMs = 10;

void wake_up(struct ::socket* /*socket*/, void* source, int /*flags*/) {
    static_cast<void>(::eventfd_write(*static_cast<const int*>(source), 1));
}

/// The library says nothing when its UDP port is taken.
void check_udp_port(const CollectorOptions& where) {
    CollectorOptions udp = where;
    udp.port = where.sctp.encapsulation;
    ::close(open_bound_socket(udp, SOCK_DGRAM));
}

} // namespace

SctpSource::SctpSource(const CollectorOptions& where)
    : port_(where.port),
      woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(kMessageOctetsMax) {
    if (where.sctp.encapsulation != 0) {
        check_udp_port(where);
    }
    const SocketAddress address = local_address(where, SOCK_STREAM);
    usrsctp_init(where.sctp.encapsulation, nullptr, nullptr);
    listener_ = usrsctp_socket(address.storage.ss_family, SOCK_STREAM, IPPROTO_SCTP, nullptr,
                               nullptr, 0, nullptr);
    const int on = 1;
    SocketAddress bound = address;
    void* octets = &bound.storage;
    if (listener_ == nullptr || !watch(listener_) ||
        usrsctp_setsockopt(listener_, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) < 0 ||
        usrsctp_bind(listener_, static_cast<sockaddr*>(octets), bound.length) < 0 ||
        usrsctp_listen(listener_, kBacklog) < 0) {
        refuse_to_listen(where, errno);
    }
}

SctpSource::~SctpSource() {
    stop_listening();
    for (const Association& association : associations_) {
        usrsctp_close(association.socket);
    }
    // associations say farewell; who does not answer is left
    for (int i = 0; i < kFinishTries && usrsctp_finish() != 0; ++i) {
        static_cast<void>(::poll(nullptr, 0, kFinishWaitMs));
    }
    ::close(woken_);
}

void SctpSource::stop_listening() noexcept {
    if (listener_ != nullptr) {
        usrsctp_close(listener_);
        listener_ = nullptr;
    }
}

bool SctpSource::watch(struct ::socket* socket) noexcept {
    return usrsctp_set_non_blocking(socket, 1) == 0 &&
           usrsctp_set_upcall(socket, wake_up, &woken_) == 0;
}

void SctpSource::append_polls(std::vector<pollfd>& polls) const {
    polls.push_back({woken_, POLLIN, 0});
}

void SctpSource::accept_all(SessionBook& book) {
    for (;;) {
        SocketAddress from;
        from.length = sizeof from.storage;
        void* octets = &from.storage;
        struct ::socket* const socket =
            usrsctp_accept(listener_, static_cast<sockaddr*>(octets), &from.length);
        if (socket == nullptr) {
            return;
        }
        if (!watch(socket)) {
            usrsctp_close(socket);
            continue;
        }
        associations_.push_back(
            {socket, book.begin("sctp " + address_text(from), ipfix::SessionKind::stream), {}});
    }
}

void SctpSource::read(Association& association, SessionBook& book, TimeNs now) {
    for (unsigned i = 0; i < kReadsAtOnce && !book.enough() && association.over.empty(); ++i) {
        sctp_rcvinfo info{};
        socklen_t info_length = sizeof info;
        socklen_t from_length = 0;
        unsigned info_type = 0;
        int flags = 0;
        const ssize_t octets =
            usrsctp_recvv(association.socket, buffer_.data(), buffer_.size(), nullptr, &from_length,
                          &info, &info_length, &info_type, &flags);
        if (octets > 0) {
            association.session->sctp_message({buffer_.data(), static_cast<std::size_t>(octets)},
                                              info.rcv_sid, now);
        } else if (octets == 0) {
            association.over = "closed by the exporter";
        } else if (errno == EAGAIN || errno == EINTR) {
            return;
        } else {
            association.over = std::string("lost: ") + std::strerror(errno);
        }
    }
}

void SctpSource::take(SessionBook& book, TimeNs now) {
    eventfd_t times = 0;
    static_cast<void>(::eventfd_read(woken_, &times));
    accept_all(book);
    for (Association& association : associations_) {
        read(association, book, now);
    }
    for (Association& association : associations_) {
        if (!association.over.empty()) {
            book.end(*association.session, association.over);
            usrsctp_close(association.socket);
        }
    }
    std::erase_if(associations_, [](const Association& one) { return !one.over.empty(); });
}

void SctpSource::close(SessionBook& book) {
    stop_listening();
    for (Association& association : associations_) {
        book.end(*association.session, "");
        usrsctp_close(association.socket);
    }
    associations_.clear();
}

} // namespace probe
