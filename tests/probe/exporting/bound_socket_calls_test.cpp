// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/bound_socket_calls.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tests/support/catch.hpp"

using probe::BoundSocketCalls;
using probe::SocketOptions;

namespace {

int option(BoundSocketCalls& calls, int fd, int level, int name) {
    int value = -1;
    CHECK(calls.get_option(fd, level, name, value) == 0);
    return value;
}

} // namespace

TEST_CASE("a socket leaves from the address, by the device, with the DSCP and hop limit asked for",
          "[sockets]") {
    BoundSocketCalls calls({.source = "127.0.0.7", .device = "lo", .dscp = 46, .hop_limit = 3});
    CHECK(calls.family() == AF_INET);
    const int type = GENERATE(SOCK_DGRAM, SOCK_STREAM);
    const int fd = calls.open(AF_INET, type, 0);
    REQUIRE(fd >= 0);
    CHECK(option(calls, fd, IPPROTO_IP, IP_TOS) == 46 << 2);
    CHECK(option(calls, fd, IPPROTO_IP, IP_TTL) == 3);
    std::array<char, IFNAMSIZ> device{};
    socklen_t length = device.size();
    REQUIRE(::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.data(), &length) == 0);
    CHECK(std::strcmp(device.data(), "lo") == 0);
    sockaddr_in own{};
    length = sizeof own;
    void* octets = &own;
    REQUIRE(::getsockname(fd, static_cast<sockaddr*>(octets), &length) == 0);
    CHECK(own.sin_addr.s_addr == inet_addr("127.0.0.7"));
    calls.close(fd);
}

TEST_CASE("the same over IPv6", "[sockets]") {
    BoundSocketCalls calls({.source = "::1", .device = "", .dscp = 8, .hop_limit = 255});
    CHECK(calls.family() == AF_INET6);
    const int fd = calls.open(AF_INET6, SOCK_DGRAM, 0);
    if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT) return; // a machine without IPv6
    REQUIRE(fd >= 0);
    CHECK(option(calls, fd, IPPROTO_IPV6, IPV6_TCLASS) == 8 << 2);
    CHECK(option(calls, fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS) == 255);
    calls.close(fd);
}

TEST_CASE("nothing asked for is nothing set", "[sockets]") {
    BoundSocketCalls calls(SocketOptions{});
    CHECK(calls.family() == AF_UNSPEC);
    const int fd = calls.open(AF_INET, SOCK_DGRAM, 0);
    REQUIRE(fd >= 0);
    CHECK(option(calls, fd, IPPROTO_IP, IP_TOS) == 0);
    calls.close(fd);
}

TEST_CASE("what the kernel refuses is the result of opening, and nothing stays open", "[sockets]") {
    BoundSocketCalls elsewhere({.source = "192.0.2.1", .device = "", .dscp = {}, .hop_limit = {}});
    CHECK(elsewhere.open(AF_INET, SOCK_DGRAM, 0) == -EADDRNOTAVAIL);
    BoundSocketCalls nowhere({.source = "", .device = "nosuch0", .dscp = {}, .hop_limit = {}});
    CHECK(nowhere.open(AF_INET, SOCK_DGRAM, 0) == -ENODEV);
    CHECK_THROWS_WITH(
        BoundSocketCalls({.source = "x..y", .device = "", .dscp = {}, .hop_limit = {}}),
        Catch::Contains("has no address"));
}
