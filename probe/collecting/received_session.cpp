// SPDX-License-Identifier: BSD-3-Clause
#include "probe/collecting/received_session.hpp"

#include <utility>

#include "encoder/wire_format.hpp"

namespace probe {

ReceivedSession::ReceivedSession(std::string name, ipfix::CheckOptions options,
                                 ipfix::RecordVisitor* printer, ipfix::Findings::OnFirst on_first)
    : name_(std::move(name)), checker_(options, printer, std::move(on_first)), reader_(checker_) {}

void ReceivedSession::datagram(Bytes octets, std::size_t fragment_octets, TimeNs now) {
    last_octets_ns_ = now;
    checker_.set_now(now);
    if (fragment_octets != 0) {
        checker_.fragmented(fragment_octets);
    }
    const std::uint64_t messages = reader_.messages();
    Bytes rest = octets;
    const ipfix::ReadVerdict verdict = reader_.read(rest);
    if (reader_.messages() == messages) {
        checker_.unreadable(verdict, octets);
    } else if (!rest.empty()) {
        checker_.datagram_rest(rest.size());
    }
}

void ReceivedSession::sctp_message(Bytes octets, std::uint16_t stream, TimeNs now) {
    checker_.set_stream(stream);
    datagram(octets, 0, now);
}

bool ReceivedSession::stream(Bytes octets, TimeNs now) {
    last_octets_ns_ = now;
    checker_.set_now(now);
    unread_.insert(unread_.end(), octets.begin(), octets.end());
    Bytes rest = unread_;
    while (rest.size() >= ipfix::kMessageLengthOffset + sizeof(std::uint16_t)) {
        const auto version = ipfix::load_be<std::uint16_t>(rest.data() + ipfix::kVersionOffset);
        const std::size_t length =
            ipfix::load_be<std::uint16_t>(rest.data() + ipfix::kMessageLengthOffset);
        // Without a length that can be, nobody knows where the next message begins.
        if (version != ipfix::kVersion || length < ipfix::kMessageHeaderOctets) {
            checker_.unreadable(version != ipfix::kVersion ? ipfix::ReadVerdict::not_ipfix
                                                           : ipfix::ReadVerdict::bad_length,
                                rest);
            unread_.clear();
            return false;
        }
        if (length > rest.size()) {
            break;
        }
        Bytes message = rest.first(length);
        static_cast<void>(reader_.read(message)); // the checker has its verdict
        rest = rest.subspan(length);
    }
    unread_.erase(unread_.begin(), unread_.end() - static_cast<std::ptrdiff_t>(rest.size()));
    return true;
}

void ReceivedSession::end() {
    if (std::exchange(ended_, true)) {
        return;
    }
    if (!unread_.empty()) {
        checker_.unreadable(ipfix::ReadVerdict::cut, unread_);
        unread_.clear();
    }
    checker_.end();
}

} // namespace probe
