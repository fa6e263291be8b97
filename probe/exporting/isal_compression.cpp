// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/isal_compression.hpp"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <array>
#include <limits>

namespace probe {
namespace {

constexpr std::uint32_t kLevel = 1;
constexpr std::size_t kPieceOctets = std::size_t{64} * 1024;

using LevelBuffer = std::array<std::uint8_t, ISAL_DEF_LVL1_DEFAULT>;

/// ISA-L's structs take a pointer to octets that may be written, and do not write them.
std::uint8_t* input_of(Bytes octets) noexcept {
    return const_cast<std::uint8_t*>(
        octets.data()); // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

} // namespace

std::uint32_t crc32_of(Bytes octets, std::uint32_t before) noexcept {
    return crc32_gzip_refl(before, octets.data(), octets.size());
}

std::uint64_t crc64_of(Bytes octets, std::uint64_t before) noexcept {
    return crc64_ecma_refl(before, octets.data(), octets.size());
}

struct BlockCompressor::State {
    isal_zstream deflate{};
    inflate_state inflate{};
    LevelBuffer level{};
};

BlockCompressor::BlockCompressor() : state_(std::make_unique<State>()) {}
BlockCompressor::~BlockCompressor() = default;

// Stored blocks have five octets in front of at most 65,535; igzip wants a header's room besides.
std::size_t BlockCompressor::octets_max(std::size_t octets) noexcept {
    constexpr std::size_t kStoredBlock = 65535;
    constexpr std::size_t kStoredHeader = 5;
    constexpr std::size_t kSlack = 512;
    return octets + (octets / kStoredBlock + 1) * kStoredHeader + kSlack;
}

std::size_t BlockCompressor::compress(Bytes block, std::span<std::uint8_t> out) noexcept {
    isal_zstream& stream = state_->deflate;
    isal_deflate_stateless_init(&stream);
    stream.level = kLevel;
    stream.level_buf = state_->level.data();
    stream.level_buf_size = static_cast<std::uint32_t>(state_->level.size());
    stream.end_of_stream = 1;
    stream.flush = NO_FLUSH;
    stream.next_in = input_of(block);
    stream.avail_in = static_cast<std::uint32_t>(block.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<std::uint32_t>(out.size());
    return isal_deflate_stateless(&stream) == COMP_OK ? stream.total_out : 0;
}

std::size_t BlockCompressor::decompress(Bytes compressed, std::span<std::uint8_t> out) noexcept {
    inflate_state& stream = state_->inflate;
    isal_inflate_init(&stream);
    stream.next_in = input_of(compressed);
    stream.avail_in = static_cast<std::uint32_t>(compressed.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<std::uint32_t>(out.size());
    const bool done = isal_inflate_stateless(&stream) == ISAL_DECOMP_OK &&
                      stream.block_state == ISAL_BLOCK_FINISH;
    return done ? stream.total_out : 0;
}

struct GzipWriter::State {
    isal_zstream stream{};
    LevelBuffer level{};
};

GzipWriter::GzipWriter() : state_(std::make_unique<State>()) {
    isal_deflate_init(&state_->stream);
    state_->stream.level = kLevel;
    state_->stream.level_buf = state_->level.data();
    state_->stream.level_buf_size = static_cast<std::uint32_t>(state_->level.size());
    state_->stream.gzip_flag = IGZIP_GZIP;
}
GzipWriter::~GzipWriter() = default;

void GzipWriter::write(Bytes octets, std::vector<std::uint8_t>& out) {
    constexpr std::size_t kInputMax = std::numeric_limits<std::uint32_t>::max();
    while (!octets.empty()) {
        const std::size_t part = std::min(octets.size(), kInputMax);
        run(octets.first(part), NO_FLUSH, false, out);
        octets = octets.subspan(part);
    }
}

void GzipWriter::flush(std::vector<std::uint8_t>& out) {
    run({}, SYNC_FLUSH, false, out);
}

void GzipWriter::finish(std::vector<std::uint8_t>& out) {
    run({}, NO_FLUSH, true, out);
    isal_deflate_reset(&state_->stream);
    state_->stream.end_of_stream = 0;
    state_->stream.gzip_flag = IGZIP_GZIP; // the header written, it said no header any more
}

void GzipWriter::run(Bytes octets, std::uint16_t flush, bool end, std::vector<std::uint8_t>& out) {
    isal_zstream& stream = state_->stream;
    stream.next_in = input_of(octets);
    stream.avail_in = static_cast<std::uint32_t>(octets.size());
    stream.flush = flush;
    stream.end_of_stream = end ? 1 : 0;
    do {
        const std::size_t had = out.size();
        out.resize(had + kPieceOctets);
        stream.next_out = out.data() + had;
        stream.avail_out = static_cast<std::uint32_t>(kPieceOctets);
        static_cast<void>(isal_deflate(&stream)); // errors are of parameters, which are constant
        out.resize(had + kPieceOctets - stream.avail_out);
    } while (stream.avail_out == 0);
}

struct GzipReader::State {
    inflate_state stream{};
    bool in_member = false;
};

GzipReader::GzipReader() : state_(std::make_unique<State>()) {
    isal_inflate_init(&state_->stream);
    state_->stream.crc_flag = ISAL_GZIP;
}
GzipReader::~GzipReader() = default;

bool GzipReader::in_member() const noexcept {
    return state_->in_member;
}

GzipVerdict GzipReader::read(Bytes& in, std::span<std::uint8_t>& out) noexcept {
    constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
    inflate_state& stream = state_->stream;
    const std::size_t offered = std::min(in.size(), kMost);
    const std::size_t room = std::min(out.size(), kMost);
    stream.next_in = input_of(in);
    stream.avail_in = static_cast<std::uint32_t>(offered);
    stream.next_out = out.data();
    stream.avail_out = static_cast<std::uint32_t>(room);
    const int answer = isal_inflate(&stream);
    state_->in_member = state_->in_member || stream.avail_in != offered;
    in = in.subspan(offered - stream.avail_in);
    out = out.subspan(room - stream.avail_out);
    if (answer < 0) return GzipVerdict::bad;
    if (stream.block_state != ISAL_BLOCK_FINISH) return GzipVerdict::more;
    isal_inflate_reset(&stream);
    stream.crc_flag = ISAL_GZIP;
    state_->in_member = false;
    return GzipVerdict::end;
}

} // namespace probe
