// SPDX-License-Identifier: BSD-3-Clause
// Messages of a start line and header fields: HTTP/1 (RFC 9112), HTTP/2's preface (RFC 9113 section
// 3.4), RTSP (RFC 2326), SIP (RFC 3261), and SSDP (UPnP Device Architecture 2.0 section 1), which
// is HTTP/1 over UDP.
#pragma once

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"

namespace probe {

/// Sets `protocol` to http1, websocket, ipp, http2, rtsp, sip or ssdp unless it answers not_mine.
/// One message a direction is read: the first.
[[nodiscard]] Parsed parse_text_message(const Payload& payload, ApplicationProtocol& protocol,
                                        ApplicationFields& fields) noexcept;

} // namespace probe
