// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/spool_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace probe {
namespace {

constexpr std::uint64_t kFileOctetsMax = std::uint64_t{16} * 1024 * 1024;
constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;
constexpr std::string_view kSuffix = ".ipfix.gz";
constexpr std::size_t kNumberDigits = 16;
/// The first file's number: there is room before it, for write_to_front.
constexpr std::uint64_t kFirstFile = std::uint64_t{1} << 32U;

/// "tcp_192.0.2.7_4739-1a2b3c4d": what an operator recognises, and what no other collector has.
std::string prefix_of(const std::string& collector) {
    std::string name;
    for (const char c : collector) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '-';
        if (plain || (!name.empty() && name.back() != '_')) name += plain ? c : '_';
    }
    constexpr std::size_t kNameMax = 80;
    name.resize(std::min(name.size(), kNameMax));
    const void* const octets = collector.data();
    return fmt::format("{}-{:08x}", name,
                       crc32_of({static_cast<const std::uint8_t*>(octets), collector.size()}));
}

[[noreturn]] void refuse(const std::string& directory, const std::string& why) {
    throw std::runtime_error(fmt::format("cannot spool in '{}': {}", directory, why));
}

bool read_at(int fd, std::uint64_t offset, std::span<std::uint8_t> out) noexcept {
    std::size_t have = 0;
    while (have < out.size()) {
        const ssize_t result =
            ::pread(fd, out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
        if (result < 0 && errno == EINTR) continue;
        if (result <= 0) return false;
        have += static_cast<std::size_t>(result);
    }
    return true;
}

bool mark_replayed(int fd, std::uint64_t block_at) noexcept {
    return ::pwrite(fd, &kSpoolReplayed, 1, static_cast<off_t>(block_at + kSpoolStateOffset)) == 1;
}

} // namespace

SpoolStore::SpoolStore(const SpoolOptions& options, const std::string& collector)
    : options_(options), prefix_(options.directory + "/" + prefix_of(collector)) {
    if (::mkdir(options_.directory.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
        refuse(options_.directory,
               fmt::format("{}; name a directory whose parent exists", std::strerror(errno)));
    }
    lock_fd_ = ::open((prefix_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
    if (lock_fd_ < 0) {
        refuse(options_.directory,
               fmt::format("{}; name a directory that may be written", std::strerror(errno)));
    }
    if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
        ::close(lock_fd_);
        refuse(options_.directory, "another process spools for " + collector +
                                       " there; end it, or name another directory");
    }
    recover();
}

SpoolStore::~SpoolStore() {
    close_written();
    if (read_fd_ >= 0) ::close(read_fd_);
    if (lock_fd_ >= 0) ::close(lock_fd_);
}

std::string SpoolStore::path(std::uint64_t number) const {
    return fmt::format("{}.{:016x}{}", prefix_, number, kSuffix);
}

void SpoolStore::recover() {
    const std::string name = std::filesystem::path(prefix_).filename().string() + ".";
    std::vector<std::uint64_t> numbers;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
        const std::string file = entry.path().filename().string();
        std::uint64_t number = 0;
        if (file.size() != name.size() + kNumberDigits + kSuffix.size() ||
            !file.starts_with(name) || !file.ends_with(kSuffix)) {
            continue;
        }
        const char* const digits = file.data() + name.size();
        if (std::from_chars(digits, digits + kNumberDigits, number, 16).ec == std::errc{}) {
            numbers.push_back(number);
        }
    }
    std::sort(numbers.begin(), numbers.end());
    for (const std::uint64_t number : numbers)
        recover_file(number);
    written_ = numbers.empty() ? kFirstFile - 1 : numbers.back();
}

void SpoolStore::recover_file(std::uint64_t number) {
    const int fd = ::open(path(number).c_str(), O_RDWR | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0) {
        if (fd >= 0) ::close(fd);
        refuse(options_.directory, path(number) + " cannot be read; look at its owner and mode");
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    File file{size, 0};
    std::vector<std::uint8_t> octets;
    std::uint64_t at = 0;
    while (at < size) {
        octets.resize(kSpoolHeaderOctets);
        const auto header = size - at >= kSpoolHeaderOctets && read_at(fd, at, octets)
                                ? read_spool_header(octets)
                                : std::nullopt;
        if (!header) break;
        const bool all_there = header->member_octets <= size - at;
        octets.resize(all_there ? header->member_octets : 0);
        if (header->replayed) {
            // its records are accounted for
        } else if (all_there && read_at(fd, at, octets) && spool_block_is_whole(octets)) {
            unread_.push_back({number, at, header->member_octets, header->tally});
            recovered_.add(header->tally);
            ++file.unread;
        } else {
            damaged_.add(header->tally);
            static_cast<void>(
                mark_replayed(fd, at)); // a process after this one does not count it again
        }
        at += all_there ? header->member_octets : size - at;
    }
    unreadable_octets_ += size - at;
    ::close(fd);
    if (file.unread == 0) {
        ::unlink(path(number).c_str());
        return;
    }
    files_[number] = file;
    octets_ += size;
}

StoreVerdict SpoolStore::failed(int error) noexcept {
    last_error_ = error;
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return full ? StoreVerdict::full : StoreVerdict::error;
}

StoreVerdict SpoolStore::append(Bytes block, const RecordTally& tally) noexcept {
    if (octets_ + block.size() > options_.octets_max) return failed(EDQUOT);
    const std::uint64_t file_max = std::min(kFileOctetsMax, options_.octets_max / 4);
    if (written_fd_ >= 0 && !at_front_ && files_[written_].octets + block.size() > file_max) {
        close_written();
    }
    if (written_fd_ < 0 && !open_next()) return failed(errno);
    File& file = files_[written_];
    if (!write_whole(block)) {
        const int error = errno;
        // What stands behind the last whole block is no block: a reader would stop there.
        if (::ftruncate(written_fd_, static_cast<off_t>(file.octets)) != 0) close_written();
        return failed(error);
    }
    if (!at_front_) {
        unread_.push_back({written_, file.octets, static_cast<std::uint32_t>(block.size()), tally});
        ++file.unread;
    }
    file.octets += block.size();
    octets_ += block.size();
    return StoreVerdict::stored;
}

void SpoolStore::write_to_front() noexcept {
    close_written();
    written_ = (files_.empty() ? written_ : files_.begin()->first) - 2; // open_next adds one
    at_front_ = true;
}

bool SpoolStore::open_next() noexcept {
    written_fd_ =
        ::open(path(written_ + 1).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
    if (written_fd_ < 0) return false;
    ++written_;
    files_[written_] = {};
    return true;
}

void SpoolStore::close_written() noexcept {
    if (written_fd_ < 0) return;
    ::close(written_fd_);
    written_fd_ = -1;
    const auto file = files_.find(written_);
    if (file == files_.end() || file->second.unread != 0 || at_front_) return;
    ::unlink(path(written_).c_str());
    octets_ -= file->second.octets;
    files_.erase(file);
}

bool SpoolStore::write_whole(Bytes block) noexcept {
    const auto begin = static_cast<off_t>(files_[written_].octets);
    std::size_t written = 0;
    while (written < block.size()) {
        const ssize_t result = ::pwrite(written_fd_, block.data() + written, block.size() - written,
                                        begin + static_cast<off_t>(written));
        if (result < 0 && errno == EINTR) continue;
        if (result == 0) errno = ENOSPC;
        if (result <= 0) return false;
        written += static_cast<std::size_t>(result);
    }
    return true;
}

FetchVerdict SpoolStore::fetch(std::vector<std::uint8_t>& block, RecordTally& tally) noexcept {
    if (unread_.empty()) return FetchVerdict::empty;
    const Block front = unread_.front();
    tally = front.tally;
    const bool whole = read_block(front, block);
    unread_.pop_front();
    block_is_read(front);
    return whole ? FetchVerdict::fetched : FetchVerdict::damaged;
}

// One that cannot be marked is not handed out: a next process would send it again.
bool SpoolStore::read_block(const Block& block, std::vector<std::uint8_t>& octets) noexcept {
    if (read_fd_ < 0 || read_ != block.file) {
        if (read_fd_ >= 0) ::close(read_fd_);
        read_fd_ = ::open(path(block.file).c_str(), O_RDWR | O_CLOEXEC);
        read_ = block.file;
    }
    octets.resize(block.octets);
    return read_fd_ >= 0 && read_at(read_fd_, block.offset, octets) &&
           mark_replayed(read_fd_, block.offset);
}

void SpoolStore::block_is_read(const Block& block) noexcept {
    const auto file = files_.find(block.file);
    if (file == files_.end() || --file->second.unread != 0) return;
    if (written_fd_ >= 0 && written_ == block.file) return close_written();
    ::unlink(path(block.file).c_str());
    octets_ -= file->second.octets;
    files_.erase(file);
}

} // namespace probe
