// SPDX-License-Identifier: BSD-3-Clause
#include "probe/exporting/file_transport.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace probe {
namespace {

/// RFC 5655 allows 65,535; readers that map or seek are happier with smaller steps.
constexpr std::uint16_t kMessageOctetsMax = 16 * 1024;
constexpr mode_t kFileMode = 0644;

[[noreturn]] void refuse(const std::string& path, const char* why) {
    throw std::runtime_error("cannot write the IPFIX file '" + path + "': " + why +
                             "; name a file in a directory that exists and may be written");
}

} // namespace

FileTransport::FileTransport(const std::string& name, const std::string& path, LogLine log)
    : log_(name, std::move(log)) {
    // Non-blocking: a FIFO without a reader must not hang the start.
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, kFileMode);
    if (fd_ < 0) refuse(path, std::strerror(errno));
    struct stat status {};
    const bool known = ::fstat(fd_, &status) == 0;
    regular_ = known && S_ISREG(status.st_mode);
    const char* why = nullptr;
    if (!regular_ && !(known && S_ISCHR(status.st_mode))) why = "it is not a regular file";
    if (regular_ && ::ftruncate(fd_, 0) != 0) why = std::strerror(errno);
    if (why == nullptr) return;
    ::close(fd_);
    refuse(path, why);
}

FileTransport::~FileTransport() {
    close();
}

std::uint16_t FileTransport::max_message_octets() const noexcept {
    return kMessageOctetsMax;
}

SendVerdict FileTransport::send(Bytes message, TimeNs /*now*/) noexcept {
    if (fd_ < 0) return SendVerdict::session_lost;
    if (torn_) cut_torn_message();
    std::size_t written = 0;
    while (written < message.size()) {
        const ssize_t result = ::write(fd_, message.data() + written, message.size() - written);
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
    whole_octets_ += static_cast<std::int64_t>(message.size());
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

void FileTransport::close() noexcept {
    if (fd_ < 0) return;
    if (torn_) cut_torn_message();
    // The last chance of a network file system to say that it has no room.
    if (::close(fd_) != 0) log_.failed("closing", errno, "the end of the file may be missing");
    fd_ = -1;
}

} // namespace probe
