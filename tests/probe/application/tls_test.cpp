// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/tls.hpp"

#include "probe/packet/protocol_numbers.hpp"
#include "tests/probe/application/octets.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;

InspectorOptions with_ja3() {
    InspectorOptions options;
    options.payload_packets_max = 2'000;
    options.reassembly_buffers = 2;
    options.fingerprints.ja3 = true;
    return options;
}

/// The hello of FoxIO's technical description of JA4 (github.com/FoxIO-LLC/ja4, technical_details):
/// its ciphers, extensions and signature algorithms, GREASE among them.
Octets foxio_hello() {
    const Octets extensions =
        extension(0x8A8A, {}) + extension(0x001b, hex("020002")) +
        server_name_extension("foxio.io") + extension(0x0033, {}) +
        extension(0x0010, counted(2, counted(1, text("h2")) + counted(1, text("http/1.1")))) +
        extension(0x4469, {}) + extension(0x0017, {}) + extension(0x002d, {}) +
        extension(0x000d, counted(2, hex("04030804040105030805050108060601"))) +
        extension(0x0005, {}) + extension(0x0023, {}) + extension(0x0012, {}) +
        extension(0x002b, counted(1, hex("2a2a03040303"))) + extension(0xff01, {}) +
        extension(0x000b, {}) + extension(0x000a, {}) + extension(0x0015, {});
    return client_hello(extensions, hex("5a5a130113021303c02bc02fc02cc030cca9cca8c013c014"
                                        "009c009d002f0035"));
}

TEST_CASE("JA4 is that of its authors' example", "[application][tls]") {
    ApplicationInspector inspector(with_ja3());
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    CHECK(flow.client(record(foxio_hello())) == InspectVerdict::more_wanted);
    CHECK(flow.text(F::tls_ja4) == "t13d1516h2_8daaf6152771_e5627efa2ab1");
    CHECK(flow.text(F::tls_server_name) == "foxio.io");
    CHECK(flow.text(F::tls_client_alpn) == "h2,http/1.1");
    CHECK(flow.number(F::tls_client_version) == 0x0304);
    CHECK(flow.flow.protocol == ApplicationProtocol::tls);
}

TEST_CASE("a hello of one octet a segment is a hello", "[application][tls]") {
    ApplicationInspector inspector(with_ja3());
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    for (const std::uint8_t octet : record(foxio_hello())) {
        static_cast<void>(flow.client({octet}));
    }
    CHECK(flow.text(F::tls_server_name) == "foxio.io");
    CHECK(flow.text(F::tls_ja4) == "t13d1516h2_8daaf6152771_e5627efa2ab1");
    CHECK(inspector.buffers_available() == 2);
}

TEST_CASE("segments may come late, twice and overlapping", "[application][tls]") {
    ApplicationInspector inspector(with_ja3());
    const Octets hello = record(foxio_hello());
    const auto part = [&](std::size_t from, std::size_t to) {
        return Octets(hello.begin() + static_cast<std::ptrdiff_t>(from),
                      hello.begin() + static_cast<std::ptrdiff_t>(to));
    };
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    static_cast<void>(flow.client_at(0, part(0, 50)));
    static_cast<void>(flow.client_at(100, part(100, hello.size())));
    static_cast<void>(flow.client_at(0, part(0, 50)));
    CHECK_FALSE(flow.flow.fields.has(F::tls_ja4));
    static_cast<void>(flow.client_at(40, part(40, 110)));
    CHECK(flow.text(F::tls_ja4) == "t13d1516h2_8daaf6152771_e5627efa2ab1");
    CHECK(inspector.buffers_available() == 2);
}

TEST_CASE("a hello in many records is one hello", "[application][tls][rfc8446-5.1]") {
    ApplicationInspector inspector(with_ja3());
    const Octets hello = foxio_hello();
    Octets records;
    for (const std::uint8_t octet : hello) {
        records = records + record({octet});
    }
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    static_cast<void>(flow.client(Octets(records.begin(), records.begin() + 1'000)));
    static_cast<void>(flow.client(Octets(records.begin() + 1'000, records.end())));
    CHECK(flow.text(F::tls_server_name) == "foxio.io");
}

TEST_CASE("without a buffer a cut hello is read as far as it is there", "[application][tls]") {
    InspectorOptions options = with_ja3();
    options.reassembly_buffers = 0;
    ApplicationInspector inspector(options);
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    const Octets hello = record(foxio_hello());
    static_cast<void>(flow.client(Octets(hello.begin(), hello.begin() + 160)));
    CHECK(inspector.buffers_refused() == 1);
    CHECK(flow.text(F::tls_server_name) == "foxio.io");
    CHECK_FALSE(flow.flow.fields.has(F::tls_ja4)); // of a whole hello only
}

TEST_CASE("what the flow's end cuts is read as far as it is there", "[application][tls]") {
    ApplicationInspector inspector(with_ja3());
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    const Octets hello = record(foxio_hello());
    static_cast<void>(flow.client(Octets(hello.begin(), hello.begin() + 160)));
    CHECK_FALSE(flow.flow.fields.has(F::tls_server_name));
    flow.finish();
    CHECK(flow.text(F::tls_server_name) == "foxio.io");
    CHECK(flow.flow.done);
    CHECK(inspector.buffers_available() == 2);
}

TEST_CASE("after the limit of packets or octets nothing is waited for", "[application][tls]") {
    InspectorOptions options = with_ja3();
    options.payload_packets_max = 3;
    ApplicationInspector inspector(options);
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    const Octets hello = record(foxio_hello());
    for (int i = 0; i < 3; ++i) {
        CHECK(flow.client({hello[static_cast<std::size_t>(i)]}) == InspectVerdict::more_wanted);
    }
    CHECK(inspector.buffers_available() == 2);
    for (int i = 0; i < 8; ++i) {
        CHECK(flow.client({0x17}) == InspectVerdict::more_wanted);
    }
    CHECK(flow.client({0x17}) == InspectVerdict::done); // the server never spoke
}

TEST_CASE("a server's hello and certificate are read", "[application][tls]") {
    const auto attribute = [](const std::string& name) {
        return hex("31") + counted(1, hex("30") + counted(1, hex("0603550403") + hex("0c") +
                                                                 counted(1, text(name))));
    };
    const Octets issuer = hex("30") + counted(1, attribute("An Issuer"));
    const Octets subject = hex("30") + counted(1, attribute("old") + attribute("www.example"));
    const Octets validity = hex("30") + counted(1, hex("170d") + text("230403050300Z") +
                                                       hex("180f") + text("20530702050259Z"));
    const Octets body = hex("a003020102") + hex("02050102030405") + hex("300d") +
                        hex("06092a864886f70d01010b0500") + issuer + validity + subject;
    const Octets certificate =
        hex("3082") + counted(2, hex("3082") + counted(2, body + Octets(200, 0)) + Octets(20, 0));
    const Octets hello =
        number(2, 1) + counted(3, hex("0303") + Octets(32, 1) + hex("00") + hex("c030") +
                                      hex("00") + counted(2, extension(16, hex("0003026832"))));
    const Octets flight = hello + number(11, 1) + counted(3, counted(3, counted(3, certificate)));
    ApplicationInspector inspector(with_ja3());
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    static_cast<void>(flow.client(record(foxio_hello())));
    const Octets records = record(flight);
    for (const std::uint8_t octet : records) {
        if (flow.server({octet}) == InspectVerdict::done) break;
    }
    CHECK(flow.flow.done);
    CHECK(flow.number(F::tls_server_version) == 0x0303);
    CHECK(flow.number(F::tls_cipher_suite) == 0xC030);
    CHECK(flow.text(F::tls_alpn) == "h2");
    CHECK(flow.text(F::tls_issuer_common_name) == "An Issuer");
    CHECK(flow.text(F::tls_subject_common_name) == "www.example");
    CHECK(flow.text(F::tls_not_before) == "230403050300Z");
    CHECK(flow.text(F::tls_not_after) == "20530702050259Z");
}

TEST_CASE("fingerprints are made when asked for", "[application][tls]") {
    InspectorOptions options = with_ja3();
    options.fingerprints = {false, false, false};
    ApplicationInspector inspector(options);
    FlowUnderTest flow(inspector, kProtocolTcp, 443);
    static_cast<void>(flow.client(record(foxio_hello())));
    CHECK_FALSE(flow.flow.fields.has(F::tls_ja3));
    CHECK_FALSE(flow.flow.fields.has(F::tls_ja4));
    CHECK(InspectorOptions{}.fingerprints.ja3 == false);
    CHECK(InspectorOptions{}.fingerprints.ja4 == true);
}

TEST_CASE("lengths that lie in a hello end its reading", "[application][tls][hostile]") {
    ApplicationInspector inspector(with_ja3());
    const Octets hello = record(foxio_hello());
    for (std::size_t at = 0; at < hello.size(); ++at) {
        for (const std::uint8_t wrong : std::array<std::uint8_t, 4>{0x00, 0x01, 0x7F, 0xFF}) {
            Octets changed = hello;
            changed[at] = wrong;
            FlowUnderTest flow(inspector, kProtocolTcp, 443);
            static_cast<void>(flow.client(changed));
            flow.finish();
        }
        FlowUnderTest cut(inspector, kProtocolTcp, 443);
        static_cast<void>(
            cut.client(Octets(hello.begin(), hello.begin() + static_cast<std::ptrdiff_t>(at))));
        cut.finish();
        CHECK_FALSE(cut.flow.fields.has(F::tls_ja4));
    }
    CHECK(inspector.buffers_available() == 2);
}

} // namespace
} // namespace probe::test
