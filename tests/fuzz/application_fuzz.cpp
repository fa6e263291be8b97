// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: the application inspector, all parsers of it. The first octet chooses TCP or UDP, the
// second the ports; then packets: an octet of direction and gap, two of length, the payload.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "encoder/utf8.hpp"
#include "probe/application/application_inspector.hpp"
#include "probe/application/payload_reader.hpp"

namespace {

void require(bool held) {
    if (!held) {
        std::abort();
    }
}

/// What every reader of ApplicationFields may rely on.
void check(const probe::ApplicationFields& fields) {
    for (std::size_t i = 0; i < probe::kApplicationFields; ++i) {
        const auto& info = probe::field_info(static_cast<probe::ApplicationField>(i));
        if (info.kind != probe::FieldKind::text) {
            continue;
        }
        std::string_view text = fields.text(info.field);
        require(text.size() <= info.octets_max);
        while (!text.empty()) {
            const std::size_t octets = ipfix::utf8_octets(text);
            require(octets > 0);
            text.remove_prefix(octets);
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static probe::ApplicationInspector inspector([] {
        probe::InspectorOptions options;
        options.reassembly_buffers = 2;
        options.fingerprints.ja3 = true;
        return options;
    }());
    constexpr std::array<std::uint16_t, 16> kPorts = {443, 53, 80,   22,   25,   21,   143,  110,
                                                      123, 67, 5353, 5355, 1812, 1194, 4500, 137};
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
        packet.source_port = packet.direction == 0 ? std::uint16_t{50'000} : port;
        packet.destination_port = packet.direction == 0 ? port : std::uint16_t{50'000};
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
