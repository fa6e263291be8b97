// SPDX-License-Identifier: BSD-3-Clause
#include "bench/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace bench {
namespace {

constexpr const char* kName = "localhost";
constexpr long kValidSeconds = 24 * 3600;

template <auto free_it>
struct FreeWith {
    template <class T>
    void operator()(T* it) const noexcept {
        free_it(it);
    }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
using File = std::unique_ptr<std::FILE, FreeWith<std::fclose>>;

/// Signed by itself, so that it is its own authority.
Certificate self_signed(EVP_PKEY* key) {
    Certificate made(X509_new());
    X509* const x = made.get();
    X509_NAME* const name = X509_get_subject_name(x);
    const auto add = [x](int what, const char* value) {
        const Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, what, value));
        return extension != nullptr && X509_add_ext(x, extension.get(), -1) == 1;
    };
    const bool done =
        X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(x), -60) != nullptr &&
        X509_gmtime_adj(X509_getm_notAfter(x), kValidSeconds) != nullptr &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(kName), -1, -1, 0) == 1 &&
        X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
        add(NID_basic_constraints, "critical,CA:TRUE") &&
        add(NID_subject_alt_name, "DNS:localhost") && X509_sign(x, key, EVP_sha256()) != 0;
    if (!done) {
        throw std::runtime_error("OpenSSL makes no certificate");
    }
    return made;
}

} // namespace

Certificates::Certificates() {
    std::string name = (std::filesystem::temp_directory_path() / "bench.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("no folder for certificates in " +
                                 std::filesystem::temp_directory_path().string());
    }
    folder_ = name;
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate = self_signed(key.get());
    const probe::TlsOptions names = options(folder_);
    const File key_file(std::fopen(names.key.c_str(), "wx"));
    const File file(std::fopen(names.certificate.c_str(), "wx"));
    if (key_file == nullptr || file == nullptr ||
        chmod(names.key.c_str(), S_IRUSR | S_IWUSR) != 0 ||
        PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
            1 ||
        PEM_write_X509(file.get(), certificate.get()) != 1) {
        throw std::runtime_error("no certificate can be written to " + folder_);
    }
}

Certificates::~Certificates() {
    std::error_code ignored; // what stays lies in the folder for such things
    std::filesystem::remove_all(folder_, ignored);
}

probe::TlsOptions Certificates::options(const std::string& folder) {
    return {.ca = folder + "/certificate.pem",
            .certificate = folder + "/certificate.pem",
            .key = folder + "/key.pem",
            .name = kName};
}

} // namespace bench
