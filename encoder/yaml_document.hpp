// SPDX-License-Identifier: BSD-3-Clause
// YAML with locations, safe against hostile input. yaml_document.cpp is the only user of yaml-cpp:
// it takes nothing but the parser's events, refuses what is too large, too deep or aliased before
// or while it is read, and lets no exception but ConfigError out. Start-up only; a node keeps its
// document alive and may be copied freely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/config_error.hpp"

namespace ipfix {

inline constexpr std::size_t kYamlOctetsMax = 1024 * 1024;
inline constexpr int kYamlDepthMax = 32;
inline constexpr std::size_t kYamlNodesMax = 100'000;

/// as_duration's answer for "off".
inline constexpr std::uint64_t kDurationOff = UINT64_MAX;

enum class YamlKind : std::uint8_t { null, scalar, list, map };

struct YamlTree; // the document behind the nodes

class YamlNode {
  public:
    /// The root of a file's only document: a map. Throws ConfigError for anything else: no such
    /// file, a directory, a FIFO, an empty file, not UTF-8, a tab that indents, a key given twice,
    /// ...
    [[nodiscard]] static YamlNode load_file(const std::string& path);
    /// The same for text; `name` stands for the file in messages.
    [[nodiscard]] static YamlNode load_text(std::string_view text, const std::string& name);

    [[nodiscard]] YamlKind kind() const noexcept;
    [[nodiscard]] bool is_null() const noexcept { return kind() == YamlKind::null; }
    [[nodiscard]] bool is_scalar() const noexcept { return kind() == YamlKind::scalar; }
    [[nodiscard]] bool is_list() const noexcept { return kind() == YamlKind::list; }
    [[nodiscard]] bool is_map() const noexcept { return kind() == YamlKind::map; }
    [[nodiscard]] const std::string& file() const noexcept;
    [[nodiscard]] int line() const noexcept;   ///< from 1
    [[nodiscard]] int column() const noexcept; ///< from 1, in octets
    /// "metering.timeouts.idle", "templates[2].keys": where in the document, for messages.
    [[nodiscard]] const std::string& path() const noexcept;

    // Maps. All of them throw when this is not a map.
    [[nodiscard]] bool has(std::string_view key) const;
    [[nodiscard]] YamlNode at(std::string_view key) const; ///< throws when the key is missing
    [[nodiscard]] std::optional<YamlNode> find(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> keys() const; ///< in the order of the file
    /// Throws for the first key that is not one of `known`, naming the nearest that is.
    void check_keys(std::initializer_list<std::string_view> known) const;

    // Lists. Throws when this is not a list.
    [[nodiscard]] std::vector<YamlNode> list() const;
    /// The same, but a single scalar stands for a list of one.
    [[nodiscard]] std::vector<YamlNode> list_or_one() const;

    // Scalars. Each throws with what was expected when the value is something else.
    [[nodiscard]] std::string as_string() const; ///< not empty
    [[nodiscard]] bool as_bool() const;          ///< true or false; yes/no, on/off
    [[nodiscard]] std::uint64_t as_uint(std::uint64_t min, std::uint64_t max) const; ///< or 0x..
    [[nodiscard]] std::int64_t as_int(std::int64_t min, std::int64_t max) const;
    [[nodiscard]] double as_double(double min, double max) const;
    /// Nanoseconds from "250ms", "15s", "2m", "1h" (ns, us, ms, s, m, h, d; fractions such
    /// as 1.5s). `off_allowed`: "off" gives kDurationOff.
    [[nodiscard]] std::uint64_t as_duration(std::uint64_t min_ns, std::uint64_t max_ns,
                                            bool off_allowed = false) const;
    /// Octets from "4096", "64k", "16M", "1G" (powers of 1024; "KiB" and so on as well).
    [[nodiscard]] std::uint64_t as_size(std::uint64_t min, std::uint64_t max) const;
    /// One of these words; the answer is its position.
    [[nodiscard]] std::size_t as_one_of(std::initializer_list<std::string_view> words) const;

    /// An error at this node; `text` says what is wrong and what would be right.
    [[nodiscard]] ConfigError error(const std::string& text) const;
    /// An error at one of this map's keys.
    [[nodiscard]] ConfigError key_error(std::string_view key, const std::string& text) const;

  private:
    YamlNode(std::shared_ptr<const YamlTree> tree, std::size_t index)
        : tree_(std::move(tree)), index_(index) {}

    [[nodiscard]] const std::string& scalar(const char* expected) const;
    void require(YamlKind kind, const char* expected) const;

    std::shared_ptr<const YamlTree> tree_;
    std::size_t index_;
};

/// "60s", "1500ms": the shortest exact form, for messages.
[[nodiscard]] std::string duration_text(std::uint64_t ns);

} // namespace ipfix
