// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/datagram_source.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace probe {

namespace {

constexpr std::size_t kDatagramOctetsMax = 65536;
constexpr unsigned kDatagramsAtOnce = 1024; // then the clock and the signals are looked at
constexpr int kReceiveBuffer = 64 << 20;
constexpr TimeNs kSilence = 1800 * kNsPerSecond;

#ifndef IP_RECVFRAGSIZE // linux/in.h, not yet in the C library's
constexpr int IP_RECVFRAGSIZE = 25;
#endif
#ifndef IPV6_RECVFRAGSIZE
constexpr int IPV6_RECVFRAGSIZE = 77;
#endif

void set(int fd, int level, int option, int value) {
    static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value)); // as far as may be
}

} // namespace

DatagramSource::DatagramSource(const CollectorOptions& where, LogLine log)
    : log_(std::move(log)), fd_(open_bound_socket(where, SOCK_DGRAM)), buffer_(kDatagramOctetsMax) {
    set(fd_, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer); // root only
    set(fd_, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set(fd_, IPPROTO_IP, IP_RECVFRAGSIZE, 1);
    set(fd_, IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1);
}

DatagramSource::~DatagramSource() {
    ::close(fd_);
}

void DatagramSource::append_polls(std::vector<pollfd>& polls) const {
    polls.push_back({fd_, POLLIN, 0});
}

bool DatagramSource::receive(Datagram& datagram) {
    SocketAddress from;
    alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
    iovec vector{buffer_.data(), buffer_.size()};
    msghdr message{};
    message.msg_name = &from.storage;
    message.msg_namelen = sizeof from.storage;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t octets = ::recvmsg(fd_, &message, MSG_DONTWAIT);
    if (octets < 0) {
        return false;
    }
    from.length = message.msg_namelen;
    datagram = {address_text(from), static_cast<std::size_t>(octets), 0};
    read_control(message, datagram);
    return true;
}

void DatagramSource::read_control(msghdr& message, Datagram& datagram) {
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
        int value = 0;
        std::memcpy(&value, CMSG_DATA(at), sizeof value); // all three are an int
        const bool fragments =
            (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVFRAGSIZE) ||
            (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVFRAGSIZE);
        if (fragments) {
            datagram.fragment_octets = static_cast<std::size_t>(value);
        }
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
            const auto drops = static_cast<std::uint32_t>(value);
            if (drops != 0 && drops_told_ == 0) {
                log_(
                    fmt::format("{} datagrams did not fit this socket's buffer: gaps in sequence "
                                "numbers are ours; raise net.core.rmem_max, or print less",
                                drops));
            }
            drops_told_ = drops;
        }
    }
}

void DatagramSource::take(SessionBook& book, TimeNs now) {
    Datagram datagram;
    for (unsigned i = 0; i < kDatagramsAtOnce && !book.enough() && receive(datagram); ++i) {
        std::unique_ptr<ReceivedSession>& session = sessions_[datagram.exporter];
        if (!session) {
            session = book.begin("udp " + datagram.exporter, ipfix::SessionKind::datagrams);
        }
        session->datagram({buffer_.data(), datagram.octets}, datagram.fragment_octets, now);
    }
    for (auto at = sessions_.begin(); at != sessions_.end();) {
        if (now > at->second->last_octets_ns() + kSilence) {
            book.end(*at->second, "silent for half an hour");
            at = sessions_.erase(at);
        } else {
            ++at;
        }
    }
}

void DatagramSource::close(SessionBook& book) {
    for (auto& [exporter, session] : sessions_) {
        book.end(*session, "");
    }
    sessions_.clear();
}

} // namespace probe
