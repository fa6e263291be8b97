// SPDX-License-Identifier: BSD-3-Clause
// One IPFIX Message under construction (RFC 7011 section 3.1) in a buffer of its own. Knows no
// clock and no socket and allocates nothing after construction; used by one thread at a time.
// Sets open and close themselves: a Set holds one kind of record, and no Set is ever empty.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"

namespace ipfix {

enum class AppendVerdict : std::uint8_t {
    appended,
    message_full,     ///< finish this message, then it fits the next
    record_too_large, ///< fits no message of this size, not even an empty one
};

class MessageBuilder {
  public:
    /// A message never exceeds `message_octets_max` octets, headers included. The value is the
    /// payload a datagram may have, or up to kMessageOctetsMax over TCP and in files.
    /// Sets are padded with zeros to a multiple of `set_padding` octets (1: not at all) wherever
    /// RFC 7011 section 3.3.1 lets them: padding is shorter than any record its Set may hold.
    MessageBuilder(std::uint32_t domain_id, std::uint16_t message_octets_max,
                   std::uint16_t set_padding = 1);

    /// A Template or an Options Template, each in Sets of its own kind.
    [[nodiscard]] AppendVerdict append_template(const TemplateRecord& record) noexcept;
    /// The Template Withdrawal of RFC 7011 section 8.1: its id and no fields.
    [[nodiscard]] AppendVerdict append_withdrawal(const TemplateRecord& record) noexcept;
    /// `record` is one encoded Data Record of this template.
    [[nodiscard]] AppendVerdict append_data(const TemplateRecord& description,
                                            std::span<const std::uint8_t> record) noexcept {
        return append_data(description.id(), record, description.record_octets());
    }
    /// The same by number. `record_octets_min`: the shortest record that the template allows; 1,
    /// the shortest there is, gets its Sets no padding.
    [[nodiscard]] AppendVerdict append_data(std::uint16_t template_id,
                                            std::span<const std::uint8_t> record,
                                            std::size_t record_octets_min = 1) noexcept;

    [[nodiscard]] bool empty() const noexcept { return used_ == kMessageHeaderOctets; }
    /// What the next message's sequence number grows by: Data Records, also those of Options
    /// Templates (RFC 7011 section 3.1).
    [[nodiscard]] std::uint32_t data_records() const noexcept { return data_records_; }
    /// As finish() would give them.
    [[nodiscard]] std::uint16_t octets() const noexcept {
        return static_cast<std::uint16_t>(used_ + padding(used_ - set_start_, record_octets_min_));
    }
    [[nodiscard]] std::uint32_t domain_id() const noexcept { return domain_id_; }
    [[nodiscard]] std::uint16_t message_octets_max() const noexcept {
        return static_cast<std::uint16_t>(octets_max_);
    }

    /// Messages from now on have at most this size (a smaller path MTU), never more than at
    /// construction. Records already in the message stay: the caller decides what to do with a
    /// message that is longer by now.
    void limit(std::uint16_t message_octets_max) noexcept;

    /// Closes the message; `sequence_number` counts the Data Records sent before it, modulo 2^32.
    /// The octets are valid until reset(); more may be appended and finish() called again.
    [[nodiscard]] std::span<const std::uint8_t> finish(std::uint32_t export_time_s,
                                                       std::uint32_t sequence_number) noexcept;
    /// The last octets of the message, for a checksum of what finish() returned: a value that was
    /// appended as zeros.
    void overwrite_tail(std::span<const std::uint8_t> octets) noexcept;
    /// Starts the next message.
    void reset() noexcept;

  private:
    [[nodiscard]] AppendVerdict append(std::uint16_t set_id, std::span<const std::uint8_t> record,
                                       std::size_t record_octets_min) noexcept;
    /// Octets of padding at the end of a Set.
    [[nodiscard]] std::size_t padding(std::size_t set_octets,
                                      std::size_t record_octets_min) const noexcept {
        const std::size_t octets = (set_padding_ - set_octets % set_padding_) % set_padding_;
        return octets < record_octets_min ? octets : 0;
    }
    /// Writes the padding of the Set at hand, and its length; returns where it ends.
    std::size_t end_set() noexcept;

    std::uint32_t domain_id_;
    std::size_t octets_max_;
    std::size_t set_padding_;
    std::size_t used_ = kMessageHeaderOctets; ///< without the padding of the Set at hand
    std::size_t set_start_ = kMessageHeaderOctets;
    std::size_t record_octets_min_ = 1; ///< of the Set at hand
    std::uint16_t set_id_ = 0;          ///< 0: no Set is open
    std::uint32_t data_records_ = 0;
    std::vector<std::uint8_t> buffer_;
};

} // namespace ipfix
