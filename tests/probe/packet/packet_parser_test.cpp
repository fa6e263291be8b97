// SPDX-License-Identifier: BSD-3-Clause
#include "probe/packet/packet_parser.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "tests/probe/packet/packet_cases.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packet_builder.hpp"

namespace probe::test {
namespace {

std::string parse(Bytes octets, LinkType link, std::size_t frame_octets) {
    const ExactFrame frame(octets);
    PacketHeaders headers;
    std::memset(static_cast<void*>(&headers), 0xCC, sizeof headers); // nothing may be left over
    const ParseVerdict verdict =
        parse_packet(frame.view(link, static_cast<std::uint32_t>(frame_octets)), headers);
    return outcome(verdict, headers);
}

TEST_CASE("every described frame gives its headers or its verdict", "[packet][parser]") {
    for (const PacketCase& packet : packet_cases()) {
        INFO(packet.description);
        CHECK(parse(packet.frame, packet.link, packet.frame.size()) == packet.expected);
    }
}

TEST_CASE("the described frames reach every verdict", "[packet][parser]") {
    std::set<std::string> seen;
    for (const PacketCase& packet : packet_cases()) {
        for (std::size_t octets = 0; octets <= packet.frame.size(); ++octets) {
            seen.insert(parse(Bytes(packet.frame).first(octets), packet.link, octets));
        }
    }
    seen.insert("metered");
    for (const std::string_view name : kParseVerdictNames) {
        INFO(name);
        CHECK(seen.count(std::string(name)) == 1);
    }
}

/// The common frames, whole and cut, with octets changed by `seed`: most stay common or just miss
/// it.
TEST_CASE("the short way of common frames finds what the general way finds", "[packet][parser]") {
    std::mt19937 random(20'261'124);
    const auto below = [&random](std::size_t n) { return random() % n; };
    std::size_t short_way = 0;
    std::size_t general_way = 0;
    for (const PacketCase& packet : packet_cases()) {
        if (packet.link != LinkType::ethernet || packet.frame.size() > 2048) {
            continue;
        }
        for (int round = 0; round < 1000; ++round) {
            std::vector<std::uint8_t> octets = packet.frame;
            octets.resize(octets.size() + below(40)); // padding, so that short packets are common
            for (std::size_t changes = below(4); changes > 0; --changes) {
                octets[below(std::min<std::size_t>(octets.size(), 70))] ^=
                    static_cast<std::uint8_t>(1U << below(8));
            }
            octets.resize(octets.size() - below(std::min<std::size_t>(octets.size(), 30)));
            const ExactFrame frame(octets);
            PacketView view =
                frame.view(LinkType::ethernet, static_cast<std::uint32_t>(octets.size()));
            view.vlan_stripped = below(20) == 0;
            view.stripped_vlan_tci = 7;
            PacketHeaders quick;
            std::memset(static_cast<void*>(&quick), 0xCC, sizeof quick);
            if (!parse_common_frame(view, quick)) {
                ++general_way;
                continue;
            }
            ++short_way;
            PacketHeaders general{};
            INFO(packet.description << ", round " << round);
            REQUIRE(parse_any_frame(view, general) == ParseVerdict::metered);
            REQUIRE(std::memcmp(&quick, &general, sizeof quick) == 0);
        }
    }
    CHECK(short_way > 2'000);
    CHECK(general_way > 2'000);
}

TEST_CASE("a frame cut at any octet keeps its octets, or is refused as truncated",
          "[packet][parser]") {
    for (const PacketCase& packet : packet_cases()) {
        INFO(packet.description);
        const bool metered = packet.expected.starts_with("v");
        const std::string_view full = packet.expected;
        const std::string octets_word{
            full.substr(full.find(" o") + 1, full.find(" at") - full.find(" o") - 1)};
        bool was_metered = false;
        const std::size_t step = packet.frame.size() > 4096 ? 17 : 1;
        for (std::size_t octets = 0; octets <= packet.frame.size(); octets += step) {
            INFO("cut to " << octets);
            const std::string cut =
                parse(Bytes(packet.frame).first(octets), packet.link, packet.frame.size());
            if (packet.description.find("jumbo") != std::string::npos) {
                continue; // the length itself may be cut off; here only for the sanitizer
            }
            if (!metered) {
                // As much as was read decides: the same refusal, or an earlier one.
                CHECK((cut.starts_with("ignored") || cut.starts_with("dropped")));
                continue;
            }
            if (cut.starts_with("v")) {
                was_metered = true;
                CHECK(cut.find(" " + octets_word + " ") != std::string::npos);
            } else {
                CHECK_FALSE(was_metered); // once there is an IP header, more octets do no harm
                CHECK((cut == "dropped_link_truncated" || cut == "dropped_ip_truncated" ||
                       cut == "ignored_llc"));
            }
        }
        if (packet.description.find("jumbo") == std::string::npos) {
            CHECK(was_metered == metered);
        }
    }
}

TEST_CASE("a transport header that the snap length cut is said to be", "[packet][parser]") {
    const std::vector<std::uint8_t> frame =
        PacketBuilder().ethernet().ipv4().tcp(50'000, 443, 0x12).payload(100).build();
    CHECK(parse(Bytes(frame).first(34), LinkType::ethernet, frame.size()) ==
          "v4 p6 0>0 o140 at 14/0 cut");
    CHECK(parse(Bytes(frame).first(38), LinkType::ethernet, frame.size()) ==
          "v4 p6 50000>443 o140 at 14/0 cut");
    CHECK(parse(Bytes(frame).first(48), LinkType::ethernet, frame.size()) ==
          "v4 p6 50000>443 o140 at 14/0 bits 012 cut");
    CHECK(parse(Bytes(frame).first(54), LinkType::ethernet, frame.size()) ==
          "v4 p6 50000>443 o140 at 14/34 bits 012");
}

TEST_CASE("options that the snap length cut leave the packet metered", "[packet][parser]") {
    const std::vector<std::uint8_t> frame =
        PacketBuilder().ethernet().ipv4({.option_octets = 20}).udp(1, 2).build();
    CHECK(parse(Bytes(frame).first(40), LinkType::ethernet, frame.size()) ==
          "v4 p17 0>0 o48 at 14/0 cut");
    CHECK(parse(Bytes(frame).first(40), LinkType::ethernet, 40) == "dropped_ip_header_length");
}

TEST_CASE("a tag that the NIC took off is the outermost", "[packet][parser][vlan]") {
    const auto stripped = [](const PacketBuilder& builder) {
        const std::vector<std::uint8_t> octets = builder.build();
        const ExactFrame frame(octets);
        PacketView view = frame.view(LinkType::ethernet, static_cast<std::uint32_t>(octets.size()));
        view.vlan_stripped = true;
        view.stripped_vlan_tci = 0x0123;
        PacketHeaders headers;
        const ParseVerdict verdict = parse_packet(view, headers);
        return outcome(verdict, headers);
    };
    CHECK(stripped(PacketBuilder().ethernet().ipv4().udp(1, 2)) ==
          "v4 p17 1>2 o28 at 14/34 vlan 0123");
    CHECK(stripped(PacketBuilder().ethernet().vlan(5).ipv4().udp(1, 2)) ==
          "v4 p17 1>2 o28 at 18/38 vlan 0123.0005");
    CHECK(stripped(PacketBuilder().ethernet().vlan(4, 0x88A8).vlan(5).ipv6().udp(1, 2)) ==
          "v6 p17 1>2 o48 at 22/62 vlan 0123.0005 of 3");
}

TEST_CASE("every verdict has a name of its own", "[packet]") {
    std::set<std::string_view> names(kParseVerdictNames.begin(), kParseVerdictNames.end());
    CHECK(names.size() == kParseVerdicts);
    CHECK(names.count("") == 0);
}

} // namespace
} // namespace probe::test
