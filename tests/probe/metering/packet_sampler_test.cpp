// SPDX-License-Identifier: BSD-3-Clause
#include "probe/metering/packet_sampler.hpp"

#include <cmath>
#include <vector>

#include "tests/support/catch.hpp"

using namespace probe;

namespace {

/// Numbers (as frame octets) of those of `packets` packets that are selected, in bursts of 1 to 64.
std::vector<std::uint32_t> selected(PacketSampler& sampler, std::uint32_t packets) {
    std::vector<std::uint32_t> numbers;
    PacketBatch batch;
    std::uint32_t next = 0;
    for (std::uint32_t size = 1; next < packets; size = size % kBurstPackets + 1) {
        batch.size = std::min(size, packets - next);
        const std::uint32_t offered = batch.size;
        std::uint64_t octets = 0;
        for (std::uint32_t i = 0; i < offered; ++i) {
            batch.packets[i].frame_octets = next++;
            octets += batch.packets[i].frame_octets;
        }
        const PacketSampler::LeftOut left_out = sampler.select(batch);
        CHECK(left_out.packets + batch.size == offered);
        for (std::uint32_t i = 0; i < batch.size; ++i) {
            numbers.push_back(batch.packets[i].frame_octets);
            octets -= batch.packets[i].frame_octets;
        }
        CHECK(left_out.frame_octets == octets);
    }
    return numbers;
}

} // namespace

TEST_CASE("systematic sampling takes the first of every N packets",
          "[metering][sampling][rfc5475-5.1]") {
    PacketSampler sampler({.method = SamplingMethod::systematic, .population = 7, .seed = 0});
    const auto numbers = selected(sampler, 7000);
    REQUIRE(numbers.size() == 1000);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        CHECK(numbers[i] == 7 * i);
}

TEST_CASE("random sampling takes one of every N packets, each equally likely",
          "[metering][sampling][rfc5475-5.2]") {
    constexpr std::uint32_t kN = 10;
    constexpr std::uint32_t kRounds = 20'000;
    PacketSampler sampler({.method = SamplingMethod::random, .population = kN, .seed = 1});
    const auto numbers = selected(sampler, kN * kRounds);
    REQUIRE(numbers.size() == kRounds);
    std::array<std::uint32_t, kN> at{};
    for (std::uint32_t i = 0; i < kRounds; ++i) {
        CHECK(numbers[i] / kN == i);
        ++at[numbers[i] % kN];
    }
    // Each position: a binomial of 20,000 tries at 1/10; five standard deviations.
    const double deviation = std::sqrt(kRounds * 0.1 * 0.9);
    for (const std::uint32_t count : at)
        CHECK(std::abs(count - kRounds * 0.1) < 5 * deviation);
    // The same seed chooses the same packets, another one others.
    PacketSampler again({.method = SamplingMethod::random, .population = kN, .seed = 1});
    CHECK(selected(again, kN * 100) ==
          std::vector<std::uint32_t>(numbers.begin(), numbers.begin() + 100));
    PacketSampler other({.method = SamplingMethod::random, .population = kN, .seed = 2});
    CHECK(selected(other, kN * 100) !=
          std::vector<std::uint32_t>(numbers.begin(), numbers.begin() + 100));
}
