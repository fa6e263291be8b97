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
    FieldPacker packer(octets);
    packer.add(fields, wanted);
    packer.add_label({4'711, 0x123456, ClassificationEngine::pana_l7_pen});
    const PackedFields packed(packer.octets());
    CHECK(packed.label() == ApplicationId{4'711, 0x123456, ClassificationEngine::pana_l7_pen});
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
    FieldPacker packer(octets);
    packer.add(fields, FieldMask{}.add(F::tls_ja4));
    CHECK(packer.octets().empty());
    CHECK_FALSE(PackedFields(packer.octets()).label().has_value());
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
        } else if (field_info(field).kind == FieldKind::text) {
            fields.set(field, std::string_view("0123456789abcdef"));
        }
    }
    REQUIRE(fields.size() == ApplicationFields::kEntriesMax);
    std::array<std::uint8_t, kPackedOctetsMax> octets;
    FieldPacker packer(octets);
    packer.add(fields, all);
    const std::array<std::uint8_t, kPayloadHeadMax> head{1, 2, 3};
    packer.add_octets(F::payload_head, head);
    packer.add_octets(F::payload_head_reverse, head);
    packer.add_number(F::payload_entropy, 200);
    packer.add_number(F::payload_entropy_reverse, 201);
    packer.add_label({0, 443, ClassificationEngine::iana_l4});
    CHECK(packer.octets().size() <= octets.size());
    const PackedFields packed(packer.octets());
    CHECK(packed.text(F::payload_head_reverse).size() == kPayloadHeadMax);
    CHECK(packed.number(F::payload_entropy_reverse) == 201);
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
