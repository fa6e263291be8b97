// SPDX-License-Identifier: BSD-3-Clause
// EAL arguments, and what a process is told when the EAL does not start. The EAL starts at most
// once in a process, also when it fails, so every start here is in a child of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "probe/observation/eal_session.hpp"
#include "probe/observation/queue_symmetry.hpp"
#include "tests/support/catch.hpp"

using namespace probe;
using Words = std::vector<std::string>;

namespace {

bool contains(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Starts the EAL in a child, as this user or as nobody, and gives back what it said.
std::string started(const Words& arguments, bool as_nobody = false) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string text = "started";
        constexpr uid_t kNobody = 65534;
        if (as_nobody && setuid(kNobody) != 0) {
            text = "cannot become nobody";
        } else {
            try {
                const EalSession session(arguments);
                text += " on " + std::to_string(session.lcores().size());
            } catch (const EalError& error) {
                text = error.what();
            }
        }
        const ssize_t written = write(ends[1], text.data(), text.size());
        _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    close(ends[1]);
    std::string text;
    std::array<char, 512> buffer{};
    for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
        text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    return text;
}

} // namespace

TEST_CASE("PCI addresses are told from names", "[observation][eal-arguments]") {
    for (const char* pci : {"0000:01:00.0", "01:00.0", "10000:e1:1f.7", "abcd:EF:00.1"}) {
        CHECK(is_pci_address(pci));
    }
    for (const char* name : {"", "net_null0", "01:00", "1:00.0", "0000:01:00.0,x=1", "0000:01:00.",
                             "00:01:00.0", "0000:01:00.00", "g0:00.0", "0", "mlx5_core.sf.2"}) {
        INFO(name);
        CHECK_FALSE(is_pci_address(name));
    }
}

TEST_CASE("only the ports of the configuration are given to DPDK", "[observation][eal-arguments]") {
    const Words pci = live_eal_arguments({}, {}, {"0000:01:00.0", "02:00.1"});
    CHECK(pci == Words{"--in-memory", "--no-telemetry", "-a", "0000:01:00.0", "-a", "02:00.1"});
    const Words vdev = live_eal_arguments({}, {}, {"net_af_packet0,iface=eth1,qpairs=2"});
    CHECK(vdev == Words{"--in-memory", "--no-telemetry",
                        "--vdev=net_af_packet0,iface=eth1,qpairs=2", "--no-pci"});
}

TEST_CASE("devices that are given already are not given twice", "[observation][eal-arguments]") {
    for (const Words& given : {Words{"-a", "0000:01:00.0,rx_vec=1"}, Words{"-a0000:01:00.0"},
                               Words{"--allow=01:00.0"}, Words{"--allow", "0000:01:00.0"}}) {
        const Words words = live_eal_arguments({}, given, {"01:00.0"});
        CHECK(std::count(words.begin(), words.end(), "-a") ==
              std::count(given.begin(), given.end(), "-a"));
        CHECK_FALSE(contains(words, "--no-pci"));
    }
    const Words words = live_eal_arguments({}, {"--vdev", "net_null0,size=128"}, {"net_null0"});
    CHECK(words ==
          Words{"--in-memory", "--no-telemetry", "--no-pci", "--vdev", "net_null0,size=128"});
    CHECK_FALSE(contains(live_eal_arguments({}, {"-b", "02:00.0"}, {"01:00.0"}), "-a"));
}

TEST_CASE("the command line replaces what the YAML says of the same option",
          "[observation][eal-arguments]") {
    const Words words =
        live_eal_arguments({"-l", "0-3", "--no-huge", "-m", "512", "--vdev", "net_ring0"},
                           {"--lcores=0,1", "-m", "64"}, {"net_ring0"});
    CHECK(words == Words{"--no-shconf", "--no-telemetry", "--no-pci", "--no-huge", "--vdev",
                         "net_ring0", "--lcores=0,1", "-m", "64"});
}

TEST_CASE("without hugepages memory is asked for by amount", "[observation][eal-arguments]") {
    CHECK(live_eal_arguments({"--no-huge"}, {}, {}, 300) ==
          Words{"--no-shconf", "--no-telemetry", "-m", "300", "--no-pci", "--no-huge"});
    CHECK(contains(live_eal_arguments({"--no-huge"}, {}, {}), "1024"));
}

TEST_CASE("an operator who shares memory on purpose is left alone",
          "[observation][eal-arguments]") {
    for (const char* shared :
         {"--file-prefix=x", "--huge-dir=/mnt", "--legacy-mem", "--in-memory"}) {
        const Words words = live_eal_arguments({}, {shared}, {});
        INFO(shared);
        CHECK(std::count(words.begin(), words.end(), "--in-memory") ==
              (std::string(shared) == "--in-memory" ? 1 : 0));
    }
}

TEST_CASE("reading files starts the EAL without root, hugepages or devices", "[observation][eal]") {
    CHECK(started(offline_eal_arguments(64)) == "started on 1");
    if (geteuid() == 0) {
        CHECK(started(offline_eal_arguments(64), true) == "started on 1");
    }
}

TEST_CASE("an EAL that does not start says in one sentence what to do", "[observation][eal]") {
    const Words base = {"--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "64"};
    const auto with = [&base](Words more) {
        more.insert(more.begin(), base.begin(), base.end());
        return started(more);
    };
    CHECK(with({"--bogus"}) ==
          "the EAL does not take an argument as it is written (unrecognized option '--bogus'): EAL "
          "arguments stand before `--`, those of parshall behind it, as in `parshall run -l 0-3 -- "
          "--config probe.yaml`");
    CHECK(with({"word"}) ==
          "the EAL does not know the word 'word': EAL arguments stand before `--`, "
          "those of parshall behind it");
    CHECK(with({"-l", "120"}) ==
          "the EAL did not start (lcore 120 unavailable): name lcores on CPUs that this process "
          "may use "
          "(`taskset -cp $$` lists them)");
    CHECK(with({"--vdev=net_nosuch0"})
              .starts_with("the EAL did not start (failed to parse device \"net_nosuch0\"): "));
}

TEST_CASE("both directions of a flow have one hash under the symmetric key", "[observation][rss]") {
    CHECK(is_symmetric_rss_key(symmetric_rss_key(40)));
    CHECK(is_symmetric_rss_key(symmetric_rss_key(52)));
    CHECK_FALSE(is_symmetric_rss_key(symmetric_rss_key(39)));
}

TEST_CASE("Microsoft's verification key is known not to be symmetric", "[observation][rss]") {
    // "Verifying the RSS Hash Calculation", Windows driver documentation; the default of many NICs.
    const std::vector<std::uint8_t> key = {
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
        0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
        0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
    CHECK_FALSE(is_symmetric_rss_key(key));
    std::vector<std::uint8_t> one_bit = symmetric_rss_key(40);
    one_bit[35] ^= 1; // reached only by IPv6 with ports
    CHECK_FALSE(is_symmetric_rss_key(one_bit));
}
