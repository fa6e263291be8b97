// SPDX-License-Identifier: BSD-3-Clause
// Every protocol's conversation is known for what it is; then the inputs that wish a parser ill.
#include "probe/packet/protocol_numbers.hpp"
#include "tests/probe/application/conversations.hpp"
#include "tests/support/catch.hpp"

namespace probe::test {
namespace {

using F = ApplicationField;

TEST_CASE("each protocol is known by its conversation", "[application]") {
    InspectorOptions options;
    options.reassembly_buffers = 4;
    ApplicationInspector inspector(options);
    for (const Conversation& conversation : conversations()) {
        INFO(protocol_name(conversation.protocol) << " port " << conversation.port);
        FlowUnderTest flow(inspector, conversation.transport, conversation.port);
        for (const Sent& sent : conversation.packets) {
            static_cast<void>(sent.direction == 0 ? flow.client(sent.payload)
                                                  : flow.server(sent.payload));
        }
        CHECK(flow.flow.protocol == conversation.protocol);
        for (const auto& [field, value] : conversation.texts) {
            INFO(field_info(field).name);
            CHECK(flow.text(field) == value);
        }
        for (const auto& [field, value] : conversation.numbers) {
            INFO(field_info(field).name);
            CHECK(flow.number(field) == value);
        }
    }
}

TEST_CASE("conversations cut or changed anywhere end, within bounds", "[application][hostile]") {
    InspectorOptions options;
    options.reassembly_buffers = 4;
    ApplicationInspector inspector(options);
    for (const Conversation& conversation : conversations()) {
        for (const Sent& sent : conversation.packets) {
            for (std::size_t at = 0; at < sent.payload.size(); ++at) {
                FlowUnderTest cut(inspector, conversation.transport, conversation.port);
                static_cast<void>(cut.client(Octets(
                    sent.payload.begin(), sent.payload.begin() + static_cast<std::ptrdiff_t>(at))));
                Octets lies = sent.payload;
                lies[at] = 0xFF;
                FlowUnderTest lying(inspector, conversation.transport, conversation.port);
                static_cast<void>(lying.client(lies));
            }
        }
    }
    CHECK(inspector.buffers_available() == 4);
}

TEST_CASE("names that loop are no names", "[application][dns][hostile]") {
    ApplicationInspector inspector({});
    for (const char* name : {"c00c", "c00e c00c", "01 61 c00c", "c0ff", "3f", "40 61 00", "c0"}) {
        FlowUnderTest flow(inspector, kProtocolUdp, 53);
        static_cast<void>(
            flow.client(hex("000701000001000000000000") + hex(name) + hex("00010001")));
        INFO(name);
        CHECK_FALSE(flow.flow.fields.has(F::dns_name));
    }
}

} // namespace
} // namespace probe::test
