// SPDX-License-Identifier: BSD-3-Clause
// Which packets of a burst are metered when not all are (PSAMP, RFC 5475): before anything is
// parsed, so that what is left out costs next to nothing.
//
//   systematic count-based   the first of every N packets               RFC 5475 section 5.1
//   random 1-out-of-N        one of every N packets, each equally likely  section 5.2.1
//
// Both select exactly one packet of each N, so sums times N are without bias and the counts are
// known beforehand. Nothing is scaled: records say what was counted, options records at which rate.
//
// Thread: its worker's. Pure but for its own state; randomness has a seed.
#pragma once

#include <cstdint>

#include "probe/packet/packet_batch.hpp"

namespace probe {

enum class SamplingMethod : std::uint8_t { none, systematic, random };

struct SamplingOptions {
    SamplingMethod method = SamplingMethod::none;
    std::uint32_t population = 1; ///< N; one packet in so many is metered
    std::uint64_t seed = 0;       ///< random: the same choice in every run; 0: another in each

    /// As samplingInterval (34) has it.
    [[nodiscard]] std::uint32_t interval() const noexcept {
        return method == SamplingMethod::none ? 1 : population;
    }
    friend bool operator==(const SamplingOptions&, const SamplingOptions&) = default;
};

class PacketSampler {
  public:
    explicit PacketSampler(const SamplingOptions& options) noexcept
        : options_(options), state_(options.seed) {
        choose();
    }

    struct LeftOut {
        std::uint32_t packets = 0;
        std::uint64_t frame_octets = 0;
    };

    /// Keeps the selected packets of the batch, in their order, and says what was left out.
    LeftOut select(PacketBatch& batch) noexcept {
        LeftOut left_out;
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            const bool selected = position_ == chosen_;
            if (++position_ == options_.population) {
                position_ = 0;
                choose();
            }
            if (selected) {
                batch.packets[kept++] = batch.packets[i];
            } else {
                ++left_out.packets;
                left_out.frame_octets += batch.packets[i].frame_octets;
            }
        }
        batch.size = kept;
        return left_out;
    }

  private:
    /// The position of the next packet to select among the next N.
    void choose() noexcept {
        if (options_.method != SamplingMethod::random) {
            return;
        }
        // SplitMix64 (Steele, Lea, Flood 2014), and Lemire's multiplication instead of a modulo:
        // off by less than N / 2^32 of equally likely.
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        z ^= z >> 31;
        chosen_ = static_cast<std::uint32_t>(((z >> 32) * options_.population) >> 32);
    }

    SamplingOptions options_;
    std::uint64_t state_;
    std::uint32_t position_ = 0; ///< of the next packet among N
    std::uint32_t chosen_ = 0;
};

} // namespace probe
