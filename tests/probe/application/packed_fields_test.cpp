// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/packed_fields.hpp"

#include <array>
#include <string>

#include "tests/support/catch.hpp"

namespace probe {
namespace {

using F = ApplicationField;

TEST_CASE("fields come out of their packing as they went in", "[application]") {
    ApplicationFields fields;
    fields.clear();
    fields.set(F::dns_name, std::string_view("flume.example"));
    fields.set(F::dns_type, std::uint64_t{28});
    fields.set(F::http_method, std::string_view(""));
    fields.set(F::quic_version, std::uint64_t{0x6b3343cf});
    FieldMask wanted;
    wanted.add(F::dns_name).add(F::quic_version).add(F::http_method).add(F::tls_ja4);
    std::array<std::uint8_t, kPackedOctetsMax> octets;
    const std::size_t used = pack_fields(fields, wanted, octets);
    const PackedFields packed({octets.data(), used});
    CHECK(packed.text(F::dns_name) == "flume.example");
    CHECK(packed.number(F::quic_version) == 0x6b3343cf);
    CHECK(packed.text(F::http_method).empty());
    CHECK(packed.text(F::tls_ja4).empty());
    CHECK_FALSE(packed.number(F::dns_type).has_value()); // there, but nobody wants it
    CHECK(PackedFields().empty());
    CHECK(PackedFields().text(F::dns_name).empty());
}

TEST_CASE("fields that nobody wants take no octets", "[application]") {
    ApplicationFields fields;
    fields.clear();
    fields.set(F::dns_name, std::string_view("flume.example"));
    std::array<std::uint8_t, kPackedOctetsMax> octets;
    CHECK(pack_fields(fields, FieldMask{}.add(F::tls_ja4), octets) == 0);
}

TEST_CASE("the fullest fields fit their packing", "[application]") {
    ApplicationFields fields;
    fields.clear();
    FieldMask all;
    for (std::size_t i = 0; i < kApplicationFields; ++i) {
        const auto field = static_cast<F>(i);
        all.add(field);
        if (field_info(field).kind == FieldKind::number) {
            fields.set(field, UINT64_MAX);
        } else {
            fields.set(field, std::string_view("0123456789abcdef"));
        }
    }
    REQUIRE(fields.size() == ApplicationFields::kEntriesMax);
    std::array<std::uint8_t, kPackedOctetsMax> octets;
    const std::size_t used = pack_fields(fields, all, octets);
    CHECK(used <= octets.size());
    const PackedFields packed({octets.data(), used});
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ApplicationFields::Value value = fields.at(i);
        if (field_info(value.field).kind == FieldKind::number) {
            CHECK(packed.number(value.field) == UINT64_MAX);
        } else {
            CHECK(packed.text(value.field) == value.text);
        }
    }
}

} // namespace
} // namespace probe
