// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/application_results.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace probe {

ApplicationResults::ApplicationResults(std::size_t octets, std::size_t records_max)
    : chunks_count_(octets / kChunkOctets),
      chunks_(std::make_unique_for_overwrite<Chunk[]>(chunks_count_)),
      references_(std::make_unique_for_overwrite<std::uint32_t[]>(chunks_count_)),
      free_(std::make_unique_for_overwrite<std::uint32_t[]>(chunks_count_)),
      returned_(sizeof(ResultHandle), kReturnsPerRecord * records_max) {}

ResultHandle ApplicationResults::store(Bytes result) noexcept {
    const std::size_t needed = std::max<std::size_t>(chunks_for(result.size()), 1);
    if (needed > chunks_free()) {
        take_returns();
        if (needed > chunks_free()) {
            return kNoResult;
        }
    }
    const std::uint32_t first = take_chunk();
    std::uint32_t at = first;
    for (std::size_t n = 0; n < needed; ++n) {
        Chunk& chunk = chunks_[at];
        const std::size_t here = std::min(result.size(), Chunk::kOctets);
        chunk.octets = static_cast<std::uint32_t>(result.size());
        if (here != 0) {
            std::memcpy(chunk.data.data(), result.data(), here);
        }
        result = result.subspan(here);
        at = n + 1 < needed ? take_chunk() : kNoResult;
        chunk.next = at;
    }
    references_[first] = 1;
    return first;
}

void ApplicationResults::lend(ResultHandle handle) noexcept {
    ++references_[handle];
    // Of those lent and not seen back, at most records_max are on their way: looking here keeps the
    // rest of the ring for them, so that the exporter always finds a place in it.
    if (++lent_ > returned_.capacity() / kReturnsPerRecord) {
        take_returns();
    }
}

void ApplicationResults::drop(ResultHandle handle) noexcept {
    assert(references_[handle] != 0);
    if (--references_[handle] != 0) {
        return;
    }
    for (std::uint32_t chunk = handle; chunk != kNoResult; chunk = chunks_[chunk].next) {
        free_[free_count_++] = chunk;
    }
}

void ApplicationResults::take_returns() noexcept {
    while (const std::uint8_t* front = returned_.front()) {
        ResultHandle handle = kNoResult;
        std::memcpy(&handle, front, sizeof handle);
        returned_.pop();
        --lent_;
        drop(handle);
    }
}

std::size_t ApplicationResults::read(ResultHandle handle,
                                     std::span<std::uint8_t> out) const noexcept {
    std::size_t used = 0;
    for (std::uint32_t at = handle; at != kNoResult; at = chunks_[at].next) {
        const Chunk& chunk = chunks_[at];
        const std::size_t here = std::min<std::size_t>(chunk.octets, Chunk::kOctets);
        std::memcpy(out.data() + used, chunk.data.data(), here);
        used += here;
    }
    return used;
}

void ApplicationResults::give_back(ResultHandle handle) noexcept {
    std::uint8_t* const place = returned_.reserve();
    assert(place != nullptr); // see lend()
    if (place != nullptr) {
        std::memcpy(place, &handle, sizeof handle);
        returned_.publish();
    }
}

std::size_t ApplicationResults::memory_octets(std::size_t octets,
                                              std::size_t records_max) noexcept {
    const std::size_t chunks = octets / kChunkOctets;
    return chunks * (kChunkOctets + 2 * sizeof(std::uint32_t)) +
           kReturnsPerRecord * records_max * sizeof(std::uint64_t);
}

} // namespace probe
