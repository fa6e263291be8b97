// SPDX-License-Identifier: BSD-3-Clause
#include "probe/lcores/capture_dispatch.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "probe/metering/siphash.hpp"
#include "probe/packet/packet_parser.hpp"

namespace probe {

namespace {

/// Which worker sees a pair of addresses need not be secret, but must be the same in every run.
constexpr SipKey kDispatchKey{0x6469737061746368ULL, 0x6279616464726573ULL};

/// The same for both directions; 0 for what is not IP.
std::uint64_t address_pair_hash(const PacketView& packet) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): parse_packet
    PacketHeaders headers;
    if (parse_packet(packet, headers) != ParseVerdict::metered) {
        return 0;
    }
    const bool ipv4 = headers.family == IpFamily::ipv4;
    const std::size_t octets = ipv4 ? 4 : 16;
    const std::uint8_t* source = packet.octets + headers.network_offset + (ipv4 ? 12 : 8);
    std::array<std::uint8_t, 32> pair{};
    const bool swap = std::memcmp(source, source + octets, octets) > 0;
    std::memcpy(pair.data(), source + (swap ? octets : 0), octets);
    std::memcpy(pair.data() + 16, source + (swap ? 0 : octets), octets);
    return siphash24(kDispatchKey, pair.data(), pair.size());
}

} // namespace

class CaptureDispatch::WorkerSource final : public PacketSource {
  public:
    WorkerSource(CaptureDispatch& dispatch, bool direct) : dispatch_(dispatch), direct_(direct) {}

    std::uint32_t poll(PacketBatch& batch, TimeNs) noexcept override {
        if (direct_) {
            return dispatch_.read(batch);
        }
        std::copy_n(dealt.packets.begin(), dealt.size, batch.packets.begin());
        batch.size = dealt.size;
        dealt.size = 0;
        return batch.size;
    }
    void release() noexcept override {}

    PacketBatch dealt;

  private:
    CaptureDispatch& dispatch_;
    bool direct_;
};

CaptureDispatch::CaptureDispatch(std::uint32_t workers) {
    for (std::uint32_t w = 0; w < workers; ++w) {
        sources_.push_back(std::make_unique<WorkerSource>(*this, workers == 1));
    }
}

CaptureDispatch::~CaptureDispatch() = default;

PacketSource& CaptureDispatch::source(std::uint32_t w) noexcept {
    return *sources_[w];
}

std::uint32_t CaptureDispatch::read(PacketBatch& batch) noexcept {
    if (capture_ == nullptr) {
        return 0;
    }
    const std::uint32_t packets = capture_->poll(batch, UINT64_MAX);
    for (std::uint32_t i = 0; i < packets; ++i) {
        latest_ = std::max(latest_, batch.packets[i].time_ns);
    }
    return packets;
}

void CaptureDispatch::deal() noexcept {
    if (sources_.size() == 1) {
        return;
    }
    const std::uint32_t packets = read(batch_);
    for (std::uint32_t i = 0; i < packets; ++i) {
        PacketBatch& to = sources_[address_pair_hash(batch_.packets[i]) % sources_.size()]->dealt;
        to.packets[to.size++] = batch_.packets[i];
    }
}

} // namespace probe
