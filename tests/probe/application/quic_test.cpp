// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/quic.hpp"

#include "probe/packet/protocol_numbers.hpp"
#include "tests/probe/application/octets.hpp"
#include "tests/probe/application/quic_vectors.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;

template <std::size_t kSize>
Octets octets_of(const std::array<std::uint8_t, kSize>& array) {
    return {array.begin(), array.end()};
}

InspectorOptions two_buffers() {
    InspectorOptions options;
    options.reassembly_buffers = 2;
    return options;
}

TEST_CASE("the keys are those of the standards' samples", "[application][quic][rfc9001-a.1]") {
    HelloCrypto crypto;
    const Octets connection_id = hex("8394c8f03e515708");
    const auto first = client_initial_keys(kQuicVersion1, connection_id, crypto);
    REQUIRE(first);
    CHECK(octets_of(first->key) == hex("1f369613dd76d5467730efcbe3b1a22d"));
    CHECK(octets_of(first->iv) == hex("fa044b2f42a3fd3b46fb255c"));
    CHECK(octets_of(first->header_protection) == hex("9f50449e04a0e810283a1e9933adedd2"));
    // RFC 9369 appendix A.1.
    const auto second = client_initial_keys(kQuicVersion2, connection_id, crypto);
    REQUIRE(second);
    CHECK(octets_of(second->key) == hex("8b1a0bc121284290a29e0971b5cd045d"));
    CHECK(octets_of(second->iv) == hex("91f73e2351d8fa91660e909f"));
    CHECK(octets_of(second->header_protection) == hex("45b95e15235d6f45a6b19cbcb0294ba9"));
    CHECK_FALSE(client_initial_keys(0x1A2A3A4A, connection_id, crypto));
}

TEST_CASE("the standards' sample packets name their server",
          "[application][quic][rfc9001-a.2][rfc9369-a.2]") {
    ApplicationInspector inspector(two_buffers());
    const std::array packets = {std::pair(kQuicVersion1Initial, kQuicVersion1),
                                std::pair(kQuicVersion2Initial, kQuicVersion2)};
    for (const auto& [packet, version] : packets) {
        FlowUnderTest flow(inspector, kProtocolUdp, 443);
        static_cast<void>(flow.client(hex(packet)));
        CHECK(flow.flow.protocol == ApplicationProtocol::quic);
        CHECK(flow.number(F::quic_version) == version);
        CHECK(flow.text(F::quic_server_name) == "example.com");
        CHECK(flow.text(F::tls_server_name) == "example.com");
        CHECK(flow.text(F::tls_client_alpn) == "alpn");
        CHECK(flow.number(F::tls_client_version) == 0x0304);
        CHECK(flow.text(F::tls_ja4).starts_with("q13d0211an_"));
    }
    CHECK(inspector.buffers_available() == 2);
}

TEST_CASE("CRYPTO frames in any order make one hello", "[application][quic]") {
    ApplicationInspector inspector(two_buffers());
    FlowUnderTest flow(inspector, kProtocolUdp, 443);
    static_cast<void>(flow.client(hex(kQuicShuffled)));
    CHECK(flow.text(F::quic_server_name) == "example.com");
    CHECK(inspector.buffers_available() == 2);
}

TEST_CASE("a hello over two datagrams is read, whichever comes first", "[application][quic]") {
    ApplicationInspector inspector(two_buffers());
    for (const bool late_first : {false, true}) {
        FlowUnderTest flow(inspector, kProtocolUdp, 443);
        static_cast<void>(flow.client(hex(late_first ? kQuicSecondPart : kQuicFirstPart)));
        CHECK_FALSE(flow.flow.fields.has(F::quic_server_name));
        static_cast<void>(flow.client(hex(late_first ? kQuicFirstPart : kQuicSecondPart)));
        CHECK(flow.text(F::quic_server_name) == "example.com");
    }
    FlowUnderTest both(inspector, kProtocolUdp, 443);
    static_cast<void>(both.client(hex(kQuicSecondPart) + hex(kQuicFirstPart))); // coalesced
    CHECK(both.text(F::quic_server_name) == "example.com");
    CHECK(inspector.buffers_available() == 2);
}

TEST_CASE("no buffer, no hello in pieces, which is counted", "[application][quic]") {
    InspectorOptions options;
    options.reassembly_buffers = 0;
    ApplicationInspector inspector(options);
    FlowUnderTest flow(inspector, kProtocolUdp, 443);
    static_cast<void>(flow.client(hex(kQuicShuffled)));
    CHECK(flow.flow.protocol == ApplicationProtocol::quic);
    CHECK_FALSE(flow.flow.fields.has(F::quic_server_name));
    CHECK(inspector.buffers_refused() > 0);
}

TEST_CASE("a packet that was changed anywhere says nothing", "[application][quic][hostile]") {
    ApplicationInspector inspector(two_buffers());
    const Octets packet = hex(kQuicVersion1Initial);
    for (std::size_t at = 0; at < packet.size(); ++at) {
        Octets changed = packet;
        changed[at] ^= 0x55;
        FlowUnderTest flow(inspector, kProtocolUdp, 443);
        static_cast<void>(flow.client(changed));
        CHECK_FALSE(flow.flow.fields.has(F::quic_server_name));
        FlowUnderTest cut(inspector, kProtocolUdp, 443);
        static_cast<void>(
            cut.client(Octets(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(at))));
        CHECK_FALSE(cut.flow.fields.has(F::quic_server_name));
    }
}

} // namespace
} // namespace probe::test
