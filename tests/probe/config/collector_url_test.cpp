// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/collector_url.hpp"

#include <stdexcept>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

struct Case {
    const char* written;
    TransportKind transport;
    const char* host;
    std::uint16_t port;
    const char* path;
};

} // namespace

TEST_CASE("every form of a collector is understood", "[config][collector]") {
    const Case one = GENERATE(
        Case{"udp://192.0.2.7:9995", TransportKind::udp, "192.0.2.7", 9995, ""},
        Case{"udp://192.0.2.7", TransportKind::udp, "192.0.2.7", 4739, ""},
        Case{"tcp://collector.example:4740", TransportKind::tcp, "collector.example", 4740, ""},
        Case{"tcp://[2001:db8::7]:4739", TransportKind::tcp, "2001:db8::7", 4739, ""},
        Case{"tls://collector.example", TransportKind::tls, "collector.example", 4740, ""},
        Case{"dtls://collector.example", TransportKind::dtls, "collector.example", 4740, ""},
        Case{"sctp://192.0.2.7", TransportKind::sctp, "192.0.2.7", 4739, ""},
        Case{"sctp://[2001:db8::7]:9", TransportKind::sctp, "2001:db8::7", 9, ""},
        Case{"tls://[2001:db8::7]:4741", TransportKind::tls, "2001:db8::7", 4741, ""},
        Case{"udp://[fe80::1%eth0]", TransportKind::udp, "fe80::1%eth0", 4739, ""},
        Case{"file:///var/lib/x.ipfix", TransportKind::file, "", 4739, "/var/lib/x.ipfix"},
        Case{"file:/var/lib/x", TransportKind::file, "", 4739, "/var/lib/x"},
        Case{"flows.ipfix", TransportKind::file, "", 4739, "flows.ipfix"},
        Case{"../a b/flows.ipfix", TransportKind::file, "", 4739, "../a b/flows.ipfix"},
        Case{"./odd:name.ipfix", TransportKind::file, "", 4739, "./odd:name.ipfix"},
        Case{"json", TransportKind::json, "", 4739, "-"},
        Case{"-", TransportKind::json, "", 4739, "-"},
        Case{"json:-", TransportKind::json, "", 4739, "-"},
        Case{"json:/tmp/x", TransportKind::json, "", 4739, "/tmp/x"},
        Case{"x.json", TransportKind::json, "", 4739, "x.json"},
        Case{"x.jsonl", TransportKind::json, "", 4739, "x.jsonl"},
        Case{"table", TransportKind::table, "", 4739, "-"},
        Case{"table:out.txt", TransportKind::table, "", 4739, "out.txt"});
    INFO(one.written);
    const CollectorOptions options = parse_collector_url(one.written);
    CHECK(options.url == one.written);
    CHECK(options.transport == one.transport);
    CHECK(options.host == one.host);
    CHECK(options.port == one.port);
    CHECK(options.path == one.path);
}

TEST_CASE("what is not a collector is refused", "[config][collector]") {
    const char* wrong =
        GENERATE("", "udp", "udp:", "udp://", "udp://:1", "udp://h:", "udp://h:65536", "udp://h:-1",
                 "udp://h:1x", "udp://h/", "udp://[::1", "udp://[]", "udp://[::1]x",
                 "udp://[::1]:", "udp://::1", "http://h", "file://", "file:///", "file://relative",
                 "file:", "tls:h", "flows", "flows.txt", ":x");
    INFO(wrong);
    CHECK_THROWS_AS(parse_collector_url(wrong), std::invalid_argument);
}
