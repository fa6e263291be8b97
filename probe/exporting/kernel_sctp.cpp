// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/kernel_sctp.hpp"

#include <linux/sctp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "probe/exporting/sctp_sockets.hpp"

namespace probe {
namespace {

constexpr TimeNs kLookInterval = 10 * kNsPerMs;

/// An option whose value is a structure.
struct SetOption {
    int fd;
    template <typename Value>
    int operator()(int option, const Value& value) const noexcept {
        return ::setsockopt(fd, IPPROTO_SCTP, option, &value, sizeof value) < 0 ? -errno : 0;
    }
};

/// Zeros where there is no association.
sctp_status status_of(int fd) noexcept {
    sctp_status status{};
    socklen_t length = sizeof status;
    if (::getsockopt(fd, IPPROTO_SCTP, SCTP_STATUS, &status, &length) < 0) return {};
    return status;
}

} // namespace

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): what the kernel wrote is read
KernelSctp::KernelSctp(const std::string& host, std::uint16_t port, SctpTimes times,
                       std::shared_ptr<SocketCalls> calls, std::uint16_t streams)
    : calls_(std::move(calls)),
      addresses_(resolve(host, port, calls_->family())),
      times_(times),
      streams_(streams) {}

KernelSctp::~KernelSctp() {
    close();
}

bool KernelSctp::available() noexcept {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

TimeNs KernelSctp::look_interval() const noexcept {
    return kLookInterval;
}

int KernelSctp::open(TimeNs /*now*/) noexcept {
    close();
    const SocketAddress& address = addresses_[address_];
    address_ = (address_ + 1) % addresses_.size();
    fd_ = calls_->open(address.storage.ss_family, SOCK_STREAM, IPPROTO_SCTP);
    if (fd_ < 0) return fd_;
    int error = set_up(fd_);
    if (error == 0) error = calls_->connect(fd_, address);
    if (error < 0 && error != -EINPROGRESS) {
        close();
        return error;
    }
    connecting_ = true;
    ending_ = {};
    return 0;
}

int KernelSctp::set_up(int fd) noexcept {
    const SetOption set{fd};
    const int error = set_up_association(set, times_, streams_);
    return error == 0 ? set(SCTP_PEER_ADDR_PARAMS, path_parameters(times_)) : error;
}

SctpEvent KernelSctp::next_event() noexcept {
    if (fd_ < 0) return {};
    if (connecting_) {
        if (calls_->writable(fd_) <= 0) return {};
        connecting_ = false;
        int error = 0;
        if (calls_->get_option(fd_, SOL_SOCKET, SO_ERROR, error) < 0) error = EIO;
        if (error != 0) {
            ending_ = {.begun = true, .told = true, .error = error};
            return {.kind = SctpEvent::Kind::lost, .error = error, .context = 0};
        }
    }
    return event_from([this]() noexcept { return receive(); }, notification_, ending_);
}

SctpReceived KernelSctp::receive() noexcept {
    iovec whole{notification_.data(), notification_.size()};
    msghdr header{};
    header.msg_iov = &whole;
    header.msg_iovlen = 1;
    ssize_t octets = 0;
    do {
        octets = ::recvmsg(fd_, &header, MSG_DONTWAIT);
    } while (octets < 0 && errno == EINTR);
    return {.octets = octets < 0 ? -errno : octets,
            .notification = (header.msg_flags & MSG_NOTIFICATION) != 0};
}

int KernelSctp::send_with_flags(const SctpMessage& message, unsigned flags) noexcept {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(sctp_sndinfo))> control{};
    // iovec and sendmsg do not write to what they send
    iovec whole{const_cast<std::uint8_t*>(message.octets.data()), message.octets.size()};
    msghdr header{};
    header.msg_iov = &whole;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    sctp_sndinfo info{};
    info.snd_sid = message.stream;
    info.snd_flags = static_cast<std::uint16_t>(flags);
    info.snd_context = message.context;
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = IPPROTO_SCTP;
    part->cmsg_type = SCTP_SNDINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
    return ::sendmsg(fd_, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int KernelSctp::send(const SctpMessage& message) noexcept {
    return send_with_flags(message, 0);
}

void KernelSctp::ask_dry() noexcept {
    static_cast<void>(subscribe(SetOption{fd_}, SCTP_SENDER_DRY_EVENT));
}

std::size_t KernelSctp::packet_octets() noexcept {
    return status_of(fd_).sstat_fragmentation_point;
}

std::uint16_t KernelSctp::streams() noexcept {
    return status_of(fd_).sstat_outstrms;
}

void KernelSctp::shut_down() noexcept {
    ::shutdown(fd_, SHUT_WR);
}

void KernelSctp::abort() noexcept {
    if (fd_ >= 0 && !ending_.told) static_cast<void>(send_with_flags({}, SCTP_ABORT));
}

void KernelSctp::close() noexcept {
    if (fd_ >= 0) calls_->close(fd_);
    fd_ = -1;
}

} // namespace probe
