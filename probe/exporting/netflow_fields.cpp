// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/netflow_fields.hpp"

#include <algorithm>

#include "encoder/ntp_time.hpp"

namespace probe {
namespace {

namespace ie = ipfix::ie;

constexpr std::uint64_t kNsInMs = 1'000'000;
constexpr std::uint64_t kMsInSecond = 1000;

/// What the answers' sender and receiver exchange.
struct Pair {
    std::uint16_t one;
    std::uint16_t other;
};
constexpr std::array<Pair, 4> kPairs = {{
    {ie::sourceIPv4Address, ie::destinationIPv4Address},
    {ie::sourceIPv6Address, ie::destinationIPv6Address},
    {ie::sourceTransportPort, ie::destinationTransportPort},
    {ie::sourceMacAddress, ie::destinationMacAddress},
}};

/// What tells of a direction's packets: without a reverse element it is not known of the answers.
constexpr std::array<std::uint16_t, 24> kOfPackets = {
    ie::octetDeltaCount,
    ie::packetDeltaCount,
    ie::octetTotalCount,
    ie::packetTotalCount,
    ie::layer2OctetDeltaCount,
    ie::ipClassOfService,
    ie::ipDiffServCodePoint,
    ie::ipPrecedence,
    ie::tcpControlBits,
    ie::minimumTTL,
    ie::maximumTTL,
    ie::ipTTL,
    ie::minimumIpTotalLength,
    ie::maximumIpTotalLength,
    ie::flowLabelIPv6,
    ie::fragmentFlags,
    ie::icmpTypeCodeIPv4,
    ie::icmpTypeCodeIPv6,
    ie::icmpTypeIPv4,
    ie::icmpCodeIPv4,
    ie::icmpTypeIPv6,
    ie::icmpCodeIPv6,
    ie::mplsTopLabelStackSection,
    ie::biflowDirection,
};

std::uint16_t exchanged(std::uint16_t element) noexcept {
    for (const Pair& pair : kPairs) {
        if (element == pair.one) return pair.other;
        if (element == pair.other) return pair.one;
    }
    return element;
}

} // namespace

std::uint64_t NetflowTime::load_ms(const std::uint8_t* record) const noexcept {
    const std::uint64_t value = field.load(record);
    switch (type) {
        case ipfix::AbstractDataType::dateTimeSeconds:
            return value * kMsInSecond;
        case ipfix::AbstractDataType::dateTimeMicroseconds:
        case ipfix::AbstractDataType::dateTimeNanoseconds:
            return ipfix::unix_ns_from_ntp(value) / kNsInMs;
        default:
            return value;
    }
}

NetflowFields::NetflowFields(const ipfix::TemplateRecord& record)
    : template_(record),
      biflow_(std::any_of(record.fields().begin(), record.fields().end(),
                          [](const ipfix::FieldSpecifier& field) { return field.reverse; })),
      start_(first_time(ie::flowStartSeconds)),
      end_(first_time(ie::flowEndSeconds)) {
    for (std::size_t direction = 0; direction < packets_.size(); ++direction) {
        packets_[direction] = exactly(ie::packetDeltaCount, direction == 1);
        if (packets_[direction].octets == 0) {
            packets_[direction] = exactly(ie::octetDeltaCount, direction == 1);
        }
    }
}

// Start and end alternate in IANA's registry: 150 and 151 in seconds to 156 and 157 in ns.
std::optional<NetflowTime> NetflowFields::first_time(std::uint16_t first) const noexcept {
    for (std::size_t i = 0; i < template_.fields().size(); ++i) {
        const ipfix::FieldSpecifier& field = template_.fields()[i];
        const std::uint16_t id = field.element->id;
        const bool is_time = field.element->enterprise == 0 && !field.reverse &&
                             id >= ie::flowStartSeconds && id <= ie::flowEndNanoseconds;
        if (is_time && (id - first) % 2 == 0) {
            return NetflowTime{{template_.offset(i), field.length}, field.element->type, i};
        }
    }
    return std::nullopt;
}

bool NetflowFields::has_packets(std::size_t direction, const std::uint8_t* record) const noexcept {
    if (!biflow_) return true;
    return packets_[direction].octets > 0 && packets_[direction].load(record) > 0;
}

NetflowField NetflowFields::exactly(std::uint16_t element, bool reverse) const noexcept {
    for (std::size_t i = 0; i < template_.fields().size(); ++i) {
        const ipfix::FieldSpecifier& field = template_.fields()[i];
        if (field.element->enterprise == 0 && field.element->id == element &&
            field.reverse == reverse) {
            return {template_.offset(i), field.length};
        }
    }
    return {};
}

NetflowField NetflowFields::find(std::uint16_t element, std::size_t direction) const noexcept {
    if (direction == 0) return exactly(element, false);
    if (const NetflowField reverse = exactly(element, true); reverse.octets > 0) return reverse;
    const bool unknown =
        std::find(kOfPackets.begin(), kOfPackets.end(), element) != kOfPackets.end();
    if (unknown) return {};
    const NetflowField other = exactly(exchanged(element), false);
    return other.octets > 0 ? other : exactly(element, false);
}

bool NetflowFields::has(std::uint16_t element) const noexcept {
    return exactly(element, false).octets > 0;
}

} // namespace probe
