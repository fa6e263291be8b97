// SPDX-License-Identifier: BSD-3-Clause
// Takes whole IPFIX messages to one receiver. Knows nothing of templates or sequence numbers; the
// session that owns it decides what is in a message and when it leaves.
//
// Thread: the exporter's lcore. Nothing blocks (a regular file's write is the exception the kernel
// leaves us). Errors: constructors throw std::runtime_error with the remedy; afterwards verdicts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "probe/exporting/session_ledger.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class SendVerdict : std::uint8_t {
    sent,        ///< the kernel has all of it
    would_block, ///< not now: offer the very same octets again (part of them may be gone already)
    too_large,   ///< nothing was sent; pack again to max_message_octets(), which shrank
    transient_error, ///< nothing was sent; the same records may be tried again a little later
    session_lost,    ///< the transport session is over; step() opens a new one when it is time
};

struct SeveralSent {
    std::size_t messages = 0;                ///< the first so many are sent
    SendVerdict verdict = SendVerdict::sent; ///< on the next one; sent: there is none
};

/// Reported as sent, and now known not to arrive.
struct FailedMessage {
    std::uint64_t number = 0; ///< how many were sent before it in the session
    bool expired = false;     ///< given up because its time was over, not because the session broke
};

class Transport {
  public:
    virtual ~Transport() = default;

    /// Opens or reopens the transport session when that is due and notices that it broke.
    /// True: messages can be sent now.
    [[nodiscard]] virtual bool step(TimeNs now) noexcept = 0;

    /// The session ends in order at the next step() (a file is full, or its time is over): what
    /// its owner has to say at the end goes now.
    [[nodiscard]] virtual bool ends_now(TimeNs /*now*/) noexcept { return false; }

    [[nodiscard]] virtual SendVerdict send(Bytes message, TimeNs now) noexcept = 0;

    /// How many messages send_several() takes; 1: it is not to be used.
    [[nodiscard]] virtual std::size_t messages_at_once() const noexcept { return 1; }
    /// In order. Of a message that is not sent nothing is, and it need not be offered again.
    [[nodiscard]] virtual SeveralSent send_several(std::span<const Bytes> messages,
                                                   TimeNs now) noexcept {
        const SendVerdict verdict = send(messages.front(), now);
        return {verdict == SendVerdict::sent ? std::size_t{1} : std::size_t{0}, verdict};
    }

    /// How many transport sessions were opened so far. A change tells the owner to start over:
    /// templates first, sequence numbers from the start (RFC 7011 section 3.1).
    [[nodiscard]] virtual std::uint64_t sessions() const noexcept = 0;

    /// Of whole messages reported as sent in the current or last broken session: octets that the
    /// receiver's kernel had not acknowledged. 0 where that cannot be known (UDP) or arise (files).
    [[nodiscard]] virtual std::uint64_t unacknowledged_octets() const noexcept { return 0; }

    [[nodiscard]] virtual std::uint16_t max_message_octets() const noexcept = 0;

    /// Whether a template once sent has arrived: then none is repeated (RFC 7011 section 8.4 is for
    /// UDP).
    [[nodiscard]] virtual bool reliable() const noexcept = 0;

    [[nodiscard]] virtual const std::array<std::uint64_t, kSendErrors>& errors() const noexcept = 0;

    /// The next message of the current or last session that failed, each once (SCTP); nothing where
    /// that is not known of single messages. Those of a session come before sessions() changes.
    [[nodiscard]] virtual std::optional<FailedMessage> take_failed() noexcept {
        return std::nullopt;
    }

    /// Gives the session up: what has not arrived will not, and is told as above. close() follows.
    virtual void abort() noexcept {}

    /// Ends the session in order; the kernel still delivers what it has. No session after it.
    virtual void close() noexcept = 0;

    /// The same where the peer has its part in it: false as long as that is not over.
    [[nodiscard]] virtual bool finish(TimeNs /*now*/) noexcept {
        close();
        return true;
    }
};

} // namespace probe
