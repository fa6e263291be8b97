// SPDX-License-Identifier: BSD-3-Clause
// Reads names and parameters of application protocols out of the first payload packets of a flow.
//
// The protocol is recognised by content, in a fixed order; a port decides only where a protocol has
// no mark of its own (NTP) or two share their form (mDNS, LLMNR). What is asked of the caller:
//   - an ApplicationFlow for each flow under inspection, from a FixedPool; without one a flow is
//     metered as ever, and the pool counts it;
//   - every payload packet of the flow, both directions, until inspect() answers `done`; the
//     ApplicationFlow's fields may then be copied into the record;
//   - finish() when the flow ends, or its state is taken away, before that.
//
// Thread: one inspector a worker. Memory: all in the constructor. inspect() ends in time
// proportional to payload_octets_max at worst, whatever the packets hold.
#pragma once

#include <array>
#include <cstdint>

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"
#include "probe/application/media.hpp"
#include "probe/application/parser_tools.hpp"
#include "probe/application/quic.hpp"
#include "probe/application/reassembly.hpp"

namespace probe {

struct InspectorOptions {
    /// Of each direction, packets without payload not counted. What a message lacks then is not
    /// waited for.
    std::uint16_t payload_packets_max = 16;
    std::uint32_t payload_octets_max = 16'384; ///< of each direction
    /// Hellos being put together at once; each takes ReassemblyBuffer::kOctetsMax octets and some.
    std::uint32_t reassembly_buffers = 1'024;
    FingerprintOptions fingerprints;
};

/// One packet of a flow.
struct ApplicationPacket {
    Bytes payload;                  ///< behind the transport header, without the link's padding
    std::uint32_t tcp_sequence = 0; ///< of the payload's first octet
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t protocol = 0;  ///< IP protocol; only TCP and UDP are looked at
    std::uint8_t direction = 0; ///< 0: as the flow's first packet, 1: the other way
};

/// A flow under inspection. `fields` and `protocol` are the result, valid at any time.
struct ApplicationFlow {
    struct Direction {
        ReassemblyBuffer* buffer = nullptr; ///< the inspector's
        std::uint32_t next_sequence = 0;    ///< TCP: of the first octet not read yet
        std::uint32_t octets = 0;
        std::uint16_t packets = 0;
        std::uint16_t source_port = 0; ///< of the last packet
        std::uint16_t destination_port = 0;
        bool stream = false;
        bool finished = false;
    };

    // What most packets ask for comes first, in few cache lines.
    ApplicationProtocol protocol = ApplicationProtocol::unknown;
    bool done = false;
    std::array<Direction, 2> directions;
    RtpFlow rtp;
    QuicFlow quic;
    ApplicationFields fields;

    /// As new. Buffers must have gone back before: see ApplicationInspector::finish.
    void clear() noexcept {
        fields.clear();
        protocol = ApplicationProtocol::unknown;
        done = false;
        directions = {};
        quic.version = 0;
        quic.connection_id_octets = 0;
        rtp = {};
    }
};

enum class InspectVerdict : std::uint8_t {
    more_wanted, ///< later packets of the flow may say more
    done,        ///< all is known, or the limits are reached; buffers are back
};

class ApplicationInspector {
  public:
    /// Throws std::runtime_error when OpenSSL lacks an algorithm.
    explicit ApplicationInspector(const InspectorOptions& options);

    [[nodiscard]] InspectVerdict inspect(ApplicationFlow& flow,
                                         const ApplicationPacket& packet) noexcept;
    /// Nothing more will come: reads what still waits, gives buffers back. Any number of times.
    void finish(ApplicationFlow& flow) noexcept;

    /// How often a hello could not be put together for want of a buffer.
    [[nodiscard]] std::uint64_t buffers_refused() const noexcept { return pool_.refused(); }
    [[nodiscard]] std::uint32_t buffers_available() const noexcept { return pool_.available(); }

  private:
    void inspect_stream(ApplicationFlow& flow, const ApplicationPacket& packet,
                        Payload& payload) noexcept;
    void read_stream(ApplicationFlow& flow, Payload& payload) noexcept;
    void finish_direction(ApplicationFlow& flow, ApplicationFlow::Direction& direction) noexcept;
    void read_waiting(ApplicationFlow& flow, std::uint8_t direction) noexcept;
    [[nodiscard]] Parsed parse(const Payload& payload, ApplicationFlow& flow) noexcept;
    [[nodiscard]] Parsed recognise(const Payload& payload, ApplicationFlow& flow) noexcept;
    [[nodiscard]] Parsed parse_as(ApplicationProtocol protocol, const Payload& payload,
                                  ApplicationFlow& flow) noexcept;
    [[nodiscard]] Parsed parse_upgrade(const Payload& payload, ApplicationFlow& flow) noexcept;

    std::uint16_t payload_packets_max_;
    std::uint32_t payload_octets_max_;
    ReassemblyPool pool_;
    ParserTools tools_;
};

} // namespace probe
