// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/accepting_source.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace probe {

namespace {

constexpr int kBacklog = 64;

} // namespace

void AcceptingSource::Connection::set_ended(int error) {
    over_ = error == 0 ? "closed by the exporter" : std::string("lost: ") + std::strerror(error);
}

AcceptingSource::AcceptingSource(int listener, std::size_t buffer_octets)
    : listener_(listener), buffer_(buffer_octets) {}

AcceptingSource::~AcceptingSource() {
    stop_listening();
    for (const auto& connection : connections_) {
        ::close(connection->fd());
    }
}

void AcceptingSource::listen(const CollectorOptions& where) {
    if (::listen(listener_, kBacklog) != 0) {
        refuse_to_listen(where, errno);
    }
}

void AcceptingSource::stop_listening() noexcept {
    if (listener_ >= 0) {
        ::close(listener_);
        listener_ = -1;
    }
}

void AcceptingSource::append_polls(std::vector<pollfd>& polls) const {
    polls.push_back({listener_, POLLIN, 0});
    for (const auto& connection : connections_) {
        polls.push_back({connection->fd(), POLLIN, 0});
    }
}

void AcceptingSource::accept_all(SessionBook& book) {
    for (;;) {
        SocketAddress from;
        from.length = sizeof from.storage;
        void* octets = &from.storage;
        const int fd = ::accept4(listener_, static_cast<sockaddr*>(octets), &from.length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        connections_.push_back(accepted(fd, from, book));
    }
}

void AcceptingSource::take(SessionBook& book, TimeNs now) {
    accept_all(book);
    for (const auto& connection : connections_) {
        connection->read(buffer_, book, now);
    }
    std::erase_if(connections_, [&book](const auto& connection) {
        if (connection->over().empty()) {
            return false;
        }
        book.end(connection->session(), connection->over());
        ::close(connection->fd());
        return true;
    });
}

void AcceptingSource::close(SessionBook& book) {
    stop_listening();
    for (const auto& connection : connections_) {
        book.end(connection->session(), "");
        ::close(connection->fd());
    }
    connections_.clear();
}

} // namespace probe
