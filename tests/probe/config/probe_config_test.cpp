// SPDX-License-Identifier: BSD-3-Clause
#include "probe/config/probe_config.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "encoder/config_error.hpp"
#include "tests/support/catch.hpp"

namespace fs = std::filesystem;
using namespace probe;

namespace {

const fs::path kDirectory = TEST_DIRECTORY;

std::string contents(const fs::path& path) {
    std::ifstream file(path);
    REQUIRE(file);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// What loading says, with the directory taken out; "loaded" when nothing is said.
std::string complaint(const fs::path& path) {
    try {
        (void)load_probe_config(path);
    } catch (const ipfix::ConfigError& error) {
        const std::string what = error.what();
        const std::string directory = path.parent_path().string() + "/";
        return what.starts_with(directory) ? what.substr(directory.size()) : what;
    }
    return "loaded";
}

/// A file that lives as long as the object.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& text)
        : path_(fs::temp_directory_path() /
                ("parshall_config_" + std::to_string(getpid()) + ".yaml")) {
        std::ofstream(path_) << text;
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { fs::remove(path_); }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

} // namespace

TEST_CASE("every wrong configuration is refused with exactly its message", "[config]") {
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(kDirectory / "bad")) {
        if (entry.path().extension() != ".yaml") {
            continue;
        }
        ++files;
        fs::path expected = entry.path();
        expected.replace_extension(".expected");
        INFO(entry.path().filename());
        CHECK(complaint(entry.path()) + "\n" == contents(expected));
    }
    CHECK(files >= 60);
}

TEST_CASE("a wrong configuration's message gives the line, and is one line", "[config]") {
    for (const auto& entry : fs::directory_iterator(kDirectory / "bad")) {
        if (entry.path().extension() == ".yaml") {
            const std::string text = complaint(entry.path());
            INFO(text);
            CHECK(text.starts_with(entry.path().filename().string() + ":"));
            CHECK(std::isdigit(text[entry.path().filename().string().size() + 1]) != 0);
            CHECK(std::count(text.begin(), text.end(), '\n') == 0);
        }
    }
}

TEST_CASE("what is not a file at all is refused with the reason", "[config]") {
    CHECK(complaint(kDirectory / "bad") == "bad: is a directory; name a YAML file in it");
    CHECK(complaint(kDirectory / "absent.yaml") ==
          "absent.yaml: there is no such file; check the path");
    const TemporaryFile empty("");
    CHECK(complaint(empty.path()).find("the file is empty") != std::string::npos);
    const fs::path fifo = fs::temp_directory_path() / ("parshall_fifo_" + std::to_string(getpid()));
    REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
    const std::string said = complaint(fifo); // and does not wait for a writer
    fs::remove(fifo);
    CHECK(said.starts_with(fifo.filename().string() + ": "));
}

TEST_CASE("every key reaches its option", "[config]") {
    const ProbeConfig config = load_probe_config(kDirectory / "good" / "all_keys.yaml");

    CHECK(config.observation.domain_id == 42);
    CHECK(config.observation.domain_name == "upstream");
    CHECK(config.observation.eal == std::vector<std::string>{"--no-huge", "-m", "512"});
    REQUIRE(config.observation.points.size() == 2);
    const ObservationPointOptions& nic = config.observation.points[0];
    CHECK(nic.port == "0000:01:00.0");
    CHECK(nic.queues == 4);
    CHECK(nic.descriptors == 4096);
    CHECK(nic.interface_index == 17);
    CHECK(nic.direction == ObservationDirection::egress);
    CHECK_FALSE(nic.promiscuous);
    CHECK(nic.mtu == 9000);
    CHECK(config.observation.points[1].port == "net_af_packet0,iface=eth1,qpairs=2");
    CHECK(config.observation.points[1].promiscuous);

    CHECK(config.metering.flows_max == 4'194'304);
    CHECK(config.metering.ipv6_share == 0.5);
    CHECK(config.metering.timeouts.idle == 30 * kNsPerSecond);
    CHECK(config.metering.timeouts.active == 120 * kNsPerSecond);
    CHECK(config.metering.timeouts.tcp_end == kNever);
    CHECK(config.metering.sweep == 250 * kNsPerMs);
    CHECK(config.metering.when_full == WhenFull::refuse);
    CHECK(config.metering.record_queue == 1024);
    CHECK(config.metering.application.flows_max == 5000);
    CHECK(config.metering.application.result_octets == 8 * 1024 * 1024);
    CHECK(config.metering.application.hellos == 99);
    CHECK(config.metering.application.payload_packets == 4);
    CHECK(config.metering.application.payload_octets == 3000);
    CHECK(config.metering.application.head_octets == 32);
    CHECK(config.metering.application.allow_cleartext_payload);
    REQUIRE(config.metering.labels.rule_files.size() == 1);
    CHECK(fs::path(config.metering.labels.rule_files[0]).filename() == "rules.yaml");
    CHECK(config.metering.labels.cache == "/var/cache/parshall");
    CHECK(config.metering.labels.payload_packets_max == 3);
    CHECK(config.metering.labels.payload_octets_max == 1024);
    CHECK(config.metering.labels.enterprise_number == 32'473);
    CHECK(config.metering.sampling.method == SamplingMethod::random);
    CHECK(config.metering.sampling.population == 1000);
    CHECK(config.metering.sampling.seed == 7);
    REQUIRE(config.metering.template_files.size() == 2);
    CHECK(fs::path(config.metering.template_files[0]).filename() == "uniflow.yaml");
    CHECK(fs::path(config.metering.template_files[1]).filename() == "wide.yaml");

    const ExportOptions& exporting = config.exporting;
    REQUIRE(exporting.collectors.size() == 13);
    REQUIRE(exporting.groups.size() == 2);
    CHECK(exporting.groups[0].distribute == Distribution::failover);
    CHECK(exporting.groups[0].failover_after == 3 * kNsPerSecond);
    CHECK(exporting.groups[1].distribute == Distribution::flow_hash);
    CHECK(exporting.collectors[8].group == kNoGroup);
    CHECK(exporting.collectors[9].group == 0);
    CHECK(exporting.collectors[10].group == 0);
    CHECK(exporting.collectors[12].group == 1);
    CHECK(exporting.collectors[9].records_per_second == 0);
    CHECK(exporting.collectors[9].spool.directory == "/var/spool/parshall");
    CHECK(exporting.collectors[9].spool.octets_max == std::uint64_t{4} << 30);
    CHECK(exporting.collectors[10].spool.directory.empty());
    CHECK(exporting.collectors[10].records_per_second == 50'000);
    CHECK(exporting.collectors[10].bits_per_second == 100'000'000);
    CHECK(exporting.collectors[3].file.rotate_every == 300 * kNsPerSecond);
    CHECK(exporting.collectors[3].file.rotate_octets == 100 * 1024 * 1024);
    CHECK(exporting.collectors[3].file.keep == 288);
    CHECK(exporting.collectors[3].file.checksum);
    CHECK(exporting.collectors[3].file.time_window);
    CHECK(exporting.collectors[4].format == ExportFormat::netflow9);
    CHECK(exporting.collectors[4].port == 2055);
    CHECK(exporting.collectors[5].format == ExportFormat::netflow5);
    CHECK(exporting.collectors[5].transport == TransportKind::udp);
    CHECK(exporting.collectors[5].port == 9995);
    const CollectorOptions& tls = exporting.collectors[6];
    CHECK(tls.transport == TransportKind::tls);
    CHECK(tls.port == 4740);
    CHECK(tls.tls.ca == "ca.pem");
    CHECK(tls.tls.certificate == "probe.pem");
    CHECK(tls.tls.key == "probe.key");
    CHECK(tls.tls.name == "flows.example");
    CHECK(tls.socket.source == "2001:db8::1");
    CHECK(tls.socket.device == "eth0");
    CHECK(tls.socket.dscp == 8);
    CHECK(tls.socket.hop_limit == 3);
    const CollectorOptions& sctp = exporting.collectors[7];
    CHECK(sctp.transport == TransportKind::sctp);
    CHECK(sctp.sctp.encapsulation == 9899);
    CHECK(sctp.sctp.lifetime == 2 * kNsPerSecond);
    CHECK(sctp.sctp.streams == SctpStreamUse::per_template);
    CHECK_FALSE(sctp.socket.dscp);
    CHECK(exporting.collectors[8].transport == TransportKind::dtls);
    CHECK(exporting.collectors[8].port == 4740);
    CHECK(exporting.collectors[8].tls.rehandshake == 600 * kNsPerSecond);
    CHECK(exporting.options_records == false);
    CHECK(exporting.options_interval == 300 * kNsPerSecond);
    CHECK(exporting.collectors[1].host == "2001:db8::7");
    CHECK(exporting.template_refresh == 600 * kNsPerSecond);
    CHECK(exporting.template_refresh_messages == 0);
    CHECK(exporting.template_copies == 3);
    CHECK(exporting.set_padding == 4);
    CHECK(exporting.message_delay == 100 * kNsPerMs);
    CHECK(exporting.queue_octets == 64U * 1024 * 1024);
    CHECK(exporting.reconnect_min == 500 * kNsPerMs);
    CHECK(exporting.reconnect_max == 30 * kNsPerSecond);
    CHECK(exporting.peer_timeout == 9 * kNsPerSecond);
    CHECK(exporting.udp_payload == 1200);
    CHECK(exporting.shutdown == 2 * kNsPerSecond);

    CHECK(config.lcores.exporter == 0);
    CHECK(config.lcores.housekeeping == 1);
    CHECK(config.lcores.workers == std::vector<int>{2, 3, 4, 5});
}

TEST_CASE("empty sections and no file at all both mean the defaults", "[config]") {
    const ProbeConfig config = GENERATE(
        load_probe_config(TEST_DIRECTORY "/good/empty_sections.yaml"), default_probe_config());
    CHECK(config.observation.points.empty());
    CHECK(config.observation.domain_id == 1);
    CHECK(config.metering.timeouts.idle == 15 * kNsPerSecond);
    CHECK(config.metering.timeouts.active == 60 * kNsPerSecond);
    CHECK(config.exporting.collectors.empty());
    CHECK(config.lcores.workers.empty());
    REQUIRE(config.metering.template_files.size() == 1);
    CHECK(fs::path(config.metering.template_files[0]).filename() == "default.yaml");
}

TEST_CASE("by default no connection is tried more often than once a minute", "[config][rfc7011]") {
    const ExportOptions options;
    CHECK(options.reconnect_min >= 60 * kNsPerSecond);
    CHECK(options.reconnect_max >= options.reconnect_min);
}

TEST_CASE("of the two reconnect delays one may be left out", "[config]") {
    const TemporaryFile shorter("exporting:\n  reconnect_max: 5s\n");
    CHECK(load_probe_config(shorter.path()).exporting.reconnect_min == 5 * kNsPerSecond);
    const TemporaryFile longer("exporting:\n  reconnect_min: 5m\n");
    CHECK(load_probe_config(longer.path()).exporting.reconnect_max == 300 * kNsPerSecond);
}

TEST_CASE("one collector or one template may be written without brackets", "[config]") {
    const TemporaryFile file(
        "metering:\n  templates: wide\nexporting:\n  collectors: tcp://collector\n");
    const ProbeConfig config = load_probe_config(file.path());
    CHECK(config.metering.template_files.size() == 1);
    REQUIRE(config.exporting.collectors.size() == 1);
    CHECK(config.exporting.collectors[0].host == "collector");
}

TEST_CASE("template paths are relative to the configuration, not to where parshall is started",
          "[config]") {
    const std::string found = find_template_file("empty_sections.yaml", kDirectory / "good");
    CHECK(found == (kDirectory / "good" / "empty_sections.yaml").string());
    CHECK_THROWS_AS(find_template_file("empty_sections.yaml", kDirectory), std::invalid_argument);
    CHECK(fs::exists(find_template_file("minimal", kDirectory)));
}

TEST_CASE("durations on the command line are those of the YAML", "[config]") {
    constexpr DurationLimits kAny = {0, kNsPerHour};
    CHECK(parse_duration("250ms", kAny) == 250 * kNsPerMs);
    CHECK(parse_duration("1.5s", kAny) == 1500 * kNsPerMs);
    CHECK(parse_duration("2m", kAny) == 120 * kNsPerSecond);
    CHECK(parse_duration("1h", kAny) == kNsPerHour);
    CHECK(parse_duration("off", kAny, true) == kNever);
    for (const char* wrong :
         {"", "s", "15", "15 s", "-1s", "1x", "2h", "off", "1e3s", "99999999999h"}) {
        INFO(wrong);
        CHECK_THROWS_AS(parse_duration(wrong, kAny), std::invalid_argument);
    }
    CHECK_THROWS_WITH(parse_duration("15", kIdleLimits),
                      "expected a duration from 1s to 24h, found '15'");
}
