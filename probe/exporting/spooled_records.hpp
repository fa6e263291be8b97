// SPDX-License-Identifier: BSD-3-Clause
// The records of one block of a spool, in order, under the templates that this process has.
//
// Thread: one at a time. Allocates in the constructor only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/exporting/session_ledger.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

/// No template of this process has the layout.
inline constexpr std::size_t kForeignTemplate = SIZE_MAX;

struct SpooledRecord {
    std::size_t template_index = kForeignTemplate;
    Bytes octets;
    RecordWeight weight;
};

class SpooledRecords {
  public:
    /// `templates` must outlive it.
    explicit SpooledRecords(std::span<const ipfix::TemplateRecord> templates);

    /// From the next read() on.
    void set_templates(std::span<const ipfix::TemplateRecord> templates) noexcept {
        templates_ = templates;
    }

    /// Where a block's message is to be written before read(): kMessageOctetsMax octets.
    [[nodiscard]] std::span<std::uint8_t> room() noexcept { return message_; }

    /// Finds the records in the first `octets` of room(). False: the message and its weights do not
    /// agree with each other; there are no records then.
    [[nodiscard]] bool read(std::size_t octets, Bytes weights) noexcept;

    [[nodiscard]] bool empty() const noexcept { return next_ == count_; }
    [[nodiscard]] SpooledRecord front() const noexcept;
    void pop() noexcept { ++next_; }
    void clear() noexcept { next_ = count_ = 0; }

  private:
    struct Place {
        std::uint32_t offset;
        std::uint16_t octets;
        std::uint16_t template_index; ///< kForeignPlace: none
        RecordWeight weight;
    };
    static constexpr std::uint16_t kForeignPlace = 0xFFFF;
    static constexpr std::size_t kStoredTemplatesMax = 64;
    static constexpr std::size_t kStoredFieldsMax = 4096;
    struct Stored {
        std::uint16_t id;
        std::uint16_t template_index;
        std::size_t first_length;
        std::size_t fields;
    };

    [[nodiscard]] bool read_templates(Bytes set) noexcept;
    [[nodiscard]] bool read_data(std::uint16_t id, std::size_t begin, std::size_t end,
                                 Bytes& weights) noexcept;
    [[nodiscard]] std::size_t record_octets(const Stored& stored, Bytes rest) const noexcept;

    std::span<const ipfix::TemplateRecord> templates_;
    std::vector<std::uint8_t> message_;
    std::vector<Stored> stored_;
    std::vector<std::uint16_t> lengths_; ///< of the fields of all stored_
    std::vector<Place> places_;
    std::size_t count_ = 0;
    std::size_t next_ = 0;
};

} // namespace probe
