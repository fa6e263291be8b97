// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: the capture reader, from memory. What it hands out lies inside.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "probe/observation/capture_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        probe::CaptureFile file(probe::Bytes(data, size), "fuzz");
        probe::PacketBatch batch;
        std::uint64_t packets = 0;
        while (file.poll(batch, UINT64_MAX) > 0) {
            for (std::uint32_t i = 0; i < batch.size; ++i) {
                const probe::PacketView& packet = batch.packets[i];
                const bool inside =
                    packet.octets >= data && packet.octets <= data + size &&
                    packet.captured_octets <= static_cast<std::size_t>(data + size - packet.octets);
                if (!inside || packet.frame_octets < packet.captured_octets) {
                    std::abort();
                }
            }
            packets += batch.size;
            file.release();
        }
        if (file.packets() != packets || file.octets_done() > file.octets_total() ||
            (file.broken().empty() && file.octets_done() != size)) {
            std::abort();
        }
    } catch (const probe::CaptureError&) { // the sentence is tested elsewhere
    }
    return 0;
}
