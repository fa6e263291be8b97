// SPDX-License-Identifier: BSD-3-Clause
// Reader and parser on real captures of other projects, with the counts of an independent reader.
// They are not part of the project: PARSHALL_SHARED_CAPTURES or ../shared/captures, else skipped.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "probe/observation/capture_file.hpp"
#include "probe/packet/packet_parser.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

struct Counts {
    std::uint64_t packets = 0;
    std::uint64_t ipv4 = 0;
    std::uint64_t ipv6 = 0;
    std::uint64_t ip_octets = 0;
    bool operator==(const Counts&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Counts& counts) {
    return out << counts.packets << " packets, " << counts.ipv4 << " IPv4, " << counts.ipv6
               << " IPv6, " << counts.ip_octets << " octets";
}

/// Where our policy is another one than that of INDEX.csv; each with its reason.
const std::map<std::string, Counts>& policy_differences() {
    static const std::map<std::string, Counts> kDifferences = {
        // A loopback header that announces no known family (random octets).
        {"copyleft/ndpi/pcap/fuzz-2021-10-13.pcap", {1, 0, 0, 0}},
        // The jumbo payload option counts.
        {"tcpdump/bigtcp-ipv6-hbh.pcap", {1, 0, 1, 80'080}},
        // A jumbo payload of more than the wire carried is a contradiction.
        {"tcpdump/ipv6-too-long-jumbo.pcap", {1, 0, 0, 0}},
        {"tcpdump/quic_32_bit_pointer_overflow.pcap", {1, 0, 0, 0}},
        // The link type's upper half, about frame check sequences, is no part of the link type.
        {"tcpdump/bootp_asan.pcap", {1, 1, 0, 60'951}},
        // PPP is read.
        {"mercury/pcaps/quic_ppp.pcap", {18, 14, 4, 8'771}},
        {"tcpdump/bgp_vpn_attrset.pcap", {1, 1, 0, 173}},
        {"tcpdump/icmp-cksum-oobr-2.pcap", {1, 1, 0, 33'008}},
        {"tcpdump/lspping-fec-ldp.pcap", {13, 13, 0, 874}},
    };
    return kDifferences;
}

std::filesystem::path captures_folder() {
    if (const char* named = std::getenv("PARSHALL_SHARED_CAPTURES")) {
        return named;
    }
    return std::filesystem::path(PARSHALL_SOURCE_ROOT) / ".." / "shared" / "captures";
}

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) {
        cells.push_back(cell);
    }
    return cells;
}

Counts count(CaptureFile& file) {
    Counts counts;
    PacketBatch batch;
    PacketHeaders headers;
    while (file.poll(batch, UINT64_MAX) > 0) {
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            ++counts.packets;
            if (parse_packet(batch.packets[i], headers) == ParseVerdict::metered) {
                ++(headers.family == IpFamily::ipv4 ? counts.ipv4 : counts.ipv6);
                counts.ip_octets += headers.ip_octets;
            }
        }
        file.release();
    }
    return counts;
}

TEST_CASE("real captures have the packets and octets that another reader counted",
          "[capture][shared]") {
    const std::filesystem::path folder = captures_folder();
    std::ifstream index(folder / "INDEX.csv");
    if (!index) {
        WARN("skipped: no captures in " << folder);
        return;
    }
    std::string line;
    std::getline(index, line);
    const std::vector<std::string> names = split(line);
    const auto column = [&](const std::string& name) {
        const auto at = std::find(names.begin(), names.end(), name);
        REQUIRE(at != names.end());
        return static_cast<std::size_t>(at - names.begin());
    };
    const std::size_t packets = column("packets");
    const std::size_t ipv4 = column("ip4_packets");
    const std::size_t ipv6 = column("ip6_packets");
    const std::size_t octets = column("ip_octets");
    std::uint64_t files = 0;
    while (std::getline(index, line)) {
        const std::vector<std::string> row = split(line);
        REQUIRE(row.size() > octets);
        INFO(row[0]);
        CaptureFile file((folder / row[0]).string());
        const Counts found = count(file);
        const auto difference = policy_differences().find(row[0]);
        const Counts expected = difference != policy_differences().end()
                                    ? difference->second
                                    : Counts{std::stoull(row[packets]), std::stoull(row[ipv4]),
                                             std::stoull(row[ipv6]), std::stoull(row[octets])};
        CHECK(found == expected);
        ++files;
    }
    CHECK(files > 0);
}

} // namespace
} // namespace probe::test
