// SPDX-License-Identifier: BSD-3-Clause
// Values as a person reads them in a column: short, right-sized, without units that repeat on each
// line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "probe/packet/packet_batch.hpp"

namespace probe {

/// "17", "9999", "12.3k", "4.56M": at most five characters, decimal units.
void append_count(std::string& out, std::uint64_t count);

/// "01:02:03" or "01:02:03.456", UTC.
void append_clock(std::string& out, TimeNs time, bool milliseconds);

/// "2026-11-22 01:02:03", UTC.
void append_date(std::string& out, TimeNs time);

/// "0.000", "12.345", "12345.6": seconds, seven characters up to eleven days.
void append_duration(std::string& out, TimeNs duration);

/// "TCP", "ICMP6", "253": at most five characters.
void append_protocol(std::string& out, std::uint8_t protocol);

/// "192.0.2.1:443", "2001:db8::1.443" (nfdump's form); without the port when there is none.
void append_endpoint(std::string& out, Bytes address, bool has_port, std::uint16_t port);

/// ".AP.SF" in the order CWR..FIN of the header: "CEUAPRSF" with dots for bits that are not set.
void append_tcp_flags(std::string& out, std::uint16_t control_bits);

/// flowEndReason: "idle", "active", "end", "forced", "full".
void append_end_reason(std::string& out, std::uint8_t reason);

/// A text from the network behind a space, if there is anything before it. Whatever could move a
/// terminal's cursor or colour it is a dot.
void append_words(std::string& out, Bytes text);

} // namespace probe
