// SPDX-License-Identifier: BSD-3-Clause
// An IPFIX file (RFC 5655) in memory, unpacked when it is gzip, whatever its name says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace probe {

struct IpfixFile {
    std::vector<std::uint8_t>
        octets;            ///< messages; of a gzip file that is cut, those before the cut
    std::string complaint; ///< empty: the gzip stream is whole, or it is none
};

/// Throws std::runtime_error when it cannot be read.
[[nodiscard]] IpfixFile read_ipfix_file(const std::string& path);

} // namespace probe
