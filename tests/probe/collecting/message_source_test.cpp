// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/message_source.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

/// A TCP connection to this machine, or -1.
int connect_to(std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    void* octets = &to;
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, static_cast<sockaddr*>(octets), sizeof to) == 0) {
        return fd;
    }
    ::close(fd);
    return -1;
}

/// What a collector hears of its sessions; `on_end` runs while one ends.
struct Heard : SessionBook {
    std::unique_ptr<ReceivedSession> begin(const std::string& name,
                                           ipfix::SessionKind kind) override {
        ++begun;
        return std::make_unique<ReceivedSession>(name, ipfix::CheckOptions{.kind = kind}, nullptr,
                                                 [](ipfix::Rule, const ipfix::Finding&) {});
    }
    void end(ReceivedSession& session, const std::string& why) override {
        session.end();
        reasons.push_back(why);
        on_end();
    }
    [[nodiscard]] bool enough() const noexcept override { return false; }

    std::function<void()> on_end = [] {};
    int begun = 0;
    std::vector<std::string> reasons;
};

std::unique_ptr<MessageSource> tcp_source() {
    CollectorOptions where;
    where.url = "tcp://127.0.0.1:0";
    where.transport = TransportKind::tcp;
    where.host = "127.0.0.1";
    where.port = 0;
    return open_message_source(where, [](const std::string&) {});
}

} // namespace

TEST_CASE("a source that closes listens no longer when its sessions end", "[collecting]") {
    const auto source = tcp_source();
    const std::uint16_t port = source->port();
    Heard heard;
    const int exporter = connect_to(port);
    REQUIRE(exporter >= 0);
    source->take(heard, 0);
    REQUIRE(heard.begun == 1);
    int again = 0;
    heard.on_end = [&] { again = connect_to(port); };
    source->close(heard);
    CHECK(heard.reasons == std::vector<std::string>{""});
    CHECK(again == -1);
    ::close(exporter);
}

TEST_CASE("a connection that its exporter closed ends while the others go on", "[collecting]") {
    const auto source = tcp_source();
    Heard heard;
    const int first = connect_to(source->port());
    const int second = connect_to(source->port());
    source->take(heard, 0);
    REQUIRE(heard.begun == 2);
    ::close(first);
    source->take(heard, 0);
    CHECK(heard.reasons == std::vector<std::string>{"closed by the exporter"});
    ::close(second);
    source->take(heard, 0);
    CHECK(heard.reasons.size() == 2);
}
