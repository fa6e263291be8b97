// SPDX-License-Identifier: BSD-3-Clause
#include "tests/simulation/flaky_transport.hpp"

#include <algorithm>
#include <numeric>

namespace probe::test {

namespace {
constexpr std::uint16_t kCommonPropertiesId = 137;
} // namespace

FlakyTransport::FlakyTransport(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}

bool FlakyTransport::step(TimeNs) noexcept {
    if (!connected_ && (wire_->calm || wire_->random() % 4 == 0)) {
        if (wire_->options.reliable || sessions_ == 0) {
            ++sessions_;
            wire_->decoder.new_session();
            wire_->common.clear();
            unacknowledged_.clear();
        }
        connected_ = true;
    }
    while (!unacknowledged_.empty() && (wire_->calm || wire_->random() % 2 == 0)) {
        unacknowledged_.pop_front();
    }
    if (wire_->options.reliable && connected_ && happens(200)) {
        lose_session();
    }
    return connected_;
}

SendVerdict FlakyTransport::send(Bytes message, TimeNs) noexcept {
    if (!connected_) {
        wire_->complaints.emplace_back("a message was offered without a connection");
    }
    if (message.size() > octets_max_) {
        octets_max_ = static_cast<std::uint16_t>(std::max<std::size_t>(octets_max_, 600));
        return SendVerdict::too_large;
    }
    if (!half_sent_.empty() &&
        !std::equal(message.begin(), message.end(), half_sent_.begin(), half_sent_.end())) {
        wire_->complaints.emplace_back("after would_block other octets were offered");
    }
    if (wire_->options.failures_percent != 0 && happens(100 / wire_->options.failures_percent)) {
        switch (wire_->random() % 4) {
            case 0:
                half_sent_.assign(message.begin(), message.end());
                return SendVerdict::would_block;
            case 1:
                if (half_sent_.empty()) {
                    return SendVerdict::transient_error;
                }
                break;
            case 2:
                if (!wire_->options.reliable && octets_max_ > 700) {
                    octets_max_ = static_cast<std::uint16_t>(octets_max_ - wire_->random() % 100);
                    half_sent_.clear();
                    if (message.size() > octets_max_) {
                        return SendVerdict::too_large;
                    }
                }
                break;
            default:
                if (wire_->options.reliable) { // what was half sent is torn: the collector drops it
                    lose_session();
                    return SendVerdict::session_lost;
                }
        }
    }
    half_sent_.clear();
    arrive(message);
    if (wire_->options.reliable) {
        unacknowledged_.push_back(message.size());
    }
    return SendVerdict::sent;
}

SeveralSent FlakyTransport::send_several(std::span<const Bytes> messages, TimeNs now) noexcept {
    SeveralSent sent;
    while (sent.messages < messages.size()) {
        sent.verdict = send(messages[sent.messages], now);
        if (sent.verdict != SendVerdict::sent) break;
        ++sent.messages;
    }
    half_sent_.clear(); // datagrams are never half sent, and may be packed anew
    return sent;
}

std::uint64_t FlakyTransport::unacknowledged_octets() const noexcept {
    return std::accumulate(unacknowledged_.begin(), unacknowledged_.end(), std::uint64_t{0});
}

void FlakyTransport::arrive(Bytes message) {
    std::vector<std::uint8_t> octets(message.begin(), message.end());
    const bool tamper = wire_->options.tamper != Tamper::nothing && wire_->random() % 8 == 0;
    if (tamper && wire_->options.tamper == Tamper::lose_message) {
        ++wire_->tampered;
        return;
    }
    if (tamper && wire_->options.tamper == Tamper::alter_octet) {
        octets[octets.size() / 2 + wire_->random() % (octets.size() / 2)] ^= 0x01;
        ++wire_->tampered;
    }
    wire_->decoder.message(octets);
    if (tamper && wire_->options.tamper == Tamper::repeat_message) {
        wire_->decoder.message(octets);
        ++wire_->tampered;
    }
    for (strict::Record& record : wire_->decoder.take_records()) {
        if (record.options) {
            ++wire_->options_records;
            if (record.has(0, kCommonPropertiesId)) {
                wire_->common[record.number(kCommonPropertiesId)] = std::move(record);
            }
        } else {
            join_common(record);
            wire_->records.push_back(std::move(record));
        }
    }
}

/// As if the record had the values itself.
void FlakyTransport::join_common(strict::Record& record) {
    if (!record.has(0, kCommonPropertiesId)) {
        return;
    }
    const auto told = wire_->common.find(record.number(kCommonPropertiesId));
    if (told == wire_->common.end()) {
        wire_->complaints.emplace_back("a record's common properties were not told before it");
        return;
    }
    const auto& values = told->second.values; // behind the id
    record.values.insert(record.values.end(), values.begin() + 1, values.end());
}

void FlakyTransport::lose_session() {
    connected_ = false;
    half_sent_.clear();
}

} // namespace probe::test
