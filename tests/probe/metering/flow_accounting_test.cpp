// SPDX-License-Identifier: BSD-3-Clause
// The update rule alone: one record in memory, packets made by hand.
#include "probe/metering/flow_accounting.hpp"

#include <memory>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

BlockNeeds everything() {
    BlockNeeds needs;
    needs.first_packet = needs.link = needs.range = needs.frame_octets =
        needs.totals = {true, true};
    needs.reverse_times = true;
    return needs;
}

PacketHeaders tcp(std::uint16_t bits = 0, std::uint32_t octets = 40) {
    PacketHeaders headers{};
    headers.family = IpFamily::ipv4;
    headers.protocol = kProtocolTcp;
    headers.tcp_control_bits = bits;
    headers.ip_octets = octets;
    headers.hop_limit = 64;
    return headers;
}

PacketHeaders udp() {
    PacketHeaders headers = tcp();
    headers.protocol = 17;
    return headers;
}

PacketView at(TimeNs time, std::uint32_t frame_octets = 64) {
    PacketView view{};
    view.time_ns = time;
    view.frame_octets = frame_octets;
    view.link = LinkType::raw_ip;
    return view;
}

/// A record of one layout with all of its blocks.
struct Flow {
    using Record = FlowRecord<Ipv4Key>;
    RecordLayout layout;
    bool biflow;
    std::unique_ptr<std::uint64_t[]> memory;

    explicit Flow(const BlockNeeds& needs = everything(), bool is_biflow = true)
        : layout(RecordLayout::of(needs, sizeof(Record))),
          biflow(is_biflow),
          memory(std::make_unique<std::uint64_t[]>(layout.stride / 8U)) {}

    [[nodiscard]] Record& record() const { return *reinterpret_cast<Record*>(memory.get()); }
    void begin(const PacketHeaders& headers, bool key_reversed) const {
        begin_flow(record(), layout, Ipv4Key{}, headers, key_reversed, biflow);
    }
    void add(const PacketView& packet, const PacketHeaders& headers, bool key_reversed) const {
        const std::size_t d = packet_direction(record(), key_reversed, biflow);
        add_packet(record(), layout, packet, headers, d);
        follow_tcp(record(), headers.tcp_control_bits, d, biflow);
    }
    [[nodiscard]] bool ended() const { return (record().state & FlowState::kEnded) != 0; }
    template <class Block>
    [[nodiscard]] Block& block(std::uint16_t offset) const {
        return block_at<Block>(record(), offset);
    }
};

} // namespace

TEST_CASE("the initiator is who sent the first packet, but for an answer to a SYN",
          "[metering][accounting]") {
    struct Case {
        const char* what;
        PacketHeaders headers;
        bool key_reversed;
        bool source_is_second;
        bool known;
    };
    const Case cases[] = {
        {"UDP, smaller endpoint first", udp(), false, false, true},
        {"UDP, larger endpoint first", udp(), true, true, true},
        {"SYN", tcp(TcpBits::kSyn), false, false, true},
        {"SYN, larger endpoint", tcp(TcpBits::kSyn), true, true, true},
        {"SYN-ACK reverses", tcp(TcpBits::kSyn | TcpBits::kAck), false, true, true},
        {"SYN-ACK of the larger endpoint", tcp(TcpBits::kSyn | TcpBits::kAck), true, false, true},
        {"TCP in mid-stream is arbitrary", tcp(TcpBits::kAck), false, false, false},
        {"TCP in mid-stream, larger endpoint", tcp(TcpBits::kAck), true, true, false},
        {"an RST is mid-stream", tcp(TcpBits::kRst), false, false, false},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        const std::uint8_t order = initial_order(c.headers, c.key_reversed);
        CHECK(((order & FlowOrder::kSourceIsSecond) != 0) == c.source_is_second);
        CHECK(((order & FlowOrder::kInitiatorKnown) != 0) == c.known);
    }
    PacketHeaders syn_bits_elsewhere = udp();
    syn_bits_elsewhere.tcp_control_bits = TcpBits::kSyn | TcpBits::kAck;
    CHECK((initial_order(syn_bits_elsewhere, false) & FlowOrder::kSourceIsSecond) == 0);
}

TEST_CASE("packets are counted in the direction they went", "[metering][accounting]") {
    for (const bool first_reversed : {false, true}) {
        const Flow flow;
        flow.begin(udp(), first_reversed);
        PacketHeaders small = udp();
        small.ip_octets = 100;
        PacketHeaders large = udp();
        large.ip_octets = 1500;
        flow.add(at(10, 114), small, first_reversed);
        flow.add(at(20, 1514), large, !first_reversed);
        flow.add(at(30, 1514), large, !first_reversed);
        CHECK(flow.record().packets == std::array<std::uint32_t, 2>{1, 2});
        CHECK(flow.record().octets == std::array<std::uint64_t, 2>{100, 3000});
        CHECK(flow.block<FrameOctetsBlock>(flow.layout.frame_octets[0]).frame_octets == 114);
        CHECK(flow.block<FrameOctetsBlock>(flow.layout.frame_octets[1]).frame_octets == 3028);
    }
}

TEST_CASE("a uniflow has one direction, whichever way its key compares", "[metering][accounting]") {
    const Flow flow(everything(), false);
    flow.begin(tcp(TcpBits::kSyn | TcpBits::kAck), false);
    flow.add(at(10), tcp(), false);
    flow.add(at(11), tcp(), true);
    CHECK(flow.record().packets == std::array<std::uint32_t, 2>{2, 0});
    CHECK((flow.record().order & FlowOrder::kSourceIsSecond) == 0);
}

TEST_CASE("start and end are the earliest and the latest packet, in any order",
          "[metering][accounting]") {
    const Flow flow;
    flow.begin(udp(), false);
    flow.add(at(500), udp(), false);
    CHECK(flow.record().first_ns == 500);
    CHECK(flow.record().last_ns == 500);
    flow.add(at(300), udp(), true);
    flow.add(at(400), udp(), true);
    flow.add(at(900), udp(), false);
    flow.add(at(700), udp(), false);
    CHECK(flow.record().first_ns == 300);
    CHECK(flow.record().last_ns == 900);
    const auto& reverse = flow.block<DirectionTimesBlock>(flow.layout.reverse_times);
    CHECK(reverse.first_ns == 300);
    CHECK(reverse.last_ns == 400);
}

TEST_CASE("ranges hold the smallest and largest of each direction", "[metering][accounting]") {
    const Flow flow;
    flow.begin(udp(), false);
    const auto packet = [](std::uint32_t octets, std::uint8_t hops) {
        PacketHeaders headers = udp();
        headers.ip_octets = octets;
        headers.hop_limit = hops;
        return headers;
    };
    flow.add(at(1), packet(500, 64), false);
    flow.add(at(2), packet(40, 1), true);
    flow.add(at(3), packet(1500, 63), false);
    flow.add(at(4), packet(60, 255), false);
    const auto& there = flow.block<RangeBlock>(flow.layout.range[0]);
    CHECK(there.ip_octets_min == 60);
    CHECK(there.ip_octets_max == 1500);
    CHECK(there.hop_limit_min == 63);
    CHECK(there.hop_limit_max == 255);
    const auto& back = flow.block<RangeBlock>(flow.layout.range[1]);
    CHECK(back.ip_octets_min == 40);
    CHECK(back.ip_octets_max == 40);
    CHECK(back.hop_limit_min == 1);
    CHECK(back.hop_limit_max == 1);
    restart_deltas(flow.record(), flow.layout);
    flow.add(at(5), packet(100, 10), false);
    CHECK(there.ip_octets_min == 100);
    CHECK(there.ip_octets_max == 100);
    CHECK(there.hop_limit_min == 10);
    CHECK(there.hop_limit_max == 10);
}

TEST_CASE("the first packet of a direction is remembered, later ones are not",
          "[metering][accounting]") {
    const Flow flow;
    PacketHeaders first = udp();
    first.flow_label = 7;
    first.outer_vlan_tci = 0x6064;
    first.inner_vlan_tci = 0x20c8;
    first.vlan_tags = 2;
    first.ether_type = 0x0800;
    first.icmp_type_code = 0x0801;
    first.traffic_class = 0x2e;
    first.fragment_flags = 0x40;
    PacketHeaders later = udp();
    later.flow_label = 9;
    flow.begin(first, false);
    PacketView packet = at(1);
    packet.ingress_interface = 4;
    flow.add(packet, first, false);
    flow.add(at(2), later, false);
    flow.add(at(3), later, true);
    const auto& there = flow.block<FirstPacketBlock>(flow.layout.first_packet[0]);
    CHECK(there.ingress_interface == 4);
    CHECK(there.flow_label == 7);
    CHECK(there.outer_vlan_tci == 0x6064);
    CHECK(there.inner_vlan_tci == 0x20c8);
    CHECK(there.vlan_tags == 2);
    CHECK(there.ether_type == 0x0800);
    CHECK(there.icmp_type_code == 0x0801);
    CHECK(there.traffic_class == 0x2e);
    CHECK(there.hop_limit == 64);
    CHECK(there.fragment_flags == 0x40);
    CHECK(flow.block<FirstPacketBlock>(flow.layout.first_packet[1]).flow_label == 9);
}

TEST_CASE("totals go on over the cuts of the active timeout, deltas start again",
          "[metering][accounting]") {
    const Flow flow;
    flow.begin(udp(), false);
    std::uint64_t octets = 0;
    for (std::uint32_t cut = 0; cut < 5; ++cut) {
        for (std::uint32_t n = 0; n <= cut; ++n) {
            flow.add(at(100 * (cut + 1) + n), udp(), false);
            octets += 40;
        }
        flow.add(at(100 * (cut + 1) + 50), udp(), true);
        const auto& totals = flow.block<TotalsBlock>(flow.layout.totals[0]);
        CHECK(flow.record().packets[0] == cut + 1);
        CHECK(totals.octets_before + flow.record().octets[0] == octets);
        CHECK(totals.packets_before + flow.record().packets[0] == octets / 40);
        CHECK(flow.block<TotalsBlock>(flow.layout.totals[1]).packets_before == cut);
        restart_deltas(flow.record(), flow.layout);
        CHECK(flow.record().packets == std::array<std::uint32_t, 2>{0, 0});
        CHECK(flow.record().first_ns == kNoPacketYet);
        CHECK(flow.record().last_ns == 100 * (cut + 1) + 50); // the idle timeout goes on
        CHECK(flow.block<DirectionTimesBlock>(flow.layout.reverse_times).first_ns == kNoPacketYet);
    }
}

TEST_CASE("a late packet behind a cut begins and ends the new record", "[metering][accounting]") {
    const Flow flow;
    flow.begin(udp(), false);
    flow.add(at(1000), udp(), false);
    restart_deltas(flow.record(), flow.layout);
    flow.add(at(990), udp(), false);
    CHECK(flow.record().first_ns == 990);
    CHECK(flow.record().last_ns == 990); // 1000 was another record's packet
}

TEST_CASE("FIN both ways or RST end a biflow", "[metering][accounting][tcp]") {
    const Flow flow;
    flow.begin(tcp(TcpBits::kSyn), false);
    flow.add(at(1), tcp(TcpBits::kSyn), false);
    flow.add(at(2), tcp(TcpBits::kFin | TcpBits::kAck), false);
    CHECK_FALSE(flow.ended());
    flow.add(at(3), tcp(TcpBits::kFin | TcpBits::kAck), false); // retransmitted
    CHECK_FALSE(flow.ended());
    flow.add(at(4), tcp(TcpBits::kFin | TcpBits::kAck), true);
    CHECK(flow.ended());
    flow.add(at(5), tcp(TcpBits::kAck), false); // the last ACK
    CHECK(flow.ended());
    flow.add(at(6), tcp(TcpBits::kSyn), false); // the ports are used again
    CHECK_FALSE(flow.ended());
    flow.add(at(7), tcp(TcpBits::kFin), false);
    CHECK_FALSE(flow.ended()); // the old FINs are forgotten
    flow.add(at(8), tcp(TcpBits::kRst), true);
    CHECK(flow.ended());
    flow.add(at(9), tcp(TcpBits::kSyn | TcpBits::kAck), true);
    CHECK(flow.ended()); // an answer is no new connection
}

TEST_CASE("FIN ends a uniflow, and so does a cut leave its state alone",
          "[metering][accounting][tcp]") {
    const Flow uniflow(everything(), false);
    uniflow.begin(tcp(), true);
    uniflow.add(at(1), tcp(TcpBits::kFin), true);
    CHECK(uniflow.ended());

    const Flow biflow;
    biflow.begin(tcp(), false);
    biflow.add(at(1), tcp(TcpBits::kFin), false);
    restart_deltas(biflow.record(), biflow.layout);
    biflow.add(at(2), tcp(TcpBits::kFin), true);
    CHECK(biflow.ended());
}

TEST_CASE("control bits are collected by direction until the record is cut",
          "[metering][accounting][tcp]") {
    const Flow flow;
    flow.begin(tcp(TcpBits::kSyn), false);
    flow.add(at(1), tcp(TcpBits::kSyn), false);
    flow.add(at(2), tcp(TcpBits::kSyn | TcpBits::kAck), true);
    flow.add(at(3), tcp(0x0f8), false);
    CHECK(flow.record().tcp_control_bits == std::array<std::uint16_t, 2>{0x0fa, 0x012});
    restart_deltas(flow.record(), flow.layout);
    flow.add(at(4), tcp(TcpBits::kAck), false);
    CHECK(flow.record().tcp_control_bits == std::array<std::uint16_t, 2>{0x010, 0});
}

TEST_CASE("a new flow in a used record starts from nothing", "[metering][accounting]") {
    const Flow flow;
    flow.begin(tcp(TcpBits::kSyn), true);
    flow.add(at(5), tcp(TcpBits::kSyn | TcpBits::kRst), true);
    flow.add(at(6), tcp(TcpBits::kAck), false);
    restart_deltas(flow.record(), flow.layout);
    flow.begin(udp(), false);
    CHECK(flow.record().state == FlowState::kLive);
    CHECK(flow.record().order == FlowOrder::kInitiatorKnown);
    CHECK(flow.record().packets == std::array<std::uint32_t, 2>{0, 0});
    CHECK(flow.record().tcp_control_bits == std::array<std::uint16_t, 2>{0, 0});
    CHECK(flow.block<TotalsBlock>(flow.layout.totals[0]).octets_before == 0);
    flow.add(at(3), udp(), false);
    CHECK(flow.record().first_ns == 3);
    CHECK(flow.record().last_ns == 3);
}

TEST_CASE("a layout has the blocks that were asked for, one behind the other", "[metering][plan]") {
    const RecordLayout none = RecordLayout::of({}, 64);
    CHECK(none.record_octets == 64);
    CHECK(none.stride == 64);
    const RecordLayout all = RecordLayout::of(everything(), 88);
    CHECK(all.record_octets == 88 + 2 * (8 + 16 + 24 + 16 + 16) + 16);
    CHECK(all.stride == 320);
    BlockNeeds one;
    one.link[1] = true;
    const RecordLayout link = RecordLayout::of(one, 64);
    CHECK(link.link == std::array<std::uint16_t, 2>{0, 64});
    CHECK(link.record_octets == 80);
    CHECK(link.stride == 128);
}
