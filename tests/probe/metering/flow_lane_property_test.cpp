// SPDX-License-Identifier: BSD-3-Clause
// Random packets against the truth: no record longer than the active timeout, none with an idle
// gap, every packet in exactly one record, and the same records however the sweep comes by.
#include <algorithm>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/flow_truth.hpp"
#include "tests/support/metering_bench.hpp"

using namespace probe;
using namespace probe::test;

namespace {

struct Draw {
    TimeNs time;
    unsigned flow;
    bool back;
    std::uint16_t bits;
    std::uint32_t payload;
};

/// Bursts and silences of a few flows; `late_max`: how far a packet may be behind the ones before
/// it.
std::vector<Draw> draw_packets(std::mt19937_64& random, std::size_t count, TimeNs late_max) {
    std::vector<Draw> packets;
    TimeNs now = kStart;
    constexpr TimeNs kPauses[] = {0, kMs, 300 * kMs, kSecond, 3 * kSecond, 9 * kSecond};
    for (std::size_t n = 0; n < count; ++n) {
        const TimeNs pause = kPauses[random() % std::size(kPauses)];
        now += pause == 0 ? 0 : random() % pause;
        const TimeNs late = late_max != 0 && random() % 4 == 0 ? random() % late_max : 0;
        constexpr std::uint16_t kBits[] = {kAck, kAck, kAck, kSyn, kSyn | kAck, kFin | kAck, kRst};
        packets.push_back({now - late, static_cast<unsigned>(random() % 5), random() % 3 == 0,
                           kBits[random() % std::size(kBits)],
                           static_cast<std::uint32_t>(random() % 500)});
    }
    return packets;
}

PacketBuilder frame(const Draw& draw) {
    const auto port = static_cast<std::uint16_t>(1000 + draw.flow);
    const std::string a = "10.0.0." + std::to_string(1 + draw.flow * 40);
    const std::string b = "10.0.0.99";
    PacketBuilder builder = PacketBuilder().ethernet().ipv4(
        {.source = draw.back ? b : a, .destination = draw.back ? a : b});
    const bool udp = draw.flow % 2 == 0;
    const std::uint16_t source = draw.back ? 53 : port;
    const std::uint16_t destination = draw.back ? port : 53;
    return (udp ? builder.udp(source, destination) : builder.tcp(source, destination, draw.bits))
        .payload(draw.payload);
}

TruePacket truth_of(const Draw& draw, TimeNs polled_at) {
    const std::string a =
        "10.0.0." + std::to_string(1 + draw.flow * 40) + " " + std::to_string(1000 + draw.flow);
    const std::string b = "10.0.0.99 53";
    const bool udp = draw.flow % 2 == 0;
    return {.source = draw.back ? b : a,
            .destination = draw.back ? a : b,
            .protocol = static_cast<std::uint8_t>(udp ? 17 : 6),
            .time = draw.time,
            .polled_at = polled_at,
            .ip_octets = draw.payload + (udp ? 28 : 40)};
}

BenchOptions options() {
    BenchOptions made;
    made.metering.timeouts = {.idle = 4 * kSecond, .active = 9 * kSecond, .tcp_end = kSecond};
    return made;
}

/// A record as text, for comparison.
std::string told(const strict::Record& record) {
    std::string text;
    for (const auto& [field, octets] : record.values) {
        text += std::to_string(field.enterprise) + "/" + std::to_string(field.id) + "=";
        for (const std::uint8_t octet : octets) {
            text += std::to_string(octet) + ".";
        }
        text += " ";
    }
    return text;
}

} // namespace

TEST_CASE("every packet is in one record, and no record breaks a timeout", "[metering][property]") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        INFO("seed " << seed);
        std::mt19937_64 random(seed);
        const bool biflow = seed % 2 == 0;
        const TimeNs late_max = seed % 4 < 2 ? 0 : 12 * kSecond;
        MeterBench bench(biflow ? kBiflow4 : kUniflow4, options());
        FlowTruth truth(options().metering.timeouts, biflow, true);
        TimeNs now = kStart;
        const auto account = [&] {
            for (const SeenRecord& seen : bench.records()) {
                truth.record(seen.record, seen.at);
            }
        };
        for (const Draw& draw : draw_packets(random, 600, late_max)) {
            now = std::max(now, draw.time);
            bench.packet(draw.time, frame(draw));
            truth.packet(truth_of(draw, now));
            if (random() % 8 == 0) {
                bench.sweep(now);
            }
            account();
        }
        bench.flush();
        account();
        truth.close();
        for (const std::string& complaint : truth.complaints()) {
            FAIL_CHECK(complaint);
        }
        CHECK(truth.records() > 50);
        bench.check();
    }
}

TEST_CASE("the records of packets in order do not depend on when the sweep comes by",
          "[metering][property]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        INFO("seed " << seed);
        std::mt19937_64 random(seed);
        const std::vector<Draw> packets = draw_packets(random, 400, 0);
        std::vector<std::vector<std::string>> runs;
        for (const unsigned sweep_one_in : {1U, 3U, 20U, 1'000'000U}) {
            MeterBench bench(seed % 2 == 0 ? kBiflow4 : kUniflow4, options());
            std::mt19937_64 when(seed * 1000 + sweep_one_in);
            for (const Draw& draw : packets) {
                if (when() % sweep_one_in == 0) {
                    bench.sweep(draw.time);
                }
                bench.packet(draw.time, frame(draw));
            }
            bench.sweep(packets.back().time + 3600 * kSecond);
            bench.sweep(packets.back().time + 3600 * kSecond);
            std::vector<std::string> records;
            for (const SeenRecord& seen : bench.records()) {
                records.push_back(told(seen.record));
            }
            std::sort(records.begin(), records.end());
            runs.push_back(std::move(records));
            bench.check();
            CHECK(bench.ledger().live.flows == 0);
        }
        for (std::size_t run = 1; run < runs.size(); ++run) {
            CHECK(runs[run] == runs[0]);
        }
    }
}
