// SPDX-License-Identifier: BSD-3-Clause
// One SCTP association as the transport needs it (RFC 9260, its sockets RFC 6458), whoever runs the
// protocol: the kernel (kernel_sctp.hpp), or a stack in this process (userspace_sctp.hpp), or a
// test.
//
// Thread: the exporter's lcore. Nothing blocks and nothing calls back: what happened is asked for.
// Results below 0 are -errno.
#pragma once

#include <cstdint>
#include <string_view>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// One user message; arrives whole or not at all.
struct SctpMessage {
    Bytes octets;
    std::uint16_t stream = 0;
    std::uint32_t context = 0; ///< comes back in message_failed
    /// Given up when not acknowledged by then (RFC 3758); 0: never. The kernel's never is.
    std::uint32_t lifetime_ms = 0;
};

struct SctpEvent {
    enum class Kind : std::uint8_t {
        none,           ///< nothing more happened
        up,             ///< messages can be sent
        restarted,      ///< up again: the peer has forgotten everything (RFC 9260 section 5.2)
        peer_closes,    ///< the peer takes no more messages; lost follows
        lost,           ///< over, in order (error 0) or not; the failed messages are told with it
        dry,            ///< everything sent was acknowledged
        message_failed, ///< will not arrive
    };
    Kind kind = Kind::none;
    int error = 0;             ///< lost: errno
    std::uint32_t context = 0; ///< message_failed
};

/// An association's end on the way to being told: messages that failed with it come first, `lost`
/// is last.
struct SctpEnding {
    bool begun = false;
    bool told = false;
    int error = 0; ///< errno; 0: in order
};

/// What a socket gave: `octets` as recvmsg(), but -errno.
struct SctpReceived {
    std::int64_t octets = 0;
    bool notification = false;
};

/// Times that make a silent peer be noticed, busy or idle, within `peer_timeout`: the
/// retransmission timeout grows from 0.5 s to a fifth of it, heartbeats follow a fifteenth of it
/// after the last answer, and the fourth that stays unanswered ends the association.
struct SctpTimes {
    explicit constexpr SctpTimes(TimeNs peer_timeout) noexcept
        : rto_max_ms(static_cast<std::uint32_t>(peer_timeout / kNsPerMs / 5)),
          rto_initial_ms(rto_max_ms < 1000 ? rto_max_ms : 1000),
          rto_min_ms(rto_max_ms < 500 ? rto_max_ms : 500),
          heartbeat_ms(static_cast<std::uint32_t>(peer_timeout / kNsPerMs / 15)) {}
    std::uint32_t rto_max_ms;
    std::uint32_t rto_initial_ms;
    std::uint32_t rto_min_ms;
    std::uint32_t heartbeat_ms;
    std::uint16_t retransmissions_max = 3;
};

class SctpAssociation {
  public:
    virtual ~SctpAssociation() = default;

    /// Starts a new association; up or lost tells how that ended.
    [[nodiscard]] virtual int open(TimeNs now) noexcept = 0;
    /// Packets and timers, where those are ours.
    virtual void step(TimeNs now) noexcept = 0;
    /// How often step() and next_event() are worth a call.
    [[nodiscard]] virtual TimeNs look_interval() const noexcept = 0;
    [[nodiscard]] virtual SctpEvent next_event() noexcept = 0;
    /// 0: taken whole; nothing of it otherwise.
    [[nodiscard]] virtual int send(const SctpMessage& message) noexcept = 0;
    /// Tells dry (again) as soon as it is so.
    virtual void ask_dry() noexcept = 0;
    /// The largest message that needs one packet; 0: not known.
    [[nodiscard]] virtual std::size_t packet_octets() noexcept = 0;
    /// Of the association that is up: streams that messages can be sent on, from 0 on.
    [[nodiscard]] virtual std::uint16_t streams() noexcept = 0;
    /// No more messages; when those sent are acknowledged the association ends, and lost tells so.
    virtual void shut_down() noexcept = 0;
    /// Ends it at once. The failed messages are still told.
    virtual void abort() noexcept = 0;
    /// Forgets it.
    virtual void close() noexcept = 0;
    /// For the operator: who runs the protocol.
    [[nodiscard]] virtual const char* description() const noexcept = 0;
};

} // namespace probe
