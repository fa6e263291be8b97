// SPDX-License-Identifier: BSD-3-Clause
// A listening socket of the kernel's and a session for each connection that it accepts, whatever
// the transport: what TCP, TLS and the kernel's SCTP have in common. The transport says how a
// connection is read. Used by the collector's thread alone.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "probe/collecting/message_source.hpp"

namespace probe {

class AcceptingSource : public MessageSource {
  public:
    ~AcceptingSource() override;
    AcceptingSource(const AcceptingSource&) = delete;
    AcceptingSource& operator=(const AcceptingSource&) = delete;

    void append_polls(std::vector<pollfd>& polls) const final;
    void take(SessionBook& book, TimeNs now) final;
    void close(SessionBook& book) final;
    [[nodiscard]] std::uint16_t port() const noexcept final { return bound_port(listener_); }

  protected:
    /// One that was accepted; its file descriptor is the source's.
    class Connection {
      public:
        Connection(int fd, std::unique_ptr<ReceivedSession> session) noexcept
            : fd_(fd), session_(std::move(session)) {}
        virtual ~Connection() = default;
        Connection(const Connection&) = delete;
        Connection& operator=(const Connection&) = delete;

        /// Gives the session what is there, by `buffer`; never waits.
        virtual void read(std::span<std::uint8_t> buffer, const SessionBook& book, TimeNs now) = 0;

        [[nodiscard]] int fd() const noexcept { return fd_; }
        [[nodiscard]] ReceivedSession& session() const noexcept { return *session_; }
        /// Why it is over; empty: it goes on.
        [[nodiscard]] const std::string& over() const noexcept { return over_; }

      protected:
        void set_over(std::string why) { over_ = std::move(why); }
        /// A read gave 0 or `error`, an errno.
        void set_ended(int error);

      private:
        int fd_;
        std::unique_ptr<ReceivedSession> session_;
        std::string over_;
    };

    /// Owns `listener`, a bound socket; `buffer_octets`: what a connection may read at once.
    AcceptingSource(int listener, std::size_t buffer_octets);
    /// After the socket has all its options. Throws std::runtime_error.
    void listen(const CollectorOptions& where);
    [[nodiscard]] int listener() const noexcept { return listener_; }

    [[nodiscard]] virtual std::unique_ptr<Connection> accepted(int fd, const SocketAddress& from,
                                                               SessionBook& book) = 0;

  private:
    void accept_all(SessionBook& book);
    void stop_listening() noexcept;

    int listener_;
    std::vector<std::uint8_t> buffer_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

} // namespace probe
