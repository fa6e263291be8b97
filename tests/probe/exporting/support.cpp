// SPDX-License-Identifier: BSD-3-Clause
#include "tests/probe/exporting/support.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <numeric>

#include "encoder/information_elements.hpp"
#include "encoder/wire_format.hpp"
#include "tests/support/catch.hpp"

namespace exporting_test {
namespace {

constexpr int kPatienceMs = 1000;
constexpr std::uint16_t kPacketDeltaCount = 2;

Octets record(std::size_t address_octets, std::uint64_t number) {
    Octets octets(address_octets + sizeof number, 0x20);
    ipfix::store_be(octets.data() + address_octets, number);
    return octets;
}

ipfix::TemplateRecord address_and_count(std::uint16_t id, const char* address,
                                        std::uint16_t length) {
    return {id,
            address,
            {{ipfix::find_element(address), length, false, true},
             {ipfix::find_element("packetDeltaCount"), 8, false}}};
}

} // namespace

const std::vector<ipfix::TemplateRecord>& templates() {
    static const std::vector<ipfix::TemplateRecord> both = {
        address_and_count(256, "sourceIPv4Address", 4),
        address_and_count(257, "sourceIPv6Address", 16),
    };
    return both;
}

Octets ipv4_record(std::uint64_t number) {
    return record(4, number);
}

Octets ipv6_record(std::uint64_t number) {
    return record(16, number);
}

std::vector<std::uint64_t> numbers(const strict::Decoder& decoder) {
    std::vector<std::uint64_t> found;
    for (const strict::Record& record : decoder.records()) {
        found.push_back(record.number(kPacketDeltaCount));
    }
    return found;
}

std::vector<std::uint64_t> counting(std::uint64_t first, std::uint64_t count) {
    std::vector<std::uint64_t> expected(count);
    std::iota(expected.begin(), expected.end(), first);
    return expected;
}

probe::SendVerdict ScriptedTransport::send(probe::Bytes message, probe::TimeNs) noexcept {
    probe::SendVerdict verdict = probe::SendVerdict::sent;
    if (!state_->answers.empty()) {
        verdict = state_->answers.front();
        state_->answers.pop_front();
    }
    auto& where = verdict == probe::SendVerdict::sent ? state_->messages : state_->refused;
    where.emplace_back(message.begin(), message.end());
    if (verdict == probe::SendVerdict::session_lost) state_->connected = false;
    if (verdict == probe::SendVerdict::too_large) {
        state_->octets_max = state_->octets_max_after_too_large;
    }
    return verdict;
}

probe::CollectorOptions collector_named(const std::string& url) {
    probe::CollectorOptions collector;
    collector.url = url;
    return collector;
}

Bench::Bench(probe::ExportOptions options, std::uint32_t first_sequence,
             probe::OptionsRecords* options_records, probe::CollectorOptions collector,
             const probe::CommonProperties* common)
    : session(std::move(collector), options, kDomain, templates(),
              std::make_unique<ScriptedTransport>(wire), options_records, first_sequence, common) {}

void Bench::append(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t number = first; number < first + count; ++number) {
        session.append({0, ipv4_record(number), {number, 100 * number}}, now);
    }
    check_balance(session.ledger());
}

void Bench::step(probe::TimeNs later) {
    now += later;
    session.step(now);
    check_balance(session.ledger());
}

strict::Decoder Bench::decode(strict::Rules rules) const {
    strict::Decoder decoder(rules);
    for (const Octets& message : wire->messages)
        decoder.message(message);
    INFO(decoder.complaint());
    CHECK(decoder.violations().empty());
    return decoder;
}

void check_balance(const probe::SessionLedger& ledger) {
    INFO("offered " << ledger.offered.records << " sent " << ledger.sent.records << " queued "
                    << ledger.queued.records << " lost " << ledger.lost_total().records);
    CHECK(ledger.balances());
}

LoopbackSocket::LoopbackSocket(int type, bool ipv6, std::uint16_t port, int receive_octets) {
    fd_ = ::socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    REQUIRE(fd_ >= 0);
    const int yes = 1;
    REQUIRE(::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    if (receive_octets > 0) {
        REQUIRE(::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_octets, sizeof receive_octets) ==
                0);
    }
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_addr = in6addr_loopback;
    in6.sin6_port = htons(port);
    sockaddr_in in4{};
    in4.sin_family = AF_INET;
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in4.sin_port = htons(port);
    sockaddr_storage storage{};
    socklen_t length = ipv6 ? sizeof in6 : sizeof in4;
    if (ipv6)
        std::memcpy(&storage, &in6, sizeof in6);
    else
        std::memcpy(&storage, &in4, sizeof in4);
    void* const address = &storage;
    REQUIRE(::bind(fd_, static_cast<sockaddr*>(address), length) == 0);
    REQUIRE(::getsockname(fd_, static_cast<sockaddr*>(address), &length) == 0);
    // Both families keep the port at the same place.
    std::memcpy(&in4, &storage, sizeof in4);
    port_ = ntohs(in4.sin_port);
    if (type == SOCK_STREAM) REQUIRE(::listen(fd_, 8) == 0);
}

Octets LoopbackSocket::datagram() const {
    pollfd poller{fd_, POLLIN, 0};
    if (::poll(&poller, 1, kPatienceMs) != 1) return {};
    Octets octets(65536);
    const ssize_t length = ::recv(fd_, octets.data(), octets.size(), 0);
    octets.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return octets;
}

int LoopbackSocket::accept() const {
    pollfd poller{fd_, POLLIN, 0};
    REQUIRE(::poll(&poller, 1, kPatienceMs) == 1);
    const int connection = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(connection >= 0);
    return connection;
}

void LoopbackSocket::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Octets read_stream(int fd, std::size_t octets) {
    Octets all;
    pollfd poller{fd, POLLIN, 0};
    while (all.size() < octets && ::poll(&poller, 1, kPatienceMs) == 1) {
        std::array<std::uint8_t, 65536> piece;
        const ssize_t length = ::recv(fd, piece.data(), piece.size(), 0);
        if (length <= 0) break;
        all.insert(all.end(), piece.begin(), piece.begin() + length);
    }
    return all;
}

void reset_connection(int fd) {
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    ::close(fd);
}

} // namespace exporting_test
