// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/application_inspector.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "probe/application/dns.hpp"
#include "probe/application/first_octets.hpp"
#include "probe/application/mail.hpp"
#include "probe/application/services.hpp"
#include "probe/application/sessions.hpp"
#include "probe/application/ssh.hpp"
#include "probe/application/text_messages.hpp"
#include "probe/application/tls.hpp"
#include "probe/application/tunnels.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace probe {

namespace {

using P = ApplicationProtocol;

/// A flow is given up when one side never speaks and the other has spoken this much longer than a
/// direction is looked at.
constexpr std::uint32_t kPatience = 4;

// Strongest marks first; where two could claim the same octets, the order decides. A family is
// named by one of its protocols.
constexpr std::array kStreamOrder = {P::tls, P::http1, P::ssh,        P::mqtt,
                                     P::smb, P::rdp,   P::bittorrent, P::openvpn,
                                     P::dns, P::stun,  P::syslog,     P::smtp};
constexpr std::array kDatagramOrder = {
    P::quic,       P::dtls,   P::stun, P::dhcp, P::http1, P::wireguard, P::ike,    P::snmp,
    P::bittorrent, P::radius, P::dns,  P::ntp,  P::rtcp,  P::openvpn,   P::syslog, P::rtp};

/// Places in an order, a bit each.
using Places = std::uint32_t;

/// By a payload's first octet: whom to ask.
using Askable = std::array<Places, 256>;

template <std::size_t kProtocols>
constexpr Askable askable(const std::array<P, kProtocols>& order, bool stream) {
    Askable places{};
    for (std::size_t first = 0; first < places.size(); ++first) {
        for (std::size_t i = 0; i < order.size(); ++i) {
            const bool may = may_begin(order[i], stream, static_cast<std::uint8_t>(first));
            places[first] |= Places{may} << i;
        }
    }
    return places;
}
constexpr Askable kStreamAskable = askable(kStreamOrder, true);
constexpr Askable kDatagramAskable = askable(kDatagramOrder, false);

} // namespace

ApplicationInspector::ApplicationInspector(const InspectorOptions& options)
    : payload_packets_max_(options.payload_packets_max),
      payload_octets_max_(options.payload_octets_max),
      pool_(options.reassembly_buffers) {
    tools_.fingerprints = options.fingerprints;
}

Parsed ApplicationInspector::parse_as(ApplicationProtocol protocol, const Payload& payload,
                                      ApplicationFlow& flow) noexcept {
    ApplicationFields& fields = flow.fields;
    switch (protocol) {
        case P::tls:
            return parse_tls(payload, tools_, fields);
        case P::dtls:
            return parse_dtls(payload, tools_, fields);
        case P::quic: {
            ReassemblyClaim claim(pool_, flow.directions[payload.direction].buffer);
            return parse_quic(payload, flow.quic, claim, tools_, fields);
        }
        case P::dns:
        case P::mdns:
        case P::llmnr:
        case P::netbios:
            return parse_dns(payload, flow.protocol, fields);
        case P::http1:
        case P::websocket:
        case P::ipp:
        case P::rtsp:
        case P::sip:
        case P::ssdp:
            return parse_text_message(payload, flow.protocol, fields);
        case P::smtp:
        case P::ftp:
        case P::imap:
        case P::pop3:
            return parse_mail(payload, flow.protocol, fields);
        case P::ssh:
            return parse_ssh(payload, tools_, fields);
        case P::mqtt:
            return parse_mqtt(payload, fields);
        case P::smb:
            return parse_smb(payload, fields);
        case P::rdp:
            return parse_rdp(payload, fields);
        case P::bittorrent:
            return parse_bittorrent(payload, fields);
        case P::wireguard:
            return parse_wireguard(payload, fields);
        case P::openvpn:
            return parse_openvpn(payload, fields);
        case P::ike:
            return parse_ike(payload, fields);
        case P::ntp:
            return parse_ntp(payload, fields);
        case P::snmp:
            return parse_snmp(payload, fields);
        case P::dhcp:
            return parse_dhcp(payload, fields);
        case P::radius:
            return parse_radius(payload, fields);
        case P::syslog:
            return parse_syslog(payload, fields);
        case P::stun:
            return parse_stun(payload, fields);
        case P::rtcp:
            return parse_rtcp(payload);
        case P::rtp:
            return parse_rtp(payload, flow.rtp, fields);
        case P::http2:
        case P::unknown:
        case P::count_:
            break;
    }
    return Parsed::not_mine;
}

/// Another protocol takes over: TLS after STARTTLS, CONNECT or RDP, DTLS after STUN.
Parsed ApplicationInspector::parse_upgrade(const Payload& payload, ApplicationFlow& flow) noexcept {
    switch (flow.protocol) {
        case P::smtp:
        case P::ftp:
        case P::imap:
        case P::pop3:
        case P::http1:
        case P::rdp:
            return parse_tls(payload, tools_, flow.fields);
        case P::stun:
            return parse_dtls(payload, tools_, flow.fields);
        default:
            return Parsed::not_mine;
    }
}

Parsed ApplicationInspector::recognise(const Payload& payload, ApplicationFlow& flow) noexcept {
    const auto ask = [&](const auto& order, const Askable& askable) {
        constexpr Places kAll = (Places{1} << std::tuple_size_v<std::decay_t<decltype(order)>>)-1;
        const bool little = payload.octets.size() < kFirstOctetsMin;
        for (Places left = little ? kAll : askable[payload.octets[0]]; left != 0;
             left &= left - 1) {
            const P protocol = order[static_cast<std::size_t>(std::countr_zero(left))];
            const Parsed parsed = parse_as(protocol, payload, flow);
            if (parsed == Parsed::not_mine) {
                continue;
            }
            // Families set the protocol themselves.
            if (parsed != Parsed::need_more && flow.protocol == P::unknown) {
                flow.protocol = protocol;
            }
            return parsed;
        }
        return Parsed::not_mine;
    };
    return payload.stream ? ask(kStreamOrder, kStreamAskable)
                          : ask(kDatagramOrder, kDatagramAskable);
}

Parsed ApplicationInspector::parse(const Payload& payload, ApplicationFlow& flow) noexcept {
    if (flow.protocol == P::unknown) {
        // What is not recognised yet may be so by a later packet: a call's second, a handshake
        // behind the capture's beginning.
        const Parsed parsed = recognise(payload, flow);
        return parsed == Parsed::not_mine ? Parsed::partly : parsed;
    }
    const Parsed parsed = parse_as(flow.protocol, payload, flow);
    if (parsed != Parsed::not_mine) {
        return parsed;
    }
    const Parsed upgraded = parse_upgrade(payload, flow);
    // Datagrams of several protocols may share their ports: another one may be the flow's again.
    return upgraded != Parsed::not_mine ? upgraded
           : payload.stream             ? Parsed::complete
                                        : Parsed::partly;
}

void ApplicationInspector::finish_direction(ApplicationFlow& flow,
                                            ApplicationFlow::Direction& direction) noexcept {
    ReassemblyClaim(pool_, direction.buffer).give_back();
    direction.finished = true;
    flow.done = flow.directions[0].finished && flow.directions[1].finished;
}

void ApplicationInspector::read_stream(ApplicationFlow& flow, Payload& payload) noexcept {
    ApplicationFlow::Direction& direction = flow.directions[payload.direction];
    ReassemblyClaim claim(pool_, direction.buffer);
    Parsed parsed = parse(payload, flow);
    if (parsed == Parsed::need_more) {
        if (claim.held() == nullptr && claim.get() != nullptr) {
            static_cast<void>(claim.held()->put(0, payload.octets));
        }
        if (claim.held() != nullptr && !claim.held()->full()) {
            return;
        }
        payload.last_chance = true; // no room for more
        parsed = parse(payload, flow);
    }
    if (parsed == Parsed::partly && !payload.last_chance) {
        direction.next_sequence += static_cast<std::uint32_t>(payload.octets.size());
        claim.give_back();
        return;
    }
    finish_direction(flow, direction);
}

void ApplicationInspector::inspect_stream(ApplicationFlow& flow, const ApplicationPacket& packet,
                                          Payload& payload) noexcept {
    ApplicationFlow::Direction& direction = flow.directions[packet.direction];
    if (direction.packets == 1) {
        direction.next_sequence = packet.tcp_sequence;
    }
    // RFC 9293 section 3.4: sequence numbers wrap, their difference tells the order.
    const auto offset = static_cast<std::int32_t>(packet.tcp_sequence - direction.next_sequence);
    if (offset < 0) {
        const std::size_t known = static_cast<std::size_t>(-std::int64_t{offset});
        if (known >= payload.octets.size()) {
            return; // a retransmission
        }
        payload.octets = payload.octets.subspan(known);
    }
    if (direction.buffer == nullptr && offset <= 0) {
        read_stream(flow, payload);
        return;
    }
    ReassemblyClaim claim(pool_, direction.buffer);
    ReassemblyBuffer* buffer = claim.get();
    if (buffer == nullptr) {
        finish_direction(flow, direction); // out of order, and no room to wait
        return;
    }
    const std::size_t before = buffer->prefix().size();
    static_cast<void>(buffer->put(static_cast<std::uint64_t>(std::max(offset, 0)), payload.octets));
    if (buffer->prefix().size() > before) {
        payload.octets = buffer->prefix();
        read_stream(flow, payload);
    }
}

/// Reads what waits in a stream's buffer as if its end were the message's.
void ApplicationInspector::read_waiting(ApplicationFlow& flow, std::uint8_t direction) noexcept {
    ApplicationFlow::Direction& waiting = flow.directions[direction];
    if (waiting.buffer != nullptr && waiting.stream && !waiting.buffer->prefix().empty()) {
        const Payload payload{waiting.buffer->prefix(),
                              waiting.source_port,
                              waiting.destination_port,
                              direction,
                              true,
                              true};
        static_cast<void>(parse(payload, flow));
    }
    finish_direction(flow, waiting);
}

InspectVerdict ApplicationInspector::inspect(ApplicationFlow& flow,
                                             const ApplicationPacket& packet) noexcept {
    const bool stream = packet.protocol == kProtocolTcp;
    ApplicationFlow::Direction& direction = flow.directions[packet.direction];
    if (flow.done || (!stream && packet.protocol != kProtocolUdp)) {
        return InspectVerdict::done;
    }
    if (packet.payload.empty()) {
        return InspectVerdict::more_wanted;
    }
    direction.packets = static_cast<std::uint16_t>(direction.packets + 1);
    direction.octets += static_cast<std::uint32_t>(packet.payload.size());
    if (!direction.finished) {
        Payload payload{
            packet.payload, packet.source_port, packet.destination_port, packet.direction, stream,
            false};
        direction.stream = stream;
        direction.source_port = packet.source_port;
        direction.destination_port = packet.destination_port;
        if (stream) {
            inspect_stream(flow, packet, payload);
        } else if (parse(payload, flow) == Parsed::complete) {
            finish_direction(flow, direction);
        }
        if (!direction.finished && (direction.packets >= payload_packets_max_ ||
                                    direction.octets >= payload_octets_max_)) {
            read_waiting(flow, packet.direction);
        }
    }
    if (direction.packets >= kPatience * payload_packets_max_) {
        finish(flow);
    }
    return flow.done ? InspectVerdict::done : InspectVerdict::more_wanted;
}

void ApplicationInspector::finish(ApplicationFlow& flow) noexcept {
    for (const std::uint8_t direction : {std::uint8_t{0}, std::uint8_t{1}}) {
        if (!flow.directions[direction].finished) {
            read_waiting(flow, direction);
        }
    }
}

} // namespace probe
