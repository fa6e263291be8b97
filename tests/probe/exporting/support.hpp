// SPDX-License-Identifier: BSD-3-Clause
// What the tests of exporting share: two templates, records of them, a transport that obeys a
// script and real sockets on the loopback interface.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/collector_session.hpp"
#include "probe/exporting/transport.hpp"
#include "tests/support/strict_decoder.hpp"

namespace exporting_test {

using Octets = std::vector<std::uint8_t>;

inline constexpr std::uint32_t kDomain = 7;
inline constexpr probe::TimeNs kStart = 1'795'309'323 * probe::kNsPerSecond;

/// Template 256: sourceIPv4Address, packetDeltaCount (12 octets a record); 257: sourceIPv6Address,
/// packetDeltaCount (24 octets).
[[nodiscard]] const std::vector<ipfix::TemplateRecord>& templates();
[[nodiscard]] Octets ipv4_record(std::uint64_t number);
[[nodiscard]] Octets ipv6_record(std::uint64_t number);

[[nodiscard]] probe::CollectorOptions collector_named(const std::string& url);

/// packetDeltaCount of every record, in order of arrival.
[[nodiscard]] std::vector<std::uint64_t> numbers(const strict::Decoder& decoder);
[[nodiscard]] std::vector<std::uint64_t> counting(std::uint64_t first, std::uint64_t count);

/// Collects what is sent; answers as told.
class ScriptedTransport final : public probe::Transport {
  public:
    struct State {
        bool connected = true;
        bool is_reliable = false;
        std::uint64_t sessions = 1;
        std::uint64_t unacknowledged = 0;
        std::uint16_t octets_max = 1472;
        std::uint16_t octets_max_after_too_large = 500;
        std::deque<probe::SendVerdict> answers; ///< empty: sent
        std::vector<Octets> messages;
        std::vector<Octets> refused; ///< what was offered and not taken
        std::array<std::uint64_t, probe::kSendErrors> errors{};
        bool closed = false;
    };
    explicit ScriptedTransport(std::shared_ptr<State> state) : state_(std::move(state)) {}

    bool step(probe::TimeNs) noexcept override { return state_->connected; }
    probe::SendVerdict send(probe::Bytes message, probe::TimeNs) noexcept override;
    std::uint64_t sessions() const noexcept override { return state_->sessions; }
    std::uint64_t unacknowledged_octets() const noexcept override { return state_->unacknowledged; }
    std::uint16_t max_message_octets() const noexcept override { return state_->octets_max; }
    bool reliable() const noexcept override { return state_->is_reliable; }
    const std::array<std::uint64_t, probe::kSendErrors>& errors() const noexcept override {
        return state_->errors;
    }
    void close() noexcept override { state_->closed = true; }

  private:
    std::shared_ptr<State> state_;
};

/// Options for tests that count messages: every template once before the first data.
[[nodiscard]] inline probe::ExportOptions one_copy() {
    probe::ExportOptions options;
    options.template_copies = 1;
    return options;
}

/// A session over a scripted transport, with a clock.
struct Bench {
    explicit Bench(probe::ExportOptions options = one_copy(), std::uint32_t first_sequence = 0,
                   probe::OptionsRecords* options_records = nullptr,
                   probe::CollectorOptions collector = collector_named("test"),
                   const probe::CommonProperties* common = nullptr);

    void append(std::uint64_t first, std::uint64_t count = 1);
    void step(probe::TimeNs later = 0);
    /// All messages so far through a fresh strict decoder; CHECKs that it has no complaint.
    strict::Decoder decode(strict::Rules rules = {}) const;

    std::shared_ptr<ScriptedTransport::State> wire = std::make_shared<ScriptedTransport::State>();
    probe::TimeNs now = kStart;
    probe::CollectorSession session;
};

/// CHECKs the promise of the ledger.
void check_balance(const probe::SessionLedger& ledger);

[[nodiscard]] inline probe::RecordTally lost(const probe::SessionLedger& ledger,
                                             probe::LossReason reason) {
    return ledger.lost[static_cast<std::size_t>(reason)];
}
[[nodiscard]] inline std::uint64_t errors(const probe::SessionLedger& ledger,
                                          probe::SendError kind) {
    return ledger.send_errors[static_cast<std::size_t>(kind)];
}

/// A socket bound to the loopback address, closed with its owner. Port 0: any free one.
class LoopbackSocket {
  public:
    LoopbackSocket(int type, bool ipv6 = false, std::uint16_t port = 0, int receive_octets = 0);
    ~LoopbackSocket() { close(); }
    LoopbackSocket(const LoopbackSocket&) = delete;
    LoopbackSocket& operator=(const LoopbackSocket&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] int fd() const { return fd_; }
    /// One datagram, empty when none arrives within a second.
    [[nodiscard]] Octets datagram() const;
    /// A connection from the listening socket; fails the test when none arrives within a second.
    [[nodiscard]] int accept() const;
    void close();

  private:
    int fd_ = -1;
    std::uint16_t port_ = 0;
};

/// Whatever can be read from a connection until `octets` are there or nothing more comes for a
/// second.
[[nodiscard]] Octets read_stream(int fd, std::size_t octets);

/// Closes a connection with RST instead of FIN.
void reset_connection(int fd);

} // namespace exporting_test
