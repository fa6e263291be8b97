// SPDX-License-Identifier: BSD-3-Clause
// Common properties (RFC 5473): values that many flow records share are told once, in a record of
// an Options Template with a commonPropertiesId as its scope, and flow records carry the id in
// their place.
//
// A bounded table that only grows, so that an id means the same for as long as the process lives:
// none is withdrawn, and none is used again. When the table is full, records with new values go out
// whole, by a template that has the values themselves.
//
// Ids are of the whole process, and so unique in every Transport Session, as section 4 wants it. A
// session tells all properties up to the newest before its next flow records.
//
// Reloads go on with the same table: their templates join those that are there, and who has the
// content of one gets that one's sets.
//
// Thread: sets are the exporter's lcore's; no allocation there. Templates are added and forgotten
// by the signal thread while no reload is on its way to that lcore, which looks at them when it
// takes one; they do not move.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "encoder/template_record.hpp"
#include "probe/metering/siphash.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

inline constexpr std::uint16_t kCommonPropertiesIdOctets = 2;

class CommonProperties {
  public:
    /// All that is kept: sets of properties, and their octets on the wire.
    struct Limits {
        std::size_t sets = 4096;
        std::size_t octets = std::size_t{256} * 1024;
    };
    /// `key`: of the hash; values come from packets, so nobody outside may choose what meets.
    explicit CommonProperties(const SipKey& key) : CommonProperties(key, Limits{}) {}
    CommonProperties(const SipKey& key, const Limits& limits);

    /// Its place in templates() where one of this name has this content, whatever the id.
    [[nodiscard]] std::optional<std::size_t> find_template(
        const ipfix::TemplateRecord& content) const;
    /// Returns its place in templates(). Throws std::runtime_error when there are too many.
    std::size_t add_template(ipfix::TemplateRecord record);
    /// All but the first `count`, of which there are no sets: a reload that was refused.
    void forget_templates(std::size_t count) noexcept;
    [[nodiscard]] std::span<const ipfix::TemplateRecord> templates() const noexcept {
        return templates_;
    }

    /// The id of these values of an Options Template, from 1 on; 0: they are new, and the table is
    /// full.
    [[nodiscard]] std::uint16_t id_of(std::size_t template_index, Bytes values) noexcept;

    /// Sets of properties so far.
    [[nodiscard]] std::size_t count() const noexcept { return sets_.size(); }
    struct Record {
        std::size_t template_index = 0; ///< in templates()
        Bytes octets;                   ///< the data record: id and values
    };
    /// In the order in which they came: `number` below count().
    [[nodiscard]] Record record(std::size_t number) const noexcept;

  private:
    struct Set {
        std::uint64_t hash = 0;
        std::uint32_t at = 0; ///< of its record in octets_
        std::uint16_t octets = 0;
        std::uint16_t template_index = 0;
    };
    [[nodiscard]] bool is(const Set& set, std::uint64_t hash, std::size_t template_index,
                          Bytes values) const noexcept;

    [[nodiscard]] std::uint64_t hash_of(std::size_t template_index, Bytes values) const noexcept;

    const SipKey key_;
    const Limits limits_;
    std::vector<ipfix::TemplateRecord> templates_; ///< within what was reserved at start
    std::vector<Set> sets_;
    std::vector<std::uint8_t> octets_;
    std::vector<std::uint16_t> buckets_; ///< open addressing: ids, 0 for none
};

} // namespace probe
