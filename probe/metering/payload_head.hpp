// SPDX-License-Identifier: BSD-3-Clause
// The first payload octets of a direction, in the order they were sent, and their entropy.
//
// Of TCP what continues the octets that are there already is added; a retransmission is not added
// twice, and what comes behind a gap is left out until the gap is filled. Of UDP every datagram
// continues.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "probe/application/application_fields.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// Nothing is valid before clear(), so that a pool of them is not touched before it is needed.
class PayloadHead {
  public:
    void clear() noexcept {
        first_sequence_ = 0;
        used_ = 0;
        begun_ = false;
    }

    /// `octets_max` at most kPayloadHeadMax. `sequence`: of the payload's first octet.
    void add_segment(Bytes payload, std::uint32_t sequence, std::size_t octets_max) noexcept {
        if (!begun_) {
            begun_ = true;
            first_sequence_ = sequence;
        }
        // RFC 9293 section 3.4: numbers wrap, their difference tells the order
        const auto ahead = static_cast<std::int32_t>(sequence - first_sequence_ - used_);
        if (ahead > 0) {
            return;
        }
        const auto known = static_cast<std::size_t>(-std::int64_t{ahead});
        if (known < payload.size()) {
            add_datagram(payload.subspan(known), octets_max);
        }
    }
    void add_datagram(Bytes payload, std::size_t octets_max) noexcept {
        const std::size_t taken = std::min(payload.size(), octets_max - used_);
        std::copy_n(payload.begin(), taken, octets_.begin() + used_);
        used_ = static_cast<std::uint16_t>(used_ + taken);
    }

    [[nodiscard]] Bytes octets() const noexcept { return {octets_.data(), used_}; }

    /// Shannon's, of octets: 0 for one value throughout, 255 for 8 bits an octet (YAF's scale).
    [[nodiscard]] std::uint8_t entropy() const noexcept {
        std::array<std::uint16_t, 256> counts{};
        for (std::size_t i = 0; i < used_; ++i) {
            ++counts[octets_[i]];
        }
        double bits = 0;
        for (const std::uint16_t count : counts) {
            if (count != 0) {
                const double share = static_cast<double>(count) / used_;
                bits -= share * std::log2(share);
            }
        }
        constexpr double kBitsMax = 8;
        constexpr double kSteps = 256;
        return static_cast<std::uint8_t>(std::min(bits / kBitsMax * kSteps, kSteps - 1));
    }

  private:
    std::uint32_t first_sequence_;
    std::uint16_t used_;
    bool begun_;
    std::array<std::uint8_t, kPayloadHeadMax> octets_; ///< the first used_ are valid
};

} // namespace probe
