// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/stream_source.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace probe {

namespace {

constexpr std::size_t kReadOctets = std::size_t{256} * 1024;
constexpr int kBacklog = 64;
constexpr unsigned kReadsAtOnce = 16; // then the others have their turn

} // namespace

StreamSource::StreamSource(const CollectorOptions& where, LogLine log)
    : log_(std::move(log)), listener_(-1), buffer_(kReadOctets) {
    if (where.transport == TransportKind::tls) {
        tls_.emplace(TlsCarrier::stream, where.tls);
    }
    listener_ = open_bound_socket(where, SOCK_STREAM);
    if (::listen(listener_, kBacklog) != 0) {
        const int why = errno;
        ::close(listener_);
        throw std::runtime_error(
            fmt::format("cannot listen on {}: {}", where.url, std::strerror(why)));
    }
}

StreamSource::~StreamSource() {
    for (const Connection& connection : connections_) {
        ::close(connection.fd);
    }
    ::close(listener_);
}

void StreamSource::append_polls(std::vector<pollfd>& polls) const {
    polls.push_back({listener_, POLLIN, 0});
    for (const Connection& connection : connections_) {
        polls.push_back({connection.fd, POLLIN, 0});
    }
}

void StreamSource::accept_all(SessionBook& book) {
    for (;;) {
        SocketAddress from;
        from.length = sizeof from.storage;
        void* octets = &from.storage;
        const int fd = ::accept4(listener_, static_cast<sockaddr*>(octets), &from.length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        connections_.push_back(
            {fd,
             book.begin((tls_ ? "tls " : "tcp ") + address_text(from), ipfix::SessionKind::stream),
             tls_ ? tls_->accept(fd) : nullptr,
             {}});
    }
}

/// As recv(), but -errno.
std::int64_t StreamSource::receive(Connection& connection) {
    if (!connection.tls) {
        const ssize_t octets = ::recv(connection.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        return octets < 0 ? -errno : octets;
    }
    const std::int64_t octets = connection.tls->read(buffer_);
    if (const std::string news = connection.tls->take_news(); !news.empty()) {
        log_(connection.session->name() + ": " + news);
    }
    return octets;
}

void StreamSource::read(Connection& connection, SessionBook& book, TimeNs now) {
    for (unsigned i = 0; i < kReadsAtOnce && !book.enough() && connection.over.empty(); ++i) {
        const std::int64_t octets = receive(connection);
        if (octets > 0) {
            if (!connection.session->stream({buffer_.data(), static_cast<std::size_t>(octets)},
                                            now)) {
                connection.over = "closed here: what comes cannot be followed";
            }
        } else if (octets == 0) {
            connection.over = "closed by the exporter";
        } else if (octets == -EAGAIN || octets == -EINTR) {
            return;
        } else {
            connection.over =
                connection.tls ? connection.tls->why()
                               : std::string("lost: ") + std::strerror(static_cast<int>(-octets));
        }
    }
}

void StreamSource::take(SessionBook& book, TimeNs now) {
    accept_all(book);
    for (Connection& connection : connections_) {
        read(connection, book, now);
    }
    for (Connection& connection : connections_) {
        if (!connection.over.empty()) {
            book.end(*connection.session, connection.over);
            ::close(connection.fd);
        }
    }
    std::erase_if(connections_, [](const Connection& one) { return !one.over.empty(); });
}

void StreamSource::close(SessionBook& book) {
    for (Connection& connection : connections_) {
        book.end(*connection.session, "");
        ::close(connection.fd);
    }
    connections_.clear();
}

} // namespace probe
