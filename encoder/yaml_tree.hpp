// SPDX-License-Identifier: BSD-3-Clause
// The document behind YamlNode. Private to yaml_document.cpp (which builds it) and yaml_node.cpp
// (which reads it).
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "encoder/yaml_document.hpp"

namespace ipfix {

struct YamlEntry {
    YamlKind kind = YamlKind::null;
    int line = 1;
    int column = 1;
    std::string path;
    std::string value;                 ///< scalar
    std::vector<std::size_t> children; ///< list: items; map: values
    std::vector<std::size_t> keys;     ///< map: scalar nodes, beside children
};

/// Nodes in the order in which they were met; the root is the first.
struct YamlTree {
    std::string file;
    std::vector<YamlEntry> entries;
};

} // namespace ipfix
