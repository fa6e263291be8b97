// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/reassembly.hpp"

#include <algorithm>

namespace probe {

bool ReassemblyBuffer::put(std::uint64_t offset, Bytes octets) noexcept {
    if (offset >= kOctetsMax || octets.empty()) {
        return false;
    }
    const std::size_t kept = std::min<std::size_t>(octets.size(), kOctetsMax - offset);
    const Stretch added{static_cast<std::uint16_t>(offset),
                        static_cast<std::uint16_t>(offset + kept)};
    // The first stretch that touches the new one or lies behind it.
    std::uint32_t at = 0;
    while (at < stretches_used_ && stretches_[at].end < added.begin) {
        ++at;
    }
    if (at < stretches_used_ && stretches_[at].begin <= added.end) {
        stretches_[at].begin = std::min(stretches_[at].begin, added.begin);
        stretches_[at].end = std::max(stretches_[at].end, added.end);
    } else {
        if (stretches_used_ == kStretchesMax) {
            return false;
        }
        std::copy_backward(stretches_.begin() + at, stretches_.begin() + stretches_used_,
                           stretches_.begin() + stretches_used_ + 1);
        stretches_[at] = added;
        ++stretches_used_;
    }
    std::copy_n(octets.begin(), kept, octets_.begin() + added.begin);
    merge(at);
    return true;
}

/// Swallows the stretches behind `at` that it now touches.
void ReassemblyBuffer::merge(std::uint32_t at) noexcept {
    std::uint32_t next = at + 1;
    while (next < stretches_used_ && stretches_[next].begin <= stretches_[at].end) {
        stretches_[at].end = std::max(stretches_[at].end, stretches_[next].end);
        ++next;
    }
    std::copy(stretches_.begin() + next, stretches_.begin() + stretches_used_,
              stretches_.begin() + at + 1);
    stretches_used_ -= next - at - 1;
}

Bytes ReassemblyBuffer::prefix() const noexcept {
    const bool begins = stretches_used_ > 0 && stretches_[0].begin == 0;
    return begins ? Bytes(octets_).first(stretches_[0].end) : Bytes{};
}

} // namespace probe
