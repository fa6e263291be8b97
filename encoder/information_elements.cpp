// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/information_elements.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "encoder/nearest_name.hpp"

namespace ipfix {

namespace {

#include "encoder/information_element_tables.inc"

// The generator is a script: what the searches rely on is proven here, not believed.
constexpr bool by_number(std::span<const InformationElement> table) {
    for (std::size_t i = 1; i < table.size(); ++i) {
        if (std::tie(table[i - 1].enterprise, table[i - 1].id) >=
            std::tie(table[i].enterprise, table[i].id)) {
            return false;
        }
    }
    return true;
}

constexpr bool by_name(std::span<const InformationElement> table,
                       std::span<const std::uint16_t> order) {
    for (std::size_t i = 1; i < order.size(); ++i) {
        if (table[order[i - 1]].name >= table[order[i]].name) return false;
    }
    return true;
}

constexpr const InformationElement* find_by_name(std::span<const InformationElement> table,
                                                 std::span<const std::uint16_t> order,
                                                 std::string_view name) noexcept {
    const auto at = std::lower_bound(
        order.begin(), order.end(), name,
        [table](std::uint16_t index, std::string_view n) { return table[index].name < n; });
    return at != order.end() && table[*at].name == name ? &table[*at] : nullptr;
}

static_assert(by_number(kIana) && by_name(kIana, kIanaByName));
static_assert(std::size(kIana) == std::size(kIanaByName), "IANA's names are unique");
static_assert(by_number(kEnterprise) && by_name(kEnterprise, kEnterpriseByName));
static_assert(find_by_name(kIana, kIanaByName, "octetDeltaCount")->id == 1);
static_assert(find_by_name(kIana, kIanaByName, "sourceIPv4Address")->id == 8);
static_assert(find_by_name(kIana, kIanaByName, "flowEndReason")->id == 136);
static_assert(find_by_name(kIana, kIanaByName, "flowStartMilliseconds")->type ==
              AbstractDataType::dateTimeMilliseconds);
static_assert(ie::biflowDirection == 239 && ie::layer2OctetDeltaCount == 352);

// RFC 5103 section 6.1, by the sections of RFC 5102 that it names, in order of number.
// flowEndReason is ours: a Biflow ends once, for one reason, whatever its direction.
// From 258 on: later additions that are about processes, files, selectors and descriptions, not
// about one direction of a Flow, which section 6.1 asks to be treated alike.
struct Range {
    std::uint16_t first;
    std::uint16_t last;
};
constexpr std::array kNotReversible = {
    Range{ie::exportedOctetTotalCount, ie::exportedFlowRecordTotalCount},
    Range{ie::exporterIPv4Address, ie::exporterIPv6Address},
    Range{ie::flowEndReason, ie::commonPropertiesId},
    Range{ie::templateId, ie::templateId},
    Range{ie::flowId, ie::observationDomainId},
    Range{ie::observedFlowTotalCount, ie::notSentOctetTotalCount},
    Range{ie::flowKeyIndicator, ie::flowKeyIndicator},
    Range{ie::paddingOctets, ie::exporterTransportPort},
    Range{ie::biflowDirection, ie::biflowDirection},
    Range{ie::collectionTimeMilliseconds, ie::dataRecordsReliability},
    Range{ie::informationElementIndex, ie::informationElementIndex},
    Range{ie::observationDomainName, ie::samplingProbability},
    Range{ie::selectorIdTotalPktsObserved, ie::selectorIdTotalPktsSelected},
    Range{ie::hashIPPayloadOffset, ie::selectorName},
    Range{ie::informationElementDataType, ie::privateEnterpriseNumber},
    Range{ie::monitoringIntervalStartMilliSeconds, ie::monitoringIntervalEndMilliSeconds},
    Range{ie::originalFlowsPresent, ie::originalFlowsCompleted},
    Range{ie::flowSelectorAlgorithm, ie::flowSelectorAlgorithm},
    Range{ie::selectorIDTotalFlowsObserved, ie::hashFlowDomain},
    Range{ie::originalExporterIPv4Address, ie::ignoredDataRecordTotalCount},
    Range{ie::ignoredLayer2OctetTotalCount, ie::notSentLayer2OctetTotalCount},
    Range{ie::ignoredLayer2FrameTotalCount, ie::mibModuleName},
};

constexpr std::string_view kReversePrefix = "reverse";

} // namespace

std::span<const InformationElement> iana_elements() noexcept {
    return kIana;
}
std::span<const InformationElement> enterprise_elements() noexcept {
    return kEnterprise;
}

const InformationElement* find_element(std::string_view name) noexcept {
    const InformationElement* iana = find_by_name(kIana, kIanaByName, name);
    return iana != nullptr ? iana : find_by_name(kEnterprise, kEnterpriseByName, name);
}

const InformationElement* find_element(std::uint32_t enterprise, std::uint16_t id) noexcept {
    const std::span<const InformationElement> table =
        enterprise == 0 ? iana_elements() : enterprise_elements();
    const auto wanted = std::tie(enterprise, id);
    const auto at = std::lower_bound(table.begin(), table.end(), wanted,
                                     [](const InformationElement& e, const auto& w) {
                                         return std::tie(e.enterprise, e.id) < w;
                                     });
    const bool found = at != table.end() && at->enterprise == enterprise && at->id == id;
    return found ? &*at : nullptr;
}

DirectedElement find_directed_element(std::string_view name) noexcept {
    if (const InformationElement* element = find_element(name)) return {element, false};
    if (name.substr(0, kReversePrefix.size()) != kReversePrefix) return {};
    name.remove_prefix(kReversePrefix.size());
    // Names are short; a longer one is no element's.
    std::array<char, 128> forward{};
    if (name.empty() || name.size() > forward.size()) return {};
    std::copy(name.begin(), name.end(), forward.begin());
    const std::string_view as_written(forward.data(), name.size());
    const InformationElement* element = nullptr;
    if (forward[0] >= 'A' && forward[0] <= 'Z') {
        forward[0] = static_cast<char>(forward[0] - 'A' + 'a');
        element = find_element(as_written);
        forward[0] = name[0];
    }
    if (element == nullptr) element = find_element(as_written); // reverseIPSecSPI
    // "reverseoctetDeltaCount" is a typing error, not a name.
    if (element != nullptr && name[0] >= 'a' && name[0] <= 'z') element = nullptr;
    return {element, element != nullptr};
}

DirectedElement find_directed_element(std::uint32_t enterprise, std::uint16_t id) noexcept {
    const bool reverse = enterprise == kReversePen;
    return {find_element(reverse ? 0 : enterprise, id), reverse};
}

bool is_reversible(const InformationElement& element) noexcept {
    if (element.enterprise != 0) return false;
    return std::none_of(kNotReversible.begin(), kNotReversible.end(), [&element](Range range) {
        return element.id >= range.first && element.id <= range.last;
    });
}

std::string reverse_name(const InformationElement& element) {
    std::string name(kReversePrefix);
    name += element.name;
    char& first = name[kReversePrefix.size()];
    if (first >= 'a' && first <= 'z') first = static_cast<char>(first - 'a' + 'A');
    return name;
}

std::string nearest_element_name(std::string_view wrong) {
    std::string best;
    std::size_t best_distance = SIZE_MAX;
    const auto consider = [&](std::string_view name) {
        const std::size_t distance = edit_distance(wrong, name, best_distance);
        if (distance < best_distance) {
            best = name;
            best_distance = distance;
        }
    };
    for (const InformationElement& element : iana_elements()) {
        consider(element.name);
        if (is_reversible(element)) consider(reverse_name(element));
    }
    for (const InformationElement& element : enterprise_elements())
        consider(element.name);
    return best;
}

} // namespace ipfix
