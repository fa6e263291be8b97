// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/payload_sieve.hpp"

#include <algorithm>
#include <utility>

namespace probe {

namespace {

using Entry = PayloadSieve::Entry;

/// What payloads look like, so that heads which share a bucket let few of them through: random
/// octets, binary messages with many zeros, text, and nothing but zeros.
double octet_likelihood(const OctetSet& set, const OctetSet& common, double share_of_common) {
    const auto in_common = static_cast<double>((set & common).count());
    return share_of_common * in_common / static_cast<double>(common.count()) +
           (1 - share_of_common) * static_cast<double>(set.count()) /
               static_cast<double>(set.size());
}

OctetSet text_octets() {
    OctetSet set;
    for (std::size_t octet = ' '; octet <= '~'; ++octet) {
        set.set(octet);
    }
    return set;
}

double likelihood(const PatternHead& head) {
    static const OctetSet kZero(1);
    static const OctetSet kText = text_octets();
    constexpr double kHalf = 0.5;
    constexpr double kMost = 0.95;
    double random = 1;
    double binary = 1;
    double text = 1;
    double zeros = kHalf;
    for (const OctetSet& set : head.sets) {
        random *= octet_likelihood(set, kZero, 0);
        binary *= octet_likelihood(set, kZero, kHalf);
        text *= octet_likelihood(set, kText, kMost);
        zeros *= set.test(0) ? 1 : 0;
    }
    return random + binary + text + zeros;
}

bool same_kind(const Entry& a, const Entry& b) noexcept {
    return a.first_only == b.first_only && a.port_required == b.port_required;
}

/// Like heads come side by side: those that hardly tell octets apart, then by their first octets.
bool before(const OctetSet& a, const OctetSet& b) noexcept {
    constexpr std::size_t kMany = 64;
    const auto order = [](const OctetSet& set) {
        return std::pair(set.count() <= kMany, std::pair(set._Find_first(), set.count()));
    };
    return order(a) < order(b);
}
bool before(const Entry& a, const Entry& b) noexcept {
    if (!same_kind(a, b)) {
        return std::pair(a.first_only, a.port_required) < std::pair(b.first_only, b.port_required);
    }
    for (std::size_t i = 0; i < kHeadOctets; ++i) {
        if (before(a.head.sets[i], b.head.sets[i]) != before(b.head.sets[i], a.head.sets[i])) {
            return before(a.head.sets[i], b.head.sets[i]);
        }
    }
    return false;
}

Entry joined(const Entry& a, const Entry& b) {
    Entry both = a;
    for (std::size_t i = 0; i < kHeadOctets; ++i) {
        both.head.sets[i] |= b.head.sets[i];
    }
    both.head.octets_min = std::min(a.head.octets_min, b.head.octets_min);
    both.head.whole = false;
    return both;
}

/// How many payloads an entry costs a scan.
double scans(const Entry& entry) {
    return entry.head.whole ? 0 : likelihood(entry.head);
}

/// How many more it is when the two share a bucket.
double price(const Entry& a, const Entry& b) {
    constexpr double kNever = 1e9;
    return same_kind(a, b) ? scans(joined(a, b)) - scans(a) - scans(b) : kNever;
}

/// The cheapest neighbours share a bucket, until there are few enough.
std::vector<Entry> in_buckets(std::vector<Entry> entries, std::size_t buckets) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return before(a, b); });
    std::vector<double> prices; // of each with the next one
    for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
        prices.push_back(price(entries[i], entries[i + 1]));
    }
    while (entries.size() > buckets) {
        const auto cheapest = std::min_element(prices.begin(), prices.end());
        const auto at = cheapest - prices.begin();
        const auto first = entries.begin() + at;
        *first = joined(*first, *(first + 1));
        entries.erase(first + 1);
        prices.erase(cheapest);
        const auto place = static_cast<std::size_t>(at);
        if (place > 0) {
            prices[place - 1] = price(entries[place - 1], entries[place]);
        }
        if (place < prices.size()) {
            prices[place] = price(entries[place], entries[place + 1]);
        }
    }
    return entries;
}

} // namespace

PayloadSieve::PayloadSieve(std::vector<Entry> entries) {
    const std::vector<Entry> buckets = in_buckets(std::move(entries), kBuckets);
    for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) {
        const Entry& entry = buckets[bucket];
        const Buckets bit = Buckets{1} << bucket;
        for (std::size_t octets = entry.head.octets_min; octets <= kHeadOctets; ++octets) {
            by_octets_[octets] |= bit;
        }
        later_ |= entry.first_only ? 0 : bit;
        port_required_ |= entry.port_required ? bit : 0;
        whole_ |= entry.head.whole ? bit : 0;
        patterns_[bucket] = entry.pattern;
        for (std::size_t i = 0; i < kHeadOctets; ++i) {
            for (std::size_t octet = 0; octet < entry.head.sets[i].size(); ++octet) {
                words_[i][octet] |= entry.head.sets[i].test(octet) ? bit : 0;
            }
        }
    }
}

} // namespace probe
