// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/structured_data.hpp"

#include <array>
#include <random>
#include <string>
#include <vector>

#include "encoder/message_builder.hpp"
#include "encoder/message_reader.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/strict_decoder.hpp"

using namespace ipfix;

namespace {

using Octets = std::vector<std::uint8_t>;

FieldSpecifier field(const char* name, std::uint16_t length) {
    return {find_element(name), length};
}

/// 300: a protocol and lists; 301: what lists hold records of (4 octets); 302: a string and a list.
std::vector<TemplateRecord> list_templates() {
    std::vector<TemplateRecord> all;
    all.emplace_back(
        300, "lists",
        std::vector{field("protocolIdentifier", 1), field("basicList", kVariableLength),
                    field("subTemplateList", kVariableLength),
                    field("subTemplateMultiList", kVariableLength)});
    all.emplace_back(301, "port",
                     std::vector{field("protocolIdentifier", 1), field("tcpControlBits", 1),
                                 field("sourceTransportPort", 2)});
    all.emplace_back(
        302, "nest",
        std::vector{field("interfaceName", kVariableLength), field("basicList", kVariableLength)});
    return all;
}

/// One record of template 300 whose lists are what `write` made, through both decoders.
struct Sent {
    explicit Sent(const Octets& lists) {
        MessageBuilder builder(7, 65535);
        for (const TemplateRecord& one : list_templates())
            REQUIRE(builder.append_template(one) == AppendVerdict::appended);
        Octets record = {6};
        record.insert(record.end(), lists.begin(), lists.end());
        REQUIRE(builder.append_data(300, record) == AppendVerdict::appended);
        const auto message = builder.finish(1'700'000'000, 0);
        octets.assign(message.begin(), message.end());
        decoder.message(octets);
        struct Visitor final : RecordVisitor {
            void on_template(std::uint32_t, const ReadTemplate&) override {}
            void on_record(const ReadRecord& record) override { append_json_record(*out, record); }
            std::string* out = nullptr;
        } visitor;
        visitor.out = &json;
        MessageReader reader(visitor);
        std::span<const std::uint8_t> rest = octets;
        CHECK(reader.read(rest) == ReadVerdict::read);
    }
    [[nodiscard]] strict::List list(std::uint16_t id) {
        return decoder.list(id, decoder.records().at(0).octets(0, id));
    }

    Octets octets;
    strict::Decoder decoder{};
    std::string json;
};

Octets octets_of(const ListWriter& writer) {
    REQUIRE(writer.fits());
    return {writer.octets().begin(), writer.octets().end()};
}

/// The two lists that a test does not look at, empty.
void rest_empty(ListWriter& writer) {
    writer.begin_sub_template_list(ListSemantic::allOf, 301).end();
    writer.begin_sub_template_multi_list(ListSemantic::allOf).end();
}

std::array<std::uint8_t, 4096> room;

} // namespace

TEST_CASE("a basicList has its semantic, one Field Specifier and its values",
          "[encoder][lists][rfc6313-4.5.1]") {
    ListWriter writer(room);
    writer.begin_basic_list(ListSemantic::ordered, field("ipTotalLength", 4));
    for (const std::uint64_t length : {60ULL, 52ULL, 1500ULL})
        writer.append_number(length, 4);
    writer.end();
    CHECK(octets_of(writer) ==
          Octets{255, 0, 17, 4, 0, 224, 0, 4, 0, 0, 0, 60, 0, 0, 0, 52, 0, 0, 0x05, 0xDC});
    rest_empty(writer);
    Sent sent(octets_of(writer));
    CHECK(sent.decoder.complaint().empty());
    const strict::List list = sent.list(291);
    CHECK(list.semantic == 4);
    CHECK(list.element.id == 224);
    CHECK(list.numbers() == std::vector<std::uint64_t>{60, 52, 1500});
    CHECK(sent.json ==
          R"x({"protocolIdentifier":6,"basicList(ipTotalLength)":{"semantic":"ordered",)x"
          R"("element":"ipTotalLength","values":[60,52,1500]},)"
          R"("subTemplateList":{"semantic":"allOf","template":301,"records":[]},)"
          R"("subTemplateMultiList":{"semantic":"allOf","lists":[]}})");
}

TEST_CASE("empty lists, and every semantic", "[encoder][lists][rfc6313]") {
    for (const ListSemantic semantic :
         {ListSemantic::noneOf, ListSemantic::exactlyOneOf, ListSemantic::oneOrMoreOf,
          ListSemantic::allOf, ListSemantic::ordered, ListSemantic::undefined}) {
        ListWriter writer(room);
        writer.begin_basic_list(semantic, field("packetDeltaCount", 8)).end();
        writer.begin_sub_template_list(semantic, 301).end();
        writer.begin_sub_template_multi_list(semantic).end();
        Sent sent(octets_of(writer));
        CHECK(sent.decoder.complaint().empty());
        for (const std::uint16_t id : std::array<std::uint16_t, 3>{291, 292, 293})
            CHECK(sent.list(id).semantic == static_cast<std::uint8_t>(semantic));
        CHECK(sent.list(291).values.empty());
        CHECK(sent.list(292).groups.at(0).records.empty());
        CHECK(sent.list(293).groups.empty());
        CHECK(semantic_name(static_cast<std::uint8_t>(semantic)) != nullptr);
    }
    CHECK(semantic_name(5) == nullptr);
}

TEST_CASE("a basicList of an enterprise's element, and of a reverse one",
          "[encoder][lists][rfc6313-4.5.1]") {
    ListWriter writer(room);
    SECTION("enterprise") {
        writer.begin_basic_list(ListSemantic::allOf, field("dnsQName", kVariableLength));
        for (const std::size_t length : {0U, 1U, 254U, 255U, 300U})
            writer.append_variable(Octets(length, 'a'));
        writer.end();
        rest_empty(writer);
        Sent sent(octets_of(writer));
        CHECK(sent.decoder.complaint().empty());
        const strict::List list = sent.list(291);
        CHECK(list.element.enterprise == 6871);
        REQUIRE(list.values.size() == 5);
        CHECK(list.values[3].size() == 255);
        CHECK(list.values[4].size() == 300);
        CHECK(sent.json.find("basicList(dnsQName)") != std::string::npos);
    }
    SECTION("reverse") {
        FieldSpecifier reverse = field("packetDeltaCount", 2);
        reverse.reverse = true;
        writer.begin_basic_list(ListSemantic::allOf, reverse).append_number(7, 2).end();
        rest_empty(writer);
        Sent sent(octets_of(writer));
        CHECK(sent.list(291).element.enterprise == kReversePen);
        CHECK(sent.json.find(R"("element":"reversePacketDeltaCount","values":[7])") !=
              std::string::npos);
    }
}

TEST_CASE("lists of records of one template and of several", "[encoder][lists][rfc6313-4.5.2]") {
    ListWriter writer(room);
    writer.begin_basic_list(ListSemantic::undefined, field("ipVersion", 1)).end();
    writer.begin_sub_template_list(ListSemantic::exactlyOneOf, 301)
        .append(Octets{6, 2, 0, 80})
        .append(Octets{17, 0, 0, 53})
        .end();
    writer.begin_sub_template_multi_list(ListSemantic::oneOrMoreOf);
    writer.begin_records(301).append(Octets{6, 0x12, 1, 187}).end();
    writer.begin_records(302).append_variable(Octets{'e', 't', 'h'});
    writer.begin_basic_list(ListSemantic::ordered, field("ipVersion", 1))
        .append(Octets{4, 6})
        .end();
    writer.end().end();
    Sent sent(octets_of(writer));
    CHECK(sent.decoder.complaint().empty());
    REQUIRE(sent.list(292).groups.at(0).records.size() == 2);
    CHECK(sent.list(292).groups[0].records[1].number(7) == 53);
    const strict::List multi = sent.list(293);
    REQUIRE(multi.groups.size() == 2);
    CHECK(multi.groups[0].records.at(0).number(7) == 443);
    CHECK(multi.groups[1].records.at(0).text(0, 82) == "eth");
    CHECK(sent.json.find(
              R"("subTemplateList":{"semantic":"exactlyOneOf","template":301,"records":[)"
              R"({"protocolIdentifier":6,"tcpControlBits":2,"sourceTransportPort":80},)") !=
          std::string::npos);
    CHECK(sent.json.find(
              R"x({"template":302,"records":[{"interfaceName":"eth","basicList(ipVersion)":)x"
              R"({"semantic":"ordered","element":"ipVersion","values":[4,6]}}]})") !=
          std::string::npos);
}

TEST_CASE("lists within lists, as deep as allowed and no deeper", "[encoder][lists][rfc6313]") {
    for (const std::size_t depth : {1U, 3U, 8U, 12U}) {
        ListWriter writer(room);
        for (std::size_t i = 1; i < depth; ++i)
            writer.begin_basic_list(ListSemantic::allOf, field("basicList", kVariableLength));
        writer.begin_basic_list(ListSemantic::allOf, field("ipVersion", 1)).append_number(4, 1);
        for (std::size_t i = 0; i < depth; ++i)
            writer.end();
        rest_empty(writer);
        Sent sent(octets_of(writer));
        INFO(depth << ": " << sent.json);
        CHECK(sent.decoder.complaint().empty());
        const bool readable = depth <= kListDepthMax;
        CHECK((sent.json.find("\"values\":[4]") != std::string::npos) == readable);
        CHECK((sent.json.find("\"0x03") != std::string::npos) == !readable);
    }
}

TEST_CASE("what does not fit is never half a list", "[encoder][lists]") {
    Octets small(20);
    ListWriter writer(small);
    writer.begin_basic_list(ListSemantic::ordered, field("ipTotalLength", 4));
    for (int i = 0; i < 3; ++i)
        writer.append_number(1, 4);
    CHECK(writer.fits());
    writer.append_number(1, 4);
    CHECK_FALSE(writer.fits());
    writer.end();
    CHECK_FALSE(writer.fits());
}

TEST_CASE("broken lists are shown as octets and complained of", "[encoder][lists]") {
    ListWriter writer(room);
    writer.begin_basic_list(ListSemantic::ordered, field("ipTotalLength", 4))
        .append_number(1, 4)
        .end();
    writer.begin_sub_template_list(ListSemantic::allOf, 301).append(Octets{6, 2, 0, 80}).end();
    writer.begin_sub_template_multi_list(ListSemantic::allOf);
    writer.begin_records(301).append(Octets{6, 2, 0, 80}).end().end();
    const Octets good = octets_of(writer);
    CHECK(Sent(good).decoder.complaint().empty());
    const std::size_t second = 3 + 9;
    const std::size_t third = second + 3 + 7;
    struct Fault {
        const char* what;
        std::size_t at;
        std::uint8_t value;
    };
    for (const Fault& fault :
         {Fault{"a value is cut", 7, 3}, Fault{"no such semantic", 3, 9},
          Fault{"elements of no octets", 7, 0}, Fault{"no such template", second + 5, 9},
          Fault{"a group longer than the list", third + 7, 200},
          Fault{"a group shorter than its header", third + 7, 3}}) {
        INFO(fault.what);
        Octets broken = good;
        broken[fault.at] = fault.value;
        Sent sent(broken);
        CHECK_FALSE(sent.decoder.complaint().empty());
        if (fault.value != 9 || fault.at != 3) {
            CHECK(sent.json.find("\"0x") != std::string::npos);
        }
    }
}

TEST_CASE("no octets of a list read beyond it, whatever they are", "[encoder][lists]") {
    std::mt19937 random(20261125);
    ListWriter writer(room);
    writer.begin_basic_list(ListSemantic::ordered, field("basicList", kVariableLength));
    writer.begin_basic_list(ListSemantic::ordered, field("ipVersion", 1)).append_number(4, 1).end();
    writer.end();
    writer.begin_sub_template_list(ListSemantic::allOf, 301).append(Octets{6, 2, 0, 80}).end();
    writer.begin_sub_template_multi_list(ListSemantic::allOf);
    writer.begin_records(301).append(Octets{6, 2, 0, 80}).end().end();
    const Octets good = octets_of(writer);
    for (int round = 0; round < 20'000; ++round) {
        Octets octets = good;
        for (int i = 0; i < 1 + round % 3; ++i)
            octets[random() % octets.size()] = static_cast<std::uint8_t>(random());
        std::string out;
        for (const auto type : {AbstractDataType::basicList, AbstractDataType::subTemplateList,
                                AbstractDataType::subTemplateMultiList}) {
            const Octets exact(octets.begin() + static_cast<long>(random() % octets.size()),
                               octets.end()); // the sanitizers watch its end
            (void)append_json_list(out, type, exact, nullptr, 0);
        }
    }
}
