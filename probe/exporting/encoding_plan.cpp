// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/encoding_plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "encoder/ntp_time.hpp"
#include "encoder/structured_data.hpp"
#include "probe/metering/flow_record.hpp"
#include "probe/metering/siphash.hpp"

namespace probe {

namespace {

/// flowId must be the same in every run and for both uniflows of a biflow, so its hash has no
/// secret.
constexpr SipKey kFlowIdKey{0x7061727368616c6cULL, 0x666c6f7749640000ULL};

template <class T>
[[nodiscard]] T load(const std::uint8_t* at) noexcept {
    T value{};
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// Big-endian in `width` octets. A value that does not fit leaves the largest number, and `fits`
/// says so: RFC 7011 section 6.2 allows no such field, so nobody sends it.
inline std::uint8_t* put(std::uint8_t* out, std::uint64_t value, unsigned width,
                         bool& fits) noexcept {
    if (width < 8 && (value >> (8 * width)) != 0) [[unlikely]] {
        value = (std::uint64_t{1} << (8 * width)) - 1;
        fits = false;
    }
    const auto store = [out](auto number) { std::memcpy(out, &number, sizeof number); };
    switch (width) {
        case 1:
            *out = static_cast<std::uint8_t>(value);
            break;
        case 2:
            store(__builtin_bswap16(static_cast<std::uint16_t>(value)));
            break;
        case 4:
            store(__builtin_bswap32(static_cast<std::uint32_t>(value)));
            break;
        case 8:
            store(__builtin_bswap64(value));
            break;
        default:
            for (unsigned i = width; i > 0; --i) {
                out[i - 1] = static_cast<std::uint8_t>(value);
                value >>= 8;
            }
    }
    return out + width;
}

/// memcpy for the widths that fields and runs of them have, without a call.
inline void copy(std::uint8_t* out, const std::uint8_t* from, std::size_t width) noexcept {
    const auto words = [&]<class Word>(Word) {
        Word first;
        Word last; // overlaps the first where the width is no power of two
        std::memcpy(&first, from, sizeof first);
        std::memcpy(&last, from + width - sizeof last, sizeof last);
        std::memcpy(out, &first, sizeof first);
        std::memcpy(out + width - sizeof last, &last, sizeof last);
    };
    if (width > 16) {
        std::memcpy(out, from, width);
    } else if (width >= 8) {
        words(std::uint64_t{});
    } else if (width >= 4) {
        words(std::uint32_t{});
    } else if (width >= 2) {
        words(std::uint16_t{});
    } else if (width == 1) {
        *out = *from;
    }
}

/// applicationId of engine 20 (RFC 6759): engine, enterprise, selector.
constexpr std::size_t kLabelIdMax = 8;

[[nodiscard]] std::size_t widest(const EncodingStep& step) noexcept {
    constexpr std::size_t kMplsVariableMax = 4; // a length octet and three of the label
    switch (step.kind) {
        case EncodingStepKind::label_id:
            return step.width == 0 ? 1 + kLabelIdMax : step.width;
        case EncodingStepKind::mpls_variable:
            return kMplsVariableMax;
        case EncodingStepKind::packet_list:
            return ipfix::kBasicListHeaderOctets + PacketListBlock::kPacketsMax * step.width;
        default:
            return step.width;
    }
}

std::uint64_t listed_value(const PacketListBlock::Packet& packet, std::uint16_t element) noexcept {
    switch (element) {
        case ipfix::ie::ipTotalLength:
            return packet.ip_octets;
        case ipfix::ie::tcpControlBits:
            return packet.tcp_control_bits & ~PacketListBlock::kReverseBit;
        case ipfix::ie::biflowDirection: // RFC 5103: 1 initiator's, 2 reverse
            return (packet.tcp_control_bits & PacketListBlock::kReverseBit) != 0 ? 2 : 1;
        case ipfix::ie::observationTimeMilliseconds:
            return packet.time_ns / kNsPerMs;
        case ipfix::ie::observationTimeMicroseconds:
            return ipfix::ntp_from_unix_us(packet.time_ns / kNsPerUs);
        default:
            return ipfix::ntp_from_unix_ns(packet.time_ns);
    }
}

/// RFC 6313 section 4.5.1. Its values are in the order of the packets: semantic `ordered`.
std::size_t put_packet_list(const EncodingStep& step, const PacketListBlock& list,
                            std::uint8_t* out) noexcept {
    const auto element = static_cast<std::uint16_t>(step.value);
    ipfix::ListWriter writer({out, widest(step)});
    writer.begin_basic_list(ipfix::ListSemantic::ordered,
                            {ipfix::find_element(0, element), step.width});
    for (std::size_t i = 0; i < list.count; ++i) {
        writer.append_number(listed_value(list.packets[i], element), step.width);
    }
    return writer.end().octets().size();
}

[[nodiscard]] bool is_label(EncodingStepKind kind) noexcept {
    return kind == EncodingStepKind::label_id || kind == EncodingStepKind::label_name ||
           kind == EncodingStepKind::label_category;
}

/// Of variable length, sharing the room that a record has for texts.
[[nodiscard]] bool is_text(EncodingStepKind kind) noexcept {
    return kind == EncodingStepKind::application_text ||
           kind == EncodingStepKind::application_octets || kind == EncodingStepKind::label_name ||
           kind == EncodingStepKind::label_category;
}

[[nodiscard]] ApplicationField field_of(const EncodingStep& step) noexcept {
    return static_cast<ApplicationField>(step.value);
}

/// RFC 7011 section 7: one length octet, or 255 and two more.
constexpr std::size_t kShortTextMax = 254;
constexpr std::size_t kLongPrefixOctets = 3;

[[nodiscard]] constexpr std::size_t prefix_octets(std::size_t text) noexcept {
    return text <= kShortTextMax ? 1 : kLongPrefixOctets;
}

/// How much of `text` to write where `room` octets are left for it, its prefix beyond one octet
/// included. `whole`: whole characters.
[[nodiscard]] std::size_t fitting(std::string_view text, std::size_t room, bool whole) noexcept {
    std::size_t octets = text.size();
    if (octets + prefix_octets(octets) - 1 > room) {
        octets = std::min(octets, room);
        if (octets > kShortTextMax) {
            octets = std::max(octets - (kLongPrefixOctets - 1), kShortTextMax);
        }
        while (whole && octets > 0 && (static_cast<unsigned char>(text[octets]) & 0xC0U) == 0x80U) {
            --octets; // in the middle of a character
        }
    }
    return octets;
}

std::uint8_t* put_text(std::uint8_t* out, std::string_view text) noexcept {
    if (text.size() > kShortTextMax) {
        *out++ = kShortTextMax + 1;
        *out++ = static_cast<std::uint8_t>(text.size() >> 8);
    }
    *out++ = static_cast<std::uint8_t>(text.size());
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

} // namespace

std::size_t octets_needed(const EncodingStep& step) noexcept {
    switch (step.kind) {
        case EncodingStepKind::number8:
        case EncodingStepKind::vlan_priority:
        case EncodingStepKind::high_octet:
        case EncodingStepKind::low_octet:
        case EncodingStepKind::dscp:
        case EncodingStepKind::precedence:
            return 1;
        case EncodingStepKind::number16:
        case EncodingStepKind::vlan_id:
            return 2;
        case EncodingStepKind::number32:
        case EncodingStepKind::seconds:
        case EncodingStepKind::duration_ms: // an unsigned32, and no record is longer than it holds
        case EncodingStepKind::duration_us:
            return 4;
        case EncodingStepKind::number64:
        case EncodingStepKind::total:
        case EncodingStepKind::total32:
        case EncodingStepKind::milliseconds:
        case EncodingStepKind::microseconds:
        case EncodingStepKind::nanoseconds:
        case EncodingStepKind::application_number:
            return 8;
        case EncodingStepKind::constant:
            return (static_cast<std::size_t>(std::bit_width(step.value)) + 7) / 8;
        default:
            return 0;
    }
}

EncodingPlan::EncodingPlan(const RecordBase& base, std::vector<EncodingStep> steps,
                           std::vector<InterfaceDirection> interfaces,
                           std::size_t record_octets_max, LargeNumbers large_numbers)
    : base_(base),
      steps_(std::move(steps)),
      interfaces_(std::move(interfaces)),
      large_numbers_(large_numbers) {
    std::size_t texts = 0; // as long as any can be
    for (const EncodingStep& step : steps_) {
        octets_max_ += widest(step);
        labels_ = labels_ || is_label(step.kind);
        if (is_text(step.kind)) {
            const std::size_t longest = field_info(field_of(step)).octets_max;
            texts += longest + prefix_octets(longest) - 1;
        }
    }
    text_octets_max_ =
        std::min(texts, record_octets_max - std::min(record_octets_max, octets_max_));
    octets_max_ += text_octets_max_;
}

RecordWeight EncodingPlan::weight(const std::uint8_t* record) const noexcept {
    const std::uint8_t* packets = record + base_.packets;
    const std::uint8_t* octets = record + base_.octets;
    return {
        .packets = std::uint64_t{load<std::uint32_t>(packets)} + load<std::uint32_t>(packets + 4),
        .octets = load<std::uint64_t>(octets) + load<std::uint64_t>(octets + 8)};
}

std::uint64_t EncodingPlan::flow_id(const std::uint8_t* record) const noexcept {
    const std::array<std::uint64_t, 2> identity = {siphash24(kFlowIdKey, record, base_.key_octets),
                                                   load<TimeNs>(record + base_.first_ns)};
    return siphash24(kFlowIdKey, identity.data(), sizeof identity);
}

std::uint8_t EncodingPlan::direction_of(std::uint32_t interface) const noexcept {
    const auto known =
        std::find_if(interfaces_.begin(), interfaces_.end(),
                     [&](const InterfaceDirection& i) { return i.interface_index == interface; });
    return known == interfaces_.end() ? std::uint8_t{0} : known->direction;
}

[[gnu::always_inline]] inline std::uint64_t EncodingPlan::derived(
    const EncodingStep& step, std::uint16_t from, const std::uint8_t* record) const noexcept {
    const std::uint8_t* at = record + from;
    // A direction without packets has no times of its own; the flow's start stands for them.
    const auto time = [&](const std::uint8_t* where) {
        const TimeNs value = load<TimeNs>(where);
        const bool none = value == kNoPacketYet || value == 0;
        return none ? load<TimeNs>(record + base_.first_ns) : value;
    };
    switch (step.kind) {
        case EncodingStepKind::number8:
            return *at;
        case EncodingStepKind::number16:
            return load<std::uint16_t>(at);
        case EncodingStepKind::number32:
            return load<std::uint32_t>(at);
        case EncodingStepKind::number64:
            return load<std::uint64_t>(at);
        case EncodingStepKind::vlan_id:
            return load<std::uint16_t>(at) & 0x0fffU;
        case EncodingStepKind::vlan_priority:
            return load<std::uint16_t>(at) >> 13;
        case EncodingStepKind::high_octet:
            return load<std::uint16_t>(at) >> 8;
        case EncodingStepKind::low_octet:
            return load<std::uint16_t>(at) & 0xffU;
        case EncodingStepKind::dscp:
            return *at >> 2;
        case EncodingStepKind::precedence:
            return *at >> 5;
        case EncodingStepKind::total:
            return load<std::uint64_t>(at) + load<std::uint64_t>(record + step.also);
        case EncodingStepKind::total32:
            return load<std::uint32_t>(at) + load<std::uint64_t>(record + step.also);
        case EncodingStepKind::seconds:
            return (time(at) / kNsPerSecond) & 0xffffffffU;
        case EncodingStepKind::milliseconds:
            return time(at) / kNsPerMs;
        case EncodingStepKind::microseconds:
            return ipfix::ntp_from_unix_us(time(at) / kNsPerUs);
        case EncodingStepKind::nanoseconds:
            return ipfix::ntp_from_unix_ns(time(at));
        case EncodingStepKind::duration_ms:
            return (time(record + step.also) - time(at)) / kNsPerMs;
        case EncodingStepKind::duration_us:
            return (time(record + step.also) - time(at)) / kNsPerUs;
        case EncodingStepKind::constant:
            return step.value;
        case EncodingStepKind::flow_id:
            return flow_id(record);
        case EncodingStepKind::is_multicast4:
            return (*at & 0xf0U) == 0xe0U ? 0x01 : 0;
        case EncodingStepKind::is_multicast6: // ff, then flags (T is the lowest) and scope
            return *at == 0xffU ? (at[1] & 0x0fU) << 4 | (at[1] & 0x10U) >> 1 : 0;
        case EncodingStepKind::flow_direction:
            return direction_of(load<std::uint32_t>(at));
        case EncodingStepKind::biflow_direction: // RFC 5103 section 6.3: 0 arbitrary, 1 initiator
            return (record[base_.order] & FlowOrder::kInitiatorKnown) != 0 ? 1 : 0;
        case EncodingStepKind::copy:
        case EncodingStepKind::mpls_label:
        case EncodingStepKind::mpls_variable:
        case EncodingStepKind::packet_list:
        case EncodingStepKind::zero:
        case EncodingStepKind::common_id:
        case EncodingStepKind::application_number:
        case EncodingStepKind::application_text:
        case EncodingStepKind::application_octets:
        case EncodingStepKind::label_id:
        case EncodingStepKind::label_name:
        case EncodingStepKind::label_category:
            break;
    }
    return 0;
}

std::size_t EncodingPlan::encode(const std::uint8_t* record, RecordNames& names,
                                 std::uint8_t* out) const noexcept {
    const std::uint8_t* const begin = out;
    const std::uint32_t texts_cut = names.texts_cut;
    bool fits = true;
    const std::size_t order = (record[base_.order] & FlowOrder::kSourceIsSecond) != 0 ? 1 : 0;
    std::size_t text_room = text_octets_max_;
    const ApplicationId label = labels_ ? label_of(record, order, names) : ApplicationId{};
    const ApplicationEntry* const entry =
        labels_ && names.rules != nullptr ? names.rules->find(label) : nullptr;
    const auto put_next = [&](std::string_view text, bool whole) {
        if (text.empty()) { // as most fields of most flows are
            *out++ = 0;
            return;
        }
        const std::size_t kept = fitting(text, text_room, whole);
        names.texts_cut += kept < text.size() ? 1 : 0;
        text_room -= kept + prefix_octets(kept) - 1;
        out = put_text(out, text.substr(0, kept));
    };
    for (const EncodingStep& step : steps_) {
        const std::uint16_t from = step.from[order];
        switch (step.kind) {
            case EncodingStepKind::copy:
                copy(out, record + from, step.width);
                out += step.width;
                break;
            case EncodingStepKind::mpls_label:
                std::memcpy(out, record + from, 3);
                out += 3;
                break;
            case EncodingStepKind::mpls_variable: {
                const std::uint8_t length = record[step.also] != 0 ? 3 : 0;
                *out++ = length;
                std::memcpy(out, record + from, length);
                out += length;
                break;
            }
            case EncodingStepKind::application_text:
                put_next(names.fields.text(field_of(step)), true);
                break;
            case EncodingStepKind::application_octets:
                put_next(names.fields.text(field_of(step)), false);
                break;
            case EncodingStepKind::label_name:
                put_next(entry == nullptr ? std::string_view() : entry->name, true);
                break;
            case EncodingStepKind::label_category:
                put_next(entry == nullptr ? std::string_view() : entry->category, true);
                break;
            case EncodingStepKind::label_id: {
                const std::size_t octets = step.width != 0         ? step.width
                                           : label.enterprise != 0 ? kLabelIdMax
                                                                   : 4;
                if (step.width == 0) {
                    *out++ = static_cast<std::uint8_t>(octets);
                }
                label.write({out, octets});
                out += octets;
                break;
            }
            case EncodingStepKind::application_number:
                out = put(out, names.fields.number(field_of(step)).value_or(0), step.width, fits);
                break;
            case EncodingStepKind::common_id:
                fits = fits && names.common_id != 0;
                out = put(out, names.common_id, step.width, fits);
                break;
            case EncodingStepKind::packet_list:
                out += put_packet_list(step, load<PacketListBlock>(record + from), out);
                break;
            default:
                out = put(out, derived(step, from, record), step.width, fits);
        }
    }
    if (!fits && large_numbers_ == LargeNumbers::refused) {
        names.texts_cut = texts_cut;
        return 0;
    }
    return static_cast<std::size_t>(out - begin);
}

/// What inspection found; else what the header alone says, a port at last.
ApplicationId EncodingPlan::label_of(const std::uint8_t* record, std::size_t order,
                                     const RecordNames& names) const noexcept {
    if (const auto found = names.fields.label()) {
        return *found;
    }
    if (names.rules == nullptr || names.inspected) {
        return {};
    }
    const auto port = [&](std::size_t endpoint) {
        const std::uint8_t* const at = record + base_.ports[endpoint];
        return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
    };
    LabelEvidence evidence;
    evidence.protocol = record[base_.protocol];
    evidence.source_port = port(order);
    evidence.destination_port = port(1 - order);
    return names.rules->resolve(evidence).id;
}

} // namespace probe
