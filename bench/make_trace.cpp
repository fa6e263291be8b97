// SPDX-License-Identifier: BSD-3-Clause
// Writes a pcap of 64-octet IPv4 frames over many flows in random order, for comparing probes that
// read files.
//   make_trace FILE FLOWS PACKETS [SEED]
// The packets are a microsecond apart; every flow has as many packets as any other, or one more.
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/traffic.hpp"

namespace {

void put32(std::uint8_t* at, std::uint32_t value) {
    std::memcpy(at, &value, sizeof value);
}

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
};

int run(const char* path, std::uint64_t flows, std::uint64_t packets, std::uint64_t seed) {
    constexpr std::size_t kFrame = 60; // without FCS, as captures are
    constexpr std::size_t kRecord = 16 + kFrame;
    constexpr std::uint32_t kBegins = 1'767'225'600; // 2026-01-01
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path, "wb"));
    if (!file) {
        fmt::print(stderr, "make_trace: cannot write {}\n", path);
        return 1;
    }
    // pcap file header: little-endian microseconds, version 2.4, snap length 65535, Ethernet
    const std::uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
    bool good = std::fwrite(header, sizeof header, 1, file.get()) == 1;
    bench::TrafficOptions options;
    options.flows = flows;
    options.frames_min = packets;
    options.seed = seed;
    options.memory_octets_max = packets * 64;
    const bench::Traffic traffic(options);
    constexpr std::size_t kChunk = 65'536;
    std::vector<std::uint8_t> chunk(kChunk * kRecord);
    for (std::uint64_t i = 0; good && i < packets;) {
        std::size_t used = 0;
        for (; used < chunk.size() && i < packets; ++i, used += kRecord) {
            std::uint8_t* at = chunk.data() + used;
            put32(at, static_cast<std::uint32_t>(kBegins + i / 1'000'000));
            put32(at + 4, static_cast<std::uint32_t>(i % 1'000'000));
            put32(at + 8, kFrame);
            put32(at + 12, kFrame);
            std::memcpy(at + 16, traffic.frame(i), kFrame);
        }
        good = std::fwrite(chunk.data(), used, 1, file.get()) == 1;
    }
    if (!good || std::fflush(file.get()) != 0) {
        fmt::print(stderr, "make_trace: {} could not be written whole: is the disk full?\n", path);
        return 1;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        fmt::print(stderr, "usage: make_trace FILE FLOWS PACKETS [SEED]\n");
        return 2;
    }
    try {
        return run(argv[1], std::strtoull(argv[2], nullptr, 10),
                   std::strtoull(argv[3], nullptr, 10),
                   argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1);
    } catch (const std::exception& error) {
        fmt::print(stderr, "make_trace: {}\n", error.what());
        return 1;
    }
}
