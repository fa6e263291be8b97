// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/spooled_records.hpp"

#include <algorithm>

#include "encoder/wire_format.hpp"
#include "probe/exporting/spool_block.hpp"

namespace probe {
namespace {

using ipfix::load_be;

/// Each record has two octets of weight at least.
constexpr std::size_t kRecordsMax = kSpoolWeightOctetsMax / 2;

} // namespace

SpooledRecords::SpooledRecords(std::span<const ipfix::TemplateRecord> templates)
    : templates_(templates), message_(ipfix::kMessageOctetsMax), places_(kRecordsMax) {
    stored_.reserve(kStoredTemplatesMax);
    lengths_.reserve(kStoredFieldsMax);
}

bool SpooledRecords::read(std::size_t octets, Bytes weights) noexcept {
    clear();
    stored_.clear();
    lengths_.clear();
    std::size_t at = ipfix::kMessageHeaderOctets;
    while (at + ipfix::kSetHeaderOctets <= octets) {
        const auto id = load_be<std::uint16_t>(&message_[at]);
        const auto length = load_be<std::uint16_t>(&message_[at + ipfix::kSetLengthOffset]);
        if (length < ipfix::kSetHeaderOctets || at + length > octets) break;
        const std::size_t body = at + ipfix::kSetHeaderOctets;
        const std::size_t end = at + length;
        const bool good = id == ipfix::kTemplateSetId
                              ? read_templates(Bytes(message_).subspan(body, end - body))
                              : read_data(id, body, end, weights);
        if (!good) break;
        at = end;
    }
    if (at == octets && weights.empty()) return true;
    clear();
    return false;
}

bool SpooledRecords::read_templates(Bytes set) noexcept {
    while (set.size() >= ipfix::kTemplateHeaderOctets) {
        const Bytes begin = set;
        Stored stored{load_be<std::uint16_t>(set.data()), kForeignPlace, lengths_.size(),
                      load_be<std::uint16_t>(set.data() + 2)};
        set = set.subspan(ipfix::kTemplateHeaderOctets);
        if (stored_.size() == kStoredTemplatesMax ||
            lengths_.size() + stored.fields > kStoredFieldsMax) {
            return false;
        }
        for (std::size_t field = 0; field < stored.fields; ++field) {
            if (set.size() < ipfix::kFieldSpecifierOctets) return false;
            const bool enterprise =
                (load_be<std::uint16_t>(set.data()) & ipfix::kEnterpriseBit) != 0;
            const std::size_t octets =
                ipfix::kFieldSpecifierOctets + (enterprise ? ipfix::kEnterpriseNumberOctets : 0);
            if (set.size() < octets) return false;
            lengths_.push_back(load_be<std::uint16_t>(set.data() + 2));
            set = set.subspan(octets);
        }
        // The same layout under another id is the same template.
        const Bytes layout = begin.subspan(2, begin.size() - set.size() - 2);
        for (std::size_t t = 0; t < templates_.size(); ++t) {
            if (templates_[t].scope_count() != 0) continue;
            const Bytes ours = Bytes(templates_[t].octets()).subspan(2);
            if (!std::equal(layout.begin(), layout.end(), ours.begin(), ours.end())) continue;
            stored.template_index = static_cast<std::uint16_t>(t);
            if (templates_[t].id() == stored.id) break;
        }
        stored_.push_back(stored);
    }
    return set.empty();
}

bool SpooledRecords::read_data(std::uint16_t id, std::size_t begin, std::size_t end,
                               Bytes& weights) noexcept {
    const auto stored = std::find_if(stored_.begin(), stored_.end(),
                                     [id](const Stored& one) { return one.id == id; });
    if (stored == stored_.end()) return false;
    while (begin < end) {
        const std::size_t octets =
            record_octets(*stored, Bytes(message_).subspan(begin, end - begin));
        RecordWeight weight;
        if (octets == 0 || count_ == places_.size() || !take_spool_weight(weights, weight)) {
            return false;
        }
        places_[count_++] = {static_cast<std::uint32_t>(begin), static_cast<std::uint16_t>(octets),
                             stored->template_index, weight};
        begin += octets;
    }
    return true;
}

/// 0: it goes on behind the set.
std::size_t SpooledRecords::record_octets(const Stored& stored, Bytes rest) const noexcept {
    std::size_t octets = 0;
    for (std::size_t field = 0; field < stored.fields; ++field) {
        std::size_t length = lengths_[stored.first_length + field];
        if (length == ipfix::kVariableLength) {
            if (octets >= rest.size()) return 0;
            length = rest[octets++];
            if (length == ipfix::kLongVariableLength) {
                if (octets + 2 > rest.size()) return 0;
                length = load_be<std::uint16_t>(&rest[octets]);
                octets += 2;
            }
        }
        octets += length;
    }
    return octets <= rest.size() ? octets : 0;
}

SpooledRecord SpooledRecords::front() const noexcept {
    const Place& place = places_[next_];
    return {place.template_index == kForeignPlace ? kForeignTemplate : place.template_index,
            Bytes(message_).subspan(place.offset, place.octets), place.weight};
}

} // namespace probe
