// SPDX-License-Identifier: BSD-3-Clause
// Messages for the parsers, by hand: hexadecimal text, text, numbers, lengths in front.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "probe/application/application_inspector.hpp"

namespace probe::test {

using Octets = std::vector<std::uint8_t>;

inline Octets hex(std::string_view text) {
    Octets octets;
    int high = -1;
    for (const char c : text) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) continue;
        if (high >= 0) octets.push_back(static_cast<std::uint8_t>(high << 4 | digit));
        high = high >= 0 ? -1 : digit;
    }
    return octets;
}

inline Octets text(std::string_view characters) {
    return {characters.begin(), characters.end()};
}

inline Octets number(std::uint64_t value, std::size_t octets) {
    Octets out;
    for (std::size_t i = octets; i-- > 0;) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    return out;
}

inline Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// `content` behind its length in `octets` octets.
inline Octets counted(std::size_t octets, const Octets& content) {
    return number(content.size(), octets) + content;
}

inline Octets extension(std::uint16_t type, const Octets& content) {
    return number(type, 2) + counted(2, content);
}

inline Octets server_name_extension(std::string_view name) {
    return extension(0, counted(2, number(0, 1) + counted(2, text(name))));
}

/// A handshake message with its header (RFC 8446 section 4).
inline Octets client_hello(const Octets& extensions, const Octets& ciphers = hex("1301c02f")) {
    return number(1, 1) +
           counted(3, hex("0303") + Octets(32, 0x42) + number(0, 1) + counted(2, ciphers) +
                          hex("0100") + counted(2, extensions));
}

inline Octets record(const Octets& handshake) {
    return hex("160301") + counted(2, handshake);
}

/// What an inspector finds in a flow of packets given one by one.
class FlowUnderTest {
  public:
    FlowUnderTest(ApplicationInspector& inspector, std::uint8_t protocol, std::uint16_t port)
        : inspector_(inspector), protocol_(protocol), port_(port) {
        flow.clear();
    }
    ~FlowUnderTest() { inspector_.finish(flow); }
    FlowUnderTest(const FlowUnderTest&) = delete;
    FlowUnderTest& operator=(const FlowUnderTest&) = delete;

    InspectVerdict client(const Octets& payload) { return send(0, payload, sequence_[0]); }
    InspectVerdict server(const Octets& payload) { return send(1, payload, sequence_[1]); }
    /// At a sequence number of its own; the next client() goes on where the farthest ended.
    InspectVerdict client_at(std::uint32_t offset, const Octets& payload) {
        return send(0, payload, offset);
    }
    void finish() { inspector_.finish(flow); }

    [[nodiscard]] std::string text(ApplicationField field) const {
        return std::string(flow.fields.text(field));
    }
    [[nodiscard]] std::uint64_t number(ApplicationField field) const {
        return flow.fields.number(field).value_or(UINT64_MAX);
    }

    ApplicationFlow flow;

  private:
    InspectVerdict send(std::uint8_t direction, const Octets& payload, std::uint32_t sequence) {
        ApplicationPacket packet;
        packet.payload = payload;
        packet.tcp_sequence = kFirstSequence + sequence;
        packet.protocol = protocol_;
        packet.direction = direction;
        constexpr std::uint16_t kClientPort = 50'000;
        packet.source_port = direction == 0 ? kClientPort : port_;
        packet.destination_port = direction == 0 ? port_ : kClientPort;
        sequence_[direction] =
            std::max(sequence_[direction], sequence + static_cast<std::uint32_t>(payload.size()));
        return inspector_.inspect(flow, packet);
    }

    /// Near the end, so that numbers wrap in every longer test.
    static constexpr std::uint32_t kFirstSequence = UINT32_MAX - 20;
    ApplicationInspector& inspector_;
    std::uint8_t protocol_;
    std::uint16_t port_;
    std::uint32_t sequence_[2] = {0, 0};
};

} // namespace probe::test
