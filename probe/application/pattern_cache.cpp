// SPDX-License-Identifier: BSD-3-Clause
#include "probe/application/pattern_cache.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace probe {

namespace {

constexpr std::size_t kDigestOctets = 32;
using Digest = std::array<std::uint8_t, kDigestOctets>;

Digest digest_of(Bytes octets) {
    Digest digest{};
    unsigned length = 0;
    EVP_Digest(octets.data(), octets.size(), digest.data(), &length, EVP_sha256(), nullptr);
    return digest;
}

Bytes octets_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string hexadecimal(const Digest& digest) {
    std::string text;
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const std::uint8_t octet : digest) {
        text += kDigits[octet >> 4];
        text += kDigits[octet & 15];
    }
    return text;
}

/// An open file, closed at the end.
class OpenFile {
  public:
    OpenFile(const std::string& path, int flags)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
    ~OpenFile() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

/// All of it, when it is ours to trust: what a database says is run, not read.
std::vector<std::uint8_t> read_own(const std::string& path) {
    const OpenFile file(path, O_RDONLY | O_NOFOLLOW);
    struct stat status {};
    constexpr off_t kOctetsMax = off_t{1} << 30;
    if (file.fd() < 0 || fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
        status.st_size > kOctetsMax) {
        return {};
    }
    std::vector<std::uint8_t> octets(static_cast<std::size_t>(status.st_size));
    std::size_t at = 0;
    while (at < octets.size()) {
        const ssize_t got = ::read(file.fd(), octets.data() + at, octets.size() - at);
        if (got <= 0) {
            return {};
        }
        at += static_cast<std::size_t>(got);
    }
    (void)futimens(file.fd(), nullptr); // used now; where that fails it only goes earlier
    return octets;
}

constexpr std::string_view kEnding = ".hsdb";

/// Of the folder's databases those that were not used for longest go, so that it does not grow with
/// every change of a rule. What cannot be removed stays.
void keep_last_used(const std::string& folder) {
    namespace fs = std::filesystem;
    std::vector<std::pair<fs::file_time_type, fs::path>> found;
    std::error_code failed;
    for (fs::directory_iterator at(folder, failed), end; !failed && at != end;
         at.increment(failed)) {
        const std::string name = at->path().filename().string();
        std::error_code gone; // another process may remove it meanwhile
        if (name.size() == 2 * kDigestOctets + kEnding.size() && name.ends_with(kEnding) &&
            at->symlink_status(gone).type() == fs::file_type::regular) {
            found.emplace_back(at->last_write_time(gone), at->path());
        }
    }
    if (found.size() <= PatternCache::kFilesMax) {
        return;
    }
    std::sort(found.begin(), found.end());
    found.resize(found.size() - PatternCache::kFilesMax);
    for (const auto& [used, path] : found) {
        std::error_code refused;
        fs::remove(path, refused);
    }
}

bool write_all(int fd, Bytes octets) {
    while (!octets.empty()) {
        const ssize_t put = ::write(fd, octets.data(), octets.size());
        if (put <= 0) {
            return false;
        }
        octets = octets.subspan(static_cast<std::size_t>(put));
    }
    return true;
}

} // namespace

std::string PatternCache::path_of(std::span<const PatternExpression> expressions) const {
    std::string all = "parshall patterns 1\n" + PatternDatabase::platform() + "\n";
    for (const PatternExpression& expression : expressions) {
        all += (expression.ignore_case ? "i" : "-") + std::to_string(expression.text.size()) + ":" +
               expression.text + "\n";
    }
    return folder_ + "/" + hexadecimal(digest_of(octets_of(all))).append(kEnding);
}

std::optional<PatternDatabase> PatternCache::find(
    std::span<const PatternExpression> expressions) const {
    if (folder_.empty()) {
        return std::nullopt;
    }
    const std::vector<std::uint8_t> file = read_own(path_of(expressions));
    if (file.size() <= kDigestOctets) {
        return std::nullopt;
    }
    const Bytes database = Bytes(file).subspan(kDigestOctets);
    const Digest digest = digest_of(database);
    if (std::memcmp(digest.data(), file.data(), kDigestOctets) != 0) {
        return std::nullopt;
    }
    return PatternDatabase::restore(database);
}

std::string PatternCache::keep(std::span<const PatternExpression> expressions,
                               const PatternDatabase& database) const {
    if (folder_.empty()) {
        return {};
    }
    const std::string path = path_of(expressions);
    const std::string unfinished = path + "." + std::to_string(getpid());
    const std::vector<std::uint8_t> octets = database.serialise();
    const Digest digest = digest_of(octets);
    std::error_code no_parent; // then there is no folder either, and the file says why
    std::filesystem::create_directories(std::filesystem::path(folder_).parent_path(), no_parent);
    ::mkdir(folder_.c_str(), 0700);
    const OpenFile file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    if (file.fd() >= 0 && write_all(file.fd(), digest) && write_all(file.fd(), octets) &&
        std::rename(unfinished.c_str(), path.c_str()) == 0) {
        keep_last_used(folder_);
        return {};
    }
    const std::string reason = std::strerror(errno);
    ::unlink(unfinished.c_str());
    return "application rules are compiled at each start: " + folder_ + " cannot keep them (" +
           reason + ")";
}

} // namespace probe
