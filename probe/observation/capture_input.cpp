// SPDX-License-Identifier: BSD-3-Clause
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "probe/observation/capture_file.hpp"

namespace probe {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what, int error) {
    throw CaptureError(path + " " + what + ": " + std::strerror(error));
}

/// Closes what it opened; standard input stays open.
class Descriptor {
  public:
    explicit Descriptor(const std::string& path) {
        if (path == "-") {
            number_ = STDIN_FILENO;
            return;
        }
        number_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (number_ < 0) {
            fail(path, "cannot be opened", errno);
        }
    }
    ~Descriptor() {
        if (number_ != STDIN_FILENO) {
            ::close(number_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    [[nodiscard]] int number() const noexcept { return number_; }

  private:
    int number_ = -1;
};

} // namespace

MappedOctets::MappedOctets(const std::string& path) {
    const Descriptor descriptor(path);
    const std::string name = path == "-" ? "standard input" : path;
    struct stat status {};
    if (::fstat(descriptor.number(), &status) != 0) {
        fail(name, "cannot be examined", errno);
    }
    if (S_ISDIR(status.st_mode)) {
        throw CaptureError(name + " is a directory: name the capture files in it");
    }
    if (S_ISREG(status.st_mode)) {
        map_file(name, descriptor.number(), static_cast<std::uint64_t>(status.st_size));
    } else {
        read_stream(name, descriptor.number());
    }
}

MappedOctets::~MappedOctets() {
    if (mapped_octets_ != 0) {
        ::munmap(const_cast<std::uint8_t*>(data_), mapped_octets_);
    }
}

void MappedOctets::map_file(const std::string& path, int descriptor, std::uint64_t octets) {
    if (octets == 0) {
        return; // nothing to map; whoever reads it says that it is empty
    }
    void* map = ::mmap(nullptr, octets, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (map == MAP_FAILED) {
        fail(path, "cannot be mapped", errno);
    }
    data_ = static_cast<const std::uint8_t*>(map);
    size_ = octets;
    mapped_octets_ = octets;
    // Advice only: reading ahead, and letting go of what was read.
    static_cast<void>(::madvise(map, octets, MADV_SEQUENTIAL));
}

/// Grows an anonymous map by doubling, so that the octets do not move when the kernel can help it.
void MappedOctets::read_stream(const std::string& path, int descriptor) {
    constexpr std::size_t kFirstOctets = std::size_t{1} << 20;
    void* map =
        ::mmap(nullptr, kFirstOctets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        fail(path, "cannot be kept in memory", errno);
    }
    std::size_t capacity = kFirstOctets;
    std::size_t size = 0;
    const auto give_up = [&](const std::string& sentence) {
        ::munmap(map, capacity);
        throw CaptureError(path + sentence);
    };
    for (;;) {
        if (size == capacity) {
            if (capacity >= kStreamOctetsMax) {
                give_up(" is a stream of more than " + std::to_string(kStreamOctetsMax) +
                        " octets: save it to a file and name the file");
            }
            void* grown = ::mremap(map, capacity, capacity * 2, MREMAP_MAYMOVE);
            if (grown == MAP_FAILED) {
                give_up(std::string(" cannot be kept in memory: ") + std::strerror(errno) +
                        "; save it to a file and name the file");
            }
            map = grown;
            capacity *= 2;
        }
        const ::ssize_t got =
            ::read(descriptor, static_cast<std::uint8_t*>(map) + size, capacity - size);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            size += static_cast<std::size_t>(got);
        } else if (errno != EINTR) {
            give_up(std::string(" cannot be read: ") + std::strerror(errno));
        }
    }
    data_ = static_cast<const std::uint8_t*>(map);
    size_ = size;
    mapped_octets_ = capacity;
}

} // namespace probe
