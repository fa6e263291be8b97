// SPDX-License-Identifier: BSD-3-Clause
// Whom a first octet rules out would not have taken the payload: every parser is asked, about each
// protocol's packets and noise behind every octet that may_begin() rules out.
#include "probe/application/first_octets.hpp"

#include <array>
#include <random>

#include "probe/application/dns.hpp"
#include "probe/application/mail.hpp"
#include "probe/application/media.hpp"
#include "probe/application/quic.hpp"
#include "probe/application/services.hpp"
#include "probe/application/sessions.hpp"
#include "probe/application/ssh.hpp"
#include "probe/application/text_messages.hpp"
#include "probe/application/tls.hpp"
#include "probe/application/tunnels.hpp"
#include "probe/packet/protocol_numbers.hpp"
#include "tests/probe/application/conversations.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using P = ApplicationProtocol;

struct Parsers {
    ReassemblyPool pool{1};
    ParserTools tools;
    ApplicationFields fields;
    RtpFlow rtp{};

    Parsed ask(P protocol, const Payload& payload) {
        P found = P::unknown;
        fields.clear();
        switch (protocol) {
            case P::tls:
                return parse_tls(payload, tools, fields);
            case P::dtls:
                return parse_dtls(payload, tools, fields);
            case P::quic: {
                QuicFlow flow{};
                ReassemblyBuffer* held = nullptr;
                ReassemblyClaim claim(pool, held);
                const Parsed parsed = parse_quic(payload, flow, claim, tools, fields);
                claim.give_back();
                return parsed;
            }
            case P::http1:
                return parse_text_message(payload, found, fields);
            case P::ssh:
                return parse_ssh(payload, tools, fields);
            case P::smtp:
                return parse_mail(payload, found, fields);
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
            case P::stun:
                return parse_stun(payload, fields);
            case P::rtcp:
                return parse_rtcp(payload);
            case P::rtp:
                return parse_rtp(payload, rtp, fields);
            case P::snmp:
                return parse_snmp(payload, fields);
            case P::dhcp:
                return parse_dhcp(payload, fields);
            case P::radius:
                return parse_radius(payload, fields);
            case P::syslog:
                return parse_syslog(payload, fields);
            default:
                return Parsed::not_mine;
        }
    }
};

/// Of streams and of datagrams, as ApplicationInspector asks them.
constexpr std::array kOfStreams = {P::tls,        P::http1,   P::ssh,  P::mqtt,   P::smb, P::rdp,
                                   P::bittorrent, P::openvpn, P::stun, P::syslog, P::smtp};
constexpr std::array kOfDatagrams = {P::quic,       P::dtls,   P::stun,   P::dhcp,   P::http1,
                                     P::wireguard,  P::snmp,   P::rtcp,   P::radius, P::rtp,
                                     P::bittorrent, P::syslog, P::openvpn};

std::vector<Octets> messages() {
    std::vector<Octets> all;
    for (const Conversation& conversation : conversations()) {
        for (const Sent& sent : conversation.packets) {
            all.push_back(sent.payload);
        }
    }
    std::mt19937 random(20'261'126);
    for (int i = 0; i < 200; ++i) {
        Octets noise(kFirstOctetsMin + random() % 60);
        for (std::uint8_t& octet : noise) {
            octet = static_cast<std::uint8_t>(random() % 4 == 0 ? random() % 8 : random());
        }
        all.push_back(noise);
    }
    return all;
}

constexpr std::array<std::uint16_t, 7> kPorts = {0, 22, 25, 110, 3'389, 3'478, 1'194};

TEST_CASE("parsers that a first octet rules out take nothing that begins so", "[application]") {
    Parsers parsers;
    int asked = 0;
    for (Octets message : messages()) {
        if (message.size() < kFirstOctetsMin) {
            continue;
        }
        for (const bool stream : {true, false}) {
            for (const P protocol :
                 stream ? std::vector<P>(kOfStreams.begin(), kOfStreams.end())
                        : std::vector<P>(kOfDatagrams.begin(), kOfDatagrams.end())) {
                for (unsigned first = 0; first < 256; ++first) {
                    message[0] = static_cast<std::uint8_t>(first);
                    if (may_begin(protocol, stream, message[0])) {
                        continue;
                    }
                    for (const std::uint16_t port : kPorts) {
                        const Payload payload{message, 40'000, port, 0, stream, false};
                        parsers.rtp = {};
                        ++asked;
                        if (parsers.ask(protocol, payload) != Parsed::not_mine ||
                            parsers.rtp.seen) {
                            FAIL(protocol_name(protocol) << " takes what begins with " << first);
                        }
                    }
                }
            }
        }
    }
    CHECK(asked > 1'000'000);
}

TEST_CASE("a conversation's first octets rule its own parser in", "[application]") {
    for (const Conversation& conversation : conversations()) {
        const P protocol = conversation.protocol;
        const bool stream = conversation.transport == kProtocolTcp;
        const auto& order = stream ? std::vector<P>(kOfStreams.begin(), kOfStreams.end())
                                   : std::vector<P>(kOfDatagrams.begin(), kOfDatagrams.end());
        if (std::find(order.begin(), order.end(), protocol) != order.end()) {
            INFO(protocol_name(protocol));
            CHECK(may_begin(protocol, stream, conversation.packets.front().payload[0]));
        }
    }
}

} // namespace
} // namespace probe::test
