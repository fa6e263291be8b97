// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/yaml_document.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>

#include "encoder/utf8.hpp"
#include "encoder/yaml_tree.hpp"

namespace ipfix {

namespace {

// ---- the text, before yaml-cpp sees it

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

// yaml-cpp recurses once per level and decodes other encodings by itself: both are settled here.
// Brackets count wherever they stand, which can only refuse a file that nobody means.
void scan(std::string_view text, const std::string& file) {
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
            ++place.column;
            if (c != ' ' && c != '\t') indenting = false;
        }
    }
}

// ---- yaml-cpp's events into our tree

class TreeBuilder : public YAML::EventHandler {
  public:
    explicit TreeBuilder(YamlTree& tree) : tree_(tree) {}

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(YamlKind::null, mark, {}); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        fail(mark, "aliases (*name) are not supported here; write the value out");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  const std::string& value) override {
        // "?" is a plain scalar, "!" a quoted one; an empty plain value, ~ or null means nothing.
        const bool plain = tag == "?";
        const bool null = plain && (value.empty() || value == "~" || value == "null");
        add(null ? YamlKind::null : YamlKind::scalar, mark, value);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        open(YamlKind::list, mark);
    }
    void OnSequenceEnd() override { open_.pop_back(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        open(YamlKind::map, mark);
    }
    void OnMapEnd() override { open_.pop_back(); }

  private:
    struct Open {
        std::size_t index;
        bool key_next; ///< map: the next node is a key
    };

    [[noreturn]] void fail(const YAML::Mark& mark, const std::string& text) const {
        throw ConfigError(tree_.file, mark.line + 1, mark.column + 1, text);
    }

    void open(YamlKind kind, const YAML::Mark& mark) {
        const std::size_t index = add(kind, mark, {});
        if (open_.size() == static_cast<std::size_t>(kYamlDepthMax)) {
            fail(mark, "this is nested deeper than " + std::to_string(kYamlDepthMax) +
                           " levels; flatten it");
        }
        open_.push_back({index, true});
    }

    std::size_t add(YamlKind kind, const YAML::Mark& mark, const std::string& value) {
        if (tree_.entries.size() == kYamlNodesMax) {
            fail(mark,
                 "the file has more than " + std::to_string(kYamlNodesMax) + " values; split it");
        }
        const std::size_t index = tree_.entries.size();
        YamlEntry entry;
        entry.kind = kind;
        entry.line = mark.line + 1;
        entry.column = mark.column + 1;
        entry.value = value;
        if (!open_.empty()) attach(entry, index, mark);
        tree_.entries.push_back(std::move(entry));
        return index;
    }

    void attach(YamlEntry& entry, std::size_t index, const YAML::Mark& mark) {
        Open& top = open_.back();
        YamlEntry& parent = tree_.entries[top.index];
        if (parent.kind == YamlKind::list) {
            entry.path = parent.path + "[" + std::to_string(parent.children.size() + 1) + "]";
            parent.children.push_back(index);
        } else if (top.key_next) {
            if (entry.kind != YamlKind::scalar) fail(mark, "a key is a plain word here");
            if (entry.value.size() > 128) fail(mark, "this key is too long to be one");
            refuse_repeated(parent, entry.value, mark);
            parent.keys.push_back(index);
            top.key_next = false;
        } else {
            const std::string& key = tree_.entries[parent.keys.back()].value;
            entry.path = parent.path.empty() ? key : parent.path + "." + key;
            parent.children.push_back(index);
            top.key_next = true;
        }
    }

    void refuse_repeated(const YamlEntry& map, const std::string& key,
                         const YAML::Mark& mark) const {
        constexpr std::size_t kMapKeysMax = 1000; // the search is linear
        if (map.keys.size() == kMapKeysMax) fail(mark, "this map has more than 1000 keys");
        for (const std::size_t other : map.keys) {
            if (tree_.entries[other].value != key) continue;
            fail(mark, "the key '" + key + "' is here twice, first in line " +
                           std::to_string(tree_.entries[other].line) + "; keep one of them");
        }
    }

    YamlTree& tree_;
    std::vector<Open> open_;
};

// yaml-cpp's words, and what an operator most likely did.
std::string explain(const std::string& message) {
    if (message == YAML::ErrorMsg::END_OF_SEQ_FLOW || message == YAML::ErrorMsg::END_OF_MAP_FLOW) {
        return "the bracket opened here is not closed as a list or map; put names with brackets "
               "in quotes (\"octetDeltaCount[4]\") and close the list";
    }
    if (message == YAML::ErrorMsg::MAP_VALUE) {
        return "this is not valid YAML: a ':' where no key can be; check the indentation, and put "
               "text with ': ' in quotes";
    }
    if (message == YAML::ErrorMsg::EOF_IN_SCALAR) {
        return "this is not valid YAML: a quoted text does not end; close the quote";
    }
    return "this is not valid YAML: " + message + "; check indentation, quotes and brackets";
}

void parse(std::string_view text, YamlTree& tree) {
    std::istringstream stream{std::string(text)};
    try {
        YAML::Parser parser(stream);
        TreeBuilder builder(tree);
        parser.HandleNextDocument(builder);
        YamlTree second;
        second.file = tree.file;
        TreeBuilder ignored(second);
        if (parser.HandleNextDocument(ignored)) {
            const int line = second.entries.empty() ? 1 : second.entries.front().line;
            throw ConfigError(tree.file, line, 1,
                              "a second YAML document starts here; keep one document per file");
        }
    } catch (const YAML::Exception& error) {
        throw ConfigError(tree.file, std::max(error.mark.line, 0) + 1,
                          std::max(error.mark.column, 0) + 1, explain(error.msg));
    } catch (const std::logic_error& error) {
        // Nothing else is known to come out of yaml-cpp; should it, it is still the file's fault.
        throw ConfigError(tree.file, 1, 1,
                          std::string("this is not valid YAML (") + error.what() +
                              "); check indentation, quotes and brackets");
    }
}

// ---- the file

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

std::string read_file(const std::string& path) {
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

} // namespace

YamlNode YamlNode::load_file(const std::string& path) {
    return load_text(read_file(path), path);
}

YamlNode YamlNode::load_text(std::string_view text, const std::string& name) {
    if (text.size() > kYamlOctetsMax) {
        throw ConfigError(name, 0, 0, "is larger than 1 MiB; a configuration is a few kilobytes");
    }
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        text.remove_prefix(kByteOrderMark.size());
    }
    scan(text, name);
    auto tree = std::make_shared<YamlTree>();
    tree->file = name;
    parse(text, *tree);
    if (tree->entries.empty() || tree->entries.front().kind == YamlKind::null) {
        throw ConfigError(name, 1, 1, "the file is empty; it needs at least one key");
    }
    YamlNode root(std::move(tree), 0);
    if (!root.is_map()) throw root.error("expected keys with values here, such as 'templates:'");
    return root;
}

} // namespace ipfix
