// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/message_checksum.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "encoder/message_reader.hpp"
#include "encoder/text_form.hpp"

namespace probe {
namespace {

/// Compares the checksums of the message at hand.
class ChecksumVisitor final : public ipfix::RecordVisitor {
  public:
    explicit ChecksumVisitor(ChecksumReport& report) : report_(report) {}

    void begin(Bytes message, std::size_t at) noexcept {
        message_ = message;
        at_ = at;
        counted_ = false;
    }
    void on_template(std::uint32_t, const ipfix::ReadTemplate&) override {}
    void on_record(const ipfix::ReadRecord& record) override {
        Bytes rest = record.octets;
        Bytes value;
        for (const ipfix::ReadField& field : record.description->fields) {
            if (!ipfix::take_field(field.length, rest, value)) return;
            const bool checksum =
                field.enterprise == 0 && field.id == ipfix::ie::messageMD5Checksum;
            if (checksum && value.size() == Md5().size()) compare(value);
        }
    }

  private:
    void compare(Bytes value) {
        zeroed_.assign(message_.begin(), message_.end());
        const auto offset = value.data() - message_.data();
        std::fill_n(zeroed_.begin() + offset, value.size(), std::uint8_t{0});
        const Md5 right = digest_.of(zeroed_);
        if (!counted_) ++report_.messages;
        counted_ = true;
        const bool fits = std::equal(right.begin(), right.end(), value.begin());
        if (!fits && !report_.first_broken) report_.first_broken = at_;
    }

    ChecksumReport& report_;
    Md5Digest digest_;
    Bytes message_;
    std::size_t at_ = 0;
    bool counted_ = false;
    std::vector<std::uint8_t> zeroed_;
};

} // namespace

struct Md5Digest::State {
    EVP_MD* md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
};

Md5Digest::Md5Digest() : state_(std::make_unique<State>()) {
    if (state_->md5 != nullptr && state_->context != nullptr) return;
    EVP_MD_free(state_->md5);
    EVP_MD_CTX_free(state_->context);
    throw std::runtime_error(
        "this machine's OpenSSL has no MD5 (a FIPS policy?), which message checksums are made of; "
        "leave out checksum: true");
}

Md5Digest::~Md5Digest() {
    EVP_MD_free(state_->md5);
    EVP_MD_CTX_free(state_->context);
}

Md5 Md5Digest::of(Bytes octets) noexcept {
    Md5 result{};
    unsigned length = 0;
    // These fail for want of memory only; a checksum of zeros then says that there is none.
    static_cast<void>(EVP_DigestInit_ex(state_->context, state_->md5, nullptr) == 1 &&
                      EVP_DigestUpdate(state_->context, octets.data(), octets.size()) == 1 &&
                      EVP_DigestFinal_ex(state_->context, result.data(), &length) == 1);
    return result;
}

ChecksumReport verify_checksums(Bytes file) {
    ChecksumReport report;
    ChecksumVisitor visitor(report);
    ipfix::MessageReader reader(visitor);
    Bytes rest = file;
    auto verdict = ipfix::ReadVerdict::read;
    while (!rest.empty() && verdict == ipfix::ReadVerdict::read) {
        visitor.begin(rest.first(std::min<std::size_t>(
                          rest.size(), rest.size() < ipfix::kMessageHeaderOctets
                                           ? 0
                                           : ipfix::load_be<std::uint16_t>(
                                                 rest.data() + ipfix::kMessageLengthOffset))),
                      file.size() - rest.size());
        verdict = reader.read(rest);
    }
    return report;
}

} // namespace probe
