// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sinks.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "probe/exporting/open_sink.hpp"

namespace bench {
namespace {

constexpr int kPollMs = 20; // how soon the collector's thread sees the end

std::uint64_t load64(probe::Bytes octets) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, octets.data(), std::min(octets.size(), sizeof value));
    return value;
}

bool readable(int fd) noexcept {
    pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&one, 1, kPollMs) > 0;
}

} // namespace

void pin_thread(int cpu) noexcept {
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(cpu), &set);
        (void)sched_setaffinity(0, sizeof set, &set); // unpinned is only noisier
    }
}

std::unique_ptr<probe::RecordSink> open_network_sink(const probe::RecordBinding& binding,
                                                     const probe::CollectorOptions& collector) {
    probe::ExportOptions options;
    options.collectors = {collector};
    return probe::open_sink(collector, options, 1, binding.templates(), nullptr, {}, 1);
}

void NullSink::append(const probe::DataRecord& record, probe::TimeNs /*now*/) noexcept {
    checksum_ += record.template_index + load64(record.octets) + record.octets.back();
    ledger_.offered.add(record.weight);
    ledger_.sent.add(record.weight);
}

LoopbackCollector::LoopbackCollector(probe::TransportKind transport, int cpu)
    : transport_(transport) {
    const bool udp = transport == probe::TransportKind::udp;
    socket_ = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    constexpr int kBuffer = 64 << 20;
    if (setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer) != 0) {
        (void)setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &kBuffer, sizeof kBuffer);
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (socket_ < 0 || bind(socket_, generic, length) != 0 ||
        getsockname(socket_, generic, &length) != 0 || (!udp && listen(socket_, 4) != 0)) {
        throw std::runtime_error(std::string("the loopback collector: ") + std::strerror(errno));
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, udp, cpu] {
        pin_thread(cpu);
        udp ? take_datagrams(socket_) : take_streams(socket_);
    });
}

LoopbackCollector::~LoopbackCollector() {
    stopping_.store(true);
    thread_.join();
    close(socket_);
}

std::unique_ptr<probe::RecordSink> LoopbackCollector::open_sink(const probe::RecordBinding& binding,
                                                                probe::ExportFormat format) const {
    const bool udp = transport_ == probe::TransportKind::udp;
    probe::CollectorOptions collector;
    collector.url = std::string(udp ? "udp" : "tcp") + "://127.0.0.1:" + std::to_string(port_);
    collector.transport = transport_;
    collector.format = format;
    collector.host = "127.0.0.1";
    collector.port = port_;
    return open_network_sink(binding, collector);
}

void LoopbackCollector::take_datagrams(int socket) {
    constexpr unsigned kDatagrams = 64;
    constexpr std::size_t kOctets = 65'536;
    std::vector<std::uint8_t> buffer(kDatagrams * kOctets);
    std::array<iovec, kDatagrams> parts{};
    std::array<mmsghdr, kDatagrams> headers{};
    for (unsigned i = 0; i < kDatagrams; ++i) {
        parts[i] = {.iov_base = buffer.data() + i * kOctets, .iov_len = kOctets};
        headers[i].msg_hdr.msg_iov = &parts[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    while (!stopping_.load()) {
        if (!readable(socket)) {
            continue;
        }
        const int count = recvmmsg(socket, headers.data(), kDatagrams, MSG_DONTWAIT, nullptr);
        for (int i = 0; i < count; ++i) {
            octets_.fetch_add(headers[static_cast<std::size_t>(i)].msg_len);
        }
        messages_.fetch_add(count > 0 ? static_cast<std::uint64_t>(count) : 0);
    }
}

void LoopbackCollector::take_streams(int socket) {
    std::vector<std::uint8_t> buffer(std::size_t{1} << 20);
    int stream = -1;
    while (!stopping_.load()) {
        if (!readable(stream < 0 ? socket : stream)) {
            continue;
        }
        if (stream < 0) {
            stream = accept4(socket, nullptr, nullptr, SOCK_CLOEXEC);
            continue;
        }
        const ssize_t got = read(stream, buffer.data(), buffer.size());
        if (got <= 0) {
            close(stream);
            stream = -1;
            continue;
        }
        octets_.fetch_add(static_cast<std::uint64_t>(got));
    }
    if (stream >= 0) {
        close(stream);
    }
}

} // namespace bench
