// SPDX-License-Identifier: BSD-3-Clause
// Compression (RFC 1951, gzip of RFC 1952) and checksums by ISA-L, whose types stay in the .cpp.
//
// Thread: an object belongs to one thread at a time; functions may be called from any. Compression
// takes tens of microseconds a 64 KiB block: for threads that may wait, never for a metering or
// exporting lcore. Errors: verdicts; constructors throw std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// The checksum of RFC 1952 (gzip, Ethernet); `before`: of the octets that came before these.
[[nodiscard]] std::uint32_t crc32_of(Bytes octets, std::uint32_t before = 0) noexcept;

/// ECMA-182, reflected ("CRC-64/XZ"). Finds what a CRC of 32 bits misses in a gigabyte of blocks.
[[nodiscard]] std::uint64_t crc64_of(Bytes octets, std::uint64_t before = 0) noexcept;

/// One block at a time, all of it in memory: raw DEFLATE (RFC 1951). No allocation after
/// construction.
class BlockCompressor {
  public:
    BlockCompressor();
    ~BlockCompressor();
    BlockCompressor(const BlockCompressor&) = delete;
    BlockCompressor& operator=(const BlockCompressor&) = delete;

    /// Room that any block of `octets` fits, also one that does not compress.
    [[nodiscard]] static std::size_t octets_max(std::size_t octets) noexcept;

    /// Octets written to `out`; 0: they do not fit.
    [[nodiscard]] std::size_t compress(Bytes block, std::span<std::uint8_t> out) noexcept;

    /// Octets written to `out`; 0: it is no DEFLATE stream, goes on behind `compressed`, or is
    /// larger than `out`.
    [[nodiscard]] std::size_t decompress(Bytes compressed, std::span<std::uint8_t> out) noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A gzip stream of any length, written piece by piece.
class GzipWriter {
  public:
    GzipWriter();
    ~GzipWriter();
    GzipWriter(const GzipWriter&) = delete;
    GzipWriter& operator=(const GzipWriter&) = delete;

    /// Appends to `out` what of the stream is ready.
    void write(Bytes octets, std::vector<std::uint8_t>& out);
    /// Everything written so far can be read from what is in `out` then.
    void flush(std::vector<std::uint8_t>& out);
    /// Ends the stream (trailer and all); the next write begins another member.
    void finish(std::vector<std::uint8_t>& out);

  private:
    struct State;
    void run(Bytes octets, std::uint16_t flush, bool end, std::vector<std::uint8_t>& out);
    std::unique_ptr<State> state_;
};

enum class GzipVerdict : std::uint8_t {
    more, ///< all of the input was used or the output is full; nothing is wrong
    end,  ///< a member ended, its checksum fits; what follows in the input is the next one
    bad,  ///< no gzip, or damaged
};

/// A gzip stream of any number of members, read piece by piece. Bounded memory whatever it holds.
class GzipReader {
  public:
    GzipReader();
    ~GzipReader();
    GzipReader(const GzipReader&) = delete;
    GzipReader& operator=(const GzipReader&) = delete;

    /// Takes octets off the front of `in`, writes to the front of `out` and makes it the rest that
    /// is still free.
    [[nodiscard]] GzipVerdict read(Bytes& in, std::span<std::uint8_t>& out) noexcept;
    /// In the middle of a member: a stream that ends now was cut.
    [[nodiscard]] bool in_member() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The two octets that a gzip stream begins with.
[[nodiscard]] constexpr bool looks_like_gzip(Bytes octets) noexcept {
    return octets.size() >= 2 && octets[0] == 0x1f && octets[1] == 0x8b;
}

} // namespace probe
