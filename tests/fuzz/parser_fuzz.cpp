// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: the parsers of layer 7, each by itself: PARSHALL_FUZZ_PARSER names one (the build has
// a target for each), without it all are run. Input as application_fuzz.cpp: the first octet
// chooses TCP or UDP, the second the ports; then payloads: an octet of direction and whether it is
// the last one, two of length, the octets. Each payload stands alone in memory, so that
// AddressSanitizer sees an octet read beyond it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "probe/application/certificate.hpp"
#include "probe/application/dns.hpp"
#include "probe/application/mail.hpp"
#include "probe/application/media.hpp"
#include "probe/application/payload_reader.hpp"
#include "probe/application/quic.hpp"
#include "probe/application/services.hpp"
#include "probe/application/sessions.hpp"
#include "probe/application/ssh.hpp"
#include "probe/application/text_messages.hpp"
#include "probe/application/tls.hpp"
#include "probe/application/tunnels.hpp"
#include "tests/fuzz/layer7_fuzz.hpp"

namespace {

using probe::Parsed;
using probe::Payload;
using probe::fuzz::kClientPort;
using probe::fuzz::kPorts;
using probe::fuzz::require;

/// What a parser is handed beside the payload.
struct Flow {
    explicit Flow(std::uint8_t filling) : pool(1) {
        tools.scratch.fill(filling); // of the flow before: nobody may read it
        tools.fingerprints.ja3 = true;
    }
    probe::ApplicationFields fields;
    probe::ApplicationProtocol protocol = probe::ApplicationProtocol::unknown;
    probe::QuicFlow quic;
    probe::RtpFlow rtp;
    probe::ParserTools tools;
    probe::ReassemblyPool pool;
    probe::ReassemblyBuffer* buffer = nullptr;
};

struct Parser {
    std::string_view name;
    Parsed (*parse)(const Payload& payload, Flow& flow);
};

template <Parsed (*kParse)(const Payload&, probe::ApplicationFields&) noexcept>
Parsed simple(const Payload& payload, Flow& flow) {
    return kParse(payload, flow.fields);
}
template <Parsed (*kParse)(const Payload&, probe::ParserTools&, probe::ApplicationFields&) noexcept>
Parsed with_tools(const Payload& payload, Flow& flow) {
    return kParse(payload, flow.tools, flow.fields);
}
template <Parsed (*kParse)(const Payload&, probe::ApplicationProtocol&,
                           probe::ApplicationFields&) noexcept>
Parsed family(const Payload& payload, Flow& flow) {
    return kParse(payload, flow.protocol, flow.fields);
}
Parsed quic(const Payload& payload, Flow& flow) {
    probe::ReassemblyClaim claim(flow.pool, flow.buffer);
    return probe::parse_quic(payload, flow.quic, claim, flow.tools, flow.fields);
}
Parsed rtp(const Payload& payload, Flow& flow) {
    return probe::parse_rtp(payload, flow.rtp, flow.fields);
}
Parsed rtcp(const Payload& payload, Flow&) {
    return probe::parse_rtcp(payload);
}
Parsed certificate(const Payload& payload, Flow& flow) {
    return probe::parse_certificate(payload.octets, flow.fields) ? Parsed::complete
                                                                 : Parsed::not_mine;
}

constexpr std::array kParsers = {
    Parser{"bittorrent", &simple<probe::parse_bittorrent>},
    Parser{"certificate", &certificate},
    Parser{"dhcp", &simple<probe::parse_dhcp>},
    Parser{"dns", &family<probe::parse_dns>},
    Parser{"dtls", &with_tools<probe::parse_dtls>},
    Parser{"ike", &simple<probe::parse_ike>},
    Parser{"mail", &family<probe::parse_mail>},
    Parser{"mqtt", &simple<probe::parse_mqtt>},
    Parser{"ntp", &simple<probe::parse_ntp>},
    Parser{"openvpn", &simple<probe::parse_openvpn>},
    Parser{"quic", &quic},
    Parser{"radius", &simple<probe::parse_radius>},
    Parser{"rdp", &simple<probe::parse_rdp>},
    Parser{"rtcp", &rtcp},
    Parser{"rtp", &rtp},
    Parser{"smb", &simple<probe::parse_smb>},
    Parser{"snmp", &simple<probe::parse_snmp>},
    Parser{"ssh", &with_tools<probe::parse_ssh>},
    Parser{"stun", &simple<probe::parse_stun>},
    Parser{"syslog", &simple<probe::parse_syslog>},
    Parser{"text_message", &family<probe::parse_text_message>},
    Parser{"tls", &with_tools<probe::parse_tls>},
    Parser{"wireguard", &simple<probe::parse_wireguard>},
};

/// By the name in the environment; a name that is none ends the run.
const std::vector<Parser>& chosen() {
    static const std::vector<Parser> parsers = [] {
        const char* const name = std::getenv("PARSHALL_FUZZ_PARSER");
        std::vector<Parser> found;
        std::copy_if(kParsers.begin(), kParsers.end(), std::back_inserter(found),
                     [name](const Parser& one) { return name == nullptr || one.name == name; });
        if (found.empty()) {
            std::fprintf(stderr, "PARSHALL_FUZZ_PARSER=%s: there is no such parser\n", name);
            std::exit(2);
        }
        return found;
    }();
    return parsers;
}

bool same(const probe::ApplicationFields& a, const probe::ApplicationFields& b) {
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        const probe::FieldKind kind = probe::field_info(a.at(i).field).kind;
        if (a.at(i).field != b.at(i).field ||
            (kind == probe::FieldKind::number ? a.at(i).number != b.at(i).number
                                              : a.at(i).text != b.at(i).text)) {
            return false;
        }
    }
    return a.size() == b.size();
}

void run(const Parser& parser, probe::Bytes input) {
    probe::PayloadReader reader(input);
    Payload payload{};
    payload.stream = (reader.u8() & 1) != 0;
    const std::uint16_t port = kPorts[reader.u8() % kPorts.size()];
    Flow flow(0x00);
    Flow again(0xFF);
    std::array<std::vector<std::uint8_t>, 2> waiting; // by direction: what was not read yet
    while (reader.left() > 0) {
        const std::uint8_t how = reader.u8();
        payload.direction = how & 1;
        payload.last_chance = (how & 2) != 0;
        payload.source_port = payload.direction == 0 ? kClientPort : port;
        payload.destination_port = payload.direction == 0 ? port : kClientPort;
        const probe::Bytes more = reader.take_up_to(reader.u16());
        std::vector<std::uint8_t>& octets = waiting[payload.direction];
        octets.insert(octets.end(), more.begin(), more.end());
        if (octets.empty()) {
            continue;
        }
        const std::vector<std::uint8_t> alone(octets.begin(), octets.end());
        payload.octets = alone;
        const Parsed parsed = parser.parse(payload, flow);
        require(parsed == parser.parse(payload, again)); // nothing but these octets decides
        require(parsed != Parsed::need_more || (payload.stream && !payload.last_chance));
        if (parsed != Parsed::need_more) {
            octets.clear();
        }
        probe::fuzz::check(flow.fields);
        require(same(flow.fields, again.fields) && flow.protocol == again.protocol);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for (const Parser& parser : chosen()) {
        run(parser, {data, size});
    }
    return 0;
}
