// SPDX-License-Identifier: BSD-3-Clause
// A hello that came in pieces, put together: TCP segments and QUIC CRYPTO frames, in any order,
// into a buffer of fixed size from a fixed pool. Nothing longer than a hello needs is kept.
//
// Thread: pool and buffers belong to one worker.
#pragma once

#include <array>
#include <cstdint>

#include "probe/application/fixed_pool.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class ReassemblyBuffer {
  public:
    /// A post-quantum ClientHello is below 2 KiB; a server's first flight reaches the names in its
    /// certificate within this.
    static constexpr std::uint32_t kOctetsMax = 4'096;
    /// Separate stretches remembered at once. Browsers that shuffle CRYPTO frames make about ten.
    static constexpr std::uint32_t kStretchesMax = 24;

    void clear() noexcept { stretches_used_ = 0; }

    /// Puts octets at `offset`, over what was there; what lies beyond the buffer is dropped. False
    /// when nothing could be kept, for want of room or of stretches.
    bool put(std::uint64_t offset, Bytes octets) noexcept;

    /// The octets from 0 on without a gap.
    [[nodiscard]] Bytes prefix() const noexcept;
    [[nodiscard]] bool full() const noexcept { return prefix().size() == kOctetsMax; }

  private:
    struct Stretch {
        std::uint16_t begin;
        std::uint16_t end; ///< one beyond the last; stretches are sorted and do not touch
    };

    void merge(std::uint32_t at) noexcept;

    std::uint32_t stretches_used_ = 0;
    std::array<Stretch, kStretchesMax> stretches_;
    std::array<std::uint8_t, kOctetsMax> octets_;
};

using ReassemblyPool = FixedPool<ReassemblyBuffer>;

/// A flow's right to one buffer of the pool: taken when first wanted, given back by its holder.
class ReassemblyClaim {
  public:
    /// `held` is the flow's own pointer, nullptr while it has no buffer.
    ReassemblyClaim(ReassemblyPool& pool, ReassemblyBuffer*& held) noexcept
        : pool_(pool), held_(held) {}

    /// nullptr when none was taken yet.
    [[nodiscard]] ReassemblyBuffer* held() const noexcept { return held_; }
    /// nullptr when the pool is empty.
    [[nodiscard]] ReassemblyBuffer* get() noexcept {
        if (held_ == nullptr) {
            held_ = pool_.take();
        }
        return held_;
    }
    void give_back() noexcept {
        if (held_ != nullptr) {
            pool_.give_back(held_);
            held_ = nullptr;
        }
    }

  private:
    ReassemblyPool& pool_;
    ReassemblyBuffer*& held_;
};

} // namespace probe
