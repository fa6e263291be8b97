// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/stream_source.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace probe {

namespace {

constexpr std::size_t kReadOctets = std::size_t{256} * 1024;
constexpr unsigned kReadsAtOnce = 16; // then the others have their turn

} // namespace

class StreamSource::Stream final : public Connection {
  public:
    /// `tls` nullptr: plain TCP. `log` outlives it.
    Stream(int fd, std::unique_ptr<ReceivedSession> session, std::unique_ptr<TlsConnection> tls,
           const LogLine& log)
        : Connection(fd, std::move(session)), tls_(std::move(tls)), log_(log) {}

    void read(std::span<std::uint8_t> buffer, const SessionBook& book, TimeNs now) override;

  private:
    /// As recv(), but -errno.
    [[nodiscard]] std::int64_t receive(std::span<std::uint8_t> buffer);

    std::unique_ptr<TlsConnection> tls_;
    const LogLine& log_;
};

std::int64_t StreamSource::Stream::receive(std::span<std::uint8_t> buffer) {
    if (!tls_) {
        const ssize_t octets = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return octets < 0 ? -errno : octets;
    }
    const std::int64_t octets = tls_->read(buffer);
    if (const std::string news = tls_->take_news(); !news.empty()) {
        log_(session().name() + ": " + news);
    }
    return octets;
}

void StreamSource::Stream::read(std::span<std::uint8_t> buffer, const SessionBook& book,
                                TimeNs now) {
    for (unsigned i = 0; i < kReadsAtOnce && !book.enough() && over().empty(); ++i) {
        const std::int64_t octets = receive(buffer);
        if (octets == -EAGAIN || octets == -EINTR) {
            return;
        }
        if (octets <= 0) {
            if (octets < 0 && tls_) {
                set_over(tls_->why());
            } else {
                set_ended(static_cast<int>(-octets));
            }
        } else if (!session().stream(buffer.first(static_cast<std::size_t>(octets)), now)) {
            set_over("closed here: what comes cannot be followed");
        }
    }
}

StreamSource::StreamSource(const CollectorOptions& where, LogLine log)
    : AcceptingSource(open_bound_socket(where, SOCK_STREAM), kReadOctets), log_(std::move(log)) {
    if (where.transport == TransportKind::tls) {
        tls_.emplace(TlsCarrier::stream, where.tls);
    }
    listen(where);
}

std::unique_ptr<AcceptingSource::Connection> StreamSource::accepted(int fd,
                                                                    const SocketAddress& from,
                                                                    SessionBook& book) {
    auto session =
        book.begin((tls_ ? "tls " : "tcp ") + address_text(from), ipfix::SessionKind::stream);
    return std::make_unique<Stream>(fd, std::move(session), tls_ ? tls_->accept(fd) : nullptr,
                                    log_);
}

} // namespace probe
