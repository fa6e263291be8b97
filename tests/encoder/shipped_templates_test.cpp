// SPDX-License-Identifier: BSD-3-Clause
// Promises of templates/README.md about the files that parshall ships.
#include <algorithm>
#include <filesystem>

#include "encoder/template_description.hpp"
#include "tests/support/catch.hpp"

using namespace ipfix;

namespace {

std::vector<std::filesystem::path> shipped() {
    std::vector<std::filesystem::path> files;
    const std::filesystem::path folder = std::filesystem::path(PARSHALL_SOURCE_ROOT) / "templates";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        // The rules of application labels lie beside the templates and are none.
        if (entry.path().extension() == ".yaml" && entry.path().stem() != "applications") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

bool has(const std::vector<TemplateField>& fields, const char* name) {
    const DirectedElement wanted = find_directed_element(name);
    return std::any_of(fields.begin(), fields.end(), [&](const TemplateField& field) {
        return field.element == wanted.element && field.reverse == wanted.reverse;
    });
}

} // namespace

TEST_CASE("every shipped template loads, ends with a reason and fits a small datagram",
          "[templates]") {
    REQUIRE(shipped().size() >= 5);
    for (const auto& file : shipped()) {
        auto templates = load_template_descriptions(file.string());
        assign_template_ids(templates);
        for (const TemplateDescription& one : templates) {
            INFO(file << " " << one.name);
            CHECK(has(one.values, "flowEndReason"));
            CHECK(one.keys.size() + one.values.size() < 60);
            const TemplateRecord record = make_template_record(one);
            // RFC 7011 section 10.3.3: 512 octets where the path MTU is unknown. The template and a
            // record must each fit.
            constexpr std::size_t kSmallest = 512 - kMessageHeaderOctets - kSetHeaderOctets;
            CHECK(record.octets().size() <= kSmallest);
            CHECK(record.record_octets() <= kSmallest);
            // Texts of layer 7 are of variable length; all others keep records of one size.
            const bool has_texts = one.name.starts_with("application_");
            CHECK((record.fixed_length() || has_texts));
        }
    }
}

TEST_CASE("ICMP templates have no ports but a type and code", "[templates]") {
    for (const auto& file : shipped()) {
        for (const TemplateDescription& one : load_template_descriptions(file.string())) {
            if (one.filter.substr(0, 4) != "icmp") continue;
            INFO(file << " " << one.name);
            CHECK_FALSE(has(one.keys, "sourceTransportPort"));
            CHECK_FALSE(has(one.values, "sourceTransportPort"));
            CHECK(has(one.values, one.filter == "icmp" ? "icmpTypeCodeIPv4" : "icmpTypeCodeIPv6"));
        }
    }
}

TEST_CASE("the default templates are biflows of the 5-tuple, the uniflow ones are not",
          "[templates]") {
    const std::string folder = std::string(PARSHALL_SOURCE_ROOT) + "/templates/";
    const auto biflows = load_template_descriptions(folder + "default.yaml");
    const auto uniflows = load_template_descriptions(folder + "uniflow.yaml");
    REQUIRE(biflows.size() == 4);
    REQUIRE(uniflows.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        INFO(biflows[i].name);
        CHECK(biflows[i].biflow());
        CHECK(has(biflows[i].values, "biflowDirection"));
        CHECK_FALSE(uniflows[i].biflow());
        CHECK_FALSE(has(biflows[i].keys, "vlanId"));
        CHECK(biflows[i].filter == uniflows[i].filter);
        CHECK(biflows[i].keys.size() == uniflows[i].keys.size());
        for (const auto* one : {&biflows[i], &uniflows[i]}) {
            for (const char* counter : {"packetDeltaCount", "octetDeltaCount"}) {
                CHECK(has(one->values, counter));
            }
            for (const TemplateField& field : one->values)
                CHECK(field.length == 0);
        }
    }
}
