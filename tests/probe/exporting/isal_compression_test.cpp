// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/isal_compression.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using probe::Bytes;
using Octets = std::vector<std::uint8_t>;

namespace {

Octets text(const std::string& words) {
    return {words.begin(), words.end()};
}

/// Records of flows compress like this: some octets repeat, some do not.
Octets half_random(std::size_t octets, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Octets out(octets);
    for (std::size_t i = 0; i < octets; ++i) {
        out[i] = static_cast<std::uint8_t>(i % 16 < 8 ? i / 64 : random());
    }
    return out;
}

Octets noise(std::size_t octets, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Octets out(octets);
    for (std::uint8_t& octet : out) {
        octet = static_cast<std::uint8_t>(random());
    }
    return out;
}

struct Unpacked {
    Octets octets;
    std::size_t members = 0;
    bool bad = false;
    bool cut = false;
};

/// Through the reader with pieces of these sizes.
Unpacked unpack(const Octets& stream, std::size_t in_piece, std::size_t out_piece) {
    probe::GzipReader reader;
    Unpacked result;
    std::size_t at = 0;
    Octets buffer(out_piece);
    while (true) {
        Bytes in = Bytes(stream).subspan(at, std::min(in_piece, stream.size() - at));
        const std::size_t offered = in.size();
        std::span<std::uint8_t> out(buffer);
        const probe::GzipVerdict verdict = reader.read(in, out);
        at += offered - in.size();
        const std::size_t made = buffer.size() - out.size();
        result.octets.insert(result.octets.end(), buffer.begin(),
                             buffer.begin() + static_cast<std::ptrdiff_t>(made));
        result.members += verdict == probe::GzipVerdict::end ? 1 : 0;
        result.bad = verdict == probe::GzipVerdict::bad;
        result.cut = reader.in_member();
        if (result.bad || (made == 0 && offered == in.size()) ||
            (verdict == probe::GzipVerdict::end && at == stream.size())) {
            return result;
        }
    }
}

/// What gzip(1) makes of a stream.
Octets by_gzip(const Octets& stream) {
    std::string path = "/tmp/parshall-gzip-XXXXXX";
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    REQUIRE(::write(fd, stream.data(), stream.size()) == static_cast<ssize_t>(stream.size()));
    ::close(fd);
    std::FILE* pipe = ::popen(("gzip -dc < " + path).c_str(), "r"); // NOLINT(cert-env33-c)
    REQUIRE(pipe != nullptr);
    Octets out(1 << 22);
    out.resize(std::fread(out.data(), 1, out.size(), pipe));
    CHECK(::pclose(pipe) == 0);
    ::unlink(path.c_str());
    return out;
}

} // namespace

TEST_CASE("checksums are those of the standards", "[compression]") {
    const Octets nine = text("123456789"); // the check value of every CRC catalogue
    CHECK(probe::crc32_of(nine) == 0xCBF43926U);
    CHECK(probe::crc64_of(nine) == 0x995DC9BBDF1939FAULL);
    const Bytes all = nine;
    CHECK(probe::crc32_of(all.subspan(4), probe::crc32_of(all.first(4))) == 0xCBF43926U);
    CHECK(probe::crc64_of(all.subspan(4), probe::crc64_of(all.first(4))) == 0x995DC9BBDF1939FAULL);
}

TEST_CASE("a block comes back as it was, also one that does not compress", "[compression]") {
    probe::BlockCompressor compressor;
    for (const std::size_t size : {1U, 100U, 65535U, 200000U}) {
        for (const Octets& block : {half_random(size, size), noise(size, size)}) {
            Octets packed(probe::BlockCompressor::octets_max(size));
            const std::size_t octets = compressor.compress(block, packed);
            REQUIRE(octets > 0);
            packed.resize(octets);
            Octets back(size);
            REQUIRE(compressor.decompress(packed, back) == size);
            CHECK((back == block));
            Octets small(size - 1);
            CHECK(compressor.decompress(packed, small) == 0);
            packed.pop_back();
            CHECK(compressor.decompress(packed, back) == 0);
        }
    }
    const Octets block = half_random(65535, 1);
    Octets packed(65535);
    CHECK(compressor.compress(block, packed) < 47000); // 44 k on amd64, 46 k on arm64
    CHECK(compressor.compress(block, std::span<std::uint8_t>(packed).first(100)) == 0);
}

TEST_CASE("a gzip stream is read by gzip and by ourselves, in pieces of any size",
          "[compression]") {
    probe::GzipWriter writer;
    const Octets first = half_random(300'000, 3);
    const Octets second = noise(70'000, 4);
    Octets stream;
    writer.write(first, stream);
    writer.finish(stream);
    writer.write(Bytes(second).first(10), stream);
    writer.flush(stream);
    writer.write(Bytes(second).subspan(10), stream);
    writer.finish(stream);
    Octets whole = first;
    whole.insert(whole.end(), second.begin(), second.end());
    CHECK((by_gzip(stream) == whole));
    for (const std::size_t in_piece : {1UL, 7UL, 4096UL, stream.size()}) {
        for (const std::size_t out_piece : {64UL, 5000UL, 1UL << 20U}) {
            const Unpacked back = unpack(stream, in_piece, out_piece);
            CHECK_FALSE(back.bad);
            CHECK_FALSE(back.cut);
            CHECK(back.members == 2);
            CHECK((back.octets == whole));
        }
    }
}

TEST_CASE("what was flushed can be read, though the stream was cut behind it", "[compression]") {
    probe::GzipWriter writer;
    Octets stream;
    const Octets words = text("records that left before the end");
    writer.write(words, stream);
    writer.flush(stream);
    const Unpacked back = unpack(stream, 4096, 4096);
    CHECK(back.octets == words);
    CHECK(back.cut);
    CHECK(back.members == 0);
}

TEST_CASE("a damaged gzip stream is never taken for a whole one", "[compression]") {
    probe::GzipWriter writer;
    const Octets whole = half_random(20'000, 5);
    Octets stream;
    writer.write(whole, stream);
    writer.finish(stream);
    CHECK(probe::looks_like_gzip(stream));
    std::mt19937_64 random(6);
    for (int round = 0; round < 300; ++round) {
        Octets damaged = stream;
        // Behind the ten octets of the header, most of which say nothing about the content.
        damaged[10 + random() % (damaged.size() - 10)] ^=
            static_cast<std::uint8_t>(1U << (random() % 8));
        const Unpacked back = unpack(damaged, 4096, 4096);
        // The last octet's unused bits say nothing either.
        const bool the_same = back.octets == whole;
        CHECK((back.bad || back.cut || the_same));
    }
    CHECK(unpack(text("this is no gzip stream at all"), 100, 100).bad);
}
