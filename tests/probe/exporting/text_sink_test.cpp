// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/text_sink.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "encoder/information_elements.hpp"
#include "encoder/wire_format.hpp"
#include "probe/exporting/table_cells.hpp"
#include "tests/probe/exporting/support.hpp"
#include "tests/support/catch.hpp"

using namespace exporting_test;
using probe::kNsPerMs;
using probe::kNsPerSecond;
using probe::LossReason;
using probe::TextSink;
using probe::TransportKind;

namespace {

struct TemporaryFile {
    TemporaryFile() {
        const int fd = ::mkstemp(path.data());
        REQUIRE(fd >= 0);
        ::close(fd);
    }
    ~TemporaryFile() { static_cast<void>(std::remove(path.c_str())); }
    std::string text() const {
        std::ifstream file(path);
        std::ostringstream all;
        all << file.rdbuf();
        return all.str();
    }
    std::string path = "/tmp/parshall-test-XXXXXX";
};

probe::CollectorOptions to(TransportKind kind, const std::string& path) {
    probe::CollectorOptions options;
    options.url = options.path = path;
    options.transport = kind;
    return options;
}

ipfix::TemplateRecord make_template(std::uint16_t id, const std::vector<std::string>& names) {
    std::vector<ipfix::FieldSpecifier> fields;
    for (const std::string& name : names) {
        const auto found = ipfix::find_directed_element(name);
        REQUIRE(found.element != nullptr);
        fields.push_back(
            {found.element, ipfix::default_length(found.element->type), found.reverse});
    }
    return {id, "t", fields};
}

/// The biflow templates of the examples: IPv4 with ports, IPv6 with ports, ICMP.
std::vector<ipfix::TemplateRecord> biflow_templates(bool with_ipv6) {
    const std::vector<std::string> rest = {
        "flowStartMilliseconds",   "flowEndMilliseconds",    "packetDeltaCount", "octetDeltaCount",
        "reversePacketDeltaCount", "reverseOctetDeltaCount", "tcpControlBits",   "flowEndReason"};
    const auto with = [&](std::vector<std::string> keys) {
        keys.insert(keys.end(), rest.begin(), rest.end());
        return keys;
    };
    std::vector<ipfix::TemplateRecord> all;
    all.push_back(make_template(
        256, with({"sourceIPv4Address", "destinationIPv4Address", "protocolIdentifier",
                   "sourceTransportPort", "destinationTransportPort"})));
    all.push_back(make_template(257, with({"sourceIPv4Address", "destinationIPv4Address",
                                           "protocolIdentifier", "icmpTypeCodeIPv4"})));
    if (!with_ipv6) return all;
    all.push_back(make_template(
        258, with({"sourceIPv6Address", "destinationIPv6Address", "protocolIdentifier",
                   "sourceTransportPort", "destinationTransportPort"})));
    return all;
}

class RecordMaker {
  public:
    RecordMaker& octets(const Octets& more) {
        record_.insert(record_.end(), more.begin(), more.end());
        return *this;
    }
    RecordMaker& number(std::size_t length, std::uint64_t value) {
        record_.resize(record_.size() + length);
        ipfix::store_be(record_.data() + record_.size() - length, value, length);
        return *this;
    }
    /// The fields of `rest` above: 1.5 s, 12 packets and 1234 octets one way, 10 and 987654 back.
    RecordMaker& rest() {
        return number(8, 1'795'309'323'456)
            .number(8, 1'795'309'324'956)
            .number(8, 12)
            .number(8, 1234)
            .number(8, 10)
            .number(8, 987'654)
            .number(2, 0x1B)
            .number(1, 3);
    }
    operator probe::Bytes() const { return record_; }

  private:
    Octets record_;
};

const Octets kSource4 = {192, 0, 2, 1};
const Octets kDestination4 = {198, 51, 100, 77};
const Octets kShort6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
const Octets kLong6 = {0x20, 1,    0xd,  0xb8, 0x11, 0x11, 0x22, 0x22,
                       0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66};

std::string table_of(bool with_ipv6, unsigned columns) {
    const auto all = biflow_templates(with_ipv6);
    probe::FlowTablePrinter printer(all, columns);
    std::string out;
    RecordMaker tcp;
    tcp.octets(kSource4).octets(kDestination4).number(1, 6).number(2, 51022).number(2, 443).rest();
    printer.append_record(out, 0, tcp);
    RecordMaker icmp;
    icmp.octets(kSource4).octets(kDestination4).number(1, 1).number(2, 0x0800).rest();
    printer.append_record(out, 1, icmp);
    if (with_ipv6) {
        for (const Octets& address : {kShort6, kLong6}) {
            RecordMaker udp;
            udp.octets(address).octets(address).number(1, 17).number(2, 53).number(2, 65535).rest();
            printer.append_record(out, 2, udp);
        }
    }
    printer.append_totals(out, {3, 4, 5});
    return out;
}

std::string cell(void (*append)(std::string&, std::uint64_t), std::uint64_t value) {
    std::string text;
    append(text, value);
    return text;
}

} // namespace

TEST_CASE("counts have at most five characters and three digits that are right", "[table]") {
    using Case = std::pair<std::uint64_t, const char*>;
    for (const auto& [count, text] :
         {Case{0, "0"}, Case{99'999, "99999"}, Case{100'000, "100k"}, Case{999'499, "999k"},
          Case{999'500, "1.00M"}, Case{1'234'567, "1.23M"}, Case{9'994'999, "9.99M"},
          Case{9'995'000, "10.0M"}, Case{45'678'901, "45.7M"}, Case{99'950'000, "100M"},
          Case{5'000'000'000, "5.00G"}, Case{UINT64_MAX, "18.4E"}}) {
        CHECK(cell(probe::append_count, count) == text);
    }
}

TEST_CASE("durations have at most seven characters", "[table]") {
    CHECK(cell(probe::append_duration, 0) == "0.000");
    CHECK(cell(probe::append_duration, 12'345 * kNsPerMs) == "12.345");
    CHECK(cell(probe::append_duration, 999'999 * kNsPerMs) == "999.999");
    CHECK(cell(probe::append_duration, 12'345'678 * kNsPerMs) == "12345.6");
    CHECK(cell(probe::append_duration, 1'234'567 * kNsPerSecond) == "1234567");
}

TEST_CASE("the table of IPv4 biflows fits 80 columns", "[table]") {
    CHECK(table_of(false, 80) ==
          "START    SECONDS PROTO SOURCE                DESTINATION            PKTS  OCTS\n"
          "01:02:03   1.500 TCP   192.0.2.1:51022       198.51.100.77:443        22  989k\n"
          "01:02:03   1.500 ICMP  192.0.2.1             198.51.100.77            22  989k\n"
          "3 flow records, 4 packets, 5 octets, 2026-11-22 01:02:03 to 2026-11-22 01:02:04 UTC\n");
}

TEST_CASE("a wider terminal shows both directions, flags and the end reason", "[table]") {
    CHECK(
        table_of(false, 120) ==
        "START        SECONDS PROTO SOURCE                DESTINATION           PKTS> OCTS> <PKTS "
        "<OCTS FLAGS    END\n"
        "01:02:03.456   1.500 TCP   192.0.2.1:51022       198.51.100.77:443        12  1234    10 "
        " 988k ...AP.SF end\n"
        "01:02:03.456   1.500 ICMP  192.0.2.1             198.51.100.77            12  1234    10 "
        " 988k 8/0      end\n"
        "3 flow records, 4 packets, 5 octets, 2026-11-22 01:02:03 to 2026-11-22 01:02:04 UTC\n");
}

TEST_CASE("long IPv6 addresses take two lines in 80 columns, numbers stay in place", "[table]") {
    CHECK(table_of(true, 80) ==
          "START    SECONDS PROTO SOURCE                 DESTINATION             PKTS  OCTS\n"
          "01:02:03   1.500 TCP   192.0.2.1:51022        198.51.100.77:443         22  989k\n"
          "01:02:03   1.500 ICMP  192.0.2.1              198.51.100.77             22  989k\n"
          "01:02:03   1.500 UDP   2001:db8::7.53         2001:db8::7.65535         22  989k\n"
          "01:02:03   1.500 UDP   2001:db8:1111:2222:3333:4444:5555:6666.53\n"
          "                       2001:db8:1111:2222:3333:4444:5555:6666.65535     22  989k\n"
          "3 flow records, 4 packets, 5 octets, 2026-11-22 01:02:03 to 2026-11-22 01:02:04 UTC\n");
}

TEST_CASE("no line but the totals is wider than the terminal", "[table]") {
    for (unsigned columns = 80; columns < 200; ++columns) {
        std::istringstream lines(table_of(true, columns));
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("3 flow records")) continue;
            INFO(columns << ": " << line);
            CHECK(line.size() <= columns);
        }
    }
}

TEST_CASE("JSON Lines: one object a record, written at the latest after message_delay", "[text]") {
    const TemporaryFile file;
    TextSink sink(to(TransportKind::json, file.path), {}, templates(), 0);
    sink.append({0, ipv4_record(5), {5, 50}}, kStart);
    sink.append({0, ipv4_record(6), {6, 60}}, kStart);
    CHECK(sink.ledger().queued == probe::RecordTally{2, 11, 110});
    sink.step(kStart + 499 * kNsPerMs);
    CHECK(file.text().empty());
    sink.step(kStart + 500 * kNsPerMs);
    CHECK(file.text() ==
          "{\"sourceIPv4Address\":\"32.32.32.32\",\"packetDeltaCount\":5}\n"
          "{\"sourceIPv4Address\":\"32.32.32.32\",\"packetDeltaCount\":6}\n");
    CHECK(sink.idle());
    CHECK(sink.ledger().sent == probe::RecordTally{2, 11, 110});
    check_balance(sink.ledger());
}

TEST_CASE("a table ends with its totals", "[text]") {
    const TemporaryFile file;
    TextSink sink(to(TransportKind::table, file.path), {}, templates(), 80);
    sink.append({0, ipv4_record(5), {5, 50}}, kStart);
    sink.close(kStart);
    CHECK(sink.idle());
    CHECK(file.text() ==
          "SOURCE                                         PKTS\n"
          "32.32.32.32                                       5\n"
          "1 flow record, 5 packets, 50 octets\n");
    sink.append({0, ipv4_record(5), {5, 50}}, kStart);
    CHECK(lost(sink.ledger(), LossReason::shutdown).records == 1);
    check_balance(sink.ledger());
}

TEST_CASE("a full disk ends text output, to the record", "[text]") {
    TextSink sink(to(TransportKind::json, "/dev/full"), {}, templates(), 0);
    sink.append({0, ipv4_record(5), {5, 50}}, kStart);
    sink.step(kStart + kNsPerSecond);
    sink.append({0, ipv4_record(6), {6, 60}}, kStart);
    check_balance(sink.ledger());
    CHECK(lost(sink.ledger(), LossReason::send_error) == probe::RecordTally{2, 11, 110});
    CHECK(errors(sink.ledger(), probe::SendError::storage) == 1);
}

TEST_CASE("a reader of standard output that goes away is counted", "[text]") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(STDOUT_FILENO);
    const auto previous = std::signal(SIGPIPE, SIG_IGN);
    REQUIRE(::dup2(ends[1], STDOUT_FILENO) >= 0);
    ::close(ends[1]);
    ::close(ends[0]);
    TextSink sink(to(TransportKind::json, "-"), {}, templates(), 0);
    for (std::uint64_t number = 0; number < 10'000; ++number) {
        sink.append({0, ipv4_record(number), {1, 1}}, kStart);
    }
    sink.close(kStart);
    REQUIRE(::dup2(saved, STDOUT_FILENO) >= 0);
    ::close(saved);
    std::signal(SIGPIPE, previous);
    CHECK(lost(sink.ledger(), LossReason::send_error).records == 10'000);
    CHECK(errors(sink.ledger(), probe::SendError::disconnected) == 1);
    check_balance(sink.ledger());
}

TEST_CASE("a text file that cannot be made ends the start with a remedy", "[text]") {
    CHECK_THROWS_WITH(
        TextSink(to(TransportKind::json, "/no/such/x.json"), {}, templates(), 0),
        Catch::Contains("No such file or directory") && Catch::Contains("name a file"));
}
