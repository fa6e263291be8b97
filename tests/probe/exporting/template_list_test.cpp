// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/template_list.hpp"

#include <initializer_list>

#include "probe/exporting/options_records.hpp"
#include "tests/support/catch.hpp"

using ipfix::TemplateRecord;
using probe::TemplateIds;
using probe::TemplateList;

namespace {

/// Its first field is the key.
TemplateRecord named(std::uint16_t id, const char* name,
                     std::initializer_list<const char*> elements, std::size_t keys = 1) {
    std::vector<ipfix::FieldSpecifier> fields;
    for (const char* element : elements) {
        const ipfix::InformationElement* found = ipfix::find_element(element);
        fields.push_back({found, ipfix::default_length(found->type), false, fields.size() < keys});
    }
    return {id, name, std::move(fields)};
}

const TemplateRecord kAddress = named(256, "a", {"sourceIPv4Address", "packetDeltaCount"});
const TemplateRecord kPort = named(257, "b", {"sourceTransportPort", "packetDeltaCount"});

} // namespace

TEST_CASE("a template that a reload keeps has its place and its id for good", "[templates]") {
    const TemplateList first({std::vector{kAddress, kPort}});
    const TemplateRecord other = named(258, "c", {"sourceIPv4Address", "octetDeltaCount"});
    const TemplateList second(first, {std::vector{other, kPort}});
    REQUIRE(second.all().size() == 3);
    CHECK(second.place_of(256) == 0);
    CHECK(second.place_of(257) == 1);
    CHECK(second.place_of(258) == 2);
    CHECK(second.place_of(259) == SIZE_MAX);
    CHECK_FALSE(second.present(0));
    CHECK(second.present(1));
    CHECK(second.present(2));
    const TemplateList third(second, {std::vector{kAddress}});
    CHECK(third.all().size() == 3);
    CHECK(third.present(0));
    CHECK_FALSE(third.present(2));
}

TEST_CASE("no template id ever stands for two contents", "[templates][rfc7011-8.1]") {
    const TemplateList known({std::vector{kAddress, kPort}});
    const TemplateRecord changed = named(256, "a", {"sourceIPv4Address", "octetDeltaCount"});
    CHECK_THROWS_AS(TemplateList(known, {std::vector{changed}}), std::logic_error);
    TemplateIds ids(known);
    CHECK(ids.known_as(kAddress) == std::uint16_t{256});
    CHECK(ids.known_as(kAddress) == std::nullopt); // each id once
    CHECK(ids.known_as(changed) == std::nullopt);
    CHECK_FALSE(ids.take(257)); // somebody's, though not of this configuration
    CHECK(ids.take(300));
    CHECK_FALSE(ids.take(300));
    CHECK(ids.fresh() == 301);
    CHECK(ids.fresh() == 302);
}

TEST_CASE("another flow key is another template, another name is not", "[templates]") {
    const TemplateList known({std::vector{kAddress}});
    CHECK(TemplateIds(known).known_as(
              named(999, "a", {"sourceIPv4Address", "packetDeltaCount"}, 2)) == std::nullopt);
    CHECK(TemplateIds(known).known_as(named(999, "z", {"sourceIPv4Address", "packetDeltaCount"})) ==
          std::uint16_t{256});
}

TEST_CASE("of templates with one content each keeps the id it has by its name", "[templates]") {
    const TemplateRecord first = named(256, "a", {"sourceIPv4Address", "packetDeltaCount"});
    const TemplateRecord second = named(257, "b", {"sourceIPv4Address", "packetDeltaCount"});
    const TemplateList known({std::vector{first, second}});
    TemplateIds ids(known);
    CHECK(ids.known_as(second) == std::uint16_t{257});
    CHECK(ids.known_as(first) == std::uint16_t{256});
}

TEST_CASE("ids run out with a sentence, below those of what sessions tell of themselves",
          "[templates]") {
    const TemplateList known({std::vector{named(64'999, "a", {"sourceIPv4Address"})}});
    TemplateIds ids(known);
    CHECK_FALSE(ids.take(65'001));
    CHECK(ids.fresh() == 65'000);
    CHECK_THROWS_WITH(ids.fresh(), Catch::Contains("restart"));
}

TEST_CASE("options templates keep their ids over a reload, too", "[templates][options]") {
    const std::vector data{kAddress, kPort};
    probe::OptionsRecords before(data, {.domain_id = 7, .domain_name = "d", .interfaces = {}});
    const TemplateList known({data, before.templates()});
    const std::vector changed{named(400, "c", {"sourceIPv4Address", "octetDeltaCount"}), kPort};
    probe::OptionsRecords after(
        changed, {.domain_id = 7, .domain_name = "d", .interfaces = {}, .known = &known});
    REQUIRE(after.templates().size() == before.templates().size());
    for (std::size_t i = 0; i < after.templates().size(); ++i) {
        CHECK(after.templates()[i].id() == before.templates()[i].id());
    }
    probe::OptionsRecords more(
        changed,
        {.domain_id = 7, .domain_name = "d", .interfaces = {{1, "p", "port"}}, .known = &known});
    const TemplateList next(known, {changed, more.templates()}); // no id has two contents
    CHECK(next.all().size() == known.all().size() + 2);
}
