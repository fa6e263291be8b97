// SPDX-License-Identifier: BSD-3-Clause
#include "bench/mixed_traffic.hpp"

#include <pcap/pcap.h>

#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "bench/payloads.hpp"
#include "bench/traffic.hpp"
#include "probe/packet/protocol_numbers.hpp"

namespace bench {
namespace {

using Frame = std::vector<std::uint8_t>;

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kAck = 0x10;
constexpr std::size_t kFrameOctetsMin = 60;
constexpr std::size_t kSegmentOctets = 1'400;

void append(Frame& frame, std::uint64_t value, int octets) {
    while (octets-- > 0) {
        frame.push_back(static_cast<std::uint8_t>(value >> (8 * octets)));
    }
}

/// Packets of one conversation, in their order.
class Talk {
  public:
    Talk(std::uint64_t number, const OnePayload& first)
        : client_(0x0a000000U | static_cast<std::uint32_t>(number & 0xffffff)),
          server_(0xc6336400U | static_cast<std::uint32_t>(mix64(number) & 0xff)),
          client_port_(static_cast<std::uint16_t>(1'024 + mix64(number + 1) % 60'000)),
          server_port_(first.port),
          protocol_(first.protocol) {}

    void say(int direction, std::uint8_t flags, std::string_view payload) {
        const bool tcp = protocol_ == probe::kProtocolTcp;
        Frame frame{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
        append(frame, 0x4500, 2);
        append(frame, 20 + (tcp ? 20U : 8U) + payload.size(), 2);
        append(frame, 0x0000'4000, 4);
        append(frame, 64U << 24 | std::uint32_t{protocol_} << 16, 4);
        append(frame, direction == 0 ? client_ : server_, 4);
        append(frame, direction == 0 ? server_ : client_, 4);
        append(frame, direction == 0 ? client_port_ : server_port_, 2);
        append(frame, direction == 0 ? server_port_ : client_port_, 2);
        if (tcp) {
            append(frame, sequence_[static_cast<std::size_t>(direction)], 4);
            append(frame, sequence_[static_cast<std::size_t>(1 - direction)], 4);
            append(frame, 0x5000U | flags, 2);
            append(frame, 0xffff'0000'0000, 6);
            sequence_[static_cast<std::size_t>(direction)] +=
                static_cast<std::uint32_t>(payload.size() + ((flags & (kSyn | kFin)) != 0 ? 1 : 0));
        } else {
            append(frame, 8 + payload.size(), 2);
            append(frame, 0, 2);
        }
        frame.insert(frame.end(), payload.begin(), payload.end());
        frame.resize(std::max(frame.size(), kFrameOctetsMin));
        packets.push_back(std::move(frame));
    }

    std::vector<Frame> packets;

  private:
    std::uint32_t client_;
    std::uint32_t server_;
    std::uint16_t client_port_;
    std::uint16_t server_port_;
    std::uint8_t protocol_;
    std::array<std::uint32_t, 2> sequence_{1'000, 5'000};
};

bool is_answer(const std::string& payload) {
    return payload.rfind("HTTP/1.1 ", 0) == 0 || payload.rfind("\x16\x03\x03", 0) == 0;
}

/// What is said first, `payloads[at]`, is answered by what follows it there, if that is an answer.
std::vector<Frame> conversation(std::uint64_t number, const Payloads& payloads, std::size_t at) {
    const OnePayload& first = payloads[at];
    const bool answered = at + 1 < payloads.size() && is_answer(payloads[at + 1].octets);
    const std::string answer = answered ? payloads[at + 1].octets : noise(number, 90);
    const std::string more = noise(number + 1, kSegmentOctets);
    Talk talk(number, first);
    if (first.protocol == probe::kProtocolUdp) {
        constexpr std::uint16_t kDns = 53;
        talk.say(0, 0, first.octets);
        talk.say(1, 0, first.port == kDns ? first.octets : answer);
        for (int i = 0; i < 4 && first.port != kDns; ++i) {
            talk.say(i % 2, 0, std::string_view(more).substr(0, i % 2 == 0 ? 80 : 1'200));
        }
        return std::move(talk.packets);
    }
    talk.say(0, kSyn, "");
    talk.say(1, kSyn | kAck, "");
    talk.say(0, kAck, "");
    talk.say(0, kAck, first.octets);
    talk.say(1, kAck, answer);
    for (int i = 0; i < 4; ++i) {
        talk.say(1, kAck, std::string_view(more).substr(0, i == 3 ? 300 : kSegmentOctets));
    }
    talk.say(0, kAck, "");
    talk.say(1, kAck | kFin, "");
    talk.say(0, kAck | kFin, "");
    return std::move(talk.packets);
}

} // namespace

Frames mixed_frames(std::size_t flows) {
    constexpr std::size_t kAtATime = 512;
    const Payloads payloads = common_payloads();
    struct Running {
        std::vector<Frame> packets;
        std::size_t next = 0;
    };
    std::vector<Running> running;
    Frames frames;
    std::size_t begun = 0;
    std::size_t at = 0;
    std::uint64_t random = 1;
    while (begun < flows || !running.empty()) {
        while (begun < flows && running.size() < kAtATime) {
            while (is_answer(payloads[at % payloads.size()].octets)) {
                ++at;
            }
            running.push_back({conversation(begun++, payloads, at++ % payloads.size())});
        }
        Running& one = running[mix64(random++) % running.size()];
        frames.push_back(std::move(one.packets[one.next]));
        if (++one.next == one.packets.size()) {
            one = std::move(running.back());
            running.pop_back();
        }
    }
    return frames;
}

Frames empty_frames(std::size_t flows, std::size_t count) {
    const OnePayload https{.octets = {}, .protocol = probe::kProtocolTcp, .port = 443};
    Frames frames;
    for (const std::uint32_t flow : draw_flows(FlowOrder::random, flows, count, 1)) {
        Talk talk(flow, https);
        talk.say(0, kAck, "");
        frames.push_back(std::move(talk.packets.front()));
    }
    return frames;
}

Frames capture_frames(const std::string& path, std::size_t frames_max) {
    struct Close {
        void operator()(pcap_t* file) const noexcept { pcap_close(file); }
    };
    std::array<char, PCAP_ERRBUF_SIZE> error{};
    const std::unique_ptr<pcap_t, Close> file(pcap_open_offline(path.c_str(), error.data()));
    if (file == nullptr || pcap_datalink(file.get()) != DLT_EN10MB) {
        throw std::runtime_error(path + (file == nullptr ? std::string(": ") + error.data()
                                                         : " does not hold Ethernet frames"));
    }
    Frames frames;
    pcap_pkthdr* header = nullptr;
    const u_char* octets = nullptr;
    while (frames.size() < frames_max && pcap_next_ex(file.get(), &header, &octets) == 1) {
        constexpr std::uint32_t kOctetsMax = 9'000;
        if (header->caplen == header->len && header->len <= kOctetsMax) {
            frames.emplace_back(octets, octets + header->len);
        }
    }
    if (frames.empty()) {
        throw std::runtime_error(path + " has no whole frame");
    }
    return frames;
}

} // namespace bench
