// SPDX-License-Identifier: BSD-3-Clause
// What the kernel's SCTP and libusrsctp have in common: the sockets interface of RFC 6458. Both
// call its structures and constants the same and give them other layouts and values, so this comes
// after <linux/sctp.h> or <usrsctp.h>, whichever the including file is about, and is that file's
// alone (hence the unnamed namespace); only kernel_sctp.cpp and userspace_sctp.cpp include it.
//
// `set(option, value)` sets an option of the stack's socket: 0 or -errno.
#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "probe/exporting/sctp_association.hpp"

namespace probe {
namespace {

template <typename SetOption>
int subscribe(const SetOption& set, std::uint16_t type) noexcept {
    sctp_event event{};
    event.se_assoc_id = SCTP_FUTURE_ASSOC; // a one-to-one socket has but one
    event.se_type = type;
    event.se_on = 1;
    return set(SCTP_EVENT, event);
}

/// Before it connects: what it is to tell, its times, the streams to ask for.
template <typename SetOption>
int set_up_association(const SetOption& set, const SctpTimes& times,
                       std::uint16_t streams) noexcept {
    for (const int type :
         {SCTP_ASSOC_CHANGE, SCTP_SEND_FAILED_EVENT, SCTP_SENDER_DRY_EVENT, SCTP_SHUTDOWN_EVENT}) {
        if (const int error = subscribe(set, static_cast<std::uint16_t>(type)); error < 0) {
            return error;
        }
    }
    sctp_rtoinfo rto{};
    rto.srto_initial = times.rto_initial_ms;
    rto.srto_max = times.rto_max_ms;
    rto.srto_min = times.rto_min_ms;
    sctp_initmsg begin{};
    begin.sinit_num_ostreams = streams;
    sctp_assocparams association{};
    association.sasoc_asocmaxrxt = times.retransmissions_max;
    int error = set(SCTP_RTOINFO, rto);
    if (error == 0) error = set(SCTP_INITMSG, begin);
    if (error == 0) error = set(SCTP_ASSOCINFO, association);
    if (error == 0) error = set(SCTP_NODELAY, 1); // messages have waited by themselves
    return error;
}

/// The heartbeat of a path that the caller may say more about.
sctp_paddrparams path_parameters(const SctpTimes& times) noexcept {
    sctp_paddrparams path{};
    path.spp_assoc_id = SCTP_FUTURE_ASSOC;
    path.spp_hbinterval = times.heartbeat_ms;
    path.spp_pathmaxrxt = times.retransmissions_max;
    path.spp_flags = SPP_HB_ENABLE;
    return path;
}

template <typename Notification>
Notification as(Bytes octets) noexcept {
    Notification notification{};
    std::memcpy(&notification, octets.data(), std::min(sizeof notification, octets.size()));
    return notification;
}

/// The association's new state (sac_state), if that is what the notification tells.
std::optional<std::uint16_t> new_state(Bytes notification) noexcept {
    const auto change = as<sctp_assoc_change>(notification);
    if (change.sac_type != SCTP_ASSOC_CHANGE) return std::nullopt;
    return change.sac_state;
}

/// What a notification tells, but for an association's end.
SctpEvent event_of(Bytes notification) noexcept {
    SctpEvent event;
    switch (as<sctp_assoc_change>(notification).sac_type) {
        case SCTP_SENDER_DRY_EVENT:
            event.kind = SctpEvent::Kind::dry;
            break;
        case SCTP_SHUTDOWN_EVENT:
            event.kind = SctpEvent::Kind::peer_closes;
            break;
        case SCTP_SEND_FAILED_EVENT:
            event.kind = SctpEvent::Kind::message_failed;
            event.context = as<sctp_send_failed_event>(notification).ssfe_info.snd_context;
            break;
        default:
            break;
    }
    const auto state = new_state(notification);
    if (state == SCTP_COMM_UP) event.kind = SctpEvent::Kind::up;
    if (state == SCTP_RESTART) event.kind = SctpEvent::Kind::restarted;
    return event;
}

void note_end(Bytes notification, SctpEnding& ending) noexcept {
    const auto state = new_state(notification);
    if (state == SCTP_CANT_STR_ASSOC) ending.error = ECONNREFUSED;
    if (state == SCTP_COMM_LOST) ending.error = ECONNRESET;
    ending.begun = ending.begun || state == SCTP_CANT_STR_ASSOC || state == SCTP_COMM_LOST ||
                   state == SCTP_SHUTDOWN_COMP;
}

/// The next event of `receive()`, which gives a SctpReceived whose octets begin `buffer`. The end
/// is told when the socket has nothing more: an error may come before what its queue holds, and
/// where we began to shut down an empty queue does not look like the end of a stream.
template <typename Receive>
SctpEvent event_from(const Receive& receive, Bytes buffer, SctpEnding& ending) noexcept {
    while (!ending.told) {
        const SctpReceived got = receive();
        if (got.octets > 0) {
            // A collector sends no messages: what is no notification is read and forgotten.
            if (!got.notification) continue;
            const Bytes seen = buffer.first(static_cast<std::size_t>(got.octets));
            note_end(seen, ending);
            const SctpEvent event = event_of(seen);
            if (event.kind != SctpEvent::Kind::none) return event;
        } else if (got.octets == -EAGAIN && !ending.begun) {
            return {};
        } else if (got.octets < 0 && got.octets != -EAGAIN && !ending.begun) {
            ending.begun = true;
            ending.error = static_cast<int>(-got.octets);
        } else {
            ending.told = true;
            return {.kind = SctpEvent::Kind::lost, .error = ending.error, .context = 0};
        }
    }
    return {};
}

} // namespace
} // namespace probe
