// SPDX-License-Identifier: BSD-3-Clause
#include "tests/simulation/layer7_truth.hpp"

#include <cstdlib>

#include "probe/metering/flow_end_reason.hpp"
#include "tests/support/metering_bench.hpp"

namespace probe::test {

namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint32_t kCesnet = 8057;
constexpr std::uint16_t kDnsName = 2;
constexpr std::uint16_t kApplicationName = 96;
constexpr const char* kZone = ".example";
// RFC 6759: engine 6 (USER-Defined) and the ids of kRules.
constexpr std::uint64_t kTalkId = 6ULL << 24 | 100'001;
constexpr std::uint64_t kDnsId = 6ULL << 24 | 100'002;

std::uint64_t application_id(const strict::Record& record) {
    constexpr std::uint16_t kApplicationId = 95;
    std::uint64_t id = 0;
    for (const std::uint8_t octet : record.octets(0, kApplicationId)) {
        id = id << 8 | octet;
    }
    return id;
}

} // namespace

const char* const Layer7Truth::kRules = R"(applications:
  - {name: talk, id: 100001, category: test, protocol: tcp,
     patterns: [{match: 'TALK [0-9]', at: packet}]}
  - {name: dns, id: 100002, category: test, protocol: udp, parsers: [dns], parser_suffices: true}
)";
const char* const Layer7Truth::kValues = "DNSName, \"applicationId[4]\", applicationName, ";

std::vector<std::uint8_t> Layer7Truth::payload(bool tcp, std::uint64_t number, bool answer) {
    const std::string text = std::to_string(number);
    std::vector<std::uint8_t> octets;
    const auto append = [&octets](const std::string& more) {
        octets.insert(octets.end(), more.begin(), more.end());
    };
    if (tcp) {
        append("TALK " + text + "\r\n");
        return octets;
    }
    // RFC 1035 section 4.1: identifier, flags, one question, nothing else
    octets = {0, 7, static_cast<std::uint8_t>(answer ? 0x84 : 0x01), 0, 0, 1, 0, 0, 0, 0, 0, 0};
    octets.push_back(static_cast<std::uint8_t>(text.size() + 1));
    append("q" + text);
    append(std::string("\x07") + "example" + std::string("\0\0\1\0\1", 5));
    return octets;
}

void Layer7Truth::complain(const std::string& key, const std::string& what) {
    if (complaints_.size() < 20) {
        complaints_.push_back("layer 7 of " + key + ": " + what);
    }
}

void Layer7Truth::packet(const TruePacket& packet, std::uint64_t number) {
    flows_[flow_key_text(packet.source, packet.destination, packet.protocol, biflow_)].said.insert(
        number);
}

void Layer7Truth::record(const strict::Record& record) {
    const auto protocol = static_cast<unsigned>(record.number(4));
    const std::string key = flow_key_text(end_point_text(record, true),
                                          end_point_text(record, false), protocol, biflow_);
    const std::string label = record.text(0, kApplicationName);
    const char* const expected = protocol == kTcp ? "talk" : "dns";
    if (label != expected && (!label.empty() || ample_)) {
        complain(key, "the label \"" + label + "\"");
    }
    missing_ += label.empty() ? 1 : 0;
    if (const std::uint64_t id = application_id(record); id != (label.empty()      ? 0
                                                                : protocol == kTcp ? kTalkId
                                                                                   : kDnsId)) {
        complain(key, "the applicationId " + std::to_string(id) + " with \"" + label + "\"");
    }
    const std::string name = record.text(kCesnet, kDnsName);
    if (protocol == kTcp) {
        if (!name.empty()) {
            complain(key, "the name " + name + " without DNS");
        }
        return;
    }
    Flow& flow = flows_[key];
    // behind the record of an active timeout it may have ended without another
    check_name(flow, key, name, silence_min_ == 0 || start_of(record) >= flow.end + silence_min_);
    flow.end = end_of(record);
    constexpr auto kGoesOn = static_cast<std::uint64_t>(FlowEndReason::active_timeout);
    if (reason_of(record) != kGoesOn) {
        end_flow(flow);
    }
}

void Layer7Truth::end_flow(Flow& flow) {
    flow.last_of_ended = std::max(flow.last_of_ended, flow.name);
    flow.name = 0;
}

void Layer7Truth::check_name(Flow& flow, const std::string& key, const std::string& name,
                             bool may_be_next) {
    const std::size_t zone = name.find(kZone);
    const std::uint64_t number =
        name.empty() || name[0] != 'q' ? 0 : std::strtoull(name.c_str() + 1, nullptr, 10);
    if (name.empty()) {
        ++missing_;
        if (ample_) {
            complain(key, "no name");
        }
    } else if (flow.said.count(number) == 0 || zone == std::string::npos) {
        complain(key, "nobody said " + name);
    } else if (order_ == RecordOrder::all && flow.name != 0 && flow.name != number &&
               !(may_be_next && number > flow.name)) {
        complain(key, name + " after q" + std::to_string(flow.name));
    } else if (order_ == RecordOrder::some_lost && number < flow.name) {
        complain(key, name + " is older than q" + std::to_string(flow.name));
    } else if (order_ == RecordOrder::all && number <= flow.last_of_ended) {
        complain(key, name + " is of a flow before, which ended after q" +
                          std::to_string(flow.last_of_ended));
    } else {
        ++named_;
        flow.name = number;
    }
}

} // namespace probe::test
