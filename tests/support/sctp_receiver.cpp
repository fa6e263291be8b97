// SPDX-License-Identifier: BSD-3-Clause
// A collector over SCTP by libusrsctp for tests, with the library's own threads and its own sockets
// (so nothing of it is shared with what it judges), one association after the other:
//
//     sctp_receiver [--udp PORT] [--port PORT] [--stop-after MESSAGES] [--window OCTETS]
//                   [--streams COUNT]
//
// --udp: takes SCTP in UDP (RFC 6951) at this port; without it, on IP itself (root). --stop-after:
// reads so many messages and then none, so that its window closes. --streams: grants so many. A
// line an event on standard output:
//     listening | up | message STREAM HEX | shutdown | end
#include <arpa/inet.h>
#include <unistd.h>
#include <usrsctp.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

void say(const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
}

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

std::string hex(const std::uint8_t* octets, std::size_t count) {
    std::string text;
    text.reserve(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
        constexpr char kDigits[] = "0123456789abcdef";
        text += kDigits[octets[i] >> 4U];
        text += kDigits[octets[i] & 0x0FU];
    }
    return text;
}

/// Reads whole messages until the association ends, or `stop_after` of them.
void read_association(struct socket* association, unsigned long stop_after) {
    std::vector<std::uint8_t> buffer(65536);
    for (unsigned long messages = 0; messages < stop_after;) {
        sctp_rcvinfo info{};
        socklen_t info_length = sizeof info;
        socklen_t from_length = 0;
        unsigned info_type = 0;
        int flags = 0;
        const ssize_t octets = usrsctp_recvv(association, buffer.data(), buffer.size(), nullptr,
                                             &from_length, &info, &info_length, &info_type, &flags);
        if (octets <= 0) return;
        if ((flags & MSG_NOTIFICATION) != 0) {
            sctp_shutdown_event event{};
            std::memcpy(&event, buffer.data(), sizeof event);
            if (event.sse_type == SCTP_SHUTDOWN_EVENT) say("shutdown");
            continue;
        }
        if ((flags & MSG_EOR) == 0) fail("a message is larger than the buffer");
        ++messages;
        say("message " + std::to_string(info.rcv_sid) + " " +
            hex(buffer.data(), static_cast<std::size_t>(octets)));
    }
    while (true)
        pause();
}

} // namespace

int main(int count, char** words) {
    std::uint16_t udp = 0;
    std::uint16_t port = 4739;
    int window = 0;
    std::uint16_t streams = 0;
    unsigned long stop_after = ~0UL;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string option = words[i];
        const unsigned long value = std::strtoul(words[i + 1], nullptr, 10);
        if (option == "--udp") udp = static_cast<std::uint16_t>(value);
        if (option == "--port") port = static_cast<std::uint16_t>(value);
        if (option == "--streams") streams = static_cast<std::uint16_t>(value);
        if (option == "--window") window = static_cast<int>(value);
        if (option == "--stop-after") stop_after = value;
    }
    usrsctp_init(udp, nullptr, nullptr);
    usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
    struct socket* listener =
        usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
    if (listener == nullptr) fail("socket");
    const int on = 1;
    usrsctp_setsockopt(listener, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on);
    if (window > 0) {
        usrsctp_setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    }
    if (streams > 0) {
        sctp_initmsg begin{};
        begin.sinit_max_instreams = streams;
        usrsctp_setsockopt(listener, IPPROTO_SCTP, SCTP_INITMSG, &begin, sizeof begin);
    }
    sctp_event event{};
    event.se_assoc_id = SCTP_FUTURE_ASSOC;
    event.se_type = SCTP_SHUTDOWN_EVENT;
    event.se_on = 1;
    usrsctp_setsockopt(listener, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    void* octets = &address;
    if (usrsctp_bind(listener, static_cast<sockaddr*>(octets), sizeof address) < 0) fail("bind");
    if (usrsctp_listen(listener, 4) < 0) fail("listen");
    say("listening");
    while (true) {
        struct socket* association = usrsctp_accept(listener, nullptr, nullptr);
        if (association == nullptr) fail("accept");
        say("up");
        read_association(association, stop_after);
        usrsctp_close(association);
        say("end");
    }
}
