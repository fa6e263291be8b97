#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/check_requirements finds each kind of violation when it is planted, and nothing in the tree as it is.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree" "$tree.out"' EXIT
cp -r "$root/tests" "$tree/tests"
list=$tree/tests/rfc7011.md

"$root/scripts/check_requirements" "$tree" || { echo "the tree as it is is refused"; exit 1; }

# expect WHAT SED-EXPRESSION: the list changed so is refused for this reason, once
expect() {
    sed -i "$2" "$list"
    if "$root/scripts/check_requirements" "$tree" >"$tree.out"; then echo "not found: $1"; exit 1; fi
    grep -q "$1" "$tree.out" || { echo "refused for another reason than '$1':"; cat "$tree.out"; exit 1; }
    [ "$(wc -l <"$tree.out")" = 1 ] || { echo "more than one violation:"; cat "$tree.out"; exit 1; }
    cp "$root/tests/rfc7011.md" "$list"
}

expect 'there is no test "a set of another kind"' 's/"sets never mix kinds and open and close by themselves"/"a set of another kind"/'
expect 'there is no test .* in strict_test.cpp' 's/`message_builder_test.cpp` "sets never/`strict_test.cpp` "sets never/'
expect 'row R17 is missing' '/^| R17 /d'
expect 'row E4 is there twice' 's/^| E4 .*/&\n| E4 | UDP | *not yet* |/'
expect 'there is no row R99' 's/^| E25 .*/| E25 | sequence numbers | R99 |/'
expect 'E25 names no test' 's/^| E25 .*/| E25 | sequence numbers | surely |/'
expect 'write a test as' 's/^| E25 .*/| E25 | sequence numbers | R3, `round_trip_test.cpp` |/'
