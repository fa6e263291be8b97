// SPDX-License-Identifier: BSD-3-Clause
#include "probe/observation/capture_input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace probe {
namespace {

constexpr int kStreamPatienceMs = 50;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
    throw CaptureError(path + " " + what);
}

} // namespace

CaptureInput::CaptureInput(const std::string& path, std::size_t window_octets) {
    const std::string name = path == "-" ? "standard input" : path;
    descriptor_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) {
        fail(name, std::string("cannot be opened: ") + std::strerror(errno));
    }
    const auto give_up = [&](const std::string& what) {
        if (descriptor_ != STDIN_FILENO) {
            ::close(descriptor_);
        }
        fail(name, what);
    };
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) {
        give_up(std::string("cannot be examined: ") + std::strerror(errno));
    }
    if (S_ISDIR(status.st_mode)) {
        give_up("is a directory: name the capture files in it");
    }
    memory_ = static_cast<std::uint8_t*>(std::malloc(window_octets));
    if (memory_ == nullptr) {
        give_up("cannot be read: no memory");
    }
    data_ = memory_;
    capacity_ = window_octets;
    stream_ = !S_ISREG(status.st_mode);
    if (!stream_) {
        // Standard input may have been read from; what is left of it counts.
        const ::off_t at = std::max<::off_t>(::lseek(descriptor_, 0, SEEK_CUR), 0);
        total_ = static_cast<std::uint64_t>(std::max<::off_t>(status.st_size - at, 0));
        // Advice only.
        static_cast<void>(::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL));
    }
}

CaptureInput::CaptureInput(Bytes whole) noexcept
    : data_(whole.data()), size_(whole.size()), total_(whole.size()) {}

CaptureInput::~CaptureInput() {
    std::free(memory_);
    if (descriptor_ > STDIN_FILENO) {
        ::close(descriptor_);
    }
}

bool CaptureInput::make_room() noexcept {
    if (size_ < capacity_) {
        return true;
    }
    void* larger = std::realloc(memory_, 2 * capacity_);
    if (larger == nullptr) {
        error_ = ENOMEM;
        return false;
    }
    memory_ = static_cast<std::uint8_t*>(larger);
    data_ = memory_;
    capacity_ *= 2;
    return true;
}

bool CaptureInput::has_news() const noexcept {
    pollfd asked{descriptor_, POLLIN, 0};
    return ::poll(&asked, 1, kStreamPatienceMs) != 0; // what went wrong, the read tells
}

CaptureInput::Moved CaptureInput::move_to(std::uint64_t from) noexcept {
    if (descriptor_ < 0) {
        return Moved::on;
    }
    const auto passed = static_cast<std::size_t>(from - begin_);
    if (passed != 0) {
        std::memmove(memory_, memory_ + passed, size_ - passed);
        begin_ = from;
        size_ -= passed;
    }
    if (!make_room()) {
        return Moved::failed;
    }
    if (stream_ && !has_news()) {
        return Moved::nothing_yet;
    }
    // A file that grows meanwhile ends where it ended when it was opened.
    const std::uint64_t left = total_ - (begin_ + size_);
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(capacity_ - size_, left));
    const ::ssize_t got = ::read(descriptor_, memory_ + size_, room);
    if (got < 0) {
        if (errno == EINTR || errno == EAGAIN) {
            return Moved::nothing_yet;
        }
        error_ = errno;
        return Moved::failed;
    }
    size_ += static_cast<std::size_t>(got);
    if (got == 0) { // the end; of a file perhaps sooner than it said
        total_ = begin_ + size_;
    }
    return Moved::on;
}

} // namespace probe
