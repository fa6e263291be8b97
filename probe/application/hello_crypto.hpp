// SPDX-License-Identifier: BSD-3-Clause
// The cryptography that reading hellos needs, over OpenSSL: SHA-256 and MD5 for fingerprints,
// HMAC-SHA-256, AES-128-ECB and AES-128-GCM for QUIC's Initial packets. None of it keeps a secret:
// every key here is computed from what the packet shows (RFC 9001 section 5.2).
//
// Thread: an object belongs to one worker. All memory is taken in the constructor, which throws
// std::runtime_error when OpenSSL lacks an algorithm; the functions afterwards are noexcept and
// answer false when OpenSSL fails.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "probe/packet/packet_batch.hpp"

struct evp_cipher_ctx_st; // EVP_CIPHER_CTX
struct evp_cipher_st;     // EVP_CIPHER
struct evp_md_ctx_st;     // EVP_MD_CTX
struct evp_md_st;         // EVP_MD

namespace probe {

using Sha256 = std::array<std::uint8_t, 32>;
using Md5 = std::array<std::uint8_t, 16>;
using AesKey = std::array<std::uint8_t, 16>;
using GcmNonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t kGcmTagOctets = 16;

class HelloCrypto {
  public:
    HelloCrypto();
    ~HelloCrypto();
    HelloCrypto(const HelloCrypto&) = delete;
    HelloCrypto& operator=(const HelloCrypto&) = delete;

    [[nodiscard]] bool sha256(Bytes message, Sha256& digest) noexcept;
    /// False also where the system's policy forbids MD5 (FIPS): no JA3, no HASSH then.
    [[nodiscard]] bool md5(Bytes message, Md5& digest) noexcept;
    /// RFC 2104; `key` of at most 64 octets.
    [[nodiscard]] bool hmac_sha256(Bytes key, Bytes message, Sha256& digest) noexcept;
    /// One block, for header protection (RFC 9001 section 5.4.3).
    [[nodiscard]] bool aes_block(const AesKey& key, std::span<const std::uint8_t, 16> block,
                                 std::array<std::uint8_t, 16>& out) noexcept;
    /// RFC 5116's AEAD_AES_128_GCM: opens `sealed` (its last 16 octets are the tag) into `out`,
    /// which is at least as long as the text. False when the tag is wrong.
    [[nodiscard]] bool open_gcm(const AesKey& key, const GcmNonce& nonce, Bytes associated,
                                Bytes sealed, std::span<std::uint8_t> out) noexcept;

  private:
    [[nodiscard]] bool digest(const evp_md_st* algorithm, evp_md_ctx_st* context, Bytes first,
                              Bytes second, std::uint8_t* out) noexcept;

    struct Free {
        void operator()(evp_cipher_ctx_st* context) const noexcept;
        void operator()(evp_cipher_st* cipher) const noexcept;
        void operator()(evp_md_ctx_st* context) const noexcept;
        void operator()(evp_md_st* algorithm) const noexcept;
    };
    template <class T>
    using Owned = std::unique_ptr<T, Free>;

    // One context for each algorithm: changing a context's algorithm would allocate.
    Owned<evp_md_st> sha256_;
    Owned<evp_md_st> md5_; ///< nullptr where the policy forbids it
    Owned<evp_cipher_st> ecb_;
    Owned<evp_cipher_st> gcm_;
    Owned<evp_md_ctx_st> sha256_context_;
    Owned<evp_md_ctx_st> md5_context_;
    Owned<evp_cipher_ctx_st> ecb_context_;
    Owned<evp_cipher_ctx_st> gcm_context_;
};

} // namespace probe
