// SPDX-License-Identifier: BSD-3-Clause
// Where records go in a benchmark: nowhere, or to a collector on the loopback interface.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "probe/exporting/export_options.hpp"
#include "probe/exporting/record_binding.hpp"
#include "probe/exporting/record_sink.hpp"

namespace bench {

/// Takes records and counts them; what is left of an exporter when nothing is sent.
class NullSink final : public probe::RecordSink {
  public:
    void append(const probe::DataRecord& record, probe::TimeNs now) noexcept override;
    void step(probe::TimeNs /*now*/) noexcept override {}
    void close(probe::TimeNs /*now*/) noexcept override {}
    void abandon() noexcept override {}
    [[nodiscard]] bool idle() const noexcept override { return true; }
    [[nodiscard]] bool backlogged() const noexcept override { return false; }
    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] const probe::SessionLedger& ledger() const noexcept override { return ledger_; }
    [[nodiscard]] std::uint64_t checksum() const noexcept { return checksum_; }

  private:
    std::string name_ = "null";
    probe::SessionLedger ledger_;
    std::uint64_t checksum_ = 0;
};

/// A collector that takes messages and looks at nothing but their headers, in a thread of its own.
class LoopbackCollector {
  public:
    /// `cpu`: where its thread runs, -1: anywhere. Throws std::runtime_error.
    LoopbackCollector(probe::TransportKind transport, int cpu);
    ~LoopbackCollector();
    LoopbackCollector(const LoopbackCollector&) = delete;
    LoopbackCollector& operator=(const LoopbackCollector&) = delete;

    /// `format`: NetFlow over UDP only.
    [[nodiscard]] std::unique_ptr<probe::RecordSink> open_sink(
        const probe::RecordBinding& binding,
        probe::ExportFormat format = probe::ExportFormat::ipfix) const;

    /// Datagrams over UDP; 0 over TCP, where octets() tells.
    [[nodiscard]] std::uint64_t messages() const noexcept { return messages_.load(); }
    [[nodiscard]] std::uint64_t octets() const noexcept { return octets_.load(); }

  private:
    void take_datagrams(int socket);
    void take_streams(int socket);

    probe::TransportKind transport_;
    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> messages_{0}; // its thread: w, others: r
    std::atomic<std::uint64_t> octets_{0};
    std::thread thread_;
};

/// A session with a collector on the network, as the program opens it.
[[nodiscard]] std::unique_ptr<probe::RecordSink> open_network_sink(
    const probe::RecordBinding& binding, const probe::CollectorOptions& collector);

/// Ties the calling thread to a CPU; a no-op for -1.
void pin_thread(int cpu) noexcept;

} // namespace bench
