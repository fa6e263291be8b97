// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/tls_socket_calls.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace probe {
namespace {

constexpr unsigned kLooksUntilTrusted = 10;

} // namespace

TlsSocketCalls::TlsSocketCalls(std::string collector, const std::string& host,
                               const TlsOptions& options, LogLine log,
                               std::shared_ptr<SocketCalls> below)
    : below_(std::move(below)),
      session_(TlsCarrier::stream, std::move(collector), host, options, std::move(log), *below_) {}

int TlsSocketCalls::open(int family, int type, int protocol) noexcept {
    return below_->open(family, type, protocol);
}

int TlsSocketCalls::connect(int fd, const SocketAddress& address) noexcept {
    connect_error_ = 0;
    written_ = 0;
    looks_ = 0;
    session_.end();
    return below_->connect(fd, address);
}

int TlsSocketCalls::writable(int fd) noexcept {
    const int ready = below_->writable(fd);
    if (ready <= 0 || connect_error_ != 0) return ready;
    if (!session_.started()) {
        const int result = below_->get_option(fd, SOL_SOCKET, SO_ERROR, connect_error_);
        connect_error_ = result < 0 ? -result : connect_error_;
        if (connect_error_ == 0) connect_error_ = -session_.start(fd);
        if (connect_error_ != 0) return 1;
    }
    const int error = session_.handshake();
    if (error == -EAGAIN) return 0;
    connect_error_ = -error;
    return 1;
}

std::int64_t TlsSocketCalls::send(int /*fd*/, Bytes octets) noexcept {
    const std::int64_t sent = session_.write(octets);
    if (sent > 0) written_ += static_cast<std::uint64_t>(sent);
    return sent;
}

std::int64_t TlsSocketCalls::receive(int /*fd*/, std::span<std::uint8_t> into) noexcept {
    const std::int64_t received = session_.read(into);
    looks_ += received == -EAGAIN ? 1U : 0U;
    return received;
}

int TlsSocketCalls::set_option(int fd, int level, int option, int value) noexcept {
    return below_->set_option(fd, level, option, value);
}

int TlsSocketCalls::get_option(int fd, int level, int option, int& value) noexcept {
    if (level == SOL_SOCKET && option == SO_ERROR) {
        value = connect_error_;
        return 0;
    }
    return below_->get_option(fd, level, option, value);
}

bool TlsSocketCalls::confirmed() const noexcept {
    return session_.ticket_came() || looks_ >= kLooksUntilTrusted || !session_.version_1_3();
}

int TlsSocketCalls::unacknowledged(int fd, int& octets) noexcept {
    if (session_.started() && !confirmed()) {
        octets = static_cast<int>(std::min<std::uint64_t>(written_, INT_MAX));
        return 0;
    }
    return below_->unacknowledged(fd, octets);
}

void TlsSocketCalls::close(int fd) noexcept {
    session_.end();
    below_->close(fd);
}

} // namespace probe
