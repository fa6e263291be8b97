// SPDX-License-Identifier: BSD-3-Clause
// Hosts that rules name, found by the names at or below them.
//
// Letters' case makes no difference. A name is walked once, from its end: at each dot the hash of
// what stands behind it is there already. Open addressing, at most half full; filled while rules
// are loaded, then immutable.
#pragma once

#include <cstddef>
#include <cstdint>
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
        const auto look = [&](std::string_view host, std::uint64_t hash) {
            const Slot& slot = slots_[place_of(host, hash)];
            if (slot.host != kNoHost) {
                for (const Value& value : hosts_[slot.host].values) {
                    found(value);
                }
            }
        };
        std::uint64_t hash = kSeed;
        for (std::size_t at = name.size(); at > 0; --at) {
            const char character = name[at - 1];
            if (character == '.' && at < name.size()) {
                look(name.substr(at), hash);
            }
            hash = step(hash, character);
        }
        look(name, hash);
    }

  private:
    static constexpr std::uint32_t kNoHost = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint64_t kSeed = 0xCBF2'9CE4'8422'2325; // FNV-1a, from the end

    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t host = kNoHost;
    };
    struct Host {
        std::string name;
        std::vector<Value> values;
    };

    [[nodiscard]] static std::uint64_t step(std::uint64_t hash, char character) noexcept {
        constexpr std::uint64_t kPrime = 0x100'0000'01B3;
        return (hash ^ static_cast<unsigned char>(lower(character))) * kPrime;
    }
    [[nodiscard]] static std::uint64_t hash_of(std::string_view host) noexcept {
        std::uint64_t hash = kSeed;
        for (std::size_t at = host.size(); at > 0; --at) {
            hash = step(hash, host[at - 1]);
        }
        return hash;
    }

    /// Where the host is, or would be.
    [[nodiscard]] std::size_t place_of(std::string_view host, std::uint64_t hash) const noexcept {
        const std::size_t mask = slots_.size() - 1;
        std::size_t place = (hash ^ hash >> 32) & mask;
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
