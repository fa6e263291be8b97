// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/tcp_transport.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace probe {
namespace {

/// Large enough that a write costs little per record, small enough for collectors with small
/// buffers.
constexpr std::uint16_t kMessageOctetsMax = 16 * 1024;

/// An idle peer is asked after a third of its timeout, and twice more.
constexpr int kKeepaliveProbes = 2;
constexpr TimeNs kKeepaliveParts = 3;

/// One system call in 100 ms, not one a step, to see whether the collector hung up.
constexpr TimeNs kLookInterval = 100 * kNsPerMs;

/// What a collector sends back is read and forgotten, this much a look.
constexpr std::size_t kForgetOctets = 4096;

constexpr const char* kLost = "connection lost";

} // namespace

TcpTransport::TcpTransport(const std::string& name, const std::string& host, std::uint16_t port,
                           const ConnectionTimes& times, LogLine log,
                           std::shared_ptr<SocketCalls> calls)
    : calls_(std::move(calls)),
      log_(name, std::move(log)),
      addresses_(resolve(host, port, calls_->family())),
      delay_(times.delay),
      peer_timeout_(times.peer_timeout) {}

TcpTransport::~TcpTransport() {
    close();
}

std::uint16_t TcpTransport::max_message_octets() const noexcept {
    return kMessageOctetsMax;
}

bool TcpTransport::step(TimeNs now) noexcept {
    if (state_ == State::waiting && now >= due_at_) start_connecting(now);
    if (state_ == State::connecting) look_at_connecting(now);
    if (state_ == State::connected && now >= look_at_) look_at_connection(now);
    return state_ == State::connected;
}

void TcpTransport::start_connecting(TimeNs now) noexcept {
    attempted_at_ = now;
    const SocketAddress& address = addresses_[address_];
    fd_ = calls_->open(address.storage.ss_family, SOCK_STREAM, 0);
    if (fd_ < 0) return attempt_failed(-fd_, now);
    const int error = calls_->connect(fd_, address);
    if (error < 0 && error != -EINPROGRESS) return attempt_failed(-error, now);
    state_ = State::connecting;
    due_at_ = now + peer_timeout_;
}

void TcpTransport::look_at_connecting(TimeNs now) noexcept {
    if (calls_->writable(fd_) <= 0) {
        if (now >= due_at_) attempt_failed(ETIMEDOUT, now);
        return;
    }
    int error = 0;
    const int result = calls_->get_option(fd_, SOL_SOCKET, SO_ERROR, error);
    if (result < 0) error = -result;
    if (error != 0) return attempt_failed(error, now);
    now_connected(now);
}

void TcpTransport::now_connected(TimeNs now) noexcept {
    // Messages are whole and wait for message_delay by themselves; Nagle would add its own wait.
    const int keepalive_s =
        std::max(1, static_cast<int>(peer_timeout_ / kKeepaliveParts / kNsPerSecond));
    const std::pair<int, int> options[] = {
        {TCP_NODELAY, 1},
        {TCP_USER_TIMEOUT, static_cast<int>(peer_timeout_ / kNsPerMs)},
        {TCP_KEEPIDLE, keepalive_s},
        {TCP_KEEPINTVL, keepalive_s},
        {TCP_KEEPCNT, kKeepaliveProbes},
    };
    // A kernel that refuses one of these exports no worse, it only notices later.
    for (const auto& [option, value] : options) {
        static_cast<void>(calls_->set_option(fd_, IPPROTO_TCP, option, value));
    }
    static_cast<void>(calls_->set_option(fd_, SOL_SOCKET, SO_KEEPALIVE, 1));
    state_ = State::connected;
    connected_at_ = now;
    look_at_ = now + kLookInterval;
    written_ = 0;
    unacknowledged_at_break_ = 0;
    ++sessions_;
    log_.works("connected over TCP");
}

void TcpTransport::look_at_connection(TimeNs now) noexcept {
    look_at_ = now + kLookInterval;
    std::uint8_t forgotten[kForgetOctets];
    const std::int64_t received = calls_->receive(fd_, forgotten);
    if (received == 0) return connection_broke("the collector hung up", ECONNRESET, now);
    if (received < 0 && received != -EAGAIN && received != -EINTR) {
        connection_broke(kLost, static_cast<int>(-received), now);
    }
}

SendVerdict TcpTransport::send(Bytes message, TimeNs now) noexcept {
    if (state_ != State::connected) return SendVerdict::session_lost;
    while (written_ < message.size()) {
        const std::int64_t result = calls_->send(fd_, message.subspan(written_));
        if (result == -EINTR) continue;
        if (result == -EAGAIN || result == -ENOBUFS || result == -ENOMEM || result == 0) {
            log_.count(result == 0 ? EAGAIN : static_cast<int>(-result));
            return SendVerdict::would_block;
        }
        if (result < 0) {
            connection_broke(kLost, static_cast<int>(-result), now);
            return SendVerdict::session_lost;
        }
        written_ += static_cast<std::size_t>(result);
    }
    written_ = 0;
    return SendVerdict::sent;
}

std::uint64_t TcpTransport::unacknowledged_octets() const noexcept {
    if (state_ != State::connected) return unacknowledged_at_break_;
    int octets = 0;
    if (calls_->unacknowledged(fd_, octets) < 0 || octets < 0) return 0;
    const auto all = static_cast<std::uint64_t>(octets);
    return all > written_ ? all - written_ : 0;
}

void TcpTransport::attempt_failed(int error, TimeNs now) noexcept {
    close_socket();
    address_ = (address_ + 1) % addresses_.size();
    state_ = State::waiting;
    due_at_ = std::max(now, attempted_at_ + delay_.next());
    log_.failed("cannot connect", error, "trying again");
}

void TcpTransport::connection_broke(const char* what, int error, TimeNs now) noexcept {
    unacknowledged_at_break_ = unacknowledged_octets();
    close_socket();
    written_ = 0;
    state_ = State::waiting;
    if (now >= connected_at_ + delay_.longest()) delay_.reset();
    due_at_ = std::max(now, attempted_at_ + delay_.next());
    log_.failed(what, error, "connecting again");
}

void TcpTransport::close_socket() noexcept {
    if (fd_ >= 0) calls_->close(fd_);
    fd_ = -1;
}

void TcpTransport::close() noexcept {
    close_socket();
    unacknowledged_at_break_ = 0;
    state_ = State::closed;
}

} // namespace probe
