// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/observation_point.hpp"

#include <fmt/core.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "probe/observation/queue_symmetry.hpp"

namespace probe {
namespace {

constexpr std::uint64_t kWantedRss =
    RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;
constexpr std::uint8_t kUsualRssKeyOctets = 40;    // where the device does not say
constexpr std::uint16_t kTransmitDescriptors = 64; // nothing is sent, but drivers want the ring
constexpr std::uint32_t kMempoolCache = 256;
/// A mempool cache grows to one and a half of its size before it gives back.
constexpr std::uint32_t kMbufsBesideDescriptors = kBurstPackets + kMempoolCache * 3 / 2;
constexpr std::uint32_t kLinkOverhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * 4; // two tags
/// A frame has to fit one mbuf. The last is the most an mbuf's 16-bit length can say.
constexpr std::array<std::uint32_t, 6> kDataRooms = {2048,  4096,  10240,
                                                     16384, 32768, 65535 - RTE_PKTMBUF_HEADROOM};

/// Drivers whose queues each have a packet source: one that nobody polls is a silent loss.
bool has_fixed_queues(std::string_view driver) {
    return driver == "net_af_packet" || driver == "net_af_xdp" || driver == "net_pcap";
}

std::string_view queue_argument(std::string_view driver) {
    if (driver == "net_af_packet") {
        return "qpairs";
    }
    return driver == "net_af_xdp" ? "queue_count" : "";
}

std::string problem(const std::string& port, const std::string& what, int error) {
    return fmt::format("port {}: {} ({})", port, what, std::strerror(error < 0 ? -error : error));
}

/// All ports that are there, for the message about one that is not.
std::string known_ports() {
    std::string names;
    for (std::uint16_t port = 0; port < RTE_MAX_ETHPORTS; ++port) {
        std::array<char, RTE_ETH_NAME_MAX_LEN> name{};
        if (rte_eth_dev_is_valid_port(port) != 0 &&
            rte_eth_dev_get_name_by_port(port, name.data()) == 0) {
            names += (names.empty() ? "" : ", ") + std::string(name.data());
        }
    }
    return names.empty() ? "none" : names;
}

} // namespace

ObservationPoint::ObservationPoint(const ObservationPointOptions& options, std::uint32_t position)
    : options_(options),
      name_(options.port.substr(0, options.port.find(','))),
      interface_index_(options.interface_index != 0 ? options.interface_index : position + 1) {
    rte_eth_dev_info info{};
    find_port();
    if (const int error = rte_eth_dev_info_get(port_, &info); error != 0) {
        throw EalError(problem(name_, "the device does not answer; is it still plugged in", error));
    }
    driver_ = info.driver_name;
    kernel_interface_ = info.if_index;
    socket_ = rte_eth_dev_socket_id(port_);
    check_queue_count(info.max_rx_queues);
    try {
        configure(info);
        set_up_queues();
    } catch (...) {
        queues_.clear();
        rte_eth_dev_close(port_);
        free_pools();
        throw;
    }
}

ObservationPoint::~ObservationPoint() {
    stop();
    queues_.clear(); // gives back what a worker still holds
    rte_eth_dev_close(port_);
    free_pools();
}

void ObservationPoint::find_port() {
    if (rte_eth_dev_get_port_by_name(name_.c_str(), &port_) == 0 ||
        (is_pci_address(name_) &&
         rte_eth_dev_get_port_by_name(("0000:" + name_).c_str(), &port_) == 0)) {
        return;
    }
    const std::string remedy =
        is_pci_address(name_)
            ? fmt::format(
                  "bind it with `dpdk-devbind.py --bind=vfio-pci {}` and give it with `-a {}`",
                  name_, name_)
            : fmt::format(
                  "give it as `--vdev {},ARGUMENTS` before `--` (what the driver said stands "
                  "above; a driver that reads the kernel's interfaces needs root)",
                  name_);
    throw EalError(
        fmt::format("DPDK has no port named {} (it has: {}): {}", name_, known_ports(), remedy));
}

void ObservationPoint::check_queue_count(std::uint16_t offered) const {
    const std::uint16_t wanted = options_.queues;
    const std::string_view argument = queue_argument(driver_);
    std::string remedy = fmt::format("write `queues: {}`", offered);
    if (!argument.empty()) {
        remedy += fmt::format(", or {}={} among the --vdev's arguments", argument, wanted);
    }
    if (wanted > offered) {
        throw EalError(fmt::format("port {}: {} queues are asked for, but {} has {}: {}", name_,
                                   wanted, driver_, offered, remedy));
    }
    if (wanted < offered && has_fixed_queues(driver_)) {
        throw EalError(fmt::format("port {}: {} fills {} queues, but only {} would be read: {}",
                                   name_, driver_, offered, wanted, remedy));
    }
}

void ObservationPoint::configure(const rte_eth_dev_info& info) {
    const std::uint16_t receive_queues = options_.queues;
    transmit_queues_ = std::min(receive_queues, info.max_tx_queues);
    rte_eth_conf conf{};
    // No offload: tags stay in the frame, checksums are not our business, a frame is one segment.
    rss_types_ = receive_queues > 1 ? info.flow_type_rss_offloads & kWantedRss : 0;
    rss_key_octets_ = info.hash_key_size != 0 ? info.hash_key_size : kUsualRssKeyOctets;
    reta_entries_ = info.reta_size;
    std::vector<std::uint8_t> key = symmetric_rss_key(rss_key_octets_);
    if (rss_types_ != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_key = key.data();
        conf.rx_adv_conf.rss_conf.rss_key_len = rss_key_octets_;
        conf.rx_adv_conf.rss_conf.rss_hf = rss_types_;
    }
    if (const int error = rte_eth_dev_configure(port_, receive_queues, transmit_queues_, &conf);
        error != 0) {
        throw EalError(problem(
            name_, fmt::format("{} refused {} receive queues; try fewer", driver_, receive_queues),
            error));
    }
    if (options_.mtu != 0) {
        if (const int error = rte_eth_dev_set_mtu(port_, options_.mtu); error != 0) {
            throw EalError(problem(name_,
                                   fmt::format("the MTU cannot be {}; the device takes {} to {}",
                                               options_.mtu, info.min_mtu, info.max_mtu),
                                   error));
        }
    }
    descriptors_ = options_.descriptors;
    std::uint16_t transmit = kTransmitDescriptors;
    if (const int error = rte_eth_dev_adjust_nb_rx_tx_desc(port_, &descriptors_, &transmit);
        error != 0) {
        throw EalError(problem(name_, "the number of descriptors was refused", error));
    }
    if (descriptors_ != options_.descriptors) {
        warnings_.push_back(
            fmt::format("port {}: {} descriptors a queue instead of {}, as the device "
                        "has limits",
                        name_, descriptors_, options_.descriptors));
    }
    for (std::uint16_t queue = 0; queue < transmit_queues_; ++queue) {
        if (const int error = rte_eth_tx_queue_setup(port_, queue, transmit,
                                                     static_cast<unsigned>(socket_), nullptr);
            error != 0) {
            throw EalError(problem(name_, "its transmit queue was refused", error));
        }
    }
}

void ObservationPoint::set_up_queues() {
    std::uint16_t mtu = RTE_ETHER_MTU;
    (void)rte_eth_dev_get_mtu(port_, &mtu);
    const std::vector<int> sockets_before = open_sockets(AF_XDP, 0);
    bool ready = false;
    for (const std::uint32_t room : kDataRooms) {
        if (room < mtu + kLinkOverhead && room != kDataRooms.back()) {
            continue;
        }
        ready = set_up_queues_with(room);
        // af_packet may want more than the MTU says: its framesz. No other driver asks for a size.
        if (ready || driver_ != "net_af_packet") {
            break;
        }
    }
    if (!ready) {
        throw EalError(problem(
            name_, fmt::format("{} refused its receive queues; what it said stands above", driver_),
            rte_errno));
    }
    if (driver_ == "net_af_packet") {
        kernel_drops_.watch(AF_PACKET, open_sockets(AF_PACKET, kernel_interface_));
    } else if (driver_ == "net_af_xdp") {
        std::vector<int> sockets = open_sockets(AF_XDP, 0);
        std::erase_if(sockets, [&sockets_before](int socket) {
            return std::find(sockets_before.begin(), sockets_before.end(), socket) !=
                   sockets_before.end();
        });
        kernel_drops_.watch(AF_XDP, sockets);
    }
    if (driver_ == "net_tap") {
        kernel_drops_.watch_tap(kernel_interface_);
    }
    for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
        queues_.push_back(std::make_unique<ReceiveQueue>(port_, queue, interface_index_));
    }
}

bool ObservationPoint::set_up_queues_with(std::uint32_t data_room) {
    free_pools();
    mbuf_data_room_ = data_room;
    // One less than a power of two is what a mempool's ring holds without waste.
    mbufs_ = std::bit_ceil(descriptors_ + kMbufsBesideDescriptors + 1U) - 1;
    if (driver_ == "net_af_xdp") {
        mbufs_ = mbufs_ * 2 + 1; // its fill ring is as long as its receive ring, and filled at once
    }
    for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
        const std::string pool_name = fmt::format("parshall_{}_{}", port_, queue);
        rte_mempool* pool = rte_pktmbuf_pool_create(
            pool_name.c_str(), mbufs_, kMempoolCache, 0,
            static_cast<std::uint16_t>(data_room + RTE_PKTMBUF_HEADROOM), socket_);
        if (pool == nullptr) {
            const std::uint64_t megabytes =
                std::uint64_t{mbufs_} * options_.queues * (data_room + 256) / 1'000'000 + 1;
            throw EalError(problem(
                name_,
                fmt::format("no memory for {} queues of {} mbufs ({} MB): reserve hugepages with "
                            "`echo N > /proc/sys/vm/nr_hugepages`, or with --no-huge give the EAL "
                            "more with -m MB",
                            options_.queues, mbufs_, megabytes),
                rte_errno));
        }
        pools_.push_back(pool);
        const int error = rte_eth_rx_queue_setup(port_, queue, descriptors_,
                                                 static_cast<unsigned>(socket_), nullptr, pool);
        if (error != 0) {
            rte_errno = -error;
            return false;
        }
    }
    return true;
}

void ObservationPoint::free_pools() noexcept {
    for (rte_mempool* pool : pools_) {
        rte_mempool_free(pool);
    }
    pools_.clear();
}

void ObservationPoint::start() {
    if (const int error = rte_eth_dev_start(port_); error != 0) {
        throw EalError(problem(name_, fmt::format("{} did not start", driver_), error));
    }
    if (driver_ == "net_af_packet") {
        discard_what_waits();
    }
    started_ = true;
    baseline_ = read_statistics();
    if (options_.promiscuous) {
        if (const int error = rte_eth_promiscuous_enable(port_); error != 0 && error != -ENOTSUP) {
            warnings_.push_back(problem(name_,
                                        "promiscuous mode was refused, only frames to its own "
                                        "address may be seen",
                                        error));
        }
    } else {
        (void)rte_eth_promiscuous_disable(port_);
    }
    spread_evenly();
    judge_symmetry();
}

// This driver's sockets receive from the moment it opens them, long before the port starts, and
// until it binds them from every interface of the host: not one of these packets was observed here.
void ObservationPoint::discard_what_waits() noexcept {
    constexpr std::uint16_t kBurst = 64;
    constexpr std::uint32_t kMost = 1U << 24; // ends also where packets arrive faster than they go
    std::array<rte_mbuf*, kBurst> packets{};
    for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
        std::uint16_t received = kBurst;
        for (std::uint32_t gone = 0; received == kBurst && gone < kMost; gone += received) {
            received = rte_eth_rx_burst(port_, queue, packets.data(), kBurst);
            rte_pktmbuf_free_bulk(packets.data(), received);
        }
    }
}

void ObservationPoint::stop() noexcept {
    if (!started_) {
        return;
    }
    const PortStatistics last = statistics();
    const std::lock_guard lock(statistics_lock_);
    final_ = last;
    started_ = false;
    (void)rte_eth_dev_stop(port_);
    kernel_drops_.forget();
}

std::uint16_t ObservationPoint::queues() const noexcept {
    return static_cast<std::uint16_t>(queues_.size());
}

} // namespace probe
