// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/yaml_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "encoder/utf8.hpp"
#include "encoder/yaml_document.hpp"

namespace ipfix {

namespace {

struct Place {
    int line = 1;
    int column = 1;
};

// As utf8_octets, and 0 for the control characters that YAML does not allow.
std::size_t character_octets(std::string_view text) {
    const char c = text[0];
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    return control && c != '\t' && c != '\n' && c != '\r' ? 0 : utf8_octets(text);
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw ConfigError(path, 0, 0, why);
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() { ::close(fd_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

} // namespace

void scan_yaml(std::string_view text, const std::string& file) {
    Place place;
    int depth = 0;
    bool indenting = true;
    Place tab{0, 0}; // the first tab of this line's indentation; line 0: none
    while (!text.empty()) {
        const std::size_t octets = character_octets(text);
        if (octets == 0) {
            throw ConfigError(file, place.line, place.column,
                              "this is not text in UTF-8; save the file as UTF-8");
        }
        const char c = text[0];
        text.remove_prefix(octets);
        if (c == '[' || c == '{') ++depth;
        if ((c == ']' || c == '}') && depth > 0) --depth;
        if (depth > kYamlDepthMax) {
            throw ConfigError(file, place.line, place.column,
                              "this is nested deeper than " + std::to_string(kYamlDepthMax) +
                                  " levels; flatten it");
        }
        if (indenting && c == '\t' && tab.line == 0) tab = place;
        const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#';
        if (indenting && !blank && tab.line != 0) {
            throw ConfigError(file, tab.line, tab.column,
                              "a tab indents this line; YAML indents with spaces");
        }
        if (c == '\n') {
            place = {place.line + 1, 1};
            indenting = true;
            tab = {0, 0};
        } else {
            place.column += static_cast<int>(octets);
            if (c != ' ' && c != '\t') indenting = false;
        }
    }
}

std::string read_yaml_file(const std::string& path) {
    // Not blocking: opening a FIFO that nobody writes must not hang the start.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) refuse(path, "there is no such file; check the path");
    if (fd < 0) refuse(path, std::string("cannot be opened: ") + std::strerror(errno));
    const Descriptor file(fd);
    struct stat about {};
    if (::fstat(fd, &about) != 0) refuse(path, std::string("cannot be read: ") + strerror(errno));
    if (S_ISDIR(about.st_mode)) refuse(path, "is a directory; name a YAML file in it");
    if (!S_ISREG(about.st_mode)) refuse(path, "is not a regular file; name a YAML file");

    std::string text(kYamlOctetsMax + 1, '\0');
    std::size_t used = 0;
    while (used < text.size()) {
        const ssize_t got = ::read(fd, text.data() + used, text.size() - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) refuse(path, std::string("cannot be read: ") + std::strerror(errno));
        if (got == 0) break;
        used += static_cast<std::size_t>(got);
    }
    text.resize(used);
    return text;
}

} // namespace ipfix
