// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: the application inspector, all parsers of it. The first octet chooses TCP or UDP, the
// second the ports; then packets: an octet of direction and gap, two of length, the payload.
#include <array>
#include <cstddef>
#include <cstdint>

#include "probe/application/application_inspector.hpp"
#include "probe/application/payload_reader.hpp"
#include "tests/fuzz/layer7_fuzz.hpp"

using probe::fuzz::check;
using probe::fuzz::kClientPort;
using probe::fuzz::kPorts;
using probe::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static probe::ApplicationInspector inspector([] {
        probe::InspectorOptions options;
        options.reassembly_buffers = 2;
        options.fingerprints.ja3 = true;
        return options;
    }());
    constexpr std::uint8_t kTcp = 6;
    constexpr std::uint8_t kUdp = 17;
    probe::PayloadReader reader(probe::Bytes(data, size));
    probe::ApplicationPacket packet;
    packet.protocol = (reader.u8() & 1) != 0 ? kTcp : kUdp;
    const std::uint16_t port = kPorts[reader.u8() % kPorts.size()];
    std::array<std::uint32_t, 2> sequence = {0, 0};
    probe::ApplicationFlow flow;
    flow.clear();
    while (reader.left() > 0) {
        const std::uint8_t how = reader.u8();
        packet.direction = how & 1;
        packet.payload = reader.take_up_to(reader.u16());
        packet.source_port = packet.direction == 0 ? kClientPort : port;
        packet.destination_port = packet.direction == 0 ? port : kClientPort;
        std::uint32_t& next = sequence[packet.direction];
        packet.tcp_sequence = next + (how >> 4) - (how >> 1 & 7U);
        next += static_cast<std::uint32_t>(packet.payload.size());
        const auto verdict = inspector.inspect(flow, packet);
        require((verdict == probe::InspectVerdict::done) == flow.done);
        check(flow.fields);
    }
    inspector.finish(flow);
    require(flow.done && inspector.buffers_available() == 2);
    check(flow.fields);
    return 0;
}
