// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/information_elements.hpp"

#include <set>

#include "encoder/nearest_name.hpp"
#include "tests/support/catch.hpp"

using namespace ipfix;

TEST_CASE("every registered element is found by its number and by its name",
          "[encoder][registry]") {
    REQUIRE(iana_elements().size() == 502);
    for (const InformationElement& element : iana_elements()) {
        CHECK(find_element(0, element.id) == &element);
        CHECK(find_element(element.name) == &element);
    }
    REQUIRE(enterprise_elements().size() == 870);
    for (const InformationElement& element : enterprise_elements()) {
        CHECK(find_element(element.enterprise, element.id) == &element);
        REQUIRE(find_element(element.name) != nullptr);
        CHECK(find_element(element.name)->name == element.name);
    }
}

TEST_CASE("known elements have IANA's number, type, semantics, units and status",
          "[encoder][registry]") {
    const InformationElement* octets = find_element("octetDeltaCount");
    REQUIRE(octets != nullptr);
    CHECK(octets->id == 1);
    CHECK(octets->type == AbstractDataType::unsigned64);
    CHECK(octets->semantics == DataTypeSemantics::deltaCounter);
    CHECK(octets->units == "octets");
    CHECK(find_element("fragmentOffset")->range == "0-0x1FFF");
    CHECK(find_element("ipv6ExtensionHeaders")->status == Status::deprecated);
    CHECK(find_element("tcpOptionsFull")->type == AbstractDataType::unsigned256);
    CHECK(ie::sourceIPv4Address == 8);
    CHECK(ie::icmpTypeCodeIPv6 == 139);
}

TEST_CASE("names and numbers that nobody registered are not found", "[encoder][registry]") {
    for (const char* name : {"", "octetdeltacount", "octetDeltaCount ", "zzz", "AAA", "reverse"}) {
        CHECK(find_element(name) == nullptr);
        CHECK(find_directed_element(name).element == nullptr);
    }
    CHECK(find_element(0, 0) == nullptr);
    CHECK(find_element(0, 65) == nullptr);
    CHECK(find_element(0, 32767) == nullptr);
    CHECK(find_element(kReversePen, 1) == nullptr);
    CHECK(find_element(4294967295U, 1) == nullptr);
}

TEST_CASE("a reverse name is the element under the Reverse PEN", "[encoder][rfc5103-6.1]") {
    const DirectedElement reverse = find_directed_element("reversePacketDeltaCount");
    REQUIRE(reverse.element != nullptr);
    CHECK(reverse.reverse);
    CHECK(reverse.element->id == 2);
    CHECK(find_directed_element(kReversePen, 2).element == reverse.element);
    CHECK(find_directed_element(kReversePen, 2).reverse);
    CHECK_FALSE(find_directed_element("packetDeltaCount").reverse);
    CHECK(find_directed_element("reversepacketDeltaCount").element == nullptr);
    CHECK(find_directed_element("reverseIPSecSPI").element == find_element("IPSecSPI"));
    // CERT registered an element whose own name begins with "reverse".
    CHECK_FALSE(find_directed_element("reverseFlowDeltaMilliseconds").reverse);
    CHECK(find_directed_element("reverse" + std::string(1000, 'A')).element == nullptr);
    for (const InformationElement& element : iana_elements()) {
        const DirectedElement back = find_directed_element(reverse_name(element));
        CHECK(back.element == &element);
        CHECK(back.reverse);
    }
}

TEST_CASE("identifiers, process configuration and statistics have no reverse",
          "[encoder][rfc5103-6.1]") {
    for (const char* name : {"flowId",
                             "templateId",
                             "observationDomainId",
                             "commonPropertiesId",
                             "exporterIPv4Address",
                             "exporterIPv6Address",
                             "exporterTransportPort",
                             "collectorIPv4Address",
                             "collectorIPv6Address",
                             "exportInterface",
                             "exportProtocolVersion",
                             "exportTransportProtocol",
                             "collectorTransportPort",
                             "flowKeyIndicator",
                             "exportedMessageTotalCount",
                             "exportedOctetTotalCount",
                             "exportedFlowRecordTotalCount",
                             "observedFlowTotalCount",
                             "ignoredPacketTotalCount",
                             "ignoredOctetTotalCount",
                             "notSentFlowTotalCount",
                             "notSentPacketTotalCount",
                             "notSentOctetTotalCount",
                             "paddingOctets",
                             "biflowDirection",
                             "flowEndReason"}) {
        INFO(name);
        CHECK_FALSE(is_reversible(*find_element(name)));
    }
    for (const char* name : {"packetDeltaCount", "octetDeltaCount", "tcpControlBits", "minimumTTL",
                             "flowStartMilliseconds", "sourceMacAddress", "vlanId", "ipTTL",
                             "icmpTypeCodeIPv4", "droppedPacketDeltaCount", "layer2OctetDeltaCount",
                             "flowDurationMilliseconds", "fragmentFlags", "ingressInterface"}) {
        INFO(name);
        CHECK(is_reversible(*find_element(name)));
    }
    CHECK_FALSE(is_reversible(*find_element(6871, 14)));
}

TEST_CASE("a wrong name is answered with the nearest right one", "[encoder][messages]") {
    CHECK(nearest_element_name("sourceIPv4Adress") == "sourceIPv4Address");
    CHECK(nearest_element_name("sourceipv4address") == "sourceIPv4Address");
    CHECK(nearest_element_name("packetDetlaCount") == "packetDeltaCount");
    CHECK(nearest_element_name("reverseOctetsDeltaCount") == "reverseOctetDeltaCount");
    CHECK(nearest_element_name("flowEndReasons") == "flowEndReason");
    CHECK_FALSE(nearest_element_name("").empty());
    CHECK(edit_distance("abc", "abc") == 0);
    CHECK(edit_distance("abc", "aBc") == 1);
    CHECK(edit_distance("abc", "acb") == 2);
    CHECK(edit_distance("abc", "") == 6);
    CHECK(edit_distance("", "xy") == 4);
    // The limit only saves work: below it, the answer is the same.
    for (const InformationElement& element : iana_elements()) {
        const std::size_t exact = edit_distance("sourceMacAdress", element.name);
        for (const std::size_t limit : {1U, 5U, 12U, 30U}) {
            const std::size_t limited = edit_distance("sourceMacAdress", element.name, limit);
            if (exact < limit) CHECK(limited == exact);
            if (exact >= limit) CHECK(limited >= limit);
        }
    }
}

TEST_CASE("a type takes its own length, a reduced one, or any", "[encoder][rfc7011-6.2]") {
    using Type = AbstractDataType;
    for (std::uint16_t length = 1; length <= 8; ++length) {
        CHECK(allows_length(Type::unsigned64, length));
        CHECK(allows_length(Type::unsigned32, length) == (length <= 4));
        CHECK(allows_length(Type::unsigned16, length) == (length <= 2));
        CHECK(allows_length(Type::unsigned8, length) == (length == 1));
        CHECK(allows_length(Type::float64, length) == (length == 4 || length == 8));
        CHECK(allows_length(Type::float32, length) == (length == 4));
        CHECK(allows_length(Type::ipv4Address, length) == (length == 4));
        CHECK(allows_length(Type::macAddress, length) == (length == 6));
        CHECK(allows_length(Type::dateTimeMilliseconds, length) == (length == 8));
        CHECK(allows_length(Type::boolean, length) == (length == 1));
    }
    CHECK_FALSE(allows_length(Type::unsigned64, 0));
    CHECK_FALSE(allows_length(Type::unsigned64, 9));
    CHECK_FALSE(allows_length(Type::unsigned64, kVariableLength));
    CHECK_FALSE(allows_length(Type::ipv6Address, 4));
    CHECK_FALSE(allows_length(Type::string, 0));
    CHECK(allows_length(Type::string, 1));
    CHECK(allows_length(Type::octetArray, 65534));
    CHECK(allows_length(Type::string, kVariableLength));
    CHECK(allowed_lengths(Type::unsigned64) == "1 to 8 octets");
    CHECK(allowed_lengths(Type::unsigned8) == "exactly 1 octet");
    CHECK(allowed_lengths(Type::ipv6Address) == "exactly 16 octets");
}
