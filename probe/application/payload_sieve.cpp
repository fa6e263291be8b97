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

/// Heads side by side in their order, taken together.
struct Bucket {
    explicit Bucket(const Entry& entry) : joined(entry) {}
    Entry joined; ///< the octets and the least length of any
    std::size_t heads = 1;
};

Bucket together(const Bucket& a, const Bucket& b) {
    Bucket both = a;
    for (std::size_t i = 0; i < kHeadOctets; ++i) {
        both.joined.head.sets[i] |= b.joined.head.sets[i];
    }
    both.joined.head.octets_min = std::min(a.joined.head.octets_min, b.joined.head.octets_min);
    both.joined.head.octets_max = std::max(a.joined.head.octets_max, b.joined.head.octets_max);
    both.heads += b.heads;
    return both;
}

/// How many more payloads come through when the two share a bucket.
double price(const Bucket& a, const Bucket& b) {
    constexpr double kNever = 1e9;
    return same_kind(a.joined, b.joined) ? likelihood(together(a, b).joined.head) -
                                               likelihood(a.joined.head) - likelihood(b.joined.head)
                                         : kNever;
}

/// Octets side by side.
struct Run {
    std::size_t least;
    std::size_t greatest;
};

std::vector<Run> runs_of(const OctetSet& set) {
    std::vector<Run> runs;
    for (std::size_t octet = 0; octet < set.size(); ++octet) {
        if (set.test(octet) && (runs.empty() || runs.back().greatest + 1 != octet)) {
            runs.push_back({octet, octet});
        } else if (set.test(octet)) {
            runs.back().greatest = octet;
        }
    }
    return runs;
}

/// Of entries in their order the cheapest neighbours share a bucket, until there are few enough.
std::vector<Bucket> in_buckets(const std::vector<Entry>& entries, std::size_t count) {
    std::vector<Bucket> buckets(entries.begin(), entries.end());
    std::vector<double> prices; // of each with the next one
    for (std::size_t i = 0; i + 1 < buckets.size(); ++i) {
        prices.push_back(price(buckets[i], buckets[i + 1]));
    }
    while (buckets.size() > count) {
        const auto cheapest = std::min_element(prices.begin(), prices.end());
        const auto at = cheapest - prices.begin();
        const auto first = buckets.begin() + at;
        *first = together(*first, *(first + 1));
        buckets.erase(first + 1);
        prices.erase(cheapest);
        const auto place = static_cast<std::size_t>(at);
        if (place > 0) {
            prices[place - 1] = price(buckets[place - 1], buckets[place]);
        }
        if (place < prices.size()) {
            prices[place] = price(buckets[place], buckets[place + 1]);
        }
    }
    return buckets;
}

} // namespace

PayloadSieve::PayloadSieve(std::vector<Entry> entries) {
    std::erase_if(entries, [](const Entry& entry) { // nothing begins so
        const auto& sets = entry.head.sets;
        return std::any_of(sets.begin(), sets.end(),
                           [](const OctetSet& set) { return set.none(); });
    });
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return before(a, b); });
    const std::vector<Bucket> buckets = in_buckets(entries, kBuckets);
    auto head = entries.cbegin();
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        if (bucket < buckets.size()) {
            add_bucket(bucket, buckets[bucket].joined);
            for (std::size_t i = 0; i < buckets[bucket].heads; ++i) {
                add_head(*head++);
            }
        }
        begin_[bucket + 1] = static_cast<std::uint32_t>(kinds_.size());
    }
}

void PayloadSieve::add_bucket(std::size_t bucket, const Entry& joined) {
    const Buckets bit = Buckets{1} << bucket;
    const std::size_t most = std::min(joined.head.octets_max, kHeadOctets); // and more
    for (std::size_t octets = joined.head.octets_min; octets <= most; ++octets) {
        by_octets_[octets] |= bit;
    }
    later_ |= joined.first_only ? 0 : bit;
    for (std::size_t i = 0; i < kHeadOctets; ++i) {
        for (std::size_t octet = 0; octet < joined.head.sets[i].size(); ++octet) {
            words_[i][octet] |= joined.head.sets[i].test(octet) ? bit : 0;
        }
    }
}

/// Octets with gaps between them make several ranges; where those would be too many, the gaps are
/// let through.
void PayloadSieve::add_head(const Entry& entry) {
    constexpr std::size_t kRangesMax = 24;
    std::vector<Ranges> all(1);
    bool exact = true;
    for (std::size_t i = 0; i < kHeadOctets; ++i) {
        std::vector<Run> runs = runs_of(entry.head.sets[i]);
        if (all.size() * runs.size() > kRangesMax) {
            exact = false;
            runs = {{runs.front().least, runs.back().greatest}};
        }
        std::vector<Ranges> longer;
        for (const Ranges& before : all) {
            for (const Run& run : runs) {
                longer.push_back(before);
                longer.back().least[i] = static_cast<std::uint8_t>(run.least);
                longer.back().width[i] = static_cast<std::uint8_t>(run.greatest - run.least);
            }
        }
        all = std::move(longer);
    }
    for (const Ranges& ranges : all) {
        ranges_.push_back(ranges);
        kinds_.push_back({.pattern = entry.pattern,
                          .octets_min = static_cast<std::uint8_t>(entry.head.octets_min),
                          .ends = entry.head.octets_max != PatternHead::kAnyLength,
                          .whole = entry.head.whole && exact,
                          .first_only = entry.first_only,
                          .port_required = entry.port_required});
    }
}

} // namespace probe
