// SPDX-License-Identifier: BSD-3-Clause
// A transport that fails as a seed says, and a collector behind it that reads every message it was
// given.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "probe/exporting/transport.hpp"
#include "tests/support/strict_decoder.hpp"

namespace probe::test {

/// What the simulation does to the wire, to prove that its checks notice.
enum class Tamper : std::uint8_t { nothing, alter_octet, lose_message, repeat_message };

struct FlakyOptions {
    bool reliable = false;
    unsigned failures_percent = 10;
    Tamper tamper = Tamper::nothing;
};

/// What the collector got; outlives the transport, which the session owns.
struct Wire {
    explicit Wire(std::uint64_t seed) : random(seed) {}

    std::mt19937_64 random;
    FlakyOptions options;
    strict::Decoder decoder{strict::Rules{}};
    std::vector<strict::Record> records;
    std::map<std::uint64_t, strict::Record> common; ///< told in this session, by their id
    std::uint64_t options_records = 0;   ///< of Options Templates, apart from the flow records
    std::vector<std::string> complaints; ///< about how the session used the transport
    std::uint64_t tampered = 0;
    bool calm = false; ///< no more failures: the end of the simulation
};

class FlakyTransport final : public Transport {
  public:
    explicit FlakyTransport(std::shared_ptr<Wire> wire);

    bool step(TimeNs now) noexcept override;
    SendVerdict send(Bytes message, TimeNs now) noexcept override;
    std::size_t messages_at_once() const noexcept override {
        return wire_->options.reliable ? 1 : 8;
    }
    SeveralSent send_several(std::span<const Bytes> messages, TimeNs now) noexcept override;
    std::uint64_t sessions() const noexcept override { return sessions_; }
    std::uint64_t unacknowledged_octets() const noexcept override;
    std::uint16_t max_message_octets() const noexcept override { return octets_max_; }
    bool reliable() const noexcept override { return wire_->options.reliable; }
    const std::array<std::uint64_t, kSendErrors>& errors() const noexcept override {
        return errors_;
    }
    void close() noexcept override { connected_ = false; }

  private:
    [[nodiscard]] bool happens(unsigned one_in) {
        return !wire_->calm && wire_->random() % one_in == 0;
    }
    void arrive(Bytes message);
    void join_common(strict::Record& record);
    void lose_session();

    std::shared_ptr<Wire> wire_;
    bool connected_ = false;
    std::uint64_t sessions_ = 0;
    std::uint16_t octets_max_ = 1400;
    std::vector<std::uint8_t> half_sent_;      ///< after would_block: what must be offered again
    std::deque<std::uint64_t> unacknowledged_; ///< octets of whole messages
    std::array<std::uint64_t, kSendErrors> errors_{};
};

} // namespace probe::test
