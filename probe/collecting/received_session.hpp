// SPDX-License-Identifier: BSD-3-Clause
// One Transport Session as a collector sees it: datagrams or a stream of octets from one exporter
// become messages, records go to a printer, and the checker watches. Knows no socket and no clock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "encoder/message_checker.hpp"
#include "encoder/message_reader.hpp"
#include "probe/packet/packet_batch.hpp"

namespace probe {

class ReceivedSession {
  public:
    /// `printer` may be nullptr and outlives the session, like what `on_first` uses.
    ReceivedSession(std::string name, ipfix::CheckOptions options, ipfix::RecordVisitor* printer,
                    ipfix::Findings::OnFirst on_first);
    ReceivedSession(const ReceivedSession&) = delete;
    ReceivedSession& operator=(const ReceivedSession&) = delete;

    /// One datagram's payload. `fragment_octets`: the largest IP fragment that it came in; 0:
    /// whole.
    void datagram(Bytes octets, std::size_t fragment_octets, TimeNs now);
    /// One SCTP message's payload, and the stream that it came on.
    void sctp_message(Bytes octets, std::uint16_t stream, TimeNs now);
    /// What came next on a stream, cut anywhere. False: what comes cannot be followed any more, so
    /// that the connection is of no use.
    [[nodiscard]] bool stream(Bytes octets, TimeNs now);
    /// The exporter has closed, or we did.
    void end();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const ipfix::MessageChecker& checker() const noexcept { return checker_; }
    [[nodiscard]] TimeNs last_octets_ns() const noexcept { return last_octets_ns_; }

  private:
    std::string name_;
    ipfix::MessageChecker checker_;
    ipfix::MessageReader reader_;
    std::vector<std::uint8_t> unread_; ///< of a stream: less than a message
    TimeNs last_octets_ns_ = 0;
    bool ended_ = false;
};

} // namespace probe
