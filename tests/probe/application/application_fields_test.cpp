// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/application_fields.hpp"

#include <set>

#include "encoder/information_elements.hpp"
#include "probe/application/reassembly.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;

TEST_CASE("the first value of a field stays", "[application]") {
    ApplicationFields fields;
    fields.clear();
    CHECK_FALSE(fields.has(F::http_host));
    fields.set(F::http_host, std::string_view("a.example"));
    fields.set(F::http_host, std::string_view("b.example"));
    fields.set(F::http_status, std::uint64_t{200});
    fields.set(F::http_status, std::uint64_t{404});
    CHECK(fields.text(F::http_host) == "a.example");
    CHECK(fields.number(F::http_status) == 200);
    CHECK(fields.size() == 2);
}

TEST_CASE("what nobody keeps is neither checked nor stored", "[application]") {
    const FieldMask kept = FieldMask{}.add(F::http_host).add(F::dns_answer_data);
    ApplicationFields fields;
    fields.clear();
    fields.keep_only(&kept);
    CHECK(fields.keeps(F::http_host));
    CHECK_FALSE(fields.keeps(F::http_referer));
    fields.set(F::http_referer, std::string_view("\xFF"));
    fields.set(F::http_status, std::uint64_t{200});
    fields.append(F::ssh_hassh, ",", "x");
    CHECK(fields.size() == 0);
    CHECK(fields.tally().emptied == 0);
    fields.set(F::http_host, std::string_view("a.example"));
    fields.append(F::dns_answer_data, ",", "192.0.2.1");
    fields.append(F::dns_answer_data, ",", "192.0.2.2");
    CHECK(fields.text(F::http_host) == "a.example");
    CHECK(fields.text(F::dns_answer_data) == "192.0.2.1,192.0.2.2");
    fields.clear(); // as new: everything is kept again
    CHECK(fields.keeps(F::http_referer));
}

TEST_CASE("a text's octets beyond ASCII count wherever they stand", "[application]") {
    for (std::size_t at = 0; at < 40; ++at) {
        INFO(at);
        ApplicationFields fields;
        fields.clear();
        std::string text(40, 'a');
        text.insert(at, "\u00e9");
        fields.set(F::http_user_agent, std::string_view(text));
        CHECK(fields.text(F::http_user_agent) == text);
        text.at(at) = '\xFF';
        fields.set(F::http_target, std::string_view(text));
        CHECK(fields.text(F::http_target).empty());
        CHECK(fields.tally().emptied == 1);
    }
}

TEST_CASE("a text that is not UTF-8 is emptied and counted", "[application][rfc7011-6.1.6]") {
    for (const std::string_view wrong :
         {"\xFF", "ok\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
        ApplicationFields fields;
        fields.clear();
        fields.set(F::tls_server_name, wrong);
        CHECK(fields.has(F::tls_server_name));
        CHECK(fields.text(F::tls_server_name).empty());
        CHECK(fields.tally().emptied == 1);
    }
}

TEST_CASE("a long text is cut at a character's end and counted", "[application]") {
    ApplicationFields fields;
    fields.clear();
    std::string name(254, 'a');
    name += "\xE2\x82\xAC"; // a euro sign across the limit of 255
    fields.set(F::tls_server_name, std::string_view(name));
    CHECK(fields.text(F::tls_server_name) == std::string(254, 'a'));
    CHECK(fields.tally().cut == 1);
    CHECK(fields.tally().emptied == 0);
}

TEST_CASE("storage that is full leaves fields out and counts them", "[application]") {
    ApplicationFields fields;
    fields.clear();
    const std::string longest(256, 'x');
    for (const F field : {F::http_target, F::http_user_agent, F::http_referer, F::rtsp_url}) {
        fields.set(field, std::string_view(longest));
    }
    fields.set(F::dns_name, std::string_view(longest).substr(0, 255));
    CHECK(fields.tally().no_room == 0);
    fields.set(F::smtp_hello, std::string_view("four"));
    CHECK_FALSE(fields.has(F::smtp_hello));
    CHECK(fields.tally().no_room == 1);
    fields.clear();
    for (std::size_t i = 0; i < ApplicationFields::kEntriesMax + 3; ++i) {
        fields.set(static_cast<F>(i), std::uint64_t{i});
    }
    CHECK(fields.size() == ApplicationFields::kEntriesMax);
    CHECK(fields.tally().no_room == 3);
}

TEST_CASE("a list grows within its field's bound", "[application]") {
    ApplicationFields fields;
    fields.clear();
    fields.append(F::dns_answer_data, ",", "192.0.2.1");
    fields.append(F::dns_answer_data, ",", "192.0.2.2");
    CHECK(fields.text(F::dns_answer_data) == "192.0.2.1,192.0.2.2");
    fields.append(F::dns_answer_data, ",", "\xFF");
    CHECK(fields.tally().emptied == 1);
    for (int i = 0; i < 100; ++i) {
        fields.append(F::dns_answer_data, ",", "192.0.2.3");
    }
    CHECK(fields.text(F::dns_answer_data).size() <= 512);
    CHECK(fields.tally().cut > 0);
}

TEST_CASE("every field's element is in the registry, with a fitting type", "[application]") {
    std::set<std::string> names;
    for (std::size_t i = 0; i < kApplicationFields; ++i) {
        const ApplicationFieldInfo& info = field_info(static_cast<F>(i));
        INFO(info.name);
        CHECK(names.insert(std::string(info.name)).second);
        if (info.element == 0) {
            continue;
        }
        const ipfix::InformationElement* element =
            ipfix::find_element(info.enterprise, info.element);
        REQUIRE(element != nullptr);
        const bool text = element->type == ipfix::AbstractDataType::string;
        const bool number = ipfix::is_integer(element->type);
        CHECK((text || info.kind != FieldKind::text));
        CHECK(number == (info.kind == FieldKind::number));
    }
}

TEST_CASE("pieces in any order become one prefix", "[application][reassembly]") {
    ReassemblyPool pool(1);
    ReassemblyBuffer* buffer = pool.take();
    REQUIRE(buffer != nullptr);
    CHECK(pool.take() == nullptr);
    CHECK(pool.refused() == 1);
    const std::vector<std::uint8_t> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const auto put = [&](std::size_t from, std::size_t octets) {
        return buffer->put(from, Bytes(all).subspan(from, octets));
    };
    CHECK(put(6, 2));
    CHECK(buffer->prefix().empty());
    CHECK(put(0, 2));
    CHECK(buffer->prefix().size() == 2);
    CHECK(put(3, 2)); // a gap at 2 and at 5
    CHECK(buffer->prefix().size() == 2);
    CHECK(put(1, 7)); // over everything
    CHECK(buffer->prefix().size() == 8);
    CHECK(put(8, 2));
    const Bytes prefix = buffer->prefix();
    CHECK(std::vector<std::uint8_t>(prefix.begin(), prefix.end()) == all);
    pool.give_back(buffer);
    buffer = pool.take();
    REQUIRE(buffer != nullptr);
    CHECK(buffer->prefix().empty());
}

TEST_CASE("a buffer keeps no more stretches and octets than it has room for",
          "[application][reassembly]") {
    ReassemblyPool pool(1);
    ReassemblyBuffer* buffer = pool.take();
    const std::array<std::uint8_t, 64> octets{};
    for (std::uint32_t i = 0; i < ReassemblyBuffer::kStretchesMax; ++i) {
        CHECK(buffer->put(i * 2 + 1, Bytes(octets).first(1)));
    }
    CHECK_FALSE(buffer->put(4'000, Bytes(octets).first(1)));
    CHECK(buffer->put(0, octets)); // swallows them all
    CHECK(buffer->prefix().size() == 64);
    CHECK(buffer->put(ReassemblyBuffer::kOctetsMax - 1, octets));
    CHECK_FALSE(buffer->put(ReassemblyBuffer::kOctetsMax, octets));
    CHECK_FALSE(buffer->put(UINT64_MAX, octets));
    const std::vector<std::uint8_t> whole(2 * ReassemblyBuffer::kOctetsMax);
    CHECK(buffer->put(0, whole));
    CHECK(buffer->full());
}

} // namespace
} // namespace probe::test
