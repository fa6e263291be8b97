// SPDX-License-Identifier: BSD-3-Clause
#include "bench/traffic.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <new>
#include <numeric>
#include <stdexcept>

namespace bench {
namespace {

constexpr std::uint32_t kFcsOctets = 4;
constexpr std::uint32_t kEthernetOctets = 14;
constexpr std::uint32_t kIpv4Octets = 20;
constexpr std::uint32_t kIpv6Octets = 40;
constexpr std::uint32_t kTcpOctets = 20;
constexpr std::size_t kTrain = 16; // packets of one flow behind each other, FlowOrder::bursts

class Random {
  public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t next() noexcept { return mix64(state_++); }
    std::uint64_t below(std::uint64_t bound) noexcept {
        return (next() >> 32) * bound >> 32; // bounds are below 2^32
    }
    double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

  private:
    std::uint64_t state_;
};

void put16(std::uint8_t* at, std::uint32_t value) noexcept {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

void put32(std::uint8_t* at, std::uint32_t value) noexcept {
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

struct FlowIdentity {
    std::uint32_t source, destination;
    std::uint16_t source_port, destination_port;
};

/// Different for every flow below 2^24: an odd factor is a bijection of the low 24 bits.
FlowIdentity identity_of(std::uint64_t flow) noexcept {
    const std::uint64_t random = mix64(flow * 0x9e37 + 77);
    const auto low = static_cast<std::uint32_t>((flow * 0x9e3779b1U) & 0xffffff);
    return {
        .source = 0x0a000000U | low,
        // anywhere below 224.0.0.0, so either end of a flow may be the one that compares smaller
        .destination = static_cast<std::uint32_t>(((random >> 32) % 222 + 1) << 24) |
                       static_cast<std::uint32_t>(random & 0xffffff),
        .source_port = static_cast<std::uint16_t>(1024 + (random >> 24) % 60'000),
        .destination_port = static_cast<std::uint16_t>(1 + (random >> 8) % 1023)};
}

void write_addresses(std::uint8_t* ip, const FlowIdentity& flow, bool ipv6) noexcept {
    if (!ipv6) {
        put32(ip + 12, flow.source);
        put32(ip + 16, flow.destination);
        return;
    }
    for (const auto& [at, address] :
         {std::pair{ip + 8, flow.source}, std::pair{ip + 24, flow.destination}}) {
        put32(at, 0x20010db8);
        put32(at + 4, address & 0xffff0000);
        put32(at + 8, 0);
        put32(at + 12, address);
    }
}

void write_frame(std::uint8_t* frame, const FlowIdentity& flow, bool ipv6, bool udp,
                 std::uint32_t frame_octets) noexcept {
    constexpr std::array<std::uint8_t, 12> kMacs{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    std::memcpy(frame, kMacs.data(), kMacs.size());
    put16(frame + 12, ipv6 ? 0x86dd : 0x0800);
    std::uint8_t* ip = frame + kEthernetOctets;
    const std::uint32_t ip_octets = frame_octets - kFcsOctets - kEthernetOctets;
    const auto protocol = static_cast<std::uint8_t>(udp ? 17 : 6);
    if (ipv6) {
        ip[0] = 0x60;
        put16(ip + 4, ip_octets - kIpv6Octets);
        ip[6] = protocol;
        ip[7] = 64;
    } else {
        ip[0] = 0x45;
        put16(ip + 2, ip_octets);
        ip[8] = 64;
        ip[9] = protocol;
    }
    write_addresses(ip, flow, ipv6);
    std::uint8_t* transport = ip + (ipv6 ? kIpv6Octets : kIpv4Octets);
    put16(transport, flow.source_port);
    put16(transport + 2, flow.destination_port);
    if (udp) {
        put16(transport + 4, ip_octets - (ipv6 ? kIpv6Octets : kIpv4Octets));
    } else {
        transport[12] = 5 << 4;
        transport[13] = 0x10; // ACK: the middle of a connection
    }
}

std::vector<std::uint32_t> zipf(std::uint64_t flows, std::size_t count, Random& random) {
    std::vector<double> cumulative(flows);
    double sum = 0;
    for (std::uint64_t k = 0; k < flows; ++k) {
        cumulative[k] = sum += 1.0 / static_cast<double>(k + 1);
    }
    std::vector<std::uint32_t> drawn(count);
    for (auto& flow : drawn) {
        const auto found =
            std::lower_bound(cumulative.begin(), cumulative.end(), random.unit() * sum);
        flow = static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(
            found - cumulative.begin(), static_cast<std::ptrdiff_t>(flows) - 1));
    }
    return drawn;
}

std::uint32_t octets_of_frame(const TrafficOptions& options, Random& random) noexcept {
    if (options.frame_octets != kImix) {
        return options.frame_octets;
    }
    const std::uint64_t draw = random.below(12);
    return draw < 7 ? 64 : draw < 11 ? 594 : 1518;
}

} // namespace

std::string_view name_of(TrafficFamily family) noexcept {
    constexpr std::array<std::string_view, 3> kNames{"ipv4", "ipv6", "mixed"};
    return kNames[static_cast<std::size_t>(family)];
}

std::string_view name_of(FlowOrder order) noexcept {
    constexpr std::array<std::string_view, 4> kNames{"random", "zipf", "bursts", "both_ways"};
    return kNames[static_cast<std::size_t>(order)];
}

std::vector<std::uint32_t> draw_flows(FlowOrder order, std::uint64_t flows, std::size_t count,
                                      std::uint64_t seed) {
    Random random(seed);
    if (order == FlowOrder::zipf) {
        return zipf(flows, count, random);
    }
    const std::size_t repeat = order == FlowOrder::bursts ? kTrain : 1;
    std::vector<std::uint32_t> drawn((count + repeat - 1) / repeat);
    for (std::size_t i = 0; i < drawn.size(); ++i) {
        drawn[i] = static_cast<std::uint32_t>(i % flows);
    }
    for (std::size_t i = drawn.size(); i > 1; --i) { // Fisher and Yates
        std::swap(drawn[i - 1], drawn[random.below(i)]);
    }
    if (repeat == 1) {
        return drawn;
    }
    std::vector<std::uint32_t> trains(count);
    for (std::size_t i = 0; i < count; ++i) {
        trains[i] = drawn[i / repeat];
    }
    return trains;
}

Traffic::Traffic(const TrafficOptions& options) : options_(options) {
    if (options.flows == 0 || options.flows > (1U << 24)) {
        throw std::invalid_argument("traffic has 1 to 2^24 flows");
    }
    const std::size_t trains = options.order == FlowOrder::bursts ? kTrain : 1;
    const std::size_t wanted =
        std::max<std::size_t>(options.frames_min, 2 * options.flows * trains);
    const std::size_t average = options.frame_octets == kImix
                                    ? 384
                                    : (std::max(options.frame_octets, 64U) + 63U) / 64U * 64U;
    const std::size_t fit = options.memory_octets_max / average;
    const std::size_t frames = std::max<std::size_t>(std::min(wanted, fit), options.flows * trains);
    lay_out(draw_flows(options.order, options.flows, frames, options.seed));
}

void Traffic::lay_out(const std::vector<std::uint32_t>& flows) {
    constexpr std::uint32_t kIpv6Min = kEthernetOctets + kIpv6Octets + kTcpOctets + kFcsOctets;
    Random random(options_.seed ^ 0x5eed);
    frames_.resize(flows.size());
    std::uint64_t line = 0;
    double sum = 0;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const bool ipv6 = options_.family == TrafficFamily::ipv6 ||
                          (options_.family == TrafficFamily::mixed && (flows[i] & 1) != 0);
        const std::uint32_t octets =
            std::max(octets_of_frame(options_, random), ipv6 ? kIpv6Min : 64U);
        frames_[i] = {.line = static_cast<std::uint32_t>(line),
                      .octets = static_cast<std::uint16_t>(octets - kFcsOctets),
                      .ipv6 = static_cast<std::uint16_t>(ipv6 ? 1 : 0)};
        line += (octets - kFcsOctets + 63) / 64;
        sum += octets;
    }
    mean_frame_octets_ = sum / static_cast<double>(flows.size());
    take_memory(line);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        FlowIdentity flow = identity_of(flows[i]);
        if (options_.order == FlowOrder::both_ways && (random.next() & 1) != 0) {
            std::swap(flow.source, flow.destination);
            std::swap(flow.source_port, flow.destination_port);
        }
        const bool udp = static_cast<double>(mix64(flows[i]) >> 11) * 0x1p-53 < options_.udp_share;
        write_frame(octets_ + std::size_t{frames_[i].line} * 64, flow, frames_[i].ipv6 != 0, udp,
                    frames_[i].octets + kFcsOctets);
    }
}

void Traffic::take_memory(std::uint64_t lines) {
    constexpr std::size_t kHugePage = 2U << 20;
    mapped_ = (lines * 64 + 2 * kHugePage - 1) / kHugePage * kHugePage;
    void* mapped =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        throw std::bad_alloc();
    }
    (void)madvise(mapped, mapped_, MADV_HUGEPAGE); // without it frames are only slower to reach
    octets_ = static_cast<std::uint8_t*>(mapped);
}

Traffic::Traffic(const std::vector<std::vector<std::uint8_t>>& frames) {
    std::uint64_t line = 0;
    double sum = 0;
    for (const std::vector<std::uint8_t>& frame : frames) {
        frames_.push_back({.line = static_cast<std::uint32_t>(line),
                           .octets = static_cast<std::uint16_t>(frame.size()),
                           .ipv6 = 0});
        line += (frame.size() + 63) / 64;
        sum += static_cast<double>(frame.size() + kFcsOctets);
    }
    mean_frame_octets_ = sum / static_cast<double>(frames.size());
    take_memory(line);
    for (std::size_t i = 0; i < frames.size(); ++i) {
        std::memcpy(octets_ + std::size_t{frames_[i].line} * 64, frames[i].data(),
                    frames[i].size());
    }
}

Traffic::~Traffic() {
    munmap(octets_, mapped_);
}

void Traffic::write_plain_frame(std::uint8_t* frame, std::uint64_t flow, bool ipv6,
                                std::uint32_t frame_octets) noexcept {
    write_frame(frame, identity_of(flow), ipv6, false, frame_octets);
}

void Traffic::write_new_flow(std::uint8_t* frame, std::uint64_t number, bool ipv6) noexcept {
    std::uint8_t* ip = frame + kEthernetOctets;
    // 100.0.0.0/8, where identity_of has no source; 2^40 numbers until one comes again
    put32(ip + (ipv6 ? 20 : 12), 0x64000000U | static_cast<std::uint32_t>(number & 0xffffff));
    put16(ip + (ipv6 ? kIpv6Octets : kIpv4Octets), static_cast<std::uint32_t>(number >> 24));
}

} // namespace bench
