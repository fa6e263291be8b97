// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/template_description.hpp"

#include <string>

#include "tests/support/catch.hpp"

using namespace ipfix;

namespace {

std::string error_of(const std::string& text, std::size_t record_octets_max = kRecordOctetsMax) {
    try {
        static_cast<void>(parse_template_descriptions(text, "t.yaml", record_octets_max));
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

// One template with these keys and values, which stand in lines 3 and 4 from column 11 and 13 on.
std::string with(const std::string& keys, const std::string& values) {
    return "templates:\n  - name: t\n    keys: " + keys + "\n    values: " + values + "\n";
}

struct Wrong {
    const char* what;
    std::string yaml;
    std::string message;
};

const std::string kGood = "[sourceIPv4Address]";
const std::string kEnd = "[flowEndReason]";

} // namespace

TEST_CASE("a description is read as it is written", "[encoder][templates]") {
    const auto templates = parse_template_descriptions(
        "templates:\n"
        "  - name: ipv4\n"
        "    id: 300\n"
        "    filter: \"ip and not icmp\"\n"
        "    keys: [sourceIPv4Address, protocolIdentifier]\n"
        "    values: [flowStartMilliseconds, \"octetDeltaCount[4]\", reversePacketDeltaCount,\n"
        "             interfaceName, \"VRFname[v]\", \"userName[20]\"]\n"
        "  - {name: rest, keys: [ipVersion], values: [packetDeltaCount]}\n",
        "t.yaml");
    REQUIRE(templates.size() == 2);
    const TemplateDescription& one = templates[0];
    CHECK(one.name == "ipv4");
    CHECK(one.line == 2);
    CHECK(one.id == 300);
    CHECK(one.filter == "ip and not icmp");
    CHECK(one.filter_line == 4);
    CHECK(one.filter_column == 13);
    REQUIRE(one.keys.size() == 2);
    CHECK(one.keys[1].element == find_element("protocolIdentifier"));
    CHECK(one.keys[1].line == 5);
    CHECK(one.keys[1].column == 31);
    REQUIRE(one.values.size() == 6);
    CHECK(one.values[0].length == 0);
    CHECK(one.values[0].wire_length() == 8);
    CHECK(one.values[1].length == 4);
    CHECK(one.values[2].reverse);
    CHECK(one.values[3].wire_length() == kVariableLength);
    CHECK(one.values[4].wire_length() == kVariableLength);
    CHECK(one.values[5].wire_length() == 20);
    CHECK(one.biflow());
    CHECK(templates[1].id == 0);
    CHECK(templates[1].filter.empty());
    CHECK_FALSE(templates[1].biflow());

    const TemplateRecord record = make_template_record(one);
    CHECK(record.id() == 300);
    CHECK(record.key_count() == 2);
    CHECK(record.fields().size() == 8);
    CHECK(record.fields()[4].name() == "reversePacketDeltaCount");
}

TEST_CASE("in canonical order two listings of the same elements are one template",
          "[encoder][templates][order]") {
    const auto templates = parse_template_descriptions(
        "templates:\n"
        "  - {name: a, id: 256, order: canonical,\n"
        "     keys: [protocolIdentifier, sourceIPv4Address, sourceMacAddress],\n"
        "     values: [flowEndReason, octetDeltaCount, reverseOctetDeltaCount, interfaceName,\n"
        "              tcpControlBits, \"packetDeltaCount[3]\", sourceIPv6Address]}\n"
        "  - {name: b, id: 257, order: canonical,\n"
        "     keys: [sourceIPv4Address],\n"
        "     values: [interfaceName, \"packetDeltaCount[3]\", tcpControlBits, sourceIPv6Address,\n"
        "              reverseOctetDeltaCount, sourceMacAddress, octetDeltaCount, flowEndReason,\n"
        "              protocolIdentifier]}\n"
        "  - {name: c, id: 258, order: as_written,\n"
        "     keys: [protocolIdentifier], values: [octetDeltaCount, tcpControlBits]}\n",
        "t.yaml");
    const TemplateRecord one = make_template_record(templates[0]);
    const TemplateRecord other = make_template_record(templates[1]);
    constexpr std::size_t kId = 2; // the octets before are the Template ID
    CHECK(std::equal(one.octets().begin() + kId, one.octets().end(), other.octets().begin() + kId,
                     other.octets().end()));
    std::vector<std::string> names;
    for (const FieldSpecifier& field : one.fields()) {
        names.push_back(field.name());
    }
    CHECK(names == std::vector<std::string>{
                       "sourceIPv6Address", "octetDeltaCount", "reverseOctetDeltaCount",
                       "sourceIPv4Address", "sourceMacAddress", "tcpControlBits",
                       "packetDeltaCount", "protocolIdentifier", "flowEndReason", "interfaceName"});
    CHECK(one.misaligned_fields() == 0);
    // Keys are the same fields wherever they lie.
    CHECK(one.key_count() == 3);
    CHECK(one.fields()[4].key);
    CHECK_FALSE(other.fields()[4].key);
    CHECK(make_template_record(templates[2]).misaligned_fields() == 2);
    CHECK(error_of("templates:\n  - name: t\n    order: sorted\n    keys: [ipVersion]\n"
                   "    values: [flowEndReason]\n") ==
          "t.yaml:3:12: templates[1].order: expected one of as_written, canonical, found 'sorted'; "
          "did "
          "you mean 'as_written'?");
}

TEST_CASE("templates without an id get the lowest that is free", "[encoder][templates]") {
    auto templates = parse_template_descriptions(
        "templates:\n"
        "  - {name: a, keys: [ipVersion], values: [packetDeltaCount]}\n"
        "  - {name: b, id: 256, keys: [ipVersion], values: [packetDeltaCount]}\n"
        "  - {name: c, keys: [ipVersion], values: [packetDeltaCount]}\n"
        "  - {name: d, id: 258, keys: [ipVersion], values: [packetDeltaCount]}\n"
        "  - {name: e, keys: [ipVersion], values: [packetDeltaCount]}\n",
        "t.yaml");
    assign_template_ids(templates);
    CHECK(templates[0].id == 257);
    CHECK(templates[1].id == 256);
    CHECK(templates[2].id == 259);
    CHECK(templates[3].id == 258);
    CHECK(templates[4].id == 260);
}

TEST_CASE("names and ids are unique across files too", "[encoder][templates][messages]") {
    const std::string text =
        "templates:\n  - {name: a, id: 300, keys: [ipVersion], values: [ipTTL]}\n";
    auto all = parse_template_descriptions(text, "one.yaml");
    const auto more = parse_template_descriptions(text, "two.yaml");
    all.insert(all.end(), more.begin(), more.end());
    CHECK_THROWS_WITH(
        assign_template_ids(all),
        "two.yaml:2:12: the template name 'a' is taken by the one in one.yaml:2; choose another");
    all[1].name = "b";
    CHECK_THROWS_WITH(
        assign_template_ids(all),
        "two.yaml:2:19: the template id 300 is taken by the one in one.yaml:2; choose "
        "another, or leave it out to have one assigned");
}

TEST_CASE("every wrong description is told with place and remedy",
          "[encoder][templates][messages]") {
    const Wrong cases[] = {
        {"unknown element", with("[sourceIPv4Adress]", kEnd),
         "t.yaml:3:12: templates[1].keys[1]: unknown element 'sourceIPv4Adress'; did you mean "
         "'sourceIPv4Address'? ('parshall elements' lists them)"},
        {"wrong case", with(kGood, "[flowendreason]"),
         "t.yaml:4:14: templates[1].values[1]: unknown element 'flowendreason'; did you mean "
         "'flowEndReason'? ('parshall elements' lists them)"},
        {"unknown key of the file", "template: []\n",
         "t.yaml:1:1: unknown key 'template'; did you mean 'templates'? The keys here are: "
         "templates"},
        {"unknown key of a template", "templates:\n  - {name: t, key: [ipTTL]}\n",
         "t.yaml:2:15: unknown key 'key'; did you mean 'keys'? The keys here are: name, id, "
         "filter, order, keys, values, common"},
        {"templates is no list", "templates: default\n",
         "t.yaml:1:12: templates: expected a list, found a single value"},
        {"templates is empty", "templates: []\n",
         "t.yaml:1:12: templates: there is no template here; describe at least one"},
        {"a template is no map", "templates:\n  - ipv4\n",
         "t.yaml:2:5: templates[1]: expected keys with values, found a single value"},
        {"no name", "templates:\n  - keys: [ipTTL]\n    values: [flowEndReason]\n",
         "t.yaml:2:5: templates[1]: the key 'name' is missing; add 'name:' here"},
        {"no keys", "templates:\n  - name: t\n    values: [flowEndReason]\n",
         "t.yaml:2:5: templates[1]: the key 'keys' is missing; add 'keys:' here"},
        {"no values", "templates:\n  - name: t\n    keys: [ipTTL]\n",
         "t.yaml:2:5: templates[1]: the key 'values' is missing; add 'values:' here"},
        {"empty keys", with("[]", kEnd),
         "t.yaml:3:11: templates[1].keys: there are no elements here; name at least one, such as "
         "sourceIPv4Address"},
        {"empty values", with(kGood, "[]"),
         "t.yaml:4:13: templates[1].values: there are no elements here; name at least one, such as "
         "packetDeltaCount"},
        {"keys is no list", with("sourceIPv4Address", kEnd),
         "t.yaml:3:11: templates[1].keys: expected a list, found a single value"},
        {"an element is a list", with("[[sourceIPv4Address]]", kEnd),
         "t.yaml:3:12: templates[1].keys[1]: expected an element's name; put a name with a length "
         "in "
         "quotes, such as \"octetDeltaCount[4]\""},
        {"length without quotes", with(kGood, "[octetDeltaCount[4], flowEndReason]"),
         "t.yaml:4:29: the bracket opened here is not closed as a list or map; put names with "
         "brackets in quotes (\"octetDeltaCount[4]\") and close the list"},
        {"id too small", "templates:\n  - {name: t, id: 255, keys: [ipTTL], values: [ipTTL]}\n",
         "t.yaml:2:19: templates[1].id: expected a whole number from 256 to 65535, found '255'"},
        {"id too large", "templates:\n  - {name: t, id: 65536, keys: [ipTTL], values: [ipTTL]}\n",
         "t.yaml:2:19: templates[1].id: expected a whole number from 256 to 65535, found '65536'"},
        {"id is no number", "templates:\n  - {name: t, id: abc, keys: [ipTTL], values: [ipTTL]}\n",
         "t.yaml:2:19: templates[1].id: expected a whole number from 256 to 65535, found 'abc'"},
        {"duplicate id",
         "templates:\n  - {name: a, id: 300, keys: [ipTTL], values: [flowEndReason]}\n"
         "  - {name: b, id: 300, keys: [ipTTL], values: [flowEndReason]}\n",
         "t.yaml:3:19: the template id 300 is taken by the one in line 2; choose another, or leave "
         "it out to have one assigned"},
        {"duplicate name",
         "templates:\n  - {name: a, keys: [ipTTL], values: [flowEndReason]}\n"
         "  - {name: a, keys: [ipTTL], values: [flowEndReason]}\n",
         "t.yaml:3:12: the template name 'a' is taken by the one in line 2; choose another"},
        {"duplicate element", with(kGood, "[packetDeltaCount, packetDeltaCount]"),
         "t.yaml:4:32: templates[1].values[2]: 'packetDeltaCount' is in this template twice, first "
         "in line 4; remove one of them"},
        {"key also as value", with(kGood, "[sourceIPv4Address]"),
         "t.yaml:4:14: templates[1].values[1]: 'sourceIPv4Address' is in this template twice, "
         "first "
         "in line 3; remove one of them"},
        {"duplicate with another length",
         with(kGood, "[packetDeltaCount, \"packetDeltaCount[4]\"]"),
         "t.yaml:4:32: templates[1].values[2]: 'packetDeltaCount' is in this template twice, first "
         "in line 4; remove one of them"},
        {"reversed non-reversible element", with(kGood, "[reverseFlowEndReason]"),
         "t.yaml:4:14: templates[1].values[1]: 'reverseFlowEndReason' does not exist: "
         "flowEndReason "
         "has no reverse (RFC 5103 section 6.1); use 'flowEndReason'"},
        {"reversed direction", with(kGood, "[reverseBiflowDirection]"),
         "t.yaml:4:14: templates[1].values[1]: 'reverseBiflowDirection' does not exist: "
         "biflowDirection has no reverse (RFC 5103 section 6.1); use 'biflowDirection'"},
        {"reverse key", with("[reverseSourceIPv4Address]", kEnd),
         "t.yaml:3:12: templates[1].keys[1]: 'reverseSourceIPv4Address' cannot be a key: reverse "
         "elements are values of a Biflow; move it to 'values' or use 'sourceIPv4Address'"},
        {"common that is not listed",
         with(kGood, "[packetDeltaCount]\n    common: [ingressInterface]"),
         "t.yaml:5:14: templates[1].common[1]: 'ingressInterface' is not among the keys and values "
         "of this template; list it "
         "there, with its length if it has one, and name it here"},
        {"common that changes with every record",
         with(kGood, "[packetDeltaCount]\n    common: [packetDeltaCount]"),
         "t.yaml:5:14: templates[1].common[1]: 'packetDeltaCount' differs from record to record, "
         "so nothing is gained by telling "
         "it once; leave it out here"},
        {"length too large", with(kGood, "[\"octetDeltaCount[9]\"]"),
         "t.yaml:4:14: templates[1].values[1]: '[9]' is no length for octetDeltaCount: unsigned64 "
         "takes 1 to 8 octets"},
        {"length 0", with(kGood, "[\"octetDeltaCount[0]\"]"),
         "t.yaml:4:14: templates[1].values[1]: '[0]' is no length for octetDeltaCount: unsigned64 "
         "takes 1 to 8 octets"},
        {"length of an address", with("[\"sourceIPv4Address[3]\"]", kEnd),
         "t.yaml:3:12: templates[1].keys[1]: '[3]' is no length for sourceIPv4Address: ipv4Address "
         "takes exactly 4 octets"},
        {"length is no number", with(kGood, "[\"octetDeltaCount[four]\"]"),
         "t.yaml:4:14: templates[1].values[1]: '[four]' is no length for octetDeltaCount: "
         "unsigned64 "
         "takes 1 to 8 octets"},
        {"variable length of a number", with(kGood, "[\"octetDeltaCount[v]\"]"),
         "t.yaml:4:14: templates[1].values[1]: '[v]' is no length for octetDeltaCount: unsigned64 "
         "takes 1 to 8 octets"},
        {"length 65535", with(kGood, "[\"interfaceName[65535]\"]"),
         "t.yaml:4:14: templates[1].values[1]: '[65535]' is no length for interfaceName: string "
         "takes "
         "1 to 65534 octets, or none for variable length"},
        {"record larger than a message",
         with(kGood, "[\"interfaceName[65000]\", \"userName[600]\"]"),
         "t.yaml:2:11: templates[1].name: a record of this template has 65604 octets, more than "
         "the "
         "65515 that fit a message; remove elements or shorten them"},
        {"filter is no text",
         "templates:\n  - {name: t, filter: [ip], keys: [ipTTL], values: [vlanId]}\n",
         "t.yaml:2:23: templates[1].filter: expected a text, found a list"},
        {"filter is empty",
         "templates:\n  - {name: t, filter: '', keys: [ipTTL], values: [vlanId]}\n",
         "t.yaml:2:23: templates[1].filter: expected a text, found an empty one"},
        {"name is missing its value", "templates:\n  - {name: , keys: [ipTTL], values: [vlanId]}\n",
         "t.yaml:2:6: templates[1].name: expected a text, found nothing"},
        {"name too long",
         "templates:\n  - {name: " + std::string(65, 'n') + ", keys: [ipTTL], values: [vlanId]}\n",
         "t.yaml:2:12: templates[1].name: this name is longer than 64 octets; shorten it"},
        {"key given twice", "templates:\n  - name: t\n    name: u\n",
         "t.yaml:3:5: the key 'name' is here twice, first in line 2; keep one of them"},
        {"tab", "templates:\n\t- name: t\n",
         "t.yaml:2:1: a tab indents this line; YAML indents with spaces"},
        {"empty file", "", "t.yaml:1:1: the file is empty; it needs at least one key"},
        {"alias", "templates:\n  - {name: t, keys: &k [ipTTL], values: *k}\n",
         "t.yaml:2:41: aliases (*name) are not supported here; write the value out"},
    };
    for (const Wrong& one : cases) {
        INFO(one.what);
        CHECK(error_of(one.yaml) == one.message);
    }
    CHECK(error_of(with(kGood, kEnd), 4) ==
          "t.yaml:2:11: templates[1].name: a record of this template has 5 octets, more than the 4 "
          "that fit a message; remove elements or shorten them");
    CHECK(error_of(with(kGood, kEnd), 5) == "no error");
}
