// SPDX-License-Identifier: BSD-3-Clause
#include "encoder/yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

#include "encoder/yaml_source.hpp"
#include "encoder/yaml_tree.hpp"

namespace ipfix {

namespace {

class TreeBuilder : public YAML::EventHandler {
  public:
    TreeBuilder(YamlTree& tree, std::string_view text) : tree_(tree), text_(text) {}

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
        if (tag == "!" && !quote_ends(mark)) {
            fail(mark, "this quoted text does not end; close the quote");
        }
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

    // yaml-cpp takes the end of the file for a closing quote when a line ends before it.
    bool quote_ends(const YAML::Mark& mark) const {
        const auto start = static_cast<std::size_t>(mark.pos);
        if (start >= text_.size()) return true;
        const char quote = text_[start];
        if (quote != '"' && quote != '\'') return true;
        for (std::size_t i = start + 1; i < text_.size(); ++i) {
            if (quote == '"' && text_[i] == '\\') {
                ++i;
            } else if (text_[i] == quote) {
                const bool doubled = quote == '\'' && text_.substr(i + 1, 1) == "'";
                if (!doubled) return true;
                ++i;
            }
        }
        return false;
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
            const YamlEntry& key = tree_.entries[parent.keys.back()];
            entry.path = parent.path.empty() ? key.value : parent.path + "." + key.value;
            // yaml-cpp places what is not there at whatever comes next.
            if (entry.kind == YamlKind::null) entry.line = key.line;
            if (entry.kind == YamlKind::null) entry.column = key.column;
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
    std::string_view text_;
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
        return "this quoted text does not end; close the quote";
    }
    return "this is not valid YAML: " + message + "; check indentation, quotes and brackets";
}

void parse(std::string_view text, YamlTree& tree) {
    // With a line's end at the end, an open quote is told where it opens.
    std::istringstream stream(std::string(text) + '\n');
    try {
        YAML::Parser parser(stream);
        TreeBuilder builder(tree, text);
        parser.HandleNextDocument(builder);
        YamlTree second;
        second.file = tree.file;
        TreeBuilder ignored(second, text);
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

} // namespace

YamlNode YamlNode::load_file(const std::string& path) {
    return load_text(read_yaml_file(path), path);
}

YamlNode YamlNode::load_text(std::string_view text, const std::string& name) {
    if (text.size() > kYamlOctetsMax) {
        throw ConfigError(name, 0, 0, "is larger than 1 MiB; a configuration is a few kilobytes");
    }
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        text.remove_prefix(kByteOrderMark.size());
    }
    scan_yaml(text, name);
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
