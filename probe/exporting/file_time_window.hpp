// SPDX-License-Identifier: BSD-3-Clause
// The File Time Window of an IPFIX file (RFC 5655 section 8.1.2): sessionScope,
// minFlowStartMilliseconds, maxFlowEndMilliseconds of all flow records in it.
//
// Thread: its session's. No allocation after construction. `templates` must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/netflow_fields.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// The highest id up to `highest` that no template has: others are given from 256 upwards.
[[nodiscard]] std::uint16_t free_template_id(std::span<const ipfix::TemplateRecord> templates,
                                             std::uint16_t highest) noexcept;

class FileTimeWindow {
  public:
    using Record = std::array<std::uint8_t, 1 + 8 + 8>;

    explicit FileTimeWindow(std::span<const ipfix::TemplateRecord> templates);
    /// One more template. Allocates.
    void add(const ipfix::TemplateRecord& record);

    [[nodiscard]] const ipfix::TemplateRecord& options_template() const noexcept {
        return options_template_;
    }

    /// Of a session.
    void start() noexcept { written_ = pending_ = {}; }
    void begin_message() noexcept { pending_ = {}; }
    /// A record is in the message at hand.
    void take(std::uint16_t template_id, Bytes record) noexcept;
    /// The message at hand has left.
    void left() noexcept {
        written_.add(pending_);
        pending_ = {};
    }
    [[nodiscard]] bool any() const noexcept { return written_.last_ms != 0; }
    [[nodiscard]] Record record() const noexcept;

  private:
    struct Times {
        std::uint64_t first_ms = UINT64_MAX;
        std::uint64_t last_ms = 0;

        void add(const Times& other) noexcept {
            first_ms = first_ms < other.first_ms ? first_ms : other.first_ms;
            last_ms = last_ms > other.last_ms ? last_ms : other.last_ms;
        }
    };
    struct Known {
        std::uint16_t id;
        NetflowTime start;
        NetflowTime end;
    };

    std::vector<Known> known_; ///< templates that tell both times
    ipfix::TemplateRecord options_template_;
    Times written_;
    Times pending_;
};

} // namespace probe
