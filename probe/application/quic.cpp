// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/quic.hpp"

#include <algorithm>

#include "probe/application/payload_reader.hpp"
#include "probe/application/tls.hpp"

namespace probe {

namespace {

// RFC 9000 section 19: the frames an Initial packet may carry (section 12.4).
constexpr std::uint64_t kPadding = 0x00;
constexpr std::uint64_t kPing = 0x01;
constexpr std::uint64_t kAck = 0x02;
constexpr std::uint64_t kAckEcn = 0x03;
constexpr std::uint64_t kCrypto = 0x06;

/// Google's user_agent transport parameter, as Chrome has sent it.
constexpr std::uint64_t kUserAgentParameter = 0x3129;

constexpr std::uint32_t kHandshakeHeaderOctets = 4;

/// RFC 9000 section 19.3.
void skip_ack(PayloadReader& frames, bool with_ecn) noexcept {
    static_cast<void>(frames.varint()); // largest acknowledged
    static_cast<void>(frames.varint()); // delay
    std::uint64_t ranges = frames.varint();
    static_cast<void>(frames.varint());
    for (; ranges > 0 && frames.left() > 0; --ranges) {
        static_cast<void>(frames.varint());
        static_cast<void>(frames.varint());
    }
    for (int i = 0; with_ecn && i < 3; ++i) {
        static_cast<void>(frames.varint());
    }
}

/// The next CRYPTO frame; nothing at the end, or at a frame that has no place here.
struct CryptoFrame {
    std::uint64_t offset = 0;
    Bytes octets;
};
CryptoFrame next_crypto(PayloadReader& frames) noexcept {
    while (frames.left() > 0) {
        const std::uint64_t type = frames.varint();
        if (type == kCrypto) {
            CryptoFrame frame;
            frame.offset = frames.varint();
            frame.octets = frames.take(frames.varint());
            return frame;
        }
        if (type == kAck || type == kAckEcn) {
            skip_ack(frames, type == kAckEcn);
        } else if (type != kPadding && type != kPing) {
            frames.fail();
        }
    }
    return {};
}

void set_user_agent(Bytes transport_parameters, ApplicationFields& fields) noexcept {
    PayloadReader reader(transport_parameters);
    while (reader.left() > 0) {
        const std::uint64_t id = reader.varint();
        const Bytes value = reader.take(reader.varint());
        if (reader.ok() && id == kUserAgentParameter) {
            fields.set(ApplicationField::quic_user_agent, value);
        }
    }
}

/// The CRYPTO stream from its first octet on. True when the hello was all there.
bool read_hello(Bytes stream, ParserTools& tools, ApplicationFields& fields) noexcept {
    constexpr std::uint8_t kClientHello = 1;
    PayloadReader reader(stream);
    const std::uint8_t type = reader.u8();
    const Bytes body = reader.take(reader.u24());
    if (!reader.ok()) {
        return false;
    }
    if (type != kClientHello) {
        return true; // nothing to wait for
    }
    const ClientHello hello = parse_client_hello(body, true, HelloTransport::quic, tools, fields);
    if (!hello.server_name.empty()) {
        fields.set(ApplicationField::quic_server_name, hello.server_name);
        fields.set(ApplicationField::tls_server_name, hello.server_name);
    }
    set_user_agent(hello.quic_transport_parameters, fields);
    return true;
}

/// All CRYPTO frames of one opened packet. True when the hello is read.
bool read_frames(Bytes octets, ReassemblyClaim& claim, ParserTools& tools,
                 ApplicationFields& fields) noexcept {
    PayloadReader frames(octets);
    CryptoFrame frame = next_crypto(frames);
    if (claim.held() == nullptr && frame.offset == 0 &&
        frame.octets.size() > kHandshakeHeaderOctets && read_hello(frame.octets, tools, fields)) {
        return true;
    }
    ReassemblyBuffer* buffer = claim.get();
    if (buffer == nullptr) {
        return false;
    }
    for (; !frame.octets.empty(); frame = next_crypto(frames)) {
        static_cast<void>(buffer->put(frame.offset, frame.octets));
    }
    return read_hello(buffer->prefix(), tools, fields);
}

/// Opens with the keys of the flow's first connection ID when there is one, else of the packet's
/// own, which then becomes the flow's. After a Retry (RFC 9001 section 5.2) the packet's own again.
Bytes open_packet(const LongHeader& header, QuicFlow& flow, const Payload& payload,
                  ParserTools& tools) noexcept {
    const Bytes remembered = Bytes(flow.connection_id).first(flow.connection_id_octets);
    if (flow.version == header.version &&
        !std::equal(remembered.begin(), remembered.end(), header.destination.begin(),
                    header.destination.end())) {
        const auto keys = client_initial_keys(header.version, remembered, tools.crypto);
        const Bytes opened =
            keys ? open_initial(header, *keys, tools.crypto, tools.scratch) : Bytes{};
        if (!opened.empty()) {
            return opened;
        }
    }
    const auto keys = client_initial_keys(header.version, header.destination, tools.crypto);
    const Bytes opened = keys ? open_initial(header, *keys, tools.crypto, tools.scratch) : Bytes{};
    if (!opened.empty()) {
        flow.version = header.version;
        flow.client_direction = payload.direction;
        flow.connection_id_octets = static_cast<std::uint8_t>(header.destination.size());
        std::copy(header.destination.begin(), header.destination.end(), flow.connection_id.begin());
    }
    return opened;
}

} // namespace

Parsed parse_quic(const Payload& payload, QuicFlow& flow, ReassemblyClaim& buffer,
                  ParserTools& tools, ApplicationFields& fields) noexcept {
    Bytes datagram = payload.octets;
    Parsed parsed = Parsed::not_mine;
    while (!datagram.empty()) {
        const std::optional<LongHeader> header = read_long_header(datagram);
        if (!header || !is_known_quic_version(header->version)) {
            break; // a short header, another version, or padding behind the last packet
        }
        parsed = Parsed::partly;
        fields.set(ApplicationField::quic_version, std::uint64_t{header->version});
        if (flow.version != 0 && flow.client_direction != payload.direction) {
            return Parsed::complete; // the server's hello names nothing
        }
        if (header->type == LongHeader::Type::initial) {
            const Bytes frames = open_packet(*header, flow, payload, tools);
            if (!frames.empty() && read_frames(frames, buffer, tools, fields)) {
                return Parsed::complete;
            }
        }
        datagram = datagram.subspan(header->packet.size());
    }
    return parsed;
}

} // namespace probe
