// SPDX-License-Identifier: BSD-3-Clause
// What parsers share instead of allocating: cryptography and scratch memory, one set a worker.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "probe/application/application_fields.hpp"
#include "probe/application/application_protocol.hpp"
#include "probe/application/hello_crypto.hpp"

namespace probe {

/// Text put together piece by piece in place; what does not fit makes it not ok() for good.
template <std::size_t kOctets>
class TextBuffer {
  public:
    void clear() noexcept {
        used_ = 0;
        ok_ = true;
    }
    void add(std::string_view piece) noexcept {
        if (piece.size() > kOctets - used_) {
            ok_ = false;
            return;
        }
        std::copy(piece.begin(), piece.end(), octets_.begin() + used_);
        used_ += piece.size();
    }
    void add_decimal(std::uint64_t number) noexcept {
        std::array<char, 20> digits;
        const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
        add({digits.data(), static_cast<std::size_t>(end - digits.data())});
    }
    /// `digits` lower-case hexadecimal digits.
    void add_hex(std::uint64_t number, std::uint32_t digits) noexcept {
        constexpr std::string_view kDigits = "0123456789abcdef";
        while (digits > 0) {
            --digits;
            add(kDigits.substr(number >> (4 * digits) & 0xF, 1));
        }
    }
    void add_hex(Bytes octets) noexcept {
        for (const std::uint8_t octet : octets) {
            add_hex(octet, 2);
        }
    }

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool empty() const noexcept { return used_ == 0; }
    [[nodiscard]] std::string_view text() const noexcept { return {octets_.data(), used_}; }
    [[nodiscard]] Bytes octets() const noexcept {
        return {reinterpret_cast<const std::uint8_t*>(octets_.data()), used_};
    }

  private:
    std::array<char, kOctets> octets_;
    std::size_t used_ = 0;
    bool ok_ = true;
};

struct FingerprintOptions {
    bool ja3 = false; ///< clients that shuffle their extensions have made it of little use
    bool ja4 = true;
    bool hassh = true;
};

struct ParserTools {
    /// A TLS handshake freed of its records, or a QUIC packet freed of its protection.
    static constexpr std::size_t kScratchOctets = 4'096;

    HelloCrypto crypto;
    FingerprintOptions fingerprints;
    std::array<std::uint8_t, kScratchOctets> scratch;
    /// 256 numbers of five digits, thrice: the longest list a fingerprint is made of.
    TextBuffer<4'096> text;
};

} // namespace probe
