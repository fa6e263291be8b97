// SPDX-License-Identifier: BSD-3-Clause
// Hosts that rules name, found by the names at or below them.
//
// Letters' case makes no difference. Hashed are eight octets at a time, since names are looked up
// for every flow, and of most nothing is there. Open addressing, at most half full; filled while
// rules are loaded, then immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "probe/application/text_lines.hpp"

namespace probe {

template <class Value>
class HostTable {
  public:
    void add(std::string_view host, const Value& value) {
        if (2 * (hosts_.size() + 1) > slots_.size()) {
            grow();
        }
        Slot& slot = slots_[place_of(host, hash_of(host))];
        if (slot.host == kNoHost) {
            slot = {hash_of(host), static_cast<std::uint32_t>(hosts_.size())};
            hosts_.push_back({std::string(host), {}});
        }
        hosts_[slot.host].values.push_back(value);
    }

    /// Of "a.b.c" asks for "c", "b.c" and "a.b.c", and calls `found` with each value that is there.
    template <class Found>
    void for_each(std::string_view name, Found&& found) const noexcept {
        if (hosts_.empty() || name.empty()) {
            return;
        }
        const auto look = [&](std::string_view host) {
            const Slot& slot = slots_[place_of(host, hash_of(host))];
            if (slot.host != kNoHost) {
                for (const Value& value : hosts_[slot.host].values) {
                    found(value);
                }
            }
        };
        for (std::size_t at = name.size() - 1; at > 0; --at) {
            if (name[at - 1] == '.') {
                look(name.substr(at));
            }
        }
        look(name);
    }

  private:
    static constexpr std::uint32_t kNoHost = std::numeric_limits<std::uint32_t>::max();

    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t host = kNoHost;
    };
    struct Host {
        std::string name;
        std::vector<Value> values;
    };

    /// Of the octets with bit 5 set, which is all that letters' cases differ in.
    [[nodiscard]] static std::uint64_t hash_of(std::string_view host) noexcept {
        constexpr std::size_t kWord = sizeof(std::uint64_t);
        const char* const first = host.data();
        const std::size_t octets = host.size();
        std::uint64_t hash = octets;
        if (octets >= kWord) {
            for (std::size_t at = 0; at + kWord < octets; at += kWord) {
                hash = mix(hash, load<std::uint64_t>(first + at));
            }
            return mix(hash, load<std::uint64_t>(first + octets - kWord));
        }
        constexpr std::size_t kHalf = sizeof(std::uint32_t);
        if (octets >= kHalf) {
            return mix(hash, std::uint64_t{load<std::uint32_t>(first)} << 32 |
                                 load<std::uint32_t>(first + octets - kHalf));
        }
        std::uint64_t few = 0;
        for (std::size_t i = 0; i < octets; ++i) {
            few = few << 8 | static_cast<unsigned char>(first[i]);
        }
        return mix(hash, few);
    }
    [[nodiscard]] static std::uint64_t mix(std::uint64_t hash, std::uint64_t octets) noexcept {
        constexpr std::uint64_t kGoldenRatio = 0x9E37'79B9'7F4A'7C15;
        constexpr std::uint64_t kCase = 0x2020'2020'2020'2020;
        hash = (hash ^ (octets | kCase)) * kGoldenRatio;
        return hash ^ hash >> 32;
    }
    template <class Word>
    [[nodiscard]] static Word load(const char* from) noexcept {
        Word word{};
        std::memcpy(&word, from, sizeof word);
        return word;
    }

    /// Where the host is, or would be.
    [[nodiscard]] std::size_t place_of(std::string_view host, std::uint64_t hash) const noexcept {
        const std::size_t mask = slots_.size() - 1;
        std::size_t place = hash & mask;
        while (slots_[place].host != kNoHost &&
               (slots_[place].hash != hash ||
                !equals_ignoring_case(hosts_[slots_[place].host].name, host))) {
            place = (place + 1) & mask;
        }
        return place;
    }

    void grow() {
        constexpr std::size_t kFirstSlots = 16;
        std::vector<Slot> smaller(slots_.empty() ? kFirstSlots : 2 * slots_.size());
        smaller.swap(slots_);
        for (const Slot& slot : smaller) {
            if (slot.host != kNoHost) {
                slots_[place_of(hosts_[slot.host].name, slot.hash)] = slot;
            }
        }
    }

    std::vector<Slot> slots_;
    std::vector<Host> hosts_;
};

} // namespace probe
