// SPDX-License-Identifier: BSD-3-Clause
// What an observation point says about itself: spread and symmetry of its queues, statistics, link.
#include <fmt/core.h>
#include <rte_ethdev.h>

#include <cstring>

#include "probe/observation/observation_point.hpp"
#include "probe/observation/queue_symmetry.hpp"

namespace probe {
namespace {

/// Explains QueueSymmetry to the operator.
std::string_view symmetry_text(QueueSymmetry symmetry) {
    switch (symmetry) {
        case QueueSymmetry::one_queue:
            return "one queue";
        case QueueSymmetry::proved:
            return "symmetric RSS, key read back";
        case QueueSymmetry::given_key:
            return "symmetric RSS key given, not readable";
        case QueueSymmetry::kernel:
            return "kernel's symmetric flow hash";
        case QueueSymmetry::sources:
            return "a packet source of its own for each queue";
        case QueueSymmetry::unknown:
            break;
    }
    return "symmetry unknown";
}

PortStatistics minus(const PortStatistics& a, const PortStatistics& b) {
    return PortStatistics{.packets = a.packets - b.packets,
                          .octets = a.octets - b.octets,
                          .missed = a.missed - b.missed,
                          .errors = a.errors - b.errors,
                          .no_buffer = a.no_buffer - b.no_buffer};
}

} // namespace

void ObservationPoint::spread_evenly() {
    if (rss_types_ == 0 || reta_entries_ == 0 || driver_ == "net_tap") {
        return;
    }
    std::vector<rte_eth_rss_reta_entry64> groups((reta_entries_ + RTE_ETH_RETA_GROUP_SIZE - 1U) /
                                                 RTE_ETH_RETA_GROUP_SIZE);
    for (std::uint32_t entry = 0; entry < reta_entries_; ++entry) {
        rte_eth_rss_reta_entry64& group = groups[entry / RTE_ETH_RETA_GROUP_SIZE];
        group.mask |= std::uint64_t{1} << (entry % RTE_ETH_RETA_GROUP_SIZE);
        group.reta[entry % RTE_ETH_RETA_GROUP_SIZE] =
            static_cast<std::uint16_t>(entry % options_.queues);
    }
    if (const int error = rte_eth_dev_rss_reta_update(port_, groups.data(), reta_entries_);
        error != 0) {
        warnings_.push_back(
            fmt::format("port {}: the RSS indirection table stays as the device has "
                        "it ({}); queues may be filled unevenly",
                        name_, std::strerror(-error)));
    }
}

void ObservationPoint::judge_symmetry() {
    if (options_.queues == 1) {
        symmetry_ = QueueSymmetry::one_queue;
        return;
    }
    if (driver_ == "net_af_packet" || driver_ == "net_tap") {
        // PACKET_FANOUT_HASH and tun's queue choice both take __skb_get_hash_symmetric (af_packet
        // since Linux 4.7). net_af_packet also sets PACKET_FANOUT_FLAG_ROLLOVER: a full ring
        // overflows into its neighbour, so under overload a flow can still be split; nothing is
        // miscounted by it.
        symmetry_ = QueueSymmetry::kernel;
        return;
    }
    if (driver_ == "net_ring" || driver_ == "net_pcap" || driver_ == "net_null") {
        symmetry_ = QueueSymmetry::sources;
        return;
    }
    if (rss_types_ != 0) {
        std::vector<std::uint8_t> key(rss_key_octets_);
        rte_eth_rss_conf conf{};
        conf.rss_key = key.data();
        conf.rss_key_len = rss_key_octets_;
        if (rte_eth_dev_rss_hash_conf_get(port_, &conf) != 0) {
            symmetry_ = QueueSymmetry::given_key;
            warnings_.push_back(
                fmt::format("port {}: {} does not tell its RSS key, so it is taken on "
                            "trust that both directions of a flow meet on one queue",
                            name_, driver_));
            return;
        }
        if (is_symmetric_rss_key(key)) {
            symmetry_ = QueueSymmetry::proved;
            return;
        }
    }
    symmetry_ = QueueSymmetry::unknown;
    warnings_.push_back(fmt::format(
        "port {}: {}; biflows may come in two halves, `queues: 1` prevents it", name_,
        rss_types_ != 0
            ? "the device's RSS key does not send both directions of a flow to one queue"
            : fmt::format("{} offers no RSS, it is not known whether both directions of a "
                          "flow meet on one queue",
                          driver_)));
}

PortStatistics ObservationPoint::read_statistics() const noexcept {
    rte_eth_stats stats{};
    (void)rte_eth_stats_get(port_, &stats);
    return PortStatistics{.packets = stats.ipackets,
                          .octets = stats.ibytes,
                          .missed = stats.imissed + kernel_drops_.packets(),
                          .errors = stats.ierrors,
                          .no_buffer = stats.rx_nombuf};
}

PortStatistics ObservationPoint::statistics() const noexcept {
    const std::lock_guard lock(statistics_lock_);
    return started_ ? minus(read_statistics(), baseline_) : final_;
}

std::string_view ObservationPoint::statistics_gap() const noexcept {
    if (driver_ == "net_af_xdp") {
        return "net_af_xdp sees only the kernel queues it was given; packets on others go to the "
               "kernel";
    }
    if (driver_ == "net_af_packet") {
        // It joins a fanout group with PACKET_FANOUT_FLAG_DEFRAG, also for one queue.
        return "net_af_packet has the kernel join IPv4 fragments before they are read, and cuts "
               "frames "
               "larger than framesz (2048 less 32 octets, unless the --vdev says more)";
    }
    if (driver_ == "net_ring" || driver_ == "net_memif") {
        return "packets that did not fit the ring are counted by the sender, not here";
    }
    return {};
}

LinkState ObservationPoint::link() const noexcept {
    rte_eth_link state{};
    if (rte_eth_link_get_nowait(port_, &state) != 0) {
        return {};
    }
    return LinkState{
        .up = state.link_status == RTE_ETH_LINK_UP,
        .megabits = state.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : state.link_speed};
}

std::string ObservationPoint::description() const {
    const std::uint64_t octets = std::uint64_t{mbufs_} * options_.queues *
                                 (mbuf_data_room_ + RTE_PKTMBUF_HEADROOM + sizeof(rte_mbuf));
    return fmt::format("{}: {}, {} x {} descriptors, {} mbufs of {} octets a queue ({} MB), {}",
                       name_, driver_, options_.queues, descriptors_, mbufs_, mbuf_data_room_,
                       (octets + 999'999) / 1'000'000, symmetry_text(symmetry_));
}

} // namespace probe
