// SPDX-License-Identifier: BSD-3-Clause
// messageMD5Checksum (RFC 5655 section 8.1.1): the MD5 of an IPFIX Message in which the value
// itself is zero. It finds damage, not forgery. By OpenSSL.
//
// Thread: an object belongs to one. Errors: std::runtime_error where the machine's policy has no
// MD5.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "probe/packet/packet_batch.hpp"

namespace probe {

using Md5 = std::array<std::uint8_t, 16>;

class Md5Digest {
  public:
    Md5Digest();
    ~Md5Digest();
    Md5Digest(const Md5Digest&) = delete;
    Md5Digest& operator=(const Md5Digest&) = delete;

    [[nodiscard]] Md5 of(Bytes octets) noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

struct ChecksumReport {
    std::uint64_t messages = 0;              ///< that have a checksum
    std::optional<std::size_t> first_broken; ///< where the first begins whose checksum is another
};

/// Looks at every message of a file (RFC 5655), up to the first that cannot be read.
[[nodiscard]] ChecksumReport verify_checksums(Bytes file);

} // namespace probe
