// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/datagram_source.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace probe {

namespace {

constexpr std::size_t kDatagramOctetsMax = 65536;
constexpr unsigned kDatagramsAtOnce = 1024; // then the clock and the signals are looked at
constexpr int kReceiveBuffer = 64 << 20;
constexpr std::uint8_t kDtlsFirst = 20; // content types of records (RFC 6347, RFC 6520)
constexpr std::uint8_t kDtlsLast = 25;
constexpr std::size_t kStrangersMax = 1000;
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
    : log_(std::move(log)), fd_(-1), buffer_(kDatagramOctetsMax) {
    if (where.transport == TransportKind::dtls) {
        tls_.emplace(TlsCarrier::datagrams, where.tls);
        plaintext_.resize(kDatagramOctetsMax);
    }
    fd_ = open_bound_socket(where, SOCK_DGRAM);
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
    datagram = {from, address_text(from), static_cast<std::size_t>(octets), 0};
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

void DatagramSource::take_one(SessionBook& book, const Datagram& datagram, TimeNs now) {
    const bool secured = tls_.has_value();
    if (secured && (datagram.octets == 0 || buffer_[0] < kDtlsFirst || buffer_[0] > kDtlsLast)) {
        if (strangers_.size() < kStrangersMax && strangers_.insert(datagram.exporter).second) {
            log_(fmt::format("{} sends what is not DTLS; does the exporter say dtls://?",
                             datagram.exporter));
        }
        return;
    }
    Exporter& exporter = exporters_[datagram.exporter];
    if (!exporter.session) {
        exporter.since = now;
        exporter.session = book.begin((secured ? "dtls " : "udp ") + datagram.exporter,
                                      ipfix::SessionKind::datagrams);
        if (secured) {
            exporter.tls = tls_->accept(fd_, datagram.from);
        }
    }
    if (secured) {
        take_secured(exporter, datagram, now);
    } else {
        exporter.session->datagram({buffer_.data(), datagram.octets}, datagram.fragment_octets,
                                   now);
    }
}

/// A DTLS record holds one message, as a datagram does.
void DatagramSource::take_secured(Exporter& exporter, const Datagram& datagram, TimeNs now) {
    exporter.tls->take({buffer_.data(), datagram.octets});
    for (;;) {
        const std::int64_t octets = exporter.tls->read(plaintext_);
        if (const std::string news = exporter.tls->take_news(); !news.empty()) {
            log_(exporter.session->name() + ": " + news);
        }
        if (octets > 0) {
            exporter.session->datagram({plaintext_.data(), static_cast<std::size_t>(octets)},
                                       datagram.fragment_octets, now);
            continue;
        }
        if (octets == 0) {
            exporter.over = "closed by the exporter";
        } else if (octets != -EAGAIN) {
            exporter.over = exporter.tls->why();
        }
        return;
    }
}

void DatagramSource::take(SessionBook& book, TimeNs now) {
    Datagram datagram;
    for (unsigned i = 0; i < kDatagramsAtOnce && !book.enough() && receive(datagram); ++i) {
        take_one(book, datagram, now);
        if (const auto at = exporters_.find(datagram.exporter);
            at != exporters_.end() && !at->second.over.empty()) {
            book.end(*at->second.session, at->second.over);
            exporters_.erase(at);
        }
    }
    for (auto at = exporters_.begin(); at != exporters_.end();) {
        if (at->second.tls) {
            at->second.tls->keep_time();
        }
        // a handshake that does not end has no octets of a session yet
        const TimeNs last = std::max(at->second.since, at->second.session->last_octets_ns());
        if (now > last + kSilence) {
            book.end(*at->second.session, "silent for half an hour");
            at = exporters_.erase(at);
        } else {
            ++at;
        }
    }
}

void DatagramSource::close(SessionBook& book) {
    for (auto& [address, exporter] : exporters_) {
        book.end(*exporter.session, "");
    }
    exporters_.clear();
}

} // namespace probe
