// SPDX-License-Identifier: BSD-3-Clause
// Observation points over virtual devices, without root, hugepages or a network. One EAL for all
// cases.
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "probe/observation/observation_point.hpp"
#include "tests/support/catch.hpp"

using namespace probe;

namespace {

constexpr TimeNs kNow = 1'700'000'000 * kNsPerSecond;
const std::string kCapture = std::string(CAPTURE_DIRECTORY) + "/dns.pcap";

const EalSession& eal() {
    static const EalSession session(live_eal_arguments(
        {}, {"--no-huge", "-m", "512"},
        {"net_null0", "net_ring0", "net_pcap0,rx_pcap=" + kCapture + ",rx_pcap=" + kCapture,
         "net_null1,size=300"}));
    return session;
}

ObservationPointOptions options(const std::string& port, std::uint16_t queues) {
    (void)eal();
    ObservationPointOptions made;
    made.port = port;
    made.queues = queues;
    return made;
}

std::string refusal(const ObservationPointOptions& wanted) {
    try {
        const ObservationPoint point(wanted, 0);
    } catch (const EalError& error) {
        return error.what();
    }
    return "opened";
}

/// net_ring hands over exactly the mbufs that are sent into it, flags and all.
class Sender {
  public:
    Sender() : pool_(rte_pktmbuf_pool_create("sender", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1)) {
        REQUIRE(pool_ != nullptr);
        REQUIRE(rte_eth_dev_get_port_by_name("net_ring0", &port_) == 0);
    }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() { rte_mempool_free(pool_); }

    [[nodiscard]] rte_mbuf* frame(std::uint16_t octets, std::uint8_t fill) const {
        rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
        REQUIRE(mbuf != nullptr);
        std::memset(rte_pktmbuf_append(mbuf, octets), fill, octets);
        return mbuf;
    }
    void send(rte_mbuf* mbuf, std::uint16_t queue) const {
        REQUIRE(rte_eth_tx_burst(port_, queue, &mbuf, 1) == 1);
    }
    [[nodiscard]] unsigned in_use() const { return rte_mempool_in_use_count(pool_); }

  private:
    rte_mempool* pool_;
    std::uint16_t port_ = 0;
};

} // namespace

TEST_CASE("the EAL starts once in a process, and says so", "[observation][eal]") {
    (void)eal();
    CHECK(eal().lcores().size() >= 1);
    CHECK_THROWS_WITH(
        EalSession(offline_eal_arguments(64)),
        "the EAL was started before in this process: DPDK starts once only, restart the "
        "program");
}

TEST_CASE("a port that is not there is named with those that are", "[observation][eal]") {
    CHECK(
        refusal(options("net_null7", 1)).starts_with("DPDK has no port named net_null7 (it has: "));
    CHECK(refusal(options("net_null7", 1)).find("net_null0") != std::string::npos);
    CHECK(refusal(options("0000:99:00.0", 1)).find("dpdk-devbind.py") != std::string::npos);
}

TEST_CASE("fewer or more queues than the device fills are refused", "[observation][eal]") {
    CHECK(refusal(options("net_pcap0", 3)) ==
          "port net_pcap0: 3 queues are asked for, but net_pcap has 2: write `queues: 2`");
    CHECK(refusal(options("net_pcap0", 1)) ==
          "port net_pcap0: net_pcap fills 2 queues, but only 1 would be read: write `queues: 2`");
}

TEST_CASE("every packet of a capture behind a port is handed over and counted",
          "[observation][eal]") {
    ObservationPoint point(options("net_pcap0", 2), 4);
    point.start();
    CHECK(point.driver() == "net_pcap");
    CHECK(point.symmetry() == QueueSymmetry::sources);
    CHECK(point.interface_index() == 5);
    PacketBatch batch;
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
    for (std::uint16_t queue = 0; queue < point.queues(); ++queue) {
        while (point.queue(queue).poll(batch, kNow) != 0) {
            packets += batch.size;
            for (std::uint32_t i = 0; i < batch.size; ++i) {
                const PacketView& view = batch.packets[i];
                octets += view.frame_octets;
                CHECK(view.captured_octets == view.frame_octets);
                CHECK(view.time_ns == kNow);
                CHECK(view.ingress_interface == 5);
                CHECK(view.link == LinkType::ethernet);
                CHECK_FALSE(view.vlan_stripped);
            }
            point.queue(queue).release();
        }
        CHECK(point.queue(queue).tally().empty_polls == 1);
    }
    CHECK(packets > 0);
    const PortStatistics statistics = point.statistics();
    CHECK(statistics.packets == packets);
    CHECK(statistics.octets == octets);
    CHECK(statistics.missed == 0);
    CHECK(point.queue(0).tally().packets == point.queue(1).tally().packets);
    CHECK(point.queue(0).tally().octets + point.queue(1).tally().octets == octets);
    point.stop();
    CHECK(point.statistics().packets == packets);
    point.stop(); // a second time changes nothing
}

TEST_CASE("mbufs go back with every release, or with the next poll", "[observation][eal]") {
    ObservationPoint point(options("net_null1,size=300", 1), 0);
    point.start();
    PacketBatch batch;
    constexpr int kBursts = 1000; // more than the pool has mbufs
    for (int burst = 0; burst < kBursts; ++burst) {
        REQUIRE(point.queue(0).poll(batch, kNow) == kBurstPackets);
        CHECK(batch.packets[0].frame_octets == 300);
        if (burst % 2 == 0) {
            point.queue(0).release();
        }
    }
    CHECK(point.queue(0).tally().packets == kBursts * kBurstPackets);
    CHECK(point.queue(0).tally().octets == std::uint64_t{300} * kBursts * kBurstPackets);
    CHECK(point.queue(0).tally().bursts == kBursts);
    CHECK(point.symmetry() == QueueSymmetry::one_queue);
    CHECK(point.warnings().empty());
}

TEST_CASE("a port can be closed and opened again", "[observation][eal]") {
    // close() removes a virtual device, so this is its last case: nothing is left behind, nothing
    // crashes.
    {
        ObservationPoint point(options("net_null0", 2), 0);
        point.start();
    }
    CHECK(refusal(options("net_null0", 2)).starts_with("DPDK has no port named net_null0"));
}

TEST_CASE("what the device says of a frame reaches the view", "[observation][eal]") {
    ObservationPoint point(options("net_ring0", 2), 0);
    point.start();
    {
        const Sender sender;
        rte_mbuf* tagged = sender.frame(60, 0xaa);
        tagged->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
        tagged->vlan_tci = 0x6123;
        sender.send(tagged, 1);
        rte_mbuf* kept = sender.frame(64, 0xbb); // the tag is known, but still in the frame
        kept->ol_flags |= RTE_MBUF_F_RX_VLAN;
        kept->vlan_tci = 0x0fff;
        sender.send(kept, 1);
        rte_mbuf* head = sender.frame(100, 0xcc);
        REQUIRE(rte_pktmbuf_chain(head, sender.frame(50, 0xdd)) == 0);
        sender.send(head, 1);

        PacketBatch batch;
        CHECK(point.queue(0).poll(batch, kNow) == 0);
        REQUIRE(point.queue(1).poll(batch, kNow) == 3);
        CHECK(batch.packets[0].vlan_stripped);
        CHECK(batch.packets[0].stripped_vlan_tci == 0x6123);
        CHECK(batch.packets[0].captured_octets == 60);
        CHECK(batch.packets[0].frame_octets == 64); // with the tag that was on the wire
        CHECK(batch.packets[0].octets[59] == 0xaa);
        CHECK_FALSE(batch.packets[1].vlan_stripped);
        CHECK(batch.packets[1].stripped_vlan_tci == 0);
        CHECK(batch.packets[1].frame_octets == 64);
        CHECK(batch.packets[2].captured_octets == 100);
        CHECK(batch.packets[2].frame_octets == 150);
        CHECK(sender.in_use() == 4);
        point.queue(1).release();
        CHECK(sender.in_use() == 0);
        point.queue(1).release(); // nothing is held any more
    }
    const ReceiveTally tally = point.queue(1).tally();
    CHECK(tally.packets == 3);
    CHECK(tally.octets == 64 + 64 + 150);
    CHECK(tally.cut_packets == 1);
    CHECK(point.queue(0).tally().empty_polls == 1);
}
