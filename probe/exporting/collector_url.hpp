// SPDX-License-Identifier: BSD-3-Clause
// Where an operator wants records to go, from one word on the command line or in the YAML:
//
//   udp://192.0.2.7:4739  tcp://collector.example  udp://[2001:db8::7]   port 4739 when left out
//   file:///var/lib/flows.ipfix  flows.ipfix                             an IPFIX file (RFC 5655)
//   json  json:-  json:flows.json  flows.json  -                         JSON Lines ("-": standard output)
//   table  table:-  table:flows.txt                                      a table for people
#pragma once

#include "probe/exporting/export_options.hpp"

#include <string>
#include <string_view>

namespace probe {

/// Throws std::runtime_error: one sentence with what is wrong and what to write instead. The caller
/// adds file, line and column.
[[nodiscard]] CollectorOptions parse_collector_url(std::string_view url);

/// "udp://[2001:db8::7]:4739": how a host and port are written in a URL.
[[nodiscard]] std::string host_and_port(const std::string& host, std::uint16_t port);

}  // namespace probe
