// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/common_properties.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <stdexcept>
#include <utility>

#include "encoder/wire_format.hpp"
#include "probe/exporting/template_list.hpp"

namespace probe {
namespace {

constexpr std::size_t kTemplatesMax = 1024;

/// A set that is longer goes out with its flow.
constexpr std::size_t kValuesMax = 512;

} // namespace

CommonProperties::CommonProperties(const SipKey& key, const Limits& limits)
    : key_(key), limits_(limits) {
    assert(limits.sets < UINT16_MAX);
    templates_.reserve(kTemplatesMax);
    sets_.reserve(limits.sets);
    octets_.reserve(limits.octets);
    buckets_.assign(std::bit_ceil(2 * limits.sets), 0); // at most half full
}

std::optional<std::size_t> CommonProperties::find_template(
    const ipfix::TemplateRecord& content) const {
    const auto found = std::find_if(templates_.begin(), templates_.end(), [&](const auto& one) {
        return one.name() == content.name() && same_content(one, content);
    });
    if (found == templates_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - templates_.begin());
}

std::size_t CommonProperties::add_template(ipfix::TemplateRecord record) {
    if (templates_.size() == kTemplatesMax) {
        throw std::runtime_error(
            "too many templates with common properties since the start; restart");
    }
    templates_.push_back(std::move(record));
    return templates_.size() - 1;
}

void CommonProperties::forget_templates(std::size_t count) noexcept {
    templates_.erase(templates_.begin() + static_cast<std::ptrdiff_t>(count), templates_.end());
}

/// SipHash here takes whole words.
std::uint64_t CommonProperties::hash_of(std::size_t template_index, Bytes values) const noexcept {
    constexpr std::size_t kWord = 8;
    std::array<std::uint8_t, kValuesMax + 2 * kWord> words{};
    ipfix::store_be(words.data(), template_index << 32U | values.size(), kWord);
    std::copy(values.begin(), values.end(), words.begin() + kWord);
    return siphash24(key_, words.data(), kWord + (values.size() + kWord - 1) / kWord * kWord);
}

bool CommonProperties::is(const Set& set, std::uint64_t hash, std::size_t template_index,
                          Bytes values) const noexcept {
    const auto known = octets_.begin() + set.at + kCommonPropertiesIdOctets;
    return set.hash == hash && set.template_index == template_index &&
           set.octets == kCommonPropertiesIdOctets + values.size() &&
           std::equal(values.begin(), values.end(), known);
}

std::uint16_t CommonProperties::id_of(std::size_t template_index, Bytes values) noexcept {
    if (values.size() > kValuesMax) return 0;
    const std::uint64_t hash = hash_of(template_index, values);
    const std::size_t mask = buckets_.size() - 1;
    std::size_t bucket = hash & mask;
    for (; buckets_[bucket] != 0; bucket = (bucket + 1) & mask) {
        const std::uint16_t id = buckets_[bucket];
        if (is(sets_[id - 1U], hash, template_index, values)) return id;
    }
    const std::size_t octets = kCommonPropertiesIdOctets + values.size();
    if (sets_.size() == limits_.sets || octets > limits_.octets - octets_.size()) return 0;
    const auto id = static_cast<std::uint16_t>(sets_.size() + 1);
    const std::size_t at = octets_.size();
    octets_.resize(at + octets);
    ipfix::store_be(octets_.data() + at, id);
    std::copy(values.begin(), values.end(),
              octets_.begin() + static_cast<std::ptrdiff_t>(at + kCommonPropertiesIdOctets));
    sets_.push_back({.hash = hash,
                     .at = static_cast<std::uint32_t>(at),
                     .octets = static_cast<std::uint16_t>(octets),
                     .template_index = static_cast<std::uint16_t>(template_index)});
    buckets_[bucket] = id;
    return id;
}

CommonProperties::Record CommonProperties::record(std::size_t number) const noexcept {
    const Set& set = sets_[number];
    return {set.template_index, {octets_.data() + set.at, set.octets}};
}

} // namespace probe
