// SPDX-License-Identifier: BSD-3-Clause
// Messages of flow records that are packed and leave together, in one system call: a session's over
// UDP. Each keeps what the ledger has to know of it, since the kernel may take only the first ones.
//
// Thread: its session's. No allocation after construction.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "probe/exporting/session_ledger.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

struct PackedMessage {
    Bytes octets;
    RecordTally records;
    std::uint32_t sequence_step = 0;
};

class MessageBurst {
  public:
    /// `messages_max` at most; 1 or less: none, always full.
    explicit MessageBurst(std::size_t messages_max)
        : messages_max_(messages_max > 1 ? messages_max : 0),
          octets_(messages_max_ > 0 ? kOctets : 0) {
        messages_.reserve(messages_max_);
        packed_.reserve(messages_max_);
    }

    [[nodiscard]] bool empty() const noexcept { return messages_.empty(); }
    /// Whether a message of `octets` has no room.
    [[nodiscard]] bool full(std::size_t octets) const noexcept {
        return messages_.size() >= messages_max_ || octets > octets_.size() - used_;
    }

    /// Copies the message; not when full.
    void add(const PackedMessage& message) noexcept {
        const auto place = octets_.begin() + static_cast<std::ptrdiff_t>(used_);
        std::copy(message.octets.begin(), message.octets.end(), place);
        messages_.push_back(Bytes(octets_).subspan(used_, message.octets.size()));
        packed_.push_back({messages_.back(), message.records, message.sequence_step});
        used_ += message.octets.size();
        sequence_steps_ += message.sequence_step;
    }

    [[nodiscard]] std::span<const Bytes> messages() const noexcept { return messages_; }
    [[nodiscard]] std::span<const PackedMessage> packed() const noexcept { return packed_; }
    /// What the sequence number grows by when all leave, modulo 2^32.
    [[nodiscard]] std::uint32_t sequence_steps() const noexcept { return sequence_steps_; }

    void clear() noexcept {
        messages_.clear();
        packed_.clear();
        used_ = 0;
        sequence_steps_ = 0;
    }

  private:
    /// Some 40 messages of an Ethernet frame: what one segmented datagram may hold.
    static constexpr std::size_t kOctets = 64'000;

    const std::size_t messages_max_;
    std::vector<std::uint8_t> octets_;
    std::vector<Bytes> messages_;
    std::vector<PackedMessage> packed_;
    std::size_t used_ = 0;
    std::uint32_t sequence_steps_ = 0;
};

} // namespace probe
