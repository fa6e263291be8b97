// SPDX-License-Identifier: BSD-3-Clause
// One port: found by name, configured for metering, started, watched, stopped (RFC 5470 section 2).
//
// Thread: made, started, stopped and destroyed by the main thread while an EalSession lives; its
// queues are each polled by one worker between start() and stop(); statistics() and link() may be
// called by any thread between construction and destruction.
// Errors: EalError from the constructor and start(), one sentence with the remedy.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "probe/observation/eal_session.hpp"
#include "probe/observation/kernel_drops.hpp"
#include "probe/observation/observation_options.hpp"
#include "probe/observation/receive_queue.hpp"

struct rte_eth_dev_info;
struct rte_mempool;

namespace probe {

/// What the port itself counted since start(). offered = packets + missed + no_buffer + errors, as
/// far as the driver counts (see ObservationPoint::statistics_gap).
struct PortStatistics {
    std::uint64_t packets = 0; ///< handed over, or waiting in a queue
    std::uint64_t octets = 0;
    std::uint64_t missed = 0;    ///< no free descriptor: the workers were too slow
    std::uint64_t errors = 0;    ///< damaged on the wire
    std::uint64_t no_buffer = 0; ///< no free mbuf
};

struct LinkState {
    bool up = false;
    std::uint32_t megabits = 0; ///< a second; 0: not known
};

/// Why both directions of a flow meet on one queue, or that they may not.
enum class QueueSymmetry : std::uint8_t {
    one_queue, ///< nothing to decide
    proved,    ///< the device's key, read back, hashes both directions alike
    given_key, ///< a symmetric key was set, but the device does not let it be read back
    kernel,    ///< the kernel spreads by its symmetric flow hash (af_packet, tap)
    sources, ///< every queue has a packet source of its own (ring, pcap): as symmetric as they are
    unknown, ///< flows may be split: no packet is lost, but biflows may come in two halves
};

class ObservationPoint {
  public:
    /// Finds the port and configures it. `position`: 0-based, in `points` of the configuration.
    ObservationPoint(const ObservationPointOptions& options, std::uint32_t position);
    ~ObservationPoint(); // stops, closes, frees the mbuf pool
    ObservationPoint(const ObservationPoint&) = delete;
    ObservationPoint& operator=(const ObservationPoint&) = delete;

    void start();
    void stop() noexcept; // the workers must have stopped polling; idempotent

    [[nodiscard]] std::uint16_t queues() const noexcept;
    [[nodiscard]] ReceiveQueue& queue(std::uint16_t number) noexcept { return *queues_[number]; }
    [[nodiscard]] const ReceiveQueue& queue(std::uint16_t number) const noexcept {
        return *queues_[number];
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& driver() const noexcept { return driver_; }
    [[nodiscard]] std::uint32_t interface_index() const noexcept { return interface_index_; }
    [[nodiscard]] ObservationDirection direction() const noexcept { return options_.direction; }
    [[nodiscard]] int socket() const noexcept { return socket_; } ///< NUMA node; -1: any
    [[nodiscard]] QueueSymmetry symmetry() const noexcept { return symmetry_; }

    /// Since start(); after stop() the last values.
    [[nodiscard]] PortStatistics statistics() const noexcept;

    /// Loss that this driver does not count, as a sentence; empty: none known.
    [[nodiscard]] std::string_view statistics_gap() const noexcept;

    [[nodiscard]] LinkState link() const noexcept;

    /// One line: driver, queues, descriptors, mbufs and their memory, symmetry.
    [[nodiscard]] std::string description() const;

    /// Sentences the operator should see: fewer descriptors than asked, symmetry not proved ...
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  private:
    void find_port();
    void check_queue_count(std::uint16_t offered) const;
    void configure(const rte_eth_dev_info& info);
    void set_up_queues();
    bool set_up_queues_with(std::uint32_t data_room);
    void free_pools() noexcept;
    void discard_what_waits() noexcept;
    void spread_evenly();
    void judge_symmetry();
    [[nodiscard]] PortStatistics read_statistics() const noexcept;

    ObservationPointOptions options_;
    std::string name_; ///< of the port: without the arguments of a virtual device
    std::uint32_t interface_index_;
    std::uint16_t port_ = 0;
    int socket_ = -1;
    unsigned kernel_interface_ = 0; ///< of af_packet, af_xdp, tap; 0: none
    std::uint16_t descriptors_ = 0;
    std::uint16_t transmit_queues_ = 0;
    std::uint32_t mbufs_ = 0; ///< in each queue's pool
    std::uint32_t mbuf_data_room_ = 0;
    std::uint64_t rss_types_ = 0; ///< RTE_ETH_RSS_* in use; 0: the device does not spread by hash
    std::uint16_t reta_entries_ = 0;
    std::uint8_t rss_key_octets_ = 0;
    std::string driver_;
    QueueSymmetry symmetry_ = QueueSymmetry::unknown;
    bool started_ = false;
    std::vector<rte_mempool*> pools_; ///< one a queue: its mbufs never travel between lcores
    std::vector<std::unique_ptr<ReceiveQueue>> queues_;
    std::vector<std::string> warnings_;
    mutable std::mutex statistics_lock_; ///< guards the three below; never taken by a worker
    mutable KernelDrops kernel_drops_;
    PortStatistics baseline_; ///< at start()
    PortStatistics final_;    ///< at stop(): some drivers forget
};

} // namespace probe
