// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/siphash.hpp"

#include <array>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

constexpr SipKey kPaperKey{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

/// SipHash-2-4 of the messages 00, 00 01, 00 01 02 ... under the key 00 .. 0f: the 64 vectors of
/// the paper's reference implementation, computed from the paper's text; [15] is printed in the
/// paper's appendix A.
constexpr std::array<std::uint64_t, 64> kVectors = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
    0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
    0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
    0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
    0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
    0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

template <std::size_t kOctets>
void burst_equals_scalar(std::mt19937_64& random) {
    for (std::size_t count = 0; count <= 64; ++count) {
        std::vector<std::uint8_t> keys(kOctets * count + 1);
        for (std::uint8_t& octet : keys) {
            octet = static_cast<std::uint8_t>(random());
        }
        const SipKey key{random(), random()};
        std::vector<std::uint64_t> out(count + 1, 0x5a5a);
        siphash24_burst<kOctets>(key, keys.data(), count, out.data());
        for (std::size_t i = 0; i < count; ++i) {
            INFO("key " << i << " of " << count << ", " << kOctets << " octets");
            REQUIRE(out[i] == siphash24(key, keys.data() + i * kOctets, kOctets));
        }
        REQUIRE(out[count] == 0x5a5a);
    }
}

} // namespace

TEST_CASE("SipHash-2-4 gives the 64 reference vectors", "[metering][siphash]") {
    CHECK(kVectors[15] == 0xa129ca6149be45e5ULL); // the one in the paper
    std::array<std::uint8_t, 64> message{};
    std::iota(message.begin(), message.end(), std::uint8_t{0});
    for (std::size_t octets = 0; octets < kVectors.size(); ++octets) {
        INFO(octets << " octets");
        CHECK(siphash24(kPaperKey, message.data(), octets) == kVectors[octets]);
    }
}

TEST_CASE("SipHash reads a message from any address", "[metering][siphash]") {
    std::array<std::uint8_t, 72> memory{};
    for (std::size_t shift = 0; shift < 8; ++shift) {
        std::iota(memory.begin() + static_cast<std::ptrdiff_t>(shift), memory.end(),
                  std::uint8_t{0});
        CHECK(siphash24(kPaperKey, memory.data() + shift, 63) == kVectors[63]);
    }
}

TEST_CASE("a burst of keys hashes as each key alone, with every vector unit this CPU has",
          "[metering][siphash]") {
    std::mt19937_64 random(20'261'122);
    std::vector<std::string> targets = siphash_targets();
    CHECK(!targets.empty());
    targets.emplace_back(""); // the best again, as the program uses it
    for (const std::string& target : targets) {
        INFO("target " << target);
        REQUIRE(use_siphash_target(target));
        burst_equals_scalar<8>(random);
        burst_equals_scalar<16>(random);
        burst_equals_scalar<40>(random);
        burst_equals_scalar<64>(random);
    }
    CHECK_FALSE(use_siphash_target("no such target"));
}

TEST_CASE("random hash keys differ", "[metering][siphash]") {
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
    for (int i = 0; i < 16; ++i) {
        const SipKey key = SipKey::random();
        CHECK(seen.emplace(key.k0, key.k1).second);
    }
}

TEST_CASE("the index's signature depends on both halves of the hash", "[metering][siphash]") {
    for (unsigned bit = 0; bit < 64; ++bit) {
        CHECK(index_signature(std::uint64_t{1} << bit) != index_signature(0));
    }
}
