// SPDX-License-Identifier: BSD-3-Clause
// IPFIX over SCTP (RFC 7011 section 10.2): one user message an IPFIX message, each as large as a
// packet takes, ordered on its stream (0 unless its owner says another, sctp_streams.hpp), so that
// no data set can arrive before its template.
//
// Messages with templates are always reliable. Those with data sets only are too, unless they have
// a lifetime (RFC 3758): then one that is not acknowledged in time is given up and reported, so
// that its records move from sent to lost[abandoned]; their sequence numbers stay used, which shows
// the collector the gap (section 10.2.2).
//
// The association tells which messages did not arrive when it breaks, so those and no others are
// lost[connection_lost]. A peer that restarted within its association begins a session anew. The
// schedule of attempts is that of TCP's connections.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "probe/exporting/reconnect_delay.hpp"
#include "probe/exporting/sctp_association.hpp"
#include "probe/exporting/transport.hpp"
#include "probe/exporting/transport_log.hpp"

namespace probe {

class SctpTransport final : public Transport {
  public:
    /// `lifetime`: of messages with data sets only, kNever: reliable.
    SctpTransport(const std::string& name, std::unique_ptr<SctpAssociation> association,
                  TimeNs lifetime, const ConnectionTimes& times, LogLine log);
    ~SctpTransport() override;
    SctpTransport(const SctpTransport&) = delete;
    SctpTransport& operator=(const SctpTransport&) = delete;

    [[nodiscard]] bool step(TimeNs now) noexcept override;
    [[nodiscard]] SendVerdict send(Bytes message, TimeNs now) noexcept override {
        return send_on(0, message, now);
    }
    [[nodiscard]] SendVerdict send_on(std::uint16_t stream, Bytes message, TimeNs now) noexcept;
    /// Of the current association: streams that the peer takes messages on.
    [[nodiscard]] std::uint16_t streams() const noexcept { return streams_; }
    /// Messages sent in the current association.
    [[nodiscard]] std::uint32_t messages() const noexcept { return messages_; }
    [[nodiscard]] std::uint64_t sessions() const noexcept override { return sessions_; }
    /// An upper bound; not 0 until the peer has acknowledged everything.
    [[nodiscard]] std::uint64_t unacknowledged_octets() const noexcept override {
        return state_ == State::up ? in_flight_octets_ : 0;
    }
    [[nodiscard]] std::uint16_t max_message_octets() const noexcept override { return octets_max_; }
    [[nodiscard]] bool reliable() const noexcept override { return true; }
    [[nodiscard]] const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return log_.errors();
    }
    [[nodiscard]] std::optional<FailedMessage> take_failed() noexcept override;
    void abort() noexcept override;
    void close() noexcept override;
    /// SHUTDOWN, and true when the peer has answered it.
    [[nodiscard]] bool finish(TimeNs now) noexcept override;

  private:
    enum class State : std::uint8_t { waiting, connecting, up, shutting_down, closed };

    void connect(TimeNs now) noexcept;
    void look(TimeNs now) noexcept;
    void take(const SctpEvent& event) noexcept;
    void association_up(TimeNs now) noexcept;
    void association_over(TimeNs now) noexcept;

    TransportLog log_;
    const std::unique_ptr<SctpAssociation> association_;
    const std::uint32_t lifetime_ms_; ///< 0: never over
    ReconnectDelay delay_;
    const TimeNs peer_timeout_;
    const std::string connected_line_;

    State state_ = State::waiting;
    TimeNs due_at_ = 0; ///< waiting: next attempt; connecting: deadline
    TimeNs attempted_at_ = 0;
    TimeNs up_at_ = 0;
    TimeNs look_at_ = 0;
    std::uint64_t sessions_ = 0;
    std::uint32_t messages_ = 0; ///< sent in this session: the context of the next
    std::uint64_t in_flight_octets_ = 0;
    bool sent_since_look_ = false;
    std::uint16_t octets_max_;
    std::uint16_t streams_ = 1;
    std::vector<FailedMessage> failed_;
    std::size_t failed_taken_ = 0;

    // of one look:
    bool became_up_ = false;
    bool restarted_ = false;
    bool over_ = false;
    bool dry_ = false;
    bool peer_closes_ = false;
    int error_ = 0;
};

} // namespace probe
