// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/kernel_drops.hpp"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string>

namespace probe {
namespace {

/// PACKET_STATISTICS starts anew with every reading, so readings are added up (and a driver that
/// reads it too takes its share: the sum with the driver's own count stays right).
std::uint64_t af_packet_drops(int socket) noexcept {
    tpacket_stats statistics{};
    socklen_t length = sizeof statistics;
    return getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0
               ? statistics.tp_drops
               : 0;
}

/// The driver reports rx_dropped itself.
std::uint64_t af_xdp_ring_full(int socket) noexcept {
    xdp_statistics statistics{};
    socklen_t length = sizeof statistics;
    return getsockopt(socket, SOL_XDP, XDP_STATISTICS, &statistics, &length) == 0
               ? statistics.rx_ring_full
               : 0;
}

std::uint64_t number_in(const char* path) noexcept {
    std::array<char, 24> text{};
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? 0 : read(file, text.data(), text.size());
    if (file >= 0) {
        close(file);
    }
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + std::max<ssize_t>(length, 0), number);
    return number;
}

bool belongs(int descriptor, int family, unsigned if_index) {
    int domain = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != family) {
        return false;
    }
    if (family != AF_PACKET) {
        return true;
    }
    sockaddr_storage address{};
    length = sizeof address;
    // getsockname wants the general type; the storage is aligned for every one of them.
    if (getsockname(descriptor, static_cast<sockaddr*>(static_cast<void*>(&address)), &length) !=
        0) {
        return false;
    }
    const auto* link = static_cast<const sockaddr_ll*>(static_cast<const void*>(&address));
    return link->sll_ifindex == static_cast<int>(if_index);
}

} // namespace

std::vector<int> open_sockets(int family, unsigned if_index) {
    std::vector<int> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
        const std::string name = entry.path().filename();
        int descriptor = -1;
        std::from_chars(name.data(), name.data() + name.size(), descriptor);
        if (descriptor >= 0 && belongs(descriptor, family, if_index)) {
            found.push_back(descriptor);
        }
    }
    return found;
}

KernelDrops::~KernelDrops() {
    forget();
}

void KernelDrops::watch(int family, const std::vector<int>& sockets) {
    forget();
    family_ = family;
    for (const int socket : sockets) {
        const int copy = fcntl(socket, F_DUPFD_CLOEXEC, 3);
        if (copy >= 0) {
            sockets_.push_back(copy);
        }
    }
    if (family_ == AF_PACKET) {
        (void)packets(); // what was dropped before anybody could read
    }
    dropped_ = 0;
}

void KernelDrops::watch_tap(unsigned if_index) {
    forget();
    std::array<char, IF_NAMESIZE> name{};
    if (if_indextoname(if_index, name.data()) != nullptr) {
        tap_counter_ = std::string("/sys/class/net/") + name.data() + "/statistics/tx_dropped";
    }
}

void KernelDrops::forget() noexcept {
    tap_counter_.clear();
    for (const int socket : sockets_) {
        close(socket);
    }
    sockets_.clear();
}

std::uint64_t KernelDrops::packets() noexcept {
    if (!tap_counter_.empty()) {
        return number_in(tap_counter_.c_str());
    }
    std::uint64_t now = 0;
    for (const int socket : sockets_) {
        now += family_ == AF_PACKET ? af_packet_drops(socket) : af_xdp_ring_full(socket);
    }
    dropped_ = family_ == AF_PACKET ? dropped_ + now : now;
    return dropped_;
}

} // namespace probe
