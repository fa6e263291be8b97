// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_transport.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace probe {
namespace {

/// RFC 5655 allows 65,535; readers that map or seek are happier with smaller steps.
constexpr std::uint16_t kMessageOctetsMax = 16 * 1024;
constexpr mode_t kFileMode = 0644;

/// What a session still has to say when a file ends, besides the message that would not fit.
constexpr std::uint64_t kRoomAtTheEnd = std::uint64_t{2} * kMessageOctetsMax;

/// Compressing a full message takes some 50 us; a step is no longer than over UDP.
constexpr int kCompressedPerStep = 4;
/// A message that does not compress at all, and ISA-L's pieces of 64 KiB.
constexpr std::size_t kCompressedOctetsMax = std::size_t{256} * 1024;

constexpr TimeNs kOpenAgain = kNsPerSecond;
constexpr unsigned kNamesMax = 10'000; ///< files of one name that may be there already

constexpr const char* kPartSuffix = ".part";
constexpr std::size_t kPartSuffixOctets = 5;

[[noreturn]] void refuse(const std::string& path, const char* why) {
    throw std::runtime_error("cannot write the IPFIX file '" + path + "': " + why +
                             "; name a file in a directory that exists and may be written");
}

bool rotates(const FileOptions& options) noexcept {
    return options.rotate_every > 0 || options.rotate_octets > 0;
}

} // namespace

FileTransport::FileTransport(const std::string& name, const std::string& path,
                             const FileOptions& options, LogLine log)
    : log_(name, std::move(log)),
      options_(options),
      pattern_(rotates(options) ? FileNamePattern::of_many(path) : FileNamePattern(path)),
      many_(pattern_.has_conversions()),
      kept_(pattern_, options.keep) {
    final_path_.reserve(pattern_.octets_max());
    part_path_.reserve(pattern_.octets_max() + kPartSuffixOctets);
    if (pattern_.compressed()) {
        gzip_ = std::make_unique<GzipWriter>();
        compressed_.reserve(kCompressedOctetsMax);
    }
    pattern_.write(0, 0, final_path_);
    if (many_) {
        require_folder(path);
    } else {
        open_in_place(final_path_);
    }
}

void FileTransport::require_folder(const std::string& path) const {
    const std::string folder = pattern_.folder().empty() ? "." : pattern_.folder();
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) refuse(path, std::strerror(errno));
    if (!S_ISDIR(status.st_mode)) refuse(path, std::strerror(ENOTDIR));
    if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse(path, std::strerror(errno));
}

void FileTransport::open_in_place(const std::string& path) {
    // Non-blocking: a FIFO without a reader must not hang the start.
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, kFileMode);
    if (fd_ < 0) refuse(path, std::strerror(errno));
    struct stat status {};
    const bool known = ::fstat(fd_, &status) == 0;
    regular_ = known && S_ISREG(status.st_mode);
    const char* why = nullptr;
    if (!regular_ && !(known && S_ISCHR(status.st_mode))) why = "it is not a regular file";
    if (regular_ && ::ftruncate(fd_, 0) != 0) why = std::strerror(errno);
    sessions_ = 1;
    if (why == nullptr) return;
    ::close(fd_);
    fd_ = -1;
    refuse(path, why);
}

FileTransport::~FileTransport() {
    close();
}

std::uint16_t FileTransport::max_message_octets() const noexcept {
    return kMessageOctetsMax;
}

bool FileTransport::step(TimeNs now) noexcept {
    compressed_this_step_ = 0;
    if (closed_) return false;
    if (ends_now(now)) complete();
    return fd_ >= 0 || (many_ && now >= open_again_at_ && open_next(now));
}

bool FileTransport::ends_now(TimeNs now) noexcept {
    ending_ = fd_ >= 0 && (now >= rotate_at_ || full());
    return ending_;
}

bool FileTransport::full() const noexcept {
    return options_.rotate_octets > 0 &&
           static_cast<std::uint64_t>(whole_octets_) + kRoomAtTheEnd > options_.rotate_octets;
}

// Neither the name nor the one it has until then may be there: a file of the same second, or of a
// probe that ran before.
bool FileTransport::open_next(TimeNs now) noexcept {
    int error = EEXIST;
    for (again_ = 0; again_ < kNamesMax && error == EEXIST; ++again_) {
        pattern_.write(now, again_, final_path_);
        if (::access(final_path_.c_str(), F_OK) == 0) continue;
        part_path_.assign(final_path_).append(kPartSuffix);
        fd_ = ::open(part_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
        error = fd_ < 0 ? errno : 0;
    }
    if (fd_ < 0) {
        open_again_at_ = now + kOpenAgain;
        log_.failed("cannot make the next file", error,
                    "records wait in the queue, trying again every second");
        return false;
    }
    began_ = now;
    regular_ = true;
    torn_ = false;
    whole_octets_ = 0;
    ++sessions_;
    const TimeNs every = options_.rotate_every;
    if (every > 0) rotate_at_ = (now / every + 1) * every;
    log_.works("writing");
    return true;
}

SendVerdict FileTransport::send(Bytes message, TimeNs /*now*/) noexcept {
    if (fd_ < 0) return SendVerdict::session_lost;
    if (many_ && !ending_ && full()) return SendVerdict::would_block; // goes into the next file
    if (gzip_ == nullptr) return write_whole(message);
    if (!ending_ && ++compressed_this_step_ > kCompressedPerStep) return SendVerdict::would_block;
    compressed_.clear();
    try {
        gzip_->write(message, compressed_);
        gzip_->finish(compressed_);
    } catch (const std::bad_alloc&) { // there is room for any message
        log_.count(ENOMEM);
        return SendVerdict::transient_error;
    }
    return write_whole(compressed_);
}

SendVerdict FileTransport::write_whole(Bytes octets) noexcept {
    if (torn_) cut_torn_message();
    std::size_t written = 0;
    while (written < octets.size()) {
        const ssize_t result = ::write(fd_, octets.data() + written, octets.size() - written);
        if (result > 0) {
            written += static_cast<std::size_t>(result);
            continue;
        }
        const int error = result == 0 ? ENOSPC : errno;
        if (error == EINTR) continue;
        log_.failed("cannot write", error, "records wait in the queue, trying again");
        torn_ = written > 0;
        if (torn_) cut_torn_message();
        return SendVerdict::transient_error;
    }
    whole_octets_ += static_cast<std::int64_t>(octets.size());
    log_.works("writing");
    return SendVerdict::sent;
}

void FileTransport::cut_torn_message() noexcept {
    if (regular_ && (::ftruncate(fd_, whole_octets_) != 0 ||
                     ::lseek(fd_, whole_octets_, SEEK_SET) != whole_octets_)) {
        log_.count(errno);
        return;
    }
    torn_ = false;
}

void FileTransport::complete() noexcept {
    if (torn_) cut_torn_message();
    // The last chance of a network file system to say that it has no room.
    if (::close(fd_) != 0) log_.failed("closing", errno, "the end of the file may be missing");
    fd_ = -1;
    ending_ = false;
    if (many_) give_name();
}

void FileTransport::give_name() noexcept {
    int error = EEXIST;
    for (; again_ < kNamesMax && error == EEXIST; ++again_) {
        const bool named = ::renameat2(AT_FDCWD, part_path_.c_str(), AT_FDCWD, final_path_.c_str(),
                                       RENAME_NOREPLACE) == 0;
        error = named ? 0 : errno;
        if (error == EINVAL) { // a file system that cannot promise not to replace
            const bool taken = ::access(final_path_.c_str(), F_OK) == 0;
            const bool renamed = !taken && ::rename(part_path_.c_str(), final_path_.c_str()) == 0;
            error = taken ? EEXIST : renamed ? 0 : errno;
        }
        if (error == EEXIST) pattern_.write(began_, again_, final_path_);
    }
    if (error != 0) {
        log_.failed("cannot name a complete file", error, "it stays with .part at its end");
        return;
    }
    if (const int left = kept_.add(final_path_); left != 0) {
        log_.failed("cannot delete the oldest file", left, "it stays");
    }
}

void FileTransport::close() noexcept {
    if (fd_ >= 0) complete();
    closed_ = true;
}

} // namespace probe
