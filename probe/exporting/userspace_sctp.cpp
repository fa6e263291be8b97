// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/userspace_sctp.hpp"

#include <usrsctp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "probe/exporting/sctp_sockets.hpp"

namespace probe {
namespace {

constexpr TimeNs kLookInterval = kNsPerMs;
constexpr TimeNs kTick = 10 * kNsPerMs; ///< of the library's timers
constexpr int kPacketsPerStep = 256;
constexpr int kSendBufferOctets = 512 * 1024;
/// When an association breaks, the library returns what was not sent or not acknowledged, as long
/// as this has room, and forgets the rest: all of the above, and a header each.
constexpr int kReceiveBufferOctets = 2 * kSendBufferOctets;
constexpr std::size_t kPortsOctets = 4;   ///< a packet begins with source and destination port
constexpr std::size_t kHeaderOctets = 12; ///< SCTP's own, which the library does not count
constexpr std::size_t kPathMtuMin = 512;  ///< the library takes no less

/// The library's one state: who sends for which address, and how late its timers are. It keeps an
/// association for a while after its socket was closed, so addresses are numbers, not objects.
class Stack {
  public:
    static Stack& get() noexcept {
        static Stack stack;
        return stack;
    }

    void* add(UserspaceSctp* association) {
        ++numbers_;
        // Never dereferenced. NOLINTNEXTLINE(performance-no-int-to-ptr)
        void* id = reinterpret_cast<void*>(numbers_);
        associations_.emplace_back(id, association);
        usrsctp_register_address(id);
        return id;
    }
    void remove(void* id) noexcept {
        usrsctp_deregister_address(id);
        std::erase_if(associations_, [id](const auto& one) { return one.first == id; });
    }
    void advance(TimeNs now) noexcept {
        if (now < advanced_to_) advanced_to_ = now; // another clock: a test's
        if (now < advanced_to_ + kTick) return;
        constexpr TimeNs kAtOnce = kNsPerSecond; // the first time, and after a pause
        const TimeNs passed = std::min(now - advanced_to_, kAtOnce);
        advanced_to_ = now;
        usrsctp_handle_timers(static_cast<std::uint32_t>(passed / kNsPerMs));
    }

  private:
    Stack() {
        usrsctp_init_nothreads(0, &Stack::output, nullptr);
        usrsctp_sysctl_set_sctp_ecn_enable(0); // the marks of the packets are not seen here
        usrsctp_sysctl_set_sctp_asconf_enable(0);
        usrsctp_sysctl_set_sctp_auth_enable(0);
    }

    static int output(void* id, void* packet, std::size_t octets, std::uint8_t /*tos*/,
                      std::uint8_t /*dont_fragment*/) {
        for (const auto& [known, association] : get().associations_) {
            if (known != id) continue;
            association->send_packet({static_cast<const std::uint8_t*>(packet), octets});
            return 0;
        }
        return ENETDOWN;
    }

    std::vector<std::pair<void*, UserspaceSctp*>> associations_;
    std::uintptr_t numbers_ = 0;
    TimeNs advanced_to_ = 0;
};

/// An option whose value is a structure.
struct SetOption {
    struct ::socket* socket;
    template <typename Value>
    int operator()(int option, const Value& value) const noexcept {
        return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, &value, sizeof value) < 0 ? -errno
                                                                                          : 0;
    }
};

/// Zeros where there is no association.
sctp_status status_of(struct ::socket* socket) noexcept {
    sctp_status status{};
    socklen_t length = sizeof status;
    if (socket == nullptr ||
        usrsctp_getsockopt(socket, IPPROTO_SCTP, SCTP_STATUS, &status, &length) < 0) {
        return {};
    }
    return status;
}

sockaddr_conn address_of(void* id, std::uint16_t port) noexcept {
    sockaddr_conn address{};
    address.sconn_family = AF_CONN;
    address.sconn_port = htons(port);
    address.sconn_addr = id;
    return address;
}

sockaddr* as_sockaddr(sockaddr_conn& address) noexcept {
    void* octets = &address; // the one pointer type of the sockets interface
    return static_cast<sockaddr*>(octets);
}

/// What a raw IPv4 socket receives begins with the IP header.
Bytes without_ip_header(Bytes packet) noexcept {
    constexpr std::size_t kWordOctets = 4;
    const std::size_t header = packet.empty() ? 0 : (packet[0] & 0x0FU) * kWordOctets;
    return packet.subspan(std::min(header, packet.size()));
}

} // namespace

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): what arrived in buffer_ is read
UserspaceSctp::UserspaceSctp(const Peer& peer, SctpTimes times, std::shared_ptr<SocketCalls> calls)
    : datagrams_(
          peer.encapsulation != 0 ? DatagramSocket::Carrier::udp : DatagramSocket::Carrier::ip,
          peer.host, peer.encapsulation, 0, std::move(calls)),
      port_(peer.port),
      encapsulated_(peer.encapsulation != 0),
      streams_(peer.streams),
      times_(times) {
    if (const int error = encapsulated_ ? 0 : datagrams_.open(); error == -EPERM) {
        throw std::runtime_error(
            "this kernel has no SCTP, and SCTP on IP by the program itself needs root "
            "(CAP_NET_RAW): load the module sctp, or write {url: \"sctp://" +
            peer.host + "\", sctp: {encapsulation: 9899}} for SCTP in UDP");
    }
    datagrams_.close();
    id_ = Stack::get().add(this);
}

UserspaceSctp::~UserspaceSctp() {
    close();
    Stack::get().remove(id_);
}

const char* UserspaceSctp::description() const noexcept {
    return encapsulated_ ? "libusrsctp, in UDP" : "libusrsctp";
}

TimeNs UserspaceSctp::look_interval() const noexcept {
    return kLookInterval;
}

int UserspaceSctp::open(TimeNs now) noexcept {
    close();
    if (const int error = datagrams_.open(); error < 0) return error;
    Stack::get().advance(now);
    ending_ = {};
    shrank_ = false;
    socket_ = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
    int error = socket_ == nullptr ? -errno : set_up();
    if (error == 0) {
        sockaddr_conn own = address_of(id_, 0);
        if (usrsctp_bind(socket_, as_sockaddr(own), sizeof own) < 0) error = -errno;
    }
    if (error == 0) {
        sockaddr_conn theirs = address_of(id_, port_);
        if (usrsctp_connect(socket_, as_sockaddr(theirs), sizeof theirs) < 0 &&
            errno != EINPROGRESS) {
            error = -errno;
        }
    }
    if (error < 0) close();
    return error;
}

int UserspaceSctp::set_up() noexcept {
    if (usrsctp_set_non_blocking(socket_, 1) < 0) return -errno;
    // close() then ends what shut_down() did not
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    if (usrsctp_setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0) {
        return -errno;
    }
    for (const auto& [option, octets] :
         {std::pair{SO_SNDBUF, kSendBufferOctets}, std::pair{SO_RCVBUF, kReceiveBufferOctets}}) {
        if (usrsctp_setsockopt(socket_, SOL_SOCKET, option, &octets, sizeof octets) < 0) {
            return -errno;
        }
    }
    const int error = set_up_association(SetOption{socket_}, times_, streams_);
    return error == 0 ? fit_packets_to_route() : error;
}

int UserspaceSctp::fit_packets_to_route() noexcept {
    sctp_paddrparams path = path_parameters(times_);
    path.spp_pathmtu = static_cast<std::uint32_t>(
        std::max<std::size_t>(datagrams_.payload_octets() - kHeaderOctets, kPathMtuMin));
    path.spp_flags |= SPP_PMTUD_DISABLE;
    return SetOption{socket_}(SCTP_PEER_ADDR_PARAMS, path);
}

void UserspaceSctp::send_packet(Bytes packet) noexcept {
    // A packet that the kernel does not take is lost like any other, and sent again by the library.
    const std::int64_t sent = datagrams_.send(packet);
    if (sent == -EMSGSIZE) shrank_ = datagrams_.shrink(packet.size());
}

/// On IP itself every association of this host with the peer is heard.
bool UserspaceSctp::is_ours(Bytes packet) const noexcept {
    if (packet.size() < kPortsOctets) return false;
    if (encapsulated_) return true;
    sockaddr* found = nullptr;
    if (socket_ == nullptr || usrsctp_getladdrs(socket_, 0, &found) <= 0) return false;
    const void* octets = found;
    const std::uint16_t own = ntohs(static_cast<const sockaddr_conn*>(octets)->sconn_port);
    usrsctp_freeladdrs(found);
    const unsigned source = packet[0] * 256U + packet[1];
    const unsigned destination = packet[2] * 256U + packet[3];
    return source == port_ && destination == own;
}

void UserspaceSctp::step(TimeNs now) noexcept {
    if (!datagrams_.is_open()) return;
    for (int count = 0; count < kPacketsPerStep; ++count) {
        const std::int64_t octets = datagrams_.receive(buffer_);
        if (octets == -EAGAIN) break;
        if (octets <= 0) continue; // ICMP's word about an earlier packet: SCTP finds out itself
        Bytes packet(buffer_.data(), static_cast<std::size_t>(octets));
        if (!encapsulated_ && !datagrams_.ipv6()) packet = without_ip_header(packet);
        if (is_ours(packet)) usrsctp_conninput(id_, packet.data(), packet.size(), 0);
    }
    Stack::get().advance(now);
    if (std::exchange(shrank_, false) && socket_ != nullptr) {
        static_cast<void>(fit_packets_to_route());
    }
}

SctpEvent UserspaceSctp::next_event() noexcept {
    if (socket_ == nullptr) return {};
    return event_from([this]() noexcept { return receive(); }, buffer_, ending_);
}

SctpReceived UserspaceSctp::receive() noexcept {
    socklen_t from_length = 0;
    socklen_t info_length = 0;
    unsigned info_type = 0;
    int flags = 0;
    const ssize_t octets = usrsctp_recvv(socket_, buffer_.data(), buffer_.size(), nullptr,
                                         &from_length, nullptr, &info_length, &info_type, &flags);
    const bool nothing = octets < 0 && (errno == EAGAIN || errno == EINPROGRESS);
    return {.octets = nothing      ? -EAGAIN
                      : octets < 0 ? -errno
                                   : octets,
            .notification = (flags & MSG_NOTIFICATION) != 0};
}

int UserspaceSctp::send_with_flags(const SctpMessage& message, unsigned flags) noexcept {
    sctp_sendv_spa info{};
    info.sendv_flags = SCTP_SEND_SNDINFO_VALID;
    info.sendv_sndinfo.snd_sid = message.stream;
    info.sendv_sndinfo.snd_flags = static_cast<std::uint16_t>(flags);
    info.sendv_sndinfo.snd_context = message.context;
    if (message.lifetime_ms != 0) {
        info.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        info.sendv_prinfo.pr_policy = SCTP_PR_SCTP_TTL;
        info.sendv_prinfo.pr_value = message.lifetime_ms;
    }
    return usrsctp_sendv(socket_, message.octets.data(), message.octets.size(), nullptr, 0, &info,
                         sizeof info, SCTP_SENDV_SPA, 0) < 0
               ? -errno
               : 0;
}

int UserspaceSctp::send(const SctpMessage& message) noexcept {
    return socket_ == nullptr ? -ENOTCONN : send_with_flags(message, 0);
}

void UserspaceSctp::ask_dry() noexcept {
    if (socket_ != nullptr) static_cast<void>(subscribe(SetOption{socket_}, SCTP_SENDER_DRY_EVENT));
}

std::size_t UserspaceSctp::packet_octets() noexcept {
    return status_of(socket_).sstat_fragmentation_point;
}

std::uint16_t UserspaceSctp::streams() noexcept {
    return status_of(socket_).sstat_outstrms;
}

void UserspaceSctp::shut_down() noexcept {
    if (socket_ != nullptr) usrsctp_shutdown(socket_, SHUT_WR);
}

void UserspaceSctp::abort() noexcept {
    if (socket_ == nullptr || ending_.told) return;
    // no reason is given, but the library wants to know where it would be
    static_cast<void>(send_with_flags({.octets = Bytes(buffer_.data(), 0)}, SCTP_ABORT));
}

void UserspaceSctp::close() noexcept {
    if (socket_ != nullptr) usrsctp_close(socket_);
    socket_ = nullptr;
    datagrams_.close();
}

} // namespace probe
