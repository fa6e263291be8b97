// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: the shipped application rules over hostile payloads. The first octet chooses TCP or
// UDP, the second a port; then packets: an octet of direction, two of length, the payload.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "probe/application/application_classifier.hpp"
#include "probe/application/application_rules.hpp"
#include "probe/application/payload_reader.hpp"

namespace {

void require(bool held) {
    if (!held) {
        std::abort();
    }
}

/// What everybody who keeps a LabelState may rely on.
void check(const probe::ApplicationRules& rules, const probe::LabelState& state) {
    probe::LabelEvidence evidence;
    evidence.state = &state;
    const probe::ApplicationLabel label = rules.resolve(evidence);
    require((label.source == probe::LabelSource::pattern) == (state.rule_id != 0));
    require(state.rule_id == 0 || rules.find(label.id) != nullptr);
    require(state.candidates[0].rule != 0 || state.candidates[1].rule == 0);
    require(state.candidates[1].rule == 0 || state.candidates[0].rule < state.candidates[1].rule);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto rules = [] {
        probe::ApplicationOptions options;
        options.rule_files = {PARSHALL_SOURCE_ROOT "/templates/applications.yaml"};
        return probe::ApplicationRules::load(options);
    }();
    static probe::ApplicationClassifier classifier(rules);
    constexpr std::array<std::uint16_t, 16> kPorts = {
        443, 502, 520, 177, 1985, 5351, 2404, 427, 515, 546, 6081, 2123, 323, 3784, 716, 47808};
    constexpr std::uint8_t kTcp = 6;
    constexpr std::uint8_t kUdp = 17;
    probe::PayloadReader reader(probe::Bytes(data, size));
    const std::uint8_t protocol = (reader.u8() & 1) != 0 ? kTcp : kUdp;
    const std::uint16_t port = kPorts[reader.u8() % kPorts.size()];
    probe::LabelState one_by_one{};
    probe::LabelState together{};
    std::vector<probe::ClassifyRequest> burst;
    while (reader.left() > 0) {
        const auto direction = static_cast<std::uint8_t>(reader.u8() & 1);
        const probe::Bytes payload = reader.take_up_to(reader.u16());
        probe::ClassifyRequest request{payload, &one_by_one, protocol, direction, 50'000, port};
        classifier.classify_burst({&request, 1});
        require((request.verdict == probe::ClassifyVerdict::done) == (one_by_one.done != 0));
        check(*rules, one_by_one);
        request.state = &together;
        burst.push_back(request);
    }
    classifier.classify_burst(burst);
    require(one_by_one.rule_id == together.rule_id && one_by_one.done == together.done);
    require(classifier.tally().scan_failed == 0);
    return 0;
}
