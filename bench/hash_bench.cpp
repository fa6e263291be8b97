// SPDX-License-Identifier: BSD-3-Clause
// What a hash of a flow key costs: SipHash-2-4 a burst at a time, by vector target, beside hashes
// that are faster because they are no defence against prepared collisions (CRC32C, jhash, XXH3).
#include <fmt/format.h>
#include <rte_hash_crc.h>
#include <rte_jhash.h>
#include <xxhash.h>

#include <CLI/CLI.hpp>
#include <array>
#include <functional>
#include <vector>

#include "bench/measure.hpp"
#include "bench/results.hpp"
#include "bench/traffic.hpp"
#include "probe/metering/siphash.hpp"

namespace bench {
namespace {

constexpr std::size_t kBurst = 64;
constexpr std::size_t kKeys = 4'096; // at most 256 KB: the level-2 cache

struct Keys {
    explicit Keys(std::size_t key_octets) : octets(key_octets * kKeys) {
        for (std::size_t i = 0; i < octets.size(); ++i) {
            octets[i] = static_cast<std::uint8_t>(mix64(i));
        }
    }
    std::vector<std::uint8_t> octets;
    std::size_t next = 0;
    std::uint64_t checksum = 0;

    const std::uint8_t* burst(std::size_t key_octets) noexcept {
        const std::uint8_t* at = octets.data() + next * key_octets;
        next = next + kBurst == kKeys ? 0 : next + kBurst;
        return at;
    }
};

template <std::size_t kOctets>
std::uint64_t siphash_bursts(Keys& keys, std::uint64_t bursts) {
    constexpr probe::SipKey kKey{1, 2};
    std::array<std::uint64_t, kBurst> hashes{};
    for (std::uint64_t b = 0; b < bursts; ++b) {
        probe::siphash24_burst<kOctets>(kKey, keys.burst(kOctets), kBurst, hashes.data());
        keys.checksum += hashes[b % kBurst];
    }
    return bursts * kBurst;
}

template <std::size_t kOctets, class Hash>
std::uint64_t one_by_one(Keys& keys, std::uint64_t bursts, Hash hash) {
    for (std::uint64_t b = 0; b < bursts; ++b) {
        const std::uint8_t* at = keys.burst(kOctets);
        for (std::size_t i = 0; i < kBurst; ++i) {
            keys.checksum += hash(at + i * kOctets);
        }
    }
    return bursts * kBurst;
}

template <std::size_t kOctets>
void run_keys(const MeasureOptions& measuring, ResultFile& results) {
    Keys keys(kOctets);
    std::vector<Contestant> contestants;
    const auto add = [&](const std::string& name, std::function<std::uint64_t(std::uint64_t)> run) {
        contestants.push_back({name, std::move(run), {}, {}, {}});
    };
    for (const std::string& target : probe::siphash_targets()) {
        add("siphash24 " + target, [&keys, target](std::uint64_t bursts) {
            (void)probe::use_siphash_target(target);
            return siphash_bursts<kOctets>(keys, bursts);
        });
    }
    add("siphash24 one key at a time", [&keys](std::uint64_t bursts) {
        return one_by_one<kOctets>(keys, bursts, [](const std::uint8_t* key) {
            return probe::siphash24({1, 2}, key, kOctets);
        });
    });
    add("crc32c", [&keys](std::uint64_t bursts) {
        return one_by_one<kOctets>(
            keys, bursts, [](const std::uint8_t* key) { return rte_hash_crc(key, kOctets, 1); });
    });
    add("jhash", [&keys](std::uint64_t bursts) {
        return one_by_one<kOctets>(
            keys, bursts, [](const std::uint8_t* key) { return rte_jhash(key, kOctets, 1); });
    });
    add("xxh3", [&keys](std::uint64_t bursts) {
        return one_by_one<kOctets>(keys, bursts, [](const std::uint8_t* key) {
            return XXH3_64bits_withSeed(key, kOctets, 1);
        });
    });
    measure(contestants, measuring);
    (void)probe::use_siphash_target("");
    for (const Contestant& c : contestants) {
        const Figure figure = figure_of(c.ns_per_packet);
        results.add({{"key_octets", number(std::uint64_t{kOctets})},
                     {"ns_per_key", number(figure.median)},
                     {"spread_ns", number(figure.spread, 3)},
                     {"runs", number(std::uint64_t{c.ns_per_packet.size()})},
                     {"hash", c.name}});
    }
    fmt::print("checksum {:016x}\n", keys.checksum);
}

int run(int argc, char** argv) {
    MeasureOptions measuring;
    std::string folder;
    bool quick = false;
    bool smoke = false;
    CLI::App app{"hash_bench: the cost of hashing flow keys (bench/README.md)"};
    app.add_option("--runs", measuring.runs, "runs of each hash");
    app.add_option("--seconds", measuring.seconds, "length of one run");
    app.add_option("--results", folder, "folder for the CSV file; without it, none");
    app.add_flag("--quick", quick, "shorter runs");
    app.add_flag("--smoke", smoke, "does it work: the figures mean nothing");
    CLI11_PARSE(app, argc, argv);
    if (smoke || quick) {
        measuring = {.runs = smoke ? 1 : 3, .seconds = smoke ? 0.002 : 0.05};
    }
    RunIdentity identity{.command = "bench/hash_bench", .pages = ""};
    for (int i = 1; i < argc; ++i) {
        identity.command += std::string(" ") + argv[i];
    }
    ResultFile results(folder, "hash", identity);
    run_keys<16>(measuring, results);
    run_keys<40>(measuring, results);
    run_keys<64>(measuring, results);
    return 0;
}

} // namespace
} // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "hash_bench: {}\n", error.what());
        return 1;
    }
}
