// SPDX-License-Identifier: BSD-3-Clause
// What became of the data records offered to one collector, file or terminal.
//
// At any instant, in records and in the packets and octets they stand for:
//     offered + recovered = sent + queued + spooled + handed_over + sum(lost[reason])
// Thread: written by the exporter's lcore; others get a copy from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace probe {

/// What a data record stands for, both directions of a biflow together.
struct RecordWeight {
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
};

struct RecordTally {
    std::uint64_t records = 0;
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;

    constexpr void add(const RecordWeight& weight) noexcept {
        records += 1;
        packets += weight.packets;
        octets += weight.octets;
    }
    constexpr void add(const RecordTally& other) noexcept {
        records += other.records;
        packets += other.packets;
        octets += other.octets;
    }
    constexpr void subtract(const RecordTally& other) noexcept {
        records -= other.records;
        packets -= other.packets;
        octets -= other.octets;
    }
    friend constexpr bool operator==(const RecordTally&, const RecordTally&) = default;
};

/// Why a record was not sent. The first four are one event, a full queue, told apart by its cause.
enum class LossReason : std::uint8_t {
    queue_full,         ///< the collector takes less than the probe makes
    not_connected,      ///< the queue filled while there was no connection
    send_error,         ///< the queue filled while the kernel refused to send or write
    rate_limit,         ///< the queue filled while the collector's rate limit was used up
    record_too_large,   ///< does not fit a message of the path's size
    template_too_large, ///< its template does not fit a message of the path's size
    connection_lost,    ///< TCP, SCTP: sent, not acknowledged when the connection broke
    abandoned,          ///< SCTP: sent, not acknowledged within its lifetime (RFC 3758)
    not_representable,  ///< NetFlow v5: not of IPv4
    shutdown,           ///< queued or not acknowledged when the shutdown deadline passed
    spool_full,         ///< the spool has its size, or its disk is full
    spool_error,        ///< the spool's directory or disk refuses to be written
    spool_behind,       ///< the spool's disk takes less than comes
    spool_damaged,      ///< a block of the spool is cut or its checksum wrong
    template_changed,   ///< in the spool since another run, and no template has its layout now
    count_
};
inline constexpr std::size_t kLossReasons = static_cast<std::size_t>(LossReason::count_);
inline constexpr std::array<std::string_view, kLossReasons> kLossReasonNames = {
    "queue_full",        "not_connected",      "send_error",       "rate_limit",
    "record_too_large",  "template_too_large", "connection_lost",  "abandoned",
    "not_representable", "shutdown",           "spool_full",       "spool_error",
    "spool_behind",      "spool_damaged",      "template_changed",
};

/// What the kernel answered instead of taking a message. None of these loses a record by itself.
enum class SendError : std::uint8_t {
    would_block,  ///< EAGAIN: the socket's buffer is full; tried again at the next step
    no_buffers,   ///< ENOBUFS, ENOMEM: the interface's queue is full; tried again at the next step
    message_size, ///< EMSGSIZE: the path's MTU shrank; packed again into smaller messages
    refused,      ///< ECONNREFUSED: ICMP about an earlier datagram, or a TCP port that is closed
    unreachable,  ///< no route, host or interface
    disconnected, ///< the TCP connection was reset, closed by the collector or timed out
    handshake,    ///< TLS: a certificate, a name or a version was refused by either side
    storage,      ///< the file could not be written: disk full, quota, input/output error
    other,
    count_
};
inline constexpr std::size_t kSendErrors = static_cast<std::size_t>(SendError::count_);
inline constexpr std::array<std::string_view, kSendErrors> kSendErrorNames = {
    "would_block",  "no_buffers", "message_size", "refused", "unreachable",
    "disconnected", "handshake",  "storage",      "other",
};

struct SessionLedger {
    RecordTally offered;
    /// UDP: given to the network. TCP: given to the kernel, corrected by lost[connection_lost] when
    /// a connection breaks (so it can shrink then). Files: written.
    RecordTally sent;
    RecordTally queued;
    RecordTally spooled;     ///< on disk, or on the way there or back
    RecordTally recovered;   ///< in the spool at the start: what an earlier process left
    RecordTally handed_over; ///< to another collector of its group, which was offered them
    std::array<RecordTally, kLossReasons> lost{};

    std::uint64_t messages_sent = 0;
    std::uint64_t message_octets_sent = 0;
    std::uint64_t templates_sent = 0;    ///< template records, repetitions included
    std::uint64_t options_sent = 0;      ///< records of options templates; no flow records
    std::uint64_t options_too_large = 0; ///< options records that fit no message of the path's size
    std::uint64_t first_lost_ns = 0;     ///< when the first record was lost; 0: none
    std::uint64_t last_lost_ns = 0;
    std::uint64_t sessions = 0; ///< transport sessions opened: 1 and the reconnects
    std::array<std::uint64_t, kSendErrors> send_errors{};

    constexpr void note_lost(std::uint64_t now_ns) noexcept {
        first_lost_ns = first_lost_ns == 0 ? now_ns : first_lost_ns;
        last_lost_ns = now_ns;
    }
    /// Adds what became of the records of a session that is part of this one: all but `offered` and
    /// `handed_over`.
    constexpr void add_outcome(const SessionLedger& part) noexcept {
        sent.add(part.sent);
        queued.add(part.queued);
        spooled.add(part.spooled);
        recovered.add(part.recovered);
        for (std::size_t r = 0; r < kLossReasons; ++r)
            lost[r].add(part.lost[r]);
        messages_sent += part.messages_sent;
        message_octets_sent += part.message_octets_sent;
        templates_sent += part.templates_sent;
        options_sent += part.options_sent;
        options_too_large += part.options_too_large;
        if (first_lost_ns == 0 || (part.first_lost_ns != 0 && part.first_lost_ns < first_lost_ns)) {
            first_lost_ns = part.first_lost_ns;
        }
        last_lost_ns = part.last_lost_ns > last_lost_ns ? part.last_lost_ns : last_lost_ns;
        sessions += part.sessions;
        for (std::size_t e = 0; e < kSendErrors; ++e)
            send_errors[e] += part.send_errors[e];
    }
    [[nodiscard]] constexpr RecordTally lost_total() const noexcept {
        RecordTally total;
        for (const RecordTally& tally : lost)
            total.add(tally);
        return total;
    }
    /// The promise above.
    [[nodiscard]] constexpr bool balances() const noexcept {
        RecordTally total = lost_total();
        total.add(sent);
        total.add(queued);
        total.add(spooled);
        total.add(handed_over);
        RecordTally given = offered;
        given.add(recovered);
        return total == given;
    }
};

} // namespace probe
