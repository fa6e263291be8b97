#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/check_layering finds each kind of violation when it is planted, and nothing in a clean tree.
set -euo pipefail
check=$(cd "$(dirname "$0")/../.." && pwd)/scripts/check_layering
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
spdx='// SPDX-License-Identifier: BSD-3-Clause'

plant() { # plant PATH LINES: a file with an SPDX line
    mkdir -p "$tree/$(dirname "$1")"
    printf '%s\n%s\n' "$spdx" "$2" >"$tree/$1"
}

expect_clean() {
    "$check" "$tree" >"$tree.out" || { echo "the clean tree is refused:"; cat "$tree.out"; exit 1; }
}

# expect_violation PATH WHAT: exactly this file is refused, for this reason; then it is removed
expect_violation() {
    if "$check" "$tree" >"$tree.out"; then echo "not found: $1 ($2)"; exit 1; fi
    if ! grep -q "^$1:[0-9]*: .*$2" "$tree.out"; then
        echo "$1 is refused for another reason than '$2':"
        cat "$tree.out"
        exit 1
    fi
    [ "$(wc -l <"$tree.out")" = 1 ] || { echo "more than one violation:"; cat "$tree.out"; exit 1; }
    rm "$tree/$1"
    expect_clean
}

trap 'rm -rf "$tree" "$tree.out"' EXIT
plant encoder/message_builder.hpp '#pragma once'
plant probe/metering/flow_key.hpp $'#pragma once\n#include "probe/packet/packet_headers.hpp"'
plant probe/metering/flow_index.cpp '#include <rte_hash.h>'
plant probe/observation/receive_queue.cpp '#include <rte_mbuf.h>'
plant tests/probe/metering/flow_key_test.cpp '#include "probe/lcores/worker.hpp"'
printf '# parshall\n\n[the encoder](encoder/message_builder.hpp) and [the RFC](https://www.rfc-editor.org)\n' >"$tree/README.md"
expect_clean

plant probe/packet/bad.cpp '#include "probe/metering/flow_key.hpp"'
expect_violation probe/packet/bad.cpp 'may include itself'
plant encoder/bad.cpp '#include "probe/packet/packet_headers.hpp"'
expect_violation encoder/bad.cpp 'may include itself'
plant probe/metering/bad.cpp '#include "flow_key.hpp"'
expect_violation probe/metering/bad.cpp 'from the root'
plant probe/lcores/bad.cpp '#include "tests/support/catch.hpp"'
expect_violation probe/lcores/bad.cpp 'nothing may include'
plant probe/exporting/bad.cpp '#include <rte_mbuf.h>'
expect_violation probe/exporting/bad.cpp 'observation'
plant probe/lcores/bad.cpp '#include <rte_hash.h>'
expect_violation probe/lcores/bad.cpp 'flow_index'
plant probe/config/bad.cpp '#include <yaml-cpp/yaml.h>'
expect_violation probe/config/bad.cpp 'yaml_document'
plant probe/observation/bad.cpp '#include <pcap/pcap.h>'
expect_violation probe/observation/bad.cpp 'packet_filter'
plant probe/config/bad.hpp 'int once();'
expect_violation probe/config/bad.hpp 'pragma once'
plant probe/config/bad.hpp $'#pragma once\nusing namespace std;'
expect_violation probe/config/bad.hpp 'using namespace'
plant probe/config/bad.cpp "// $(printf 'x%.0s' {1..98})"
expect_violation probe/config/bad.cpp '101 columns'
plant probe/config/bad.cpp "// TO""DO: later"
expect_violation probe/config/bad.cpp 'leftover'
plant probe/config/bad.cpp 'int trailing; '
expect_violation probe/config/bad.cpp 'white space'
mkdir -p "$tree/scripts"
printf '#!/bin/sh\ntrue\n' >"$tree/scripts/bad"
expect_violation scripts/bad SPDX
printf '[gone](encoder/gone.hpp)\n' >"$tree/bad.md"
expect_violation bad.md 'not there'
echo "15 planted violations found"
