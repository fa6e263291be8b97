// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/meterable_elements.hpp"

#include <set>

#include "encoder/information_elements.hpp"
#include "tests/support/catch.hpp"

using namespace probe;

TEST_CASE("everything the first issue asks for can be metered", "[exporting][elements]") {
    constexpr std::uint16_t kAsked[] = {
        1,   2,   4,   5,   6,   7,   8,   10,  11,  12,  25,  26,  27,  28,  31,  32,  52,
        53,  56,  58,  60,  61,  70,  80,  85,  86,  136, 139, 148, 150, 151, 152, 153, 154,
        155, 156, 157, 161, 176, 177, 178, 179, 192, 195, 197, 206, 239, 243, 245, 256, 352};
    for (const std::uint16_t id : kAsked) {
        INFO("element " << id);
        REQUIRE(find_meterable(0, id) != nullptr);
        CHECK(find_meterable(0, id)->id == id);
    }
}

TEST_CASE("each entry is a published element, once, with a use and a meaning",
          "[exporting][elements]") {
    std::set<std::pair<std::uint32_t, std::uint16_t>> seen;
    for (const MeterableEntry& entry : meterable_entries()) {
        INFO("element " << entry.id);
        const ipfix::InformationElement* element = ipfix::find_element(entry.enterprise, entry.id);
        REQUIRE(element != nullptr);
        CHECK(seen.emplace(entry.enterprise, entry.id).second);
        CHECK(find_meterable(entry.enterprise, entry.id) == &entry);
        CHECK((entry.value || entry.key));
        CHECK(!entry.meaning.empty());
        CHECK((!entry.reverse || ipfix::is_reversible(*element))); // RFC 5103 section 6.1
        CHECK((!entry.reverse || entry.value));
    }
}

TEST_CASE("a field of layer 7 has an element of its own kind", "[exporting][elements]") {
    std::size_t with_element = 0;
    for (std::size_t i = 0; i < kApplicationFields; ++i) {
        const ApplicationFieldInfo& info = field_info(static_cast<ApplicationField>(i));
        if (info.element == 0) {
            continue;
        }
        ++with_element;
        INFO(info.name);
        const ipfix::InformationElement* element =
            ipfix::find_element(info.enterprise, info.element);
        REQUIRE(element != nullptr);
        const std::uint16_t length = ipfix::default_length(element->type);
        CHECK(length ==
              (info.kind == FieldKind::number ? info.octets_max : ipfix::kVariableLength));
        const MeterableEntry* entry = find_meterable(info.enterprise, info.element);
        REQUIRE(entry != nullptr);
        CHECK(entry->source == ValueSource::application);
        CHECK(entry->field == info.field);
        CHECK_FALSE(entry->key.has_value());
    }
    CHECK(with_element >= 72);
}

TEST_CASE("what is not in the table is not found", "[exporting][elements]") {
    CHECK(find_meterable(0, 3) == nullptr);
    CHECK(find_meterable(0, 0) == nullptr);
    CHECK(find_meterable(0, 65'535) == nullptr);
    CHECK(find_meterable(6871, 1) == nullptr);
    CHECK(find_meterable(29'305, 1) == nullptr);
}
