// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace probe {

/// What a format of NetFlow made of each template. `Translated` has the template's id.
///
/// Thread: the session's; only add() allocates.
template <typename Translated>
class NetflowTemplates {
  public:
    void add(Translated one) { translated_.push_back(std::move(one)); }
    [[nodiscard]] bool empty() const noexcept { return translated_.empty(); }
    [[nodiscard]] bool has(std::uint16_t id) const noexcept {
        return std::any_of(translated_.begin(), translated_.end(),
                           [id](const Translated& one) { return one.id == id; });
    }
    /// nullptr: there is none. Records of one template follow each other: the last is tried first.
    [[nodiscard]] const Translated* find(std::uint16_t id) noexcept {
        if (last_found_ < translated_.size() && translated_[last_found_].id == id) {
            return &translated_[last_found_];
        }
        for (std::size_t i = 0; i < translated_.size(); ++i) {
            if (translated_[i].id != id) continue;
            last_found_ = i;
            return &translated_[i];
        }
        return nullptr;
    }

  private:
    std::vector<Translated> translated_;
    std::size_t last_found_ = 0;
};

} // namespace probe
