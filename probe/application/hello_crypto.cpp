// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/hello_crypto.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

namespace probe {

void HelloCrypto::Free::operator()(evp_cipher_ctx_st* context) const noexcept {
    EVP_CIPHER_CTX_free(context);
}
void HelloCrypto::Free::operator()(evp_cipher_st* cipher) const noexcept {
    EVP_CIPHER_free(cipher);
}
void HelloCrypto::Free::operator()(evp_md_ctx_st* context) const noexcept {
    EVP_MD_CTX_free(context);
}
void HelloCrypto::Free::operator()(evp_md_st* algorithm) const noexcept {
    EVP_MD_free(algorithm);
}

HelloCrypto::HelloCrypto()
    : sha256_(EVP_MD_fetch(nullptr, "SHA256", nullptr)),
      md5_(EVP_MD_fetch(nullptr, "MD5", nullptr)),
      ecb_(EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr)),
      gcm_(EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr)),
      sha256_context_(EVP_MD_CTX_new()),
      md5_context_(EVP_MD_CTX_new()),
      ecb_context_(EVP_CIPHER_CTX_new()),
      gcm_context_(EVP_CIPHER_CTX_new()) {
    const bool ready =
        sha256_ && ecb_ && gcm_ && sha256_context_ && md5_context_ && ecb_context_ &&
        gcm_context_ && EVP_DigestInit_ex(sha256_context_.get(), sha256_.get(), nullptr) == 1 &&
        EVP_EncryptInit_ex(ecb_context_.get(), ecb_.get(), nullptr, nullptr, nullptr) == 1 &&
        EVP_CIPHER_CTX_set_padding(ecb_context_.get(), 0) == 1 &&
        EVP_DecryptInit_ex(gcm_context_.get(), gcm_.get(), nullptr, nullptr, nullptr) == 1;
    if (!ready) {
        throw std::runtime_error(
            "OpenSSL has no SHA-256, AES-128-ECB or AES-128-GCM: check its configuration "
            "(openssl list -providers), or leave out the templates that name TLS or QUIC elements");
    }
}

HelloCrypto::~HelloCrypto() = default;

bool HelloCrypto::digest(const evp_md_st* algorithm, evp_md_ctx_st* context, Bytes first,
                         Bytes second, std::uint8_t* out) noexcept {
    return algorithm != nullptr && EVP_DigestInit_ex(context, algorithm, nullptr) == 1 &&
           EVP_DigestUpdate(context, first.data(), first.size()) == 1 &&
           EVP_DigestUpdate(context, second.data(), second.size()) == 1 &&
           EVP_DigestFinal_ex(context, out, nullptr) == 1;
}

bool HelloCrypto::sha256(Bytes message, Sha256& out) noexcept {
    return digest(sha256_.get(), sha256_context_.get(), message, {}, out.data());
}

bool HelloCrypto::md5(Bytes message, Md5& out) noexcept {
    return digest(md5_.get(), md5_context_.get(), message, {}, out.data());
}

bool HelloCrypto::hmac_sha256(Bytes key, Bytes message, Sha256& out) noexcept {
    constexpr std::size_t kBlockOctets = 64;
    constexpr std::uint8_t kInner = 0x36;
    constexpr std::uint8_t kOuter = 0x5C;
    if (key.size() > kBlockOctets) {
        return false;
    }
    std::array<std::uint8_t, kBlockOctets> inner{};
    std::array<std::uint8_t, kBlockOctets> outer{};
    for (std::size_t i = 0; i < kBlockOctets; ++i) {
        const std::uint8_t octet = i < key.size() ? key[i] : std::uint8_t{0};
        inner[i] = octet ^ kInner;
        outer[i] = octet ^ kOuter;
    }
    Sha256 hashed;
    return digest(sha256_.get(), sha256_context_.get(), inner, message, hashed.data()) &&
           digest(sha256_.get(), sha256_context_.get(), outer, hashed, out.data());
}

bool HelloCrypto::aes_block(const AesKey& key, std::span<const std::uint8_t, 16> block,
                            std::array<std::uint8_t, 16>& out) noexcept {
    int written = 0;
    return EVP_EncryptInit_ex(ecb_context_.get(), nullptr, nullptr, key.data(), nullptr) == 1 &&
           EVP_EncryptUpdate(ecb_context_.get(), out.data(), &written, block.data(),
                             static_cast<int>(block.size())) == 1 &&
           written == static_cast<int>(out.size());
}

bool HelloCrypto::open_gcm(const AesKey& key, const GcmNonce& nonce, Bytes associated, Bytes sealed,
                           std::span<std::uint8_t> out) noexcept {
    if (sealed.size() < kGcmTagOctets || sealed.size() - kGcmTagOctets > out.size() ||
        sealed.size() > INT32_MAX || associated.size() > INT32_MAX) {
        return false;
    }
    const Bytes text = sealed.first(sealed.size() - kGcmTagOctets);
    std::array<std::uint8_t, kGcmTagOctets> tag{};
    std::copy_n(sealed.end() - kGcmTagOctets, kGcmTagOctets, tag.begin());
    EVP_CIPHER_CTX* context = gcm_context_.get();
    int written = 0;
    std::array<std::uint8_t, kGcmTagOctets> none{};
    return EVP_DecryptInit_ex(context, nullptr, nullptr, key.data(), nonce.data()) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kGcmTagOctets, tag.data()) == 1 &&
           EVP_DecryptUpdate(context, nullptr, &written, associated.data(),
                             static_cast<int>(associated.size())) == 1 &&
           EVP_DecryptUpdate(context, out.data(), &written, text.data(),
                             static_cast<int>(text.size())) == 1 &&
           EVP_DecryptFinal_ex(context, none.data(), &written) == 1;
}

} // namespace probe
